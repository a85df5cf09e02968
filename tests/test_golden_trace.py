from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.trace import KINDS, Divergence, Events, Trace, count_differing, first_divergence


def events(*rows) -> Events:
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    return Events(*columns)


TRACE = Trace(
    result=events((10, 0, 5), (11, 1, 6)),
    activation=events((12, 4, 7), (20, 5, 8), (21, 6, 9)),
    output=events((15, 0, -3), (16, 1, 4)),
    arrivals=np.array([0]),
    departures=np.array([17, 18]),
    cycles=30,
    mac_beats=8,
)


def test_equal_traces_do_not_differ():
    assert first_divergence(TRACE, replace(TRACE)) is None
    assert count_differing(TRACE, replace(TRACE)) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", ["cycle", "address", "data"])
def test_each_column_of_each_kind_counts(kind, column):
    theirs = getattr(TRACE, kind)
    altered = getattr(theirs, column).copy()
    altered[1] += 1
    found = replace(TRACE, **{kind: replace(theirs, **{column: altered})})
    divergence = first_divergence(TRACE, found)
    assert (divergence.kind, divergence.index) == (kind, 1)
    names = ("cycle", "address", "data")
    assert divergence.expected == tuple(int(getattr(theirs, n)[1]) for n in names)
    assert divergence.found != divergence.expected
    assert count_differing(TRACE, found) == 1


def test_missing_and_surplus_events():
    shorter = replace(TRACE, activation=events((12, 4, 7)))
    assert first_divergence(TRACE, shorter) == Divergence("activation", 1, (20, 5, 8), None)
    assert first_divergence(shorter, TRACE) == Divergence("activation", 1, None, (20, 5, 8))
    assert count_differing(TRACE, shorter) == count_differing(shorter, TRACE) == 2
    nothing = replace(TRACE, **{kind: Events() for kind in KINDS})
    assert first_divergence(TRACE, nothing) == Divergence("result", 0, (10, 0, 5), None)
    assert count_differing(TRACE, nothing) == 7


def test_the_earliest_cycle_comes_first_whichever_side_it_is_on():
    found = replace(
        TRACE, activation=events((12, 4, 7), (9, 5, 8), (21, 6, 9)), result=events((10, 0, 0))
    )
    divergence = first_divergence(TRACE, found)
    assert (divergence.kind, divergence.cycle) == ("activation", 9)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3)), st.lists(st.tuples(*[st.integers(0, 3)] * 3)))
def test_no_divergence_exactly_when_nothing_differs(a, b):
    one, two = (replace(TRACE, result=events(*rows)) for rows in (a, b))
    assert (first_divergence(one, two) is None) == (a == b) == (count_differing(one, two) == 0)
    assert count_differing(one, two) == count_differing(two, one)
