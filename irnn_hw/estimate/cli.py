"""`irnn estimate`: area without synthesis, counted from the elaborated design."""

import json
from typing import Annotated, Any

import typer

from irnn_hw.console import out

PANEL = "Axes of pwl, mac, requantizer and divider, as of `irnn sweep`; several values with commas"


def _axis(help_text: str) -> Any:
    return typer.Option(help=help_text, rich_help_panel=PANEL)


def estimate(
    unit: Annotated[
        str, typer.Argument(help="A unit of the registry, or pwl, mac, requantizer, divider.")
    ],
    target: Annotated[
        list[str] | None, typer.Option(help="ecp5, ice40, gates; default ecp5.")
    ] = None,
    function: Annotated[str | None, _axis("sigmoid, tanh, exp, gelu, relu, cos")] = None,
    variant: Annotated[str | None, _axis("Ways to build a unit; default all of it")] = None,
    tables: Annotated[str | None, _axis("constant, loadable")] = None,
    pieces: Annotated[str | None, _axis("Of a PWL; default 16")] = None,
    in_bits: Annotated[str | None, _axis("Of an input code: 8, 16; default 8")] = None,
    out_bits: Annotated[str | None, _axis("Of an output code: 8, 16; default 8")] = None,
    knots: Annotated[str | None, _axis("greedy (default, at once), optimal (a second)")] = None,
    rows: Annotated[str | None, _axis("Of a MAC array")] = None,
    columns: Annotated[str | None, _axis("Of a MAC array")] = None,
    multiplier_bits: Annotated[str | None, _axis("Of a requantizer, 8 to 32")] = None,
    divisor_bits: Annotated[str | None, _axis("Of a divider: 8, 32")] = None,
    step: Annotated[str | None, _axis("Quotient bits a cycle: 1, 2, 4")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Estimate area at once, without synthesis; `irnn area` runs Yosys.

    Example: irnn estimate pwl --variant bank --pieces 96 --in-bits 16
    """
    from irnn_hw.area.shown import area_table
    from irnn_hw.estimate.area import estimates
    from irnn_hw.sweep.grid import values_of

    texts = {
        "functions": function, "variants": variant, "tables": tables, "pieces": pieces,
        "in_bits": in_bits, "out_bits": out_bits, "knots": knots, "rows": rows,
        "columns": columns, "multiplier_bits": multiplier_bits, "divisor_bits": divisor_bits,
        "step": step,
    }  # fmt: skip
    axes = {field: values_of(field, text) for field, text in texts.items() if text is not None}
    if unit == "pwl":
        axes = {"pieces": (16,), "in_bits": (8,), "knots": ("greedy",)} | axes
    results = estimates(unit, target or ["ecp5"], axes)
    if as_json:
        print(json.dumps(results, indent=1))
        return
    for one in results:
        named = " ".join(str(v) for v in one["parameters"].values() if not isinstance(v, list))
        out.print(f"{named}: {one['title']}", area_table(one), sep="\n", markup=False)
    out.print(results[0]["caveat"])
