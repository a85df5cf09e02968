from dataclasses import replace

import pytest

from sim.streams import STALL, Expected, Observed, judge, patterns

EXPECTED = Expected([5, 6, 7], [50, 60, 70], latency=4)
SEEN = Observed([50, 60, 70], [4, 5, 6], 600, 3, 2, 4, -1)


def message(seen: Observed, pattern: str = "full rate", expected: Expected = EXPECTED) -> str:
    return judge(expected, {pattern: seen}).message


def test_what_golden_says_passes():
    verdict = judge(EXPECTED, dict.fromkeys(patterns(0), SEEN))
    assert (verdict.words, verdict.differing, verdict.message) == (15, 0, "")


def test_a_wrong_word_is_named():
    seen = replace(SEEN, outputs=[50, 61, 71])
    verdict = judge(EXPECTED, {"gaps": seen, "back-pressure": seen})
    assert verdict.differing == 4
    assert verdict.message == (
        "gaps: 2 of 3 words differ; word 1: input 0x6, expected 0x3c, got 0x3d in cycle 5"
        " (and under back-pressure)"
    )


def test_missing_and_surplus_words_differ():
    missing = replace(SEEN, outputs=[50, 60], taken_at=[4, 5])
    assert "word 2: input 0x7, expected 0x46, got nothing in 600 cycles" in message(missing)
    surplus = replace(SEEN, outputs=[50, 60, 70, 70], taken_at=[4, 5, 6, 7])
    verdict = judge(EXPECTED, {"gaps": surplus})
    assert (verdict.words, verdict.differing) == (4, 1)
    assert "word 3: expected no more, got 0x46" in verdict.message


def test_of_several_beats_a_word_the_cycle_tells_the_input():
    expected = Expected([1, 2, 3, 4], [12, 34], latency=3)
    seen = Observed([12, 35], [4, 6], 600, 4, 3, 4, -1)
    assert "word 1: input 0x4, expected 0x22, got 0x23" in message(seen, expected=expected)
    assert "word 1: expected 0x22" in message(seen, "gaps", expected)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"accepted": 2}, "2 of 3 inputs were accepted"),
        ({"unstable": 5}, "a word not yet taken changed in cycle 5"),
        ({"last_accepted": 4}, "3 inputs took 5 cycles, not 3"),
        ({"taken_at": [5, 6, 7]}, "latency 5, not 4"),
        ({"taken_at": [], "outputs": []}, "latency -1, not 4"),
    ],
)
def test_broken_contracts(change, complaint):
    assert complaint in message(replace(SEEN, **change))


@pytest.mark.parametrize(
    ("interval", "waits", "last"), [(1, 0, 2), (1, 5, 7), (12, 0, 24), (12, 1, 25)]
)
def test_inputs_come_when_they_should(interval, waits, last):
    expected = replace(EXPECTED, interval=interval, waits=waits)
    at = [last + 4 - interval * n for n in (2, 1, 0)]
    for cycle in (last - 1, last, last + 1):
        seen = replace(SEEN, last_accepted=cycle, taken_at=[t + cycle - last for t in at])
        wanted = "" if cycle == last else f"3 inputs took {cycle + 1} cycles, not {last + 1}"
        assert message(seen, expected=expected) == wanted


def test_of_several_cycles_an_input_the_cycle_tells_the_input():
    expected = Expected([1, 2, 3, 4], [12, 34], latency=3, interval=5)
    seen = Observed([12, 35], [8, 18], 600, 4, 15, 8, -1)
    assert "word 1: input 0x4, expected 0x22, got 0x23" in message(seen, expected=expected)
    waiting = replace(expected, waits=2)
    assert "word 1: expected 0x22, got 0x23" in message(seen, expected=waiting)


def test_valid_that_waits_for_ready():
    late = replace(SEEN, first_valid=STALL)
    verdict = judge(EXPECTED, {"full rate": SEEN, "stalled": late})
    assert verdict.message == "valid waits for ready: first in cycle 64, not 4"


def test_nothing_observed_is_nothing_compared():
    assert judge(EXPECTED, {}).words == 0


def test_patterns_depend_on_the_seed_alone():
    first, again, other = patterns(1), patterns(1), patterns(2)
    assert (first["gaps"].offer == again["gaps"].offer).all()
    assert (first["gaps"].offer != other["gaps"].offer).any()
    assert first["full rate"].take.all()
    assert not first["stalled"].take[:STALL].any()
