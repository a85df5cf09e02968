"""`irnn train`, `export`, `verify`, `import`: from real numbers to integers proved equal."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from golden.errors import InputError
from golden.model import IntModel
from golden.program import Program
from irnn_hw.console import bar, compared, out, show, stats_table
from irnn_hw.files import write_json
from irnn_hw.options import CorpusName, DataFolder, Json


def train(
    corpus: CorpusName = "pydoc",
    checkpoint: Annotated[Path, typer.Option("-o", "--out")] = Path("build/checkpoint.pt"),
    hidden: Annotated[int | None, typer.Option(help="LSTM state; default 128.")] = None,
    embedding: Annotated[int | None, typer.Option(help="Embedding; default 64.")] = None,
    pieces: Annotated[int | None, typer.Option(help="PWL pieces; default 16.")] = None,
    float_steps: Annotated[int | None, typer.Option(help="Steps in full precision.")] = None,
    lut_steps: Annotated[int | None, typer.Option(help="Steps with look-up tables.")] = None,
    pwl_steps: Annotated[int | None, typer.Option(help="Steps with PWL.")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Of weights and order; default 1, or the recipe's.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Train a table of the paper instead: a recipe's name, or a .toml file."),
    ] = None,
    data: DataFolder = None,
    run: Annotated[
        list[str] | None, typer.Option(help="Of the recipe, this run and what it starts from.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Of a recipe's checkpoints; default build/NAME.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of a recipe's results, JSON.")] = Path(
        "build/results"
    ),
    as_json: Json = False,
) -> None:
    """Train a character LSTM, or a recipe: in full precision, then on the golden arithmetic.

    An interrupted run goes on where it was: give the same command again.
    """
    fields = {"hidden": hidden, "embedding": embedding, "pieces": pieces}
    fields |= {"float_steps": float_steps, "lut_steps": lut_steps, "pwl_steps": pwl_steps}
    given = {name: value for name, value in fields.items() if value is not None}
    if recipe is not None:
        for name in given:
            option = name.replace("_", "-")
            raise InputError(f"--{option}: not with a recipe; copy its file and change that")
        _train_recipe(recipe, data, folder, results, seed or [], run or [], as_json)
        return
    if len(seed or []) > 1 or run or data or folder:
        raise InputError("--run, --data, --folder, several --seed: with --recipe alone")
    if seed:
        given["seed"] = seed[0]
    _train_characters(corpus, checkpoint, given, as_json)


def _train_characters(corpus: str, checkpoint: Path, given: dict[str, Any], as_json: bool) -> None:
    from irnn_hw import steps
    from irnn_hw.data.corpus import load_corpus
    from irnn_hw.qat.config import TrainConfig

    config = TrainConfig(**given)
    with bar("train") as report:
        figures = steps.train(
            config, load_corpus(corpus), checkpoint, steps.phases_on(report, config)
        )
    write_json(checkpoint.with_name("curves.json"), figures["curves"])
    last = {p["name"]: p["bits_per_char"][-1] for p in figures["curves"]["phases"]}
    show({"checkpoint": str(checkpoint), **last} if not as_json else figures, "trained", as_json)


def _train_recipe(
    recipe: str,
    data: Path | None,
    folder: Path | None,
    results: Path,
    seeds: list[int],
    runs: list[str],
    as_json: bool,
) -> None:
    from irnn_hw.training import run_recipe, score_table, together

    where = folder or Path("build") / Path(recipe).stem
    with together() as heard:
        with bar("train") as report:
            figures = run_recipe(recipe, data, where, results, seeds, runs, report)
        if not as_json:
            out.print(score_table(figures))
        elif heard:
            print(json.dumps(figures, indent=1))


def export(
    checkpoint: Annotated[Path, typer.Argument(help="As `irnn train` writes it.")],
    model: Annotated[Path, typer.Option("-o", "--out")] = Path("build/model.irnn"),
    as_json: Json = False,
) -> None:
    """Write the integer model of a checkpoint, once no accumulator of it can overflow."""
    from irnn_hw import steps

    show(steps.export(checkpoint, model), str(model), as_json)


def verify(
    model: Annotated[Path, typer.Option(help="Integer model, as `irnn export` writes it.")],
    checkpoint: Annotated[Path, typer.Option(help="What it was exported from.")],
    corpus: CorpusName = "pydoc",
    data: DataFolder = None,
    inputs: Annotated[
        Path | None, typer.Option(help="Vectors (.npy) instead of a corpus' held-out text.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every tensor, not only outputs.")] = False,
    program: Annotated[
        Path | None, typer.Option(help="The NPU, executing this program of the model, as well.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare training module, golden model and NPU over a test set, value by value."""
    from irnn_hw.data.corpus import load_corpus
    from irnn_hw.held_out import PARTS, input_parts, task_of, text_parts
    from irnn_hw.verify import verify as run_verify

    network = IntModel.load(model)
    if inputs is not None:
        parts = input_parts(network, inputs)
    elif (task := task_of(network)) is not None:
        parts = PARTS[task](network, data)
    else:
        parts = text_parts(network, load_corpus(corpus))
    with bar("verify") as report:
        compiled = None if program is None else Program.load(program)
        figures = run_verify(network, checkpoint, parts, every, compiled, report)
    show(figures, str(model), as_json)
    compared(figures["values_differing"] == 0, "training module, golden model or NPU differ")


def import_command(
    weights: Annotated[Path, typer.Argument(help="A torch file: the state_dict of the module.")],
    inputs: Annotated[
        Path, typer.Option(help="Real input vectors (.npy), (T, features) or (N, T, features).")
    ],
    model: Annotated[Path, typer.Option("-o", "--out")] = Path("build/model.irnn"),
    prefix: Annotated[
        str | None, typer.Option(help="Of the module's tensors, as `encoder.`; default: found.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="Of a linear layer behind the module, as `fc.`.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Bits and pieces: lm8, or asr16 for 16-bit gates and cells.")
    ] = "lm8",
    pieces: Annotated[int | None, typer.Option(help="Of the PWL; default the preset's.")] = None,
    method: Annotated[str, typer.Option(help="Of their knots: greedy or optimal.")] = "greedy",
    per_row: Annotated[bool, typer.Option(help="A scale for each row of the weights.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Write this too, for `irnn verify` and training.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Quantize a trained torch.nn.LSTM or nn.GRU: ranges of real data, no further training."""
    from irnn_hw.importing import import_file
    from irnn_hw.qat.config import Schedule
    from irnn_hw.qat.torch_import import Kept
    from irnn_hw.quant.presets import preset_named

    bits = preset_named(preset)
    config = Schedule(pieces=pieces or bits.pieces, method=method)
    with bar("import") as report:
        figures = import_file(
            weights, inputs, model, config, Kept(bits.gate_bits, bits.cell_bits, per_row),
            prefix=prefix, head=head, checkpoint=checkpoint, progress=report,
        )  # fmt: skip
    show(figures, str(model), as_json)
    if not as_json:
        out.print(stats_table(figures["tensors"]))
