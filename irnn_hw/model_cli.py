"""`irnn run`, `inspect`: an integer model by itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from golden.errors import InputError
from golden.model import IntModel
from irnn_hw.console import bar, compared, out, show, stats_table
from irnn_hw.options import CorpusName, DataFolder, Json, ModelFile


def run(
    model: ModelFile,
    corpus: CorpusName = "pydoc",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Compare every logit with this training module's.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Read this, and write on.")] = None,
    writes: Annotated[int, typer.Option("--write", help="Characters to write.")] = 200,
    temperature: Annotated[float, typer.Option(help="Of the sampling.")] = 0.6,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 1,
    stats: Annotated[
        bool,
        typer.Option(
            help="Show range and clamps of each tensor; with --checkpoint, its "
            "signal-to-quantization-noise ratio too."
        ),
    ] = False,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Run the golden model: over a corpus' held-out text, or on from a prompt.

    A recipe's model is run over the test part of its own corpus, below --data: its perplexity, or
    its word errors.
    """
    from irnn_hw import steps
    from irnn_hw.data.corpus import load_corpus
    from irnn_hw.evaluate import SCORES
    from irnn_hw.held_out import task_of

    network = IntModel.load(model)
    if (task := task_of(network)) is not None:
        given = {"--prompt": prompt, "--checkpoint": checkpoint, "--stats": stats or None}
        _refuse(given, f"for models of characters, and {model} is one of {task}")
        with bar("run") as report:
            figures = SCORES[task](network, data, report)
        show(figures, str(model), as_json)
        return
    if prompt is not None:
        written = steps.write_text(network, prompt, writes, temperature, seed)
        print(json.dumps({"read": prompt, "written": written}) if as_json else written)
        return
    with bar("run") as report:
        text = load_corpus(corpus)
        figures = steps.evaluate(network, text, checkpoint, report)
    if stats:
        with bar("stats") as report:
            figures["tensors"] = steps.tensor_stats(network, text, checkpoint, report)
    show(figures, str(model), as_json)
    if stats and not as_json:
        out.print(stats_table(figures["tensors"]))
    compared(figures.get("logits_differing", 0) == 0, "logits differ from the training module's")


def _refuse(given: Mapping[str, Any], why: str) -> None:
    """Raises InputError for the first of these options that has a value."""
    for option, value in given.items():
        if value is not None:
            raise InputError(
                f"{option}: {why}; leave it out, or compare with a checkpoint by `irnn verify`"
            )


def inspect(model: ModelFile, as_json: Json = False) -> None:
    """Show what a model file holds: operations, shapes, bits, sizes, and its largest sums."""
    from irnn_hw.inspect import inspect_model
    from irnn_hw.inspect_tables import inspect_tables

    figures = inspect_model(IntModel.load(model))
    if as_json:
        print(json.dumps(figures, indent=1))
        return
    for table in inspect_tables(figures, str(model)):
        out.print(table)
