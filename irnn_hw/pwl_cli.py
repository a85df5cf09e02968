"""`irnn pwl`: fit an activation as a PWL, compare the methods, redraw the paper's figures."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from golden.activation import PwlSpec
from golden.errors import InputError
from irnn_hw.console import console, out, show
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, Function
from irnn_hw.quant.pwl_methods import METHODS, fewest_pieces, fit_by, output_range, pwl_error
from irnn_hw.quant.pwl_optimal import fit_optimal

PIECES = 16
WIDTHS = (8, 16)

app = typer.Typer(
    no_args_is_help=True, help="Activations as piecewise linear functions: fit, compare, plot."
)

Name = Annotated[str, typer.Argument(help=f"One of {', '.join(FUNCTIONS)}.")]
Span = Annotated[tuple[float, float], typer.Option("--range", help="Of the input: LO HI.")]
OutSpan = Annotated[
    tuple[float, float] | None,
    typer.Option("--out-range", help="Of the output; default: the function's own."),
]
InBits = Annotated[int, typer.Option(help="Of an input code: 8 or 16.")]
OutBits = Annotated[int, typer.Option(help="Of an output code: 8 or 16.")]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON on stdout.")]


@app.command()
def fit(
    function: Name,
    span: Span,
    out_span: OutSpan = None,
    in_bits: InBits = 8,
    out_bits: OutBits = 8,
    pieces: Annotated[int | None, typer.Option(help=f"At most; default {PIECES}.")] = None,
    max_lsb: Annotated[
        int | None, typer.Option(help="Instead: the fewest pieces with at most this error.")
    ] = None,
    method: Annotated[str, typer.Option(help=f"{' or '.join(METHODS)}.")] = "optimal",
    counts: Annotated[
        Path | None,
        typer.Option(
            help="Text file of how often each input code was seen, in order: weights of the mean "
            "error; a code never seen is not held to the worst one. For optimal."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit a table in integers, and measure it on every input code.

    Example: irnn pwl fit sigmoid --range -8 8 --pieces 8
    """
    f, x, y = _parameters(function, span, out_span, in_bits, out_bits)
    if pieces is not None and max_lsb is not None:
        raise InputError("pieces: given together with max-lsb; give one of them")
    if counts is not None:
        if method != "optimal":
            raise InputError(f"counts: {method} has no weights; choose --method optimal")
        most = PIECES if pieces is None and max_lsb is None else pieces
        spec = fit_optimal(f, x, y, most, max_lsb=max_lsb, weights=_numbers(counts))
    elif max_lsb is not None:
        spec = fewest_pieces(method, f, x, y, max_lsb)
    else:
        spec = fit_by(method, f, x, y, PIECES if pieces is None else pieces)
    error = pwl_error(spec, f, x, y)
    figures = {
        "function": function, "method": method, "pieces": spec.pieces,
        "worst_lsb": error.worst, "mean_lsb": round(error.mean, 4), "shift": spec.shift,
    }  # fmt: skip
    sides = {"input": _quantization(x), "output": _quantization(y)}
    if as_json:
        constants = {"knots": spec.knots, "slopes": spec.slopes, "intercepts": spec.intercepts}
        show(figures | sides | constants, "", as_json)
        return
    flat = {f"{side}_{key}": v for side, values in sides.items() for key, v in values.items()}
    show(figures | flat, f"{function} by {method}", as_json)
    out.print(_constants(spec))


@app.command()
def compare(
    function: Name,
    span: Span,
    out_span: OutSpan = None,
    in_bits: InBits = 8,
    out_bits: OutBits = 8,
    pieces: Annotated[list[int] | None, typer.Option(help="Again for more of them.")] = None,
    as_json: Json = False,
) -> None:
    """Worst and mean error in LSB of each method, by pieces: 4, 8, 16 and 32 unless told."""
    f, x, y = _parameters(function, span, out_span, in_bits, out_bits)
    counts = pieces or [4, 8, 16, 32]
    errors = {
        n: {m: pwl_error(fit_by(m, f, x, y, n), f, x, y) for m in METHODS} for n in counts
    }  # fmt: skip
    if as_json:
        print(json.dumps({n: {m: asdict(e) for m, e in row.items()} for n, row in errors.items()}))
        return
    heads = [f"{m} {what}" for m in METHODS for what in ("worst", "mean")]
    table = Table("pieces", *heads, title=f"{function}, error in LSB", title_justify="left")
    for n, row in errors.items():
        cells = [text for e in row.values() for text in (str(e.worst), f"{e.mean:.2f}")]
        table.add_row(str(n), *cells)
    out.print(table)


@app.command()
def plot(
    folder: Annotated[Path, typer.Option("-o", "--out")] = Path("build/pwl"),
    in_bits: InBits = 8,
) -> None:
    """Redraw figures 2 and A1 of the paper, both methods side by side, as PNG."""
    from irnn_hw.report.pwl_figures import write_paper_figures

    _check_width("in-bits", in_bits)
    for path in write_paper_figures(folder, in_bits):
        console.print(f"wrote {path}")


def _numbers(path: Path) -> list[float]:
    """The numbers of a text file, apart by white space."""
    try:
        return [float(word) for word in path.read_text(encoding="utf-8").split()]
    except OSError as error:
        raise InputError(f"counts: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"counts: {path}: {error}; give numbers apart by white space") from error


def _parameters(
    function: str,
    span: tuple[float, float],
    out_span: tuple[float, float] | None,
    in_bits: int,
    out_bits: int,
) -> tuple[Function, QuantParams, QuantParams]:
    """The function, and the quantization of its input and output."""
    if function not in FUNCTIONS:
        raise InputError(f"function: {function!r} is unknown; choose one of {', '.join(FUNCTIONS)}")
    _check_width("in-bits", in_bits)
    _check_width("out-bits", out_bits)
    x = QuantParams.from_range(*span, in_bits)
    y = QuantParams.from_range(*(out_span or output_range(function, x)), out_bits)
    return FUNCTIONS[function], x, y


def _check_width(name: str, bits: int) -> None:
    if bits not in WIDTHS:
        raise InputError(f"{name}: {bits}; the hardware has codes of 8 and 16 bits, choose one")


def _quantization(params: QuantParams) -> dict[str, Any]:
    return {"scale": params.scale, "zero_point": params.zero_point, "bits": params.bits}


def _constants(spec: PwlSpec) -> Table:
    table = Table("knot", "slope", "intercept", title="pieces", title_justify="left")
    for piece in zip(spec.knots, spec.slopes, spec.intercepts, strict=True):
        table.add_row(*map(str, piece))
    return table
