import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.isa import Bank
from golden.npu_config import CONFIGS
from golden.zoo import lstm
from irnn_hw.compiler.layout import Layout, Part, padded, parts_of


@given(st.integers(1, 5000), st.sampled_from(list(CONFIGS.values())))
def test_lengths_are_padded_to_whole_words(length, config):
    result = padded(length, config)
    assert result % config.word_bytes == 0
    assert length <= result < length + config.word_bytes


def test_parts_are_the_slices_of_a_product():
    model = lstm(1, 7, 6, 5)
    assert parts_of(model, "px") == [Part(5 * n, 5) for n in range(4)]
    assert parts_of(model, "logits") == [Part(0, 7)]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize("hidden", [5, 10, 36, 50])
def test_each_part_begins_at_a_word(config, hidden):
    model = lstm(1, 7, 12, hidden)
    layout = Layout(model, config)
    size = padded(hidden, config)
    assert [offset for _, offset in layout.parts("ph")] == [size * n for n in range(4)]
    for n, gate in enumerate("ifjo"):
        buffer, parent = layout.buffers[f"ph.{gate}"], layout.buffers["ph"]
        assert buffer.bank == parent.bank == Bank.RESULT
        assert buffer.address == parent.address + size * n
        assert buffer.length == size
    assert layout.buffers["x"].bank == Bank.ACTIVATION
    assert layout.buffers["h.next"] == layout.buffers["h"]
    assert "logits" not in layout.buffers
