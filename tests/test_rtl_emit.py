import os
import re
import subprocess
import sys

import pytest

from rtl.emit import verilog_text
from rtl.units import UNITS

_EMIT = """
from rtl.emit import verilog_text
from rtl.units import UNITS
print(verilog_text(UNITS["pwl-16-in8"].build(), "unit"), end="")
"""


def emitted(folder, hash_seed: str) -> str:
    path = os.pathsep.join(os.path.abspath(p) for p in sys.path)
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", _EMIT]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=True
    ).stdout


def test_verilog_is_the_same_in_every_folder_and_run(tmp_path):
    here = verilog_text(UNITS["pwl-16-in8"].build(), "unit")
    (tmp_path / "other").mkdir()
    assert emitted(tmp_path, "1") == here
    assert emitted(tmp_path / "other", "2") == here


@pytest.mark.parametrize("name", UNITS)
def test_the_ports_are_the_two_streams(name):
    text = verilog_text(UNITS[name].build(), "unit")
    ports = re.search(r"^module unit\((.*)\);", text, re.MULTILINE)[1]
    streams = {f"{s}__{p}" for s in "io" for p in ("payload", "valid", "ready")}
    assert set(ports.split(", ")) == streams | {"clk", "rst"}


def test_no_source_location_in_the_text():
    unit = UNITS["requantizer-8"].build()
    text = verilog_text(unit, "unit")
    assert ".py" not in text
    assert "(* " not in text
