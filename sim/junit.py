"""JUnit XML of a regression, as continuous integration reads it."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from golden.container import write_atomic
from sim.check import CheckResult


def write_junit(results: Sequence[CheckResult], path: Path, suite: str = "cosim") -> None:
    """One test case a check; a failed one holds what was wrong."""
    failures = sum(not result.ok for result in results)
    attributes = {
        "name": suite,
        "tests": str(len(results)),
        "failures": str(failures),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(result.seconds for result in results):.3f}",
    }
    root = Element("testsuites")
    element = SubElement(root, "testsuite", attributes)
    for result in results:
        _add_case(element, result, suite)
    indent(root)
    write_atomic(Path(path), b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root) + b"\n")


def _add_case(parent: Element, result: CheckResult, suite: str) -> None:
    case = SubElement(
        parent, "testcase", classname=suite, name=result.name, time=f"{result.seconds:.3f}"
    )
    properties = SubElement(case, "properties")
    for field in ("words", "differing", "cycles"):
        SubElement(properties, "property", name=field, value=str(getattr(result, field)))
    if not result.ok:
        text = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in result.problem)
        SubElement(case, "failure", message=text.partition("\n")[0]).text = text
