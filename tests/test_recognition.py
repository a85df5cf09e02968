"""irnn_hw.recognition: greedy decoding, and word errors."""

import numpy as np
import pytest

from irnn_hw.data.digits import END, FEATURES, SYMBOLS, Spoken
from irnn_hw.recognition import distance, greedy, word_errors


def scripted(*words):
    """Logits of a network that says these, whatever it hears."""

    def logits(symbols):
        step = symbols.shape[1] - 1
        found = np.zeros((len(words), SYMBOLS))
        for n, said in enumerate(words):
            found[n, ([*said, END] + [3] * 20)[step]] = 1
        return found

    return logits


def test_words_end_at_their_end():
    said = [(1, 2, 3), (), (9,) * 30]
    assert greedy(scripted(*said), 3) == [(1, 2, 3), (), (9,) * 10]
    assert greedy(scripted(*said), 3, most=2) == [(1, 2), (), (9, 9)]


def test_symbols_are_asked_for_one_after_another():
    seen = []

    def logits(symbols):
        seen.append(symbols.tolist())
        return scripted((4, 7), (5,))(symbols)

    greedy(logits, 2)
    assert seen == [[[END]] * 2, [[END, 4], [END, 5]], [[END, 4, 7], [END, 5, END]]]


def test_word_errors_count_every_edit():
    """In the order of their lengths, and in batches."""
    lengths_and_digits = [(9, (1, 2, 3)), (4, (5,)), (7, (6, 6))]
    said = [Spoken(np.zeros((t, FEATURES), np.float32), d) for t, d in lengths_and_digits]
    # An insertion, a deletion, a substitution.
    assert word_errors(lambda speech: [(5, 5), (6,), (1, 0, 3)], said, 50) == pytest.approx(50)
    done = []
    errors = word_errors(lambda speech: [(5,)], said, 1, lambda *n: done.append(n))
    assert errors == pytest.approx(100 * (0 + 2 + 3) / 6)
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_distances():
    for a, b, expected in (("kitten", "sitting", 3), ("", "abc", 3), ("ab", "ba", 2),
                           ("abcd", "bcd", 1), ("same", "same", 0)):  # fmt: skip
        assert distance(a, b) == distance(b, a) == expected
