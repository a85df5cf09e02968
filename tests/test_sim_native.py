import numpy as np
import pytest

from sim import native
from sim.build_cache import BuildError
from sim.streams import Expected, judge, patterns

INPUTS = [3, 1 << 69, 5, 7]
HEADER = """module unit(input clk, input rst, input [69:0] i__payload, input i__valid,
  output i__ready, output [69:0] o__payload, output o__valid, input o__ready);
"""
# A register between the streams, 70 bits wide; each fault below breaks one rule of the exchange.
REGISTER = (
    HEADER
    + """  reg [69:0] word = 0;
  reg full = 0;
  assign i__ready = o__ready | ~full;
  assign o__payload = word;
  assign o__valid = full;
  always @(posedge clk)
    if (rst) full <= 0;
    else if (i__ready) begin full <= i__valid; word <= i__payload; end
endmodule
"""
)


def verdict(verilog: str) -> str:
    unit = native.NativeUnit(native.build_native("register", verilog, "unit"))
    inputs = native.to_words(INPUTS, unit.input_bytes)
    observed = {
        name: native.observed(unit.run(inputs, len(INPUTS), p.offer, p.take))
        for name, p in patterns(0).items()
    }
    return judge(Expected(INPUTS, INPUTS, latency=1), observed).message


def test_a_register_wider_than_64_bits():
    assert verdict(REGISTER) == ""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("o__payload = word;", "o__payload = word ^ 70'h1_0000_0000_0000_0000;", "got 0x10000"),
        ("full <= i__valid;", "full <= i__valid | full;", "expected no more, got"),
        ("o__ready | ~full;", "1'b0;", "0 of 4 inputs were accepted"),
        ("o__valid = full;", "o__valid = full & o__ready;", "valid waits for ready"),
        ("word <= i__payload; end", "word <= i__payload; end else word <= ~word;", "not yet taken"),
    ],
)  # fmt: skip
def test_broken_registers(old, new, complaint):
    assert REGISTER.count(old) == 1
    assert complaint in verdict(REGISTER.replace(old, new))


def test_every_run_starts_from_reset():
    unit = native.NativeUnit(native.build_native("register", REGISTER, "unit"))
    full_rate = patterns(0)["full rate"]
    inputs = native.to_words(INPUTS, unit.input_bytes)
    runs = [unit.run(inputs, 4, full_rate.offer, full_rate.take) for _ in range(2)]
    assert (runs[0].outputs == runs[1].outputs).all()
    assert runs[0].taken_at.tolist() == runs[1].taken_at.tolist() == [1, 2, 3, 4]


def test_words_of_another_width_are_refused():
    unit = native.NativeUnit(native.build_native("register", REGISTER, "unit"))
    full_rate = patterns(0)["full rate"]
    with pytest.raises(ValueError, match="a word has 12 bytes"):
        unit.run(np.zeros((1, 8), np.uint8), 1, full_rate.offer, full_rate.take)


def test_verilog_that_does_not_build_says_why(tmp_path):
    with pytest.raises(BuildError, match="syntax error"):
        native.build_native("register", HEADER + "endmodul", "unit", cache=tmp_path)
    with pytest.raises(BuildError, match="i___05Fpayload"):  # no stream: the driver does not fit
        native.build_native("none", "module unit(input clk); endmodule\n", "unit", cache=tmp_path)
