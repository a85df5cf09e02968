"""The tables and figures of docs/findings.md: sweeps of activation units, all by one revision.

Usage: python -P benchmarks/sweep.py. Prints the tables as Markdown and writes docs/findings-*.png.
Points are kept in build/findings: the first run takes a quarter of an hour on two cores.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from irnn_hw.console import bar
from irnn_hw.sweep.figures import area_of, charts
from irnn_hw.sweep.grid import FULL, Grid, full
from irnn_hw.sweep.run import sweep

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "build" / "findings" / "cache"
PUBLISHED = full()
STORAGE = Grid(
    variants=("search", "table"), tables=("constant", "loadable"), pieces=(96,), in_bits=(16,),
    out_bits=(8, 16), knots=("greedy", "optimal"),
)  # fmt: skip
CROSS_OVER = Grid(
    variants=("bank", "search"), tables=("constant", "loadable"), pieces=(4, 8, 16, 32, 64, 96)
)
BYTES = full(in_bits=(8,), pieces=(8, 16, 32), tables=("constant", "loadable"))
KNOTS = Grid(
    functions=("sigmoid", "tanh", "exp"), variants=("search",), in_bits=(16,),
    pieces=(4, 8, 16, 32, 48, 64, 96), knots=("greedy", "optimal"), targets=("ecp5",),
)  # fmt: skip
DPI = 90
PAPER_PIECE = 64  # bits: knot, slope, intercept and the next knot, 16 bits each

Row = dict[str, Any]


def run(name: str, grid: Grid, figure: str = "") -> list[Row]:
    """Rows of a sweep, and one of its figures among the pages of the documentation."""
    with bar(name) as report:
        results, _ = sweep(grid, CACHE, progress=report)
    problems = {row["error"] for row in results["points"] if row["error"]}
    if problems:
        raise SystemExit("\n".join(problems))
    for chart in charts(results, DPI):
        if chart.name == figure:
            (ROOT / "docs" / f"findings-{name}.png").write_bytes(chart.png)
    return list(results["points"])


def of(rows: Iterable[Row], **values: Any) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def area(row: Row) -> str:
    """Logic, then multipliers and memories."""
    beside = {"dsp": "dsp", "bram": "bram", "memory_bits": "bits"}
    parts = [f"{row['area'][k]:,} {v}" for k, v in beside.items() if row["area"].get(k)]
    return " + ".join([f"{area_of(row):,.0f}", *parts])


def table(title: str, heads: Iterable[Any], lines: Iterable[Iterable[Any]]) -> None:
    heads = list(map(str, heads))
    print(f"\n{title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for line in lines:
        print(f"| {' | '.join(map(str, line))} |")


def published(rows: list[Row]) -> None:
    """Units by width: a line a design, a column a target."""
    targets = FULL["targets"]
    for bits in (8, 16):
        lines: dict[tuple[Any, ...], dict[str, str]] = {}
        for row in of(rows, in_bits=bits):
            same = row["variant"], row["pieces_used"], row["worst_lsb"], row["latency"]
            lines.setdefault(same, {})[row["target"]] = area(row)
        heads = ("unit", "pieces", "worst, LSB", "cycles", *targets)
        found = (
            ("" if v is None else v for v in (*k, *(a[t] for t in targets)))
            for k, a in lines.items()
        )
        table(f"{bits} bits in, 8 out:", heads, found)


def storage(rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    """What a table of 2^16 entries takes, and a PWL of 96 pieces instead, in bits."""
    for row in of(rows, variant="search", tables="constant", target="ecp5"):
        bits, pieces = row["table_bits"], row["pieces"] * PAPER_PIECE
        words = row["lut_bits"]
        yield (
            row["out_bits"], row["knots"], row["pieces_used"], row["worst_lsb"], f"{words:,}",
            f"{pieces:,}: {words / pieces:.0f}", f"{bits:,}: {words / bits:.0f}",
        )  # fmt: skip


def units_of_storage(rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    for row in of(rows, target="ecp5"):
        gates = of(rows, target="gates", **{k: row[k] for k in ("variant", "tables", "knots")},
                   out_bits=row["out_bits"])  # fmt: skip
        unit = f"{row['variant']}, {row['tables']}"
        yield row["out_bits"], unit, row["knots"] or "", area(row), area(gates[0])


def cross_over(rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    """Logic of bank and search by pieces, and from how many on the search takes less."""
    for target, tables, bits in product(CROSS_OVER.targets, CROSS_OVER.tables, CROSS_OVER.in_bits):
        same = of(rows, target=target, tables=tables, in_bits=bits)
        banks, searches = (of(same, variant=variant) for variant in CROSS_OVER.variants)
        pairs = list(zip(banks, searches, strict=True))
        larger = [b["pieces"] for b, s in pairs if area_of(s) >= area_of(b)]
        after = [n for n in CROSS_OVER.pieces if n > max(larger, default=0)]
        shown = (f"{area_of(b):,.0f} / {area_of(s):,.0f}" for b, s in pairs)
        yield target, tables, bits, *shown, min(after, default="never")


def eight_bits(rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    """The table beside the smallest PWL of at most 1 LSB, and the smallest without error."""
    for tables in ("constant", "loadable"):
        for target in FULL["targets"]:
            some = of(rows, target=target, tables=tables)
            pwls = [row for row in some if row["variant"] != "table"]
            plain = of(some, variant="table")[0]
            near, exact = (smallest(pwls, most) for most in (1, 0))
            yield tables, target, area(plain), named(near), named(exact)


def smallest(rows: Iterable[Row], most: int) -> Row | None:
    """Of those off by at most so many LSB, the one of least logic."""
    good = [row for row in rows if row["worst_lsb"] <= most]
    return min(good, key=area_of, default=None)


def named(row: Row | None) -> str:
    return "none" if row is None else f"{row['variant']} {row['pieces_used']}: {area(row)}"


def knots(rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    """The smallest unit of each method for the same error."""
    for function in KNOTS.functions:
        for most in (2, 1, 0):
            greedy, optimal = (
                smallest(of(rows, function=function, knots=method), most)
                for method in ("greedy", "optimal")
            )
            saved = "" if greedy is None or optimal is None else (
                f"{1 - area_of(optimal) / area_of(greedy):.0%}"
            )  # fmt: skip
            yield function, most, named(greedy), named(optimal), saved


def main() -> None:
    published(run("pieces", PUBLISHED, "sigmoid-pieces"))
    rows = run("storage", STORAGE, "sigmoid-error")
    heads = ("bits out", "knots", "pieces", "worst, LSB", "table, bits")
    table("Storage:", (*heads, "8 bytes a piece: times", "constants: times"), storage(rows))
    table("Units:", ("bits out", "unit", "knots", "ecp5", "gates"), units_of_storage(rows))
    heads = ("target", "tables", "bits in", *CROSS_OVER.pieces, "search from")
    table("Cross-over:", heads, cross_over(run("cross-over", CROSS_OVER, "sigmoid-pieces")))
    heads = ("tables", "target", "table", "PWL, 1 LSB", "PWL, 0 LSB")
    table("8 bits:", heads, eight_bits(run("bytes", BYTES)))
    heads = ("function", "LSB", "greedy", "optimal", "saved")
    table("Knots:", heads, knots(run("knots", KNOTS, "exp-error")))


if __name__ == "__main__":
    main()
