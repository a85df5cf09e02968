"""The NPU as Verilog: the same bytes everywhere, and no contents of memories."""

import os
import re
import subprocess
import sys

from npu_verilog import npu_verilog

from golden.npu_config import CONFIGS
from golden.registers import address_bits

_EMIT = """
from golden.npu_config import CONFIGS
from rtl.emit import verilog_text
from rtl.npu import Npu
print(verilog_text(Npu(config=CONFIGS["tiny"]), "npu"), end="")
"""


def emitted(folder, hash_seed: str) -> str:
    path = os.pathsep.join(os.path.abspath(p) for p in sys.path)
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", _EMIT]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_same_bytes_in_every_process_folder_and_hash_seed(tmp_path):
    (tmp_path / "other").mkdir()
    assert emitted(tmp_path, "1") == emitted(tmp_path / "other", "2") == npu_verilog("tiny")


def test_memories_begin_unwritten():
    """An initial block of a memory would fill pages, and hide a read of what nobody wrote."""
    text = npu_verilog("tiny")
    memories = re.findall(r"^  reg (?:\[\d+:0\] )?(\S+) \[\d+:0\];", text, re.MULTILINE)
    assert len(memories) >= 8
    assert not re.search(r"^\s*initial\b.*\n?.*memory\[", text, re.MULTILINE)
    assert "$readmem" not in text
    assert not re.search(r"^\s*memory\[\d+\] = ", text, re.MULTILINE)


def test_ports_are_the_three_buses_and_the_interrupt():
    text = npu_verilog("tiny")
    ports = re.search(r"^module npu\((.*?)\);", text, re.MULTILINE | re.DOTALL)[1]
    names = {name.strip() for name in ports.split(",")}
    prefixes = ("s_axil_", "s_axis_", "m_axis_")
    assert {n for n in names if not n.startswith(prefixes)} == {"clk", "rst", "irq"}
    assert all(any(n.startswith(prefix) for n in names) for prefix in prefixes)
    width = address_bits(CONFIGS["tiny"])
    assert f"input [{width - 1}:0] s_axil_awaddr;" in text
