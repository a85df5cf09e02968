"""irnn_hw.compiler.order on steps made by hand."""

from golden.isa import Bank, Opcode
from golden.npu_config import VECTOR_WRITE_LATENCY
from irnn_hw.compiler.lowered import Lowered, Span
from irnn_hw.compiler.order import order


def a(start, stop) -> Span:
    return Span(Bank.ACTIVATION, start, stop)


def r(start, stop) -> Span:
    return Span(Bank.RESULT, start, stop)


def vector(reads, write: Span, beats: int = 4) -> Lowered:
    return Lowered("v", Opcode.ADD, {"beats": beats}, tuple(reads), (write,))


def mac(read: Span, write: Span | None) -> Lowered:
    return Lowered("m", Opcode.MATVEC, {"beats": 1}, (read,), (write,) if write else ())


def test_spans_overlap_within_a_bank():
    assert a(0, 4).overlaps(a(3, 5))
    assert not a(0, 4).overlaps(a(4, 5))
    assert not a(0, 4).overlaps(r(0, 4))


def test_a_consumer_waits_for_its_producer():
    """The product reads what the vector engine wrote; the sum reads the product."""
    step = [vector([], a(0, 4)), mac(a(0, 4), r(0, 8)), vector([r(0, 8)], a(8, 16), 8)]
    flags = order(step, 1)
    assert flags.waits == {1, 2}
    assert flags.signals == {0, 1}
    assert flags.closing == set()


def test_one_token_covers_all_that_came_before():
    step = [vector([], a(0, 4)), vector([], a(4, 8)), mac(a(0, 8), r(0, 8)), mac(a(0, 4), r(8, 9))]
    flags = order(step, 1)
    assert flags.waits == {2}
    assert flags.signals == {1, 3}  # 3: the last reader holds the next step's writers
    assert flags.closing == {"vector"}


def test_engines_that_share_nothing_do_not_wait():
    flags = order([vector([], a(0, 4)), mac(a(8, 16), None)], 1)
    assert not flags.waits | flags.signals | flags.closing


def test_what_the_last_step_left_behind_closes_the_step():
    """The product reads a state that the vector engine writes later: the next step must wait."""
    step = [mac(a(0, 4), r(0, 4)), vector([r(0, 4)], a(0, 4))]
    flags = order(step, 1)
    assert flags.waits == {1}
    assert flags.signals == {0, 1}
    assert flags.closing == {"mac"}


def test_a_fence_where_the_result_is_still_on_its_way():
    short = [vector([], a(0, 4)), vector([a(0, 4)], a(8, 12))]
    assert order(short, 1).fences == {1}
    long = VECTOR_WRITE_LATENCY + 1
    enough = [vector([], a(0, long), long), vector([a(0, long)], a(32, 32 + long), long)]
    assert order(enough, 1).fences == set()
    tight = [vector([], a(0, long - 1), long - 1), vector([a(0, long - 1)], a(32, 41), long - 1)]
    assert order(tight, 1).fences == {1}


def test_fences_reach_into_the_next_step():
    """The first instruction reads what the last of the step before wrote."""
    step = [vector([a(8, 12)], a(0, 4)), vector([], a(8, 12))]
    assert order(step, 1).fences == {0}
