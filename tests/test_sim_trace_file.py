import numpy as np

from golden.trace import KINDS
from sim.trace_file import read_events, read_trace

LINE = "%08x %08x %016x\n"


def test_lines_become_columns(tmp_path):
    rows = [(0, 0, 0), (1, 0xABCD, 255), (0x7FFFFFFF, 3, (1 << 63) - 1)]
    path = tmp_path / "result.trace"
    path.write_text("".join(LINE % row for row in rows))
    events = read_events(path)
    assert [tuple(map(int, row)) for row in zip(events.cycle, events.address, events.data,
                                                strict=True)] == rows  # fmt: skip
    assert events.data.dtype == np.int64


def test_negative_accumulators_are_sign_extended(tmp_path):
    path = tmp_path / "output.trace"
    path.write_text(LINE % (5, 1, (-7) & ((1 << 64) - 1)))
    assert read_events(path).data.tolist() == [-7]


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path):
    path = tmp_path / "result.trace"
    path.write_text(LINE % (1, 2, 3) + (LINE % (4, 5, 6))[:20])
    assert read_events(path).cycle.tolist() == [1]
    path.write_text("")
    assert len(read_events(path)) == 0


def test_a_run_is_read_from_its_folder(tmp_path):
    for n, kind in enumerate((*KINDS, "arrivals", "departures")):
        (tmp_path / f"{kind}.trace").write_text(LINE % (n, n, n) * (n + 1))
    trace = read_trace(tmp_path, 77, 5)
    assert [len(getattr(trace, kind)) for kind in KINDS] == [1, 2, 3]
    assert trace.arrivals.tolist() == [3] * 4
    assert trace.departures.tolist() == [4] * 5
    assert (trace.cycles, trace.mac_beats) == (77, 5)
