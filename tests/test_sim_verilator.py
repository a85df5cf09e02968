import cocotb_tests_for_verilator as benches
import pytest

from sim.build_cache import BuildError
from sim.verilator import build, run_cocotb

MODULE = benches.__name__
COUNTER = """module counter(input clk, input rst, output reg [7:0] q);
  initial q = 0;
  always @(posedge clk) q <= rst ? 0 : q + 1;
endmodule
"""
LATCH = """module counter(input a, output reg q);
  always @* if (a) q = a;
endmodule
"""


@pytest.fixture(scope="module")
def counter():
    return build("counter", {"counter.v": COUNTER}, "counter")


def run(counter, folder, tests: str, **env):
    return run_cocotb(counter, MODULE, {"COCOTB_TEST_FILTER": tests, **env}, folder)


def test_a_second_build_does_nothing(counter):
    again = build("counter", {"counter.v": COUNTER}, "counter")
    assert again.cached
    assert again.folder == counter.folder
    assert (again.folder / "counter").is_file()
    assert again.seconds < 0.5


def test_passing_tests_pass(counter, tmp_path):
    result = run(counter, tmp_path / "new", "counts", LIMIT="100")
    assert (result.ok, result.tests, result.failed, result.message) == (True, 1, 0, "")
    assert (tmp_path / "new" / "seen").read_text() == "100"
    assert result.waves is None


def test_a_failing_test_is_named(counter, tmp_path):
    result = run(counter, tmp_path, "counts|is_wrong", LIMIT="3")
    assert (result.ok, result.tests, result.failed) == (False, 2, 1)
    assert "is_wrong" in result.message
    assert "the reason" in result.message


def test_no_test_is_a_failure(counter, tmp_path):
    result = run(counter, tmp_path, "nothing_of_this_name")
    assert (result.ok, result.tests) == (False, 0)
    assert "no test was run" in result.message


def test_a_missing_module_is_a_failure(counter, tmp_path):
    result = run_cocotb(counter, "no_such_module", {}, tmp_path)
    assert not result.ok
    assert "No module named 'no_such_module'" in result.message


def test_a_crash_is_a_failure_whatever_went_before(counter, tmp_path):
    assert run(counter, tmp_path, "counts", LIMIT="3").ok
    result = run(counter, tmp_path, "dies")
    assert not result.ok
    assert result.message.startswith("the simulation crashed:")


def test_waves_are_recorded_on_request(tmp_path):
    wavy = build("counter", {"counter.v": COUNTER}, "counter", waves=True)
    result = run(wavy, tmp_path, "counts", LIMIT="5")
    assert result.ok
    assert "$var" in result.waves.read_text()


@pytest.mark.parametrize(
    ("verilog", "complaint"),
    [
        ("module counter(input clk; endmodule\n", "syntax error"),
        ("module counter(output q); assign q = missing; endmodule\n", "'missing'"),
        (LATCH, "%Warning-LATCH"),  # not waived
        ("module other; endmodule\n", "counter"),
    ],
)
def test_verilog_that_does_not_build_says_why(tmp_path, verilog, complaint):
    with pytest.raises(BuildError, match=complaint) as error:
        build("bad", {"counter.v": verilog}, "counter", cache=tmp_path)
    assert str(tmp_path) not in str(error.value)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == []
