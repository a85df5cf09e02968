import pytest

from rtl.yosys import YOSYS_VERSION, YosysError, run_yosys

INVERTER = "module inverter(input a, output q); assign q = ~a; endmodule\n"


def test_outputs_and_log_come_back():
    script = "read_verilog a.v\nproc\nwrite_rtlil a.il\nstat"
    files = run_yosys(script, {"a.v": INVERTER}, ("a.il",))
    assert "module \\inverter" in files["a.il"]
    assert "$not" in files["yosys.log"]
    assert YOSYS_VERSION == "0.70"


def test_an_error_tells_the_end_of_the_log():
    with pytest.raises(YosysError, match="syntax error"):
        run_yosys("read_verilog a.v", {"a.v": "module ;"})


def test_an_output_that_was_not_written_is_an_error():
    with pytest.raises(YosysError):
        run_yosys("read_verilog a.v", {"a.v": INVERTER}, ("missing.il",))
