import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import report_inputs

from golden.errors import InputError
from irnn_hw.report import write_report
from irnn_hw.report.activations import activation_curves
from irnn_hw.report.inputs import SOURCES
from irnn_hw.report.page import count, duration, percent


class Links(HTMLParser):
    """Every attribute that makes a browser fetch something, and the element stack's balance."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, html):
        super().__init__()
        self.links, self.open = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        names = ("src", "href", "xlink:href", "data", "srcset")
        self.links += [value for name, value in attrs if name in names]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def folder(tmp_path):
    return report_inputs.write(tmp_path)


@pytest.fixture
def html(folder):
    write_report(folder, folder / "report.html")
    return (folder / "report.html").read_text()


def test_page_is_whole_and_self_contained(html):
    page = Links(html)
    assert page.open == []
    assert page.links != []
    assert all(link.startswith("#") for link in page.links)
    assert "@import" not in html
    assert "<script" not in html
    assert set(re.findall(r"url\(([^)]*)", html)) <= set(re.findall(r"url\((#[^)]*)", html))


def test_references_inside_the_figures_resolve(html):
    used = set(re.findall(r'href="#([^"]+)"', html)) | set(re.findall(r"url\(#([^)]+)\)", html))
    assert used <= set(re.findall(r' id="([^"]+)"', html))


def test_every_section_has_its_figures_and_units(html):
    assert html.count("<svg") == 3  # losses, two activations
    for section in ("text", "training", "activations", "clamps", "cycles", "area", "reproduce"):
        assert f'<section id="{section}">' in html
    for text in (
        "of 161,280 words",
        "of 4,464,720 logits",
        "2.331 bits/char",
        "+0.017",
        "91.4 %",
        "1,043,520",
        "183.4 k cycles/s",
        "6 min 53 s",
        "error (LSB)",
        "NAND2 equivalents",
        "8-bit, PWL",
    ):
        assert text in html


def test_text_is_escaped_and_the_written_part_marked(html):
    assert "<b>example</b>" not in html
    assert "&lt;b&gt;example&lt;/b&gt; &amp; its result" in html
    assert "<mark>The statement is a string" in html


def test_differing_words_are_not_shown_as_good(folder):
    summary = report_inputs.contents()["summary"] | {"words_differing": 3}
    (folder / "summary.json").write_text(json.dumps(summary))
    write_report(folder, folder / "report.html")
    cards = re.findall(r'class="card (\w+)">', (folder / "report.html").read_text())
    assert cards == ["bad", "good"]


def test_saturation_is_listed_by_share(html):
    rows = re.search(r'id="clamps".*?</section>', html, re.DOTALL)[0]
    assert re.findall(r"<tr><td>([\w.]+)</td>", rows) == ["h.next", "px", "c.next"]
    assert "1.960 %" in rows


def test_the_caveat_comes_before_the_first_area(html):
    assert html.index("Yosys estimate.") < html.index("<td>lane</td>")


def test_equal_inputs_give_equal_bytes(folder, html):
    write_report(folder, folder / "again.html")
    assert (folder / "again.html").read_text() == html


def test_error_of_an_activation_is_that_of_its_codes():
    curve = activation_curves(report_inputs.model())[0]
    assert (curve.tensor, curve.function, curve.pieces) == ("i", "sigmoid", 16)
    true = 255 / (1 + np.exp(-curve.x))
    assert np.abs(curve.error - (np.round(curve.approximation * 255) - true)).max() < 1e-4
    assert 0.5 < curve.worst < 8


def test_model_without_functions_says_how_to_get_them(folder):
    model = report_inputs.model()
    replace(model, metadata={}).save(folder / "model.irnn")
    with pytest.raises(InputError, match=r"what function i is .*`irnn export`"):
        write_report(folder, folder / "report.html")


@pytest.mark.parametrize("name", [*(f"{n}.json" for n in SOURCES), "model.irnn"])
def test_missing_input_is_named_with_its_command(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: not there; write it with `irnn \w+`"):
        write_report(folder, folder / "report.html")
    assert not (folder / "report.html").exists()


def test_unsound_input_is_named(folder):
    (folder / "cycles.json").write_text('{"total": 1}')
    with pytest.raises(InputError, match=r"cycles.json: no engines; .*`irnn cosim`"):
        write_report(folder, folder / "report.html")
    (folder / "cycles.json").write_text("{")
    with pytest.raises(InputError, match=r"cycles.json: not JSON"):
        write_report(folder, folder / "report.html")


def test_numbers_read_well():
    assert [count(1234567), count(0.12345)] == ["1,234,567", "0.1235"]
    assert [percent(0.5), percent(0.00012, 3)] == ["50.0 %", "0.012 %"]
    assert [duration(59.6), duration(412.7), duration(3)] == ["1 min 0 s", "6 min 53 s", "3 s"]
