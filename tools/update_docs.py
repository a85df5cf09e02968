"""Write the tables of docs/ from the tables that the code itself reads.

Usage: python tools/update_docs.py [--check]. --check writes nothing, and fails for a stale page.
"""

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from golden import npu_config
from golden.isa import FORMATS
from golden.npu_config import CONFIGS
from golden.registers import REGISTERS, window_address, windows

DOCS = Path(__file__).parents[1] / "docs"
SLOT = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rows(header: Iterable[str], body: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(header), ["---"] * len(list(header)), *body]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def instructions() -> str:
    """Fields of the three instruction formats, with their bits."""
    body = []
    for engine, fields in FORMATS.items():
        position = 0
        for field in fields:
            bits = f"{position + field.width - 1}:{position}"
            kind = "signed" if field.signed else ""
            body.append((engine, f"`{field.name}`", bits, kind, field.meaning))
            position += field.width
    return rows(("engine", "field", "bits", "", "meaning"), body)


def latencies() -> str:
    """The pipeline latencies that RTL and machine share."""
    body = [
        ("MAC: a tile's last beat to the write of its first row", npu_config.MAC_WRITE_LATENCY),
        ("MAC: the same, to the output queue", npu_config.MAC_STREAM_LATENCY),
        ("vector: operands addressed to result written", npu_config.VECTOR_WRITE_LATENCY),
        ("requantizer", npu_config.REQUANTIZER),
        ("MAC array", npu_config.MAC_ARRAY),
        ("vector lane", npu_config.VECTOR_LANE),
    ]
    return rows(("path", "cycles"), body)


def registers() -> str:
    """The registers, with their offsets."""
    body = [(f"`{r.name}`", f"{r.offset:#04x}", r.access, r.meaning) for r in REGISTERS.values()]
    return rows(("register", "offset", "access", "meaning"), body)


def windows_table() -> str:
    """The memory windows of the configuration `base`."""
    config = CONFIGS["base"]
    body = [
        (w.name, f"{window_address(config, w):#08x}", w.words, w.width, w.stride)
        for w in windows(config).values()
    ]
    return rows(("window of `base`", "base address", "words", "bits a word", "stride, bytes"), body)


def configurations() -> str:
    """The named configurations."""
    body = [
        (f"`{c.name}`", f"{c.rows} x {c.columns}", c.lanes, c.weight_words * c.macs // 1024)
        for c in CONFIGS.values()
    ]
    return rows(("configuration", "MACs", "lanes", "weight memory, KiB"), body)


TABLES: dict[str, Callable[[], str]] = {
    "instructions": instructions,
    "latencies": latencies,
    "registers": registers,
    "windows": windows_table,
    "configurations": configurations,
}


def updated(text: str) -> str:
    """A page with its tables as the code has them."""
    return SLOT.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}{m[3]}", text)


def main() -> int:
    stale = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text()
        if updated(text) != text:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(updated(text))
    if "--check" in sys.argv and stale:
        print(f"stale: {', '.join(stale)}; run python tools/update_docs.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
