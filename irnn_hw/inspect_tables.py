"""What `irnn inspect` shows of its figures. Names come from a file: text, never markup."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

Figures = dict[str, Any]


def inspect_tables(figures: Figures, title: str) -> Iterator[Table]:
    """Of each scan its operations; then what goes in and comes out, sums, and sizes."""
    for scan in figures["scans"]:
        yield _operations(scan, figures["operations"])
    yield _ends(figures)
    yield _accumulators(figures["accumulators"])
    yield _sizes(figures, title)


def _table(title: str, *columns: str, right: tuple[str, ...] = (), whole: bool = False) -> Table:
    """right: columns of numbers. whole: no text is folded."""
    table = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in columns:
        justify = "right" if name in right else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=whole or name in right)
    return table


def _add(table: Table, *cells: object) -> None:
    """Integers with their thousands apart."""
    table.add_row(*(Text(f"{c:,}" if isinstance(c, int) else str(c)) for c in cells))


def _operations(scan: Figures, rows: list[Figures]) -> Table:
    way = ", in reverse" if scan["reverse"] else ""
    states = ", ".join(f"{s['tensor']} <- {s['source']}" for s in scan["states"])
    numbers = "length", "bits", "params", "bytes"
    table = _table(
        f"scan {scan['scan'] + 1}, of {scan['sequence']}{way}" + (f"; {states}" if states else ""),
        *("operation", "output", "inputs", "length", "bits", "weights (bits)", "params", "bytes"),
        right=numbers,
    )
    for row in (r for r in rows if r["scan"] == scan["scan"]):
        kind, bits, shared = row["weight_format"], row["bits_per_weight"], row["shared"]
        weights = f"{kind} ({bits})" if kind else ""
        _add(
            table,
            f"  {row['operation']}" if row["within"] else row["operation"],
            row["output"],
            ", ".join(row["inputs"]),
            row["length"],
            row["bits"],
            f"= {shared}" if shared else weights,
            row["parameters"] or "",
            row["bytes"] or "",
        )
    return table


def _ends(figures: Figures) -> Table:
    """Inputs and outputs."""
    table = _table("in and out", "", "tensor", "length", "bits", "", right=("length", "bits"))
    for s in figures["sequences"]:
        if s["symbols"] is not None:
            _add(table, f"{s['name']} reads", f"symbols 0..{s['symbols'] - 1}")
        for t in s["inputs"]:
            zero = f"zero point {t['zero_point']}"
            _add(table, f"{s['name']} reads", t["tensor"], t["length"], t["bits"], zero)
    for t in figures["outputs"]:
        mantissa, shift = t["scale"]
        scale = f"scale {mantissa} / 2^{shift}"
        _add(table, "output", t["tensor"], t["length"], t["bits"], scale)
    return table


def _accumulators(rows: list[Figures]) -> Table:
    numbers = "row", "largest sum", "headroom, bits"
    title = "largest possible sums; of a context, over its longest sequence"
    table = _table(title, "tensor", *numbers, right=numbers)
    for row in rows:
        _add(table, row["operation"], str(row["row"]), row["worst"], f"{row['headroom_bits']:.2f}")
    return table


def _sizes(figures: Figures, title: str) -> Table:
    table = _table(title, "", "bytes", right=("bytes",), whole=True)
    for kind, size in figures["bytes"].items():
        _add(table, kind, size)
    parameters = f"{figures['parameters']:,} parameters in float32"
    _add(table, parameters, figures["float32_bytes"])
    _add(table, "compression", f"{figures['compression']:.2f}x")
    return table
