"""The page of irnn sweep: self-contained, and its script, in Chromium."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from irnn_hw.sweep.design import LABELS
from irnn_hw.sweep.files import write_results
from irnn_hw.sweep.records import pareto

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run")  # fmt: skip
TOOLS = {"numpy": "2", "amaranth": "0.5", "pyosys": "0.7"}


def point(variant, pieces, target, worst, area, error=None):
    done = error is None
    made = {"component": "Pwl", "verilog_sha256": f"{variant}{pieces}", "synthesis_sha256": "5",
            "device": None, "pnr_sha256": None, "tools": TOOLS}  # fmt: skip
    return {
        **dict.fromkeys(LABELS), "unit": "pwl", "function": "sigmoid", "range": [-8.0, 8.0],
        "variant": variant, "tables": "constant",
        "pieces": pieces, "in_bits": 8, "out_bits": 8, "knots": "optimal" if pieces else None,
        "target": target, "pieces_used": pieces, "shift": 9 if pieces else None,
        "worst_lsb": worst, "mean_lsb": worst, "table_bits": 99, "lut_bits": 2048,
        "latency": 4 if done else None, "area": area if done else None, "bits_per_char": None,
        "interval": 1, "perplexity": None, "fmax_mhz": None,
        "made_with": made, "error": error,
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page of made-up points: 6 done, 1 failed with text that looks like HTML."""
    fpga = [{"lut": n, "ff": 9, "dsp": 1} for n in (90, 200, 1000)]
    gates = [{"nand2": n, "transistors": 4 * n} for n in (900, 2000, 366)]
    rows = [
        point("bank", 4, "ecp5", 4, fpga[0]),
        point("bank", 16, "ecp5", 1, fpga[1]),
        point("search", 16, "ecp5", 1, fpga[2]),
        point("bank", 4, "gates", 4, gates[0]),
        point("bank", 16, "gates", 1, gates[1]),
        point("table", None, "gates", 0, gates[2]),
        point("bank", 300, "gates", None, None, error="pieces: 300 <script>alert(1)</script>"),
    ]
    for row, best in zip(rows, pareto(rows, "error"), strict=True):
        row |= {"error_front": best, "network_front": False, "speed_front": False}
    units = {"ecp5": {"lut": "LUT4", "ff": "flip-flops", "dsp": "multipliers"},
             "gates": {"nand2": "NAND2 equivalents", "transistors": "transistors"}}  # fmt: skip
    targets = {n: {"target": n, "title": n, "figure_units": u} for n, u in units.items()}
    path = tmp_path_factory.mktemp("page")
    write_results(
        {"caveat": "before place and route", "grid": {"function": ["sigmoid"]}, "targets": targets,
         "network": None, "failed": 1, "points": rows}, path,
    )  # fmt: skip
    return path


class Page(HTMLParser):
    """Links, whether elements are closed, and, of each point's tbody, its attributes."""

    VOID = ("meta", "br", "link", "img", "input")

    def __init__(self, html):
        super().__init__()
        self.links, self.open, self.points = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href", "srcset", "data", "action")]
        if tag == "tbody" and "data-target" in dict(attrs):
            self.points.append(dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_page_is_whole_and_self_contained(folder):
    html = (folder / "index.html").read_text()
    page = Page(html)
    assert page.open == []
    assert len(page.points) == 7
    assert len(page.links) == 2
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not re.search(r"https?:|@import|url\(", html)
    assert "default-src 'none'" in html


def test_caveat_comes_first_and_failures_are_shown(folder):
    html = (folder / "index.html").read_text()
    assert html.index("before place and route") < html.index("<figure>")
    assert "1 of 7 points failed" in html
    assert "300 &lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html


def test_fronts_are_marked(folder):
    points = Page((folder / "index.html").read_text()).points
    front = [(p["data-variant"], p["data-target"]) for p in points if p["data-fronts"]]
    assert front == [("bank", "ecp5"), ("bank", "ecp5"), ("table", "gates")]


def dom(folder, profile, fragment):
    """The page's elements once its script has run."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "the page's script is tested in Chromium: install the package chromium"
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", "--dump-dom",
         f"file://{folder}/index.html#{fragment}"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    points = Page(done.stdout).points
    return done.stdout, [p for p in points if "hidden" not in p]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", ["90", "200", "1000", "900", "2000", "366", ""]),
        ("target=ecp5", ["90", "200", "1000"]),
        ("target=ecp5&variant=bank&sort=-logic", ["200", "90"]),
        ("sort=logic", ["90", "200", "366", "900", "1000", "2000", ""]),
        ("sort=-logic", ["2000", "1000", "900", "366", "200", "90", ""]),
        ("fronts=1&sort=worst_lsb", ["366", "200", "90"]),
        ("pieces=16&target=gates", ["2000"]),
        ("target=nothing&sort=nothing", ["90", "200", "1000", "900", "2000", "366", ""]),
    ],
)
def test_script_filters_and_sorts(fragment, expected, folder, tmp_path):
    html, points = dom(folder, tmp_path, fragment)
    assert [p["data-logic"] for p in points] == expected
    assert re.search(r'aria-sort="\w+', html) is not None or "sort=" not in fragment.replace(
        "sort=nothing", ""
    )


def test_numbers_of_the_page_are_those_of_the_file(folder):
    rows = json.loads((folder / "sweep.json").read_text())["points"]
    points = Page((folder / "index.html").read_text()).points
    shown = [p["data-worst_lsb"] for p in points]
    assert shown == ["" if r["worst_lsb"] is None else str(r["worst_lsb"]) for r in rows]
