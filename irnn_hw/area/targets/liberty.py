"""A cell library in a Liberty file as a target: its own cells, and their areas."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from golden.container import read_bytes
from golden.errors import InputError
from irnn_hw.area.target import MEMORY_BITS, MEMORY_CELLS, NOTES, Target

# ABC's own script needs a buffer in the library, and gives 10 % more area in 30 times the time.
_ABC = "+strash;dc2;&get,-n;&dch,-f;&put;dch;amap"

_SYNTHESIS = """
synth -flatten -run begin:fine -top {{top}}
opt -full
techmap
opt -fast
dfflibmap -liberty {file}
simplemap
opt_clean
abc -script {abc} -liberty {file}
opt_clean
memory_unpack
"""

# Comments and texts first: what stands in them is neither a group nor its end.
_TOKEN = re.compile(
    r"""/\*.*?\*/ | "[^"]*"
    | \b(?P<group>\w+) \s* \( \s* "?(?P<name>[^()"]*?)"? \s* \) \s* \{
    | (?P<open>\{) | (?P<close>\})
    | \b area \s* : \s* "?(?P<area>[-+.\deE]+)""",
    re.DOTALL | re.VERBOSE,
)
_STORAGE = ("ff", "ff_bank", "latch", "latch_bank", "statetable")


@dataclass
class _Cell:
    area: float | None = None
    stores: bool = False

    def counts(self) -> dict[str, float]:
        return {"area": self.area or 0, "ff": int(self.stores)}


def liberty_target(path: Path) -> Target:
    """The library of a Liberty file as a target; area in the unit that the library has.

    Raises InputError for a file that cannot be read, is not Liberty or gives no cell an area.
    """
    data = read_bytes(path, "Liberty file")
    text = data.decode(errors="replace")
    library, cells = _read_library(text, str(path))
    digest = sha256(data).hexdigest()
    # Yosys remembers libraries by their path: each content has its own.
    file = f"cells-{digest[:16]}.lib"
    return Target(
        "liberty",
        f"cell library {library}",
        _SYNTHESIS.format(file=file, abc=_ABC),
        {
            **{name: cell.counts() for name, cell in cells.items() if cell.area is not None},
            **MEMORY_CELLS,
            **NOTES,
        },
        {"area": "area, in the library's unit", "ff": "flip-flops", **MEMORY_BITS},
        statistics=f"stat -json -liberty {file}",
        files={file: text},
        origin={"library": library, "library_file": path.name, "library_sha256": digest},
    )


def _read_library(text: str, source: str) -> tuple[str, dict[str, _Cell]]:
    """The library's name, and its cells."""
    library, cells = "", dict[str, _Cell]()
    for groups, area in _groups(text, source):
        kinds = [kind for kind, _ in groups]
        library = library or (groups[0][1] if kinds[0] == "library" else "")
        if kinds[:2] == ["library", "cell"]:
            cell = cells.setdefault(groups[1][1], _Cell())
            if area is not None and len(groups) == 2:
                cell.area = area
            cell.stores |= len(groups) == 3 and kinds[2] in _STORAGE
    if not library:
        raise InputError(f"{source}: no `library (NAME) {{`; give a cell library in Liberty format")
    if not any(cell.area for cell in cells.values()):
        raise InputError(f"{source}: no cell of library {library} has an area; give one with areas")
    return library, cells


def _groups(text: str, source: str) -> Iterator[tuple[list[tuple[str, str]], float | None]]:
    """The stack of (kind, name) at the start of each group, and at each area, with that."""
    stack: list[tuple[str, str]] = []
    for token in _TOKEN.finditer(text):
        if token["group"] or token["open"]:
            stack.append((token["group"] or "", token["name"] or ""))
            yield stack, None
        elif token["close"]:
            if not stack:
                raise InputError(f"{source}: a }} closes nothing; give a whole Liberty file")
            stack.pop()
        elif token["area"] and stack:
            yield stack, _number(token["area"], source)
    if stack:
        raise InputError(f"{source}: ends inside {stack[-1][0]} ({stack[-1][1]}); it is truncated")


def _number(text: str, source: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{source}: area: {text} is not a number; give one") from None
