"""The command line: one command a function, no logic.

Exit codes: 0 all is well, 1 a comparison failed, 2 bad input.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from golden.errors import InputError
from golden.model import IntModel
from golden.npu_config import config_named
from golden.program import Program
from irnn_hw.console import bar, compared, console, mutant_table, out, show, tool_table
from irnn_hw.estimate.cli import estimate
from irnn_hw.files import write_json
from irnn_hw.interrupt import interruptible
from irnn_hw.model_cli import inspect, run
from irnn_hw.options import ConfigName, CorpusName, Json, ModelFile
from irnn_hw.pwl_cli import app as pwl_app
from irnn_hw.sweep.cli import sweep
from irnn_hw.training_cli import export, import_command, train, verify

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Recurrent networks on integers alone, from training to Verilog that is proved bit-exact.",
    epilog="A first walk: irnn demo. Then each step by itself: train, export, run, compile, "
    "generate, cosim, area, report. Exit codes: 0 well, 1 a comparison failed, 2 bad input.",
)
app.add_typer(pwl_app, name="pwl")


@app.command()
def demo(
    corpus: CorpusName = "pydoc",
    config: ConfigName = "base",
    folder: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("build/demo"),
    as_json: Json = False,
) -> None:
    """Walk the whole road once: train a character LSTM, quantize it, prove its Verilog bit-exact.

    Writes report.html and summary.json. A second run reuses every step whose inputs are the same.
    """
    from irnn_hw.demo import Settings, run_demo
    from irnn_hw.qat.config import TrainConfig

    summary = run_demo(Settings(folder, corpus, config_named(config), TrainConfig()))
    show(summary, f"{folder}/report.html", as_json)
    differing = summary["words_differing"] + summary["logits_differing"]
    compared(differing == 0 and not summary["message"], summary["message"])


app.command()(train)
app.command()(export)
app.command()(verify)
app.command("import")(import_command)


app.command()(run)
app.command()(inspect)


@app.command("compile")
def compile_command(
    model: ModelFile,
    config: ConfigName = "base",
    program: Annotated[Path, typer.Option("-o", "--out")] = Path("build/program.irnn"),
    as_json: Json = False,
) -> None:
    """Compile a model for an NPU: instructions, memory images, and a proof of their order."""
    from irnn_hw import steps

    show(
        steps.compile_to(IntModel.load(model), config_named(config), program), str(program), as_json
    )


@app.command()
def generate(
    program: Annotated[
        Path | None,
        typer.Argument(help="Program, as `irnn compile` writes it; its NPU is emitted."),
    ] = None,
    config: ConfigName = "base",
    folder: Annotated[Path, typer.Option("-o", "--out")] = Path("build/npu"),
    as_json: Json = False,
) -> None:
    """Write npu.v and its interface; of a program, memory images and a listing too."""
    from irnn_hw.generate import generate as write_npu

    loaded = None if program is None else Program.load(program)
    npu = config_named(config) if loaded is None else loaded.config
    show(write_npu(npu, folder, loaded), str(folder), as_json)


@app.command()
def cosim(
    units: Annotated[list[str] | None, typer.Argument(help="Units of the registry.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every unit, and the NPU.")] = False,
    program: Annotated[
        Path | None, typer.Option(help="Co-simulate the NPU on this program.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The model of the program.")] = None,
    prompt: Annotated[str, typer.Option(help="What the NPU reads.")] = "The ",
    writes: Annotated[int, typer.Option("--write", help="Characters it writes.")] = 50,
    stall: Annotated[int | None, typer.Option(help="Seed of a host that stalls.")] = None,
    folder: Annotated[Path, typer.Option(help="Where runs leave their files.")] = Path(
        "build/cosim"
    ),
    seed: Annotated[int, typer.Option(help="Of the stimulus.")] = 1,
    jobs: Annotated[int, typer.Option(help="Simulations at once.")] = 2,
    waves: Annotated[bool, typer.Option(help="Record VCD.")] = False,
    as_json: Json = False,
) -> None:
    """Co-simulate on Verilator through cocotb, every word against golden, no tolerance.

    irnn cosim --all runs the regression and writes junit.xml; irnn cosim UNIT one of its rows;
    irnn cosim --program P --model M the NPU on a program of yours.
    """
    from irnn_hw import steps
    from irnn_hw.regression import regression
    from sim.regression import all_passed, summary_table

    if program is not None and model is not None:
        with bar("cosim") as report:
            figures, _ = steps.cosimulate_text(
                Program.load(program), IntModel.load(model), prompt, writes, folder,
                stall_seed=stall, waves=waves, progress=report,
            )  # fmt: skip
        show(figures, "RTL against golden", as_json)
        compared(figures["words_differing"] == 0 and not figures["message"], figures["message"])
        return
    if bool(units) == everything or (program is None) != (model is None):
        raise InputError("cosim: name units, or give --all, or both --program and --model")
    with bar("cosim") as report:
        results = regression(units, folder, jobs=jobs, seed=seed, waves=waves, progress=report)
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    else:
        out.print(summary_table(results))
    compared(all_passed(results), "see the rows marked FAILED")


@app.command()
def mutate(
    units: Annotated[list[str] | None, typer.Argument(help="Units; default all.")] = None,
    seed: Annotated[int, typer.Option(help="Of the stimulus.")] = 1,
    jobs: Annotated[int, typer.Option(help="Simulations at once.")] = 2,
    as_json: Json = False,
) -> None:
    """Put faults into the RTL of the units: the check of each must find every one."""
    from irnn_hw.mutate import mutate as run_mutants

    with bar("mutate") as report:
        verdicts = run_mutants(units, jobs=jobs, seed=seed, progress=report)
    if as_json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    else:
        out.print(mutant_table(verdicts))
    survivors = [v.mutation for v in verdicts if not v.killed]
    compared(not survivors, f"survived: {', '.join(survivors)}")


@app.command()
def prove(
    names: Annotated[
        list[str] | None, typer.Argument(help="Proofs, or what their names begin with.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those of minutes, too.")] = False,
    as_json: Json = False,
) -> None:
    """Prove properties of the RTL for all inputs, by the SAT solver of Yosys."""
    from irnn_hw.prove import chosen, proof_table
    from irnn_hw.prove import prove as run_proofs

    with bar("prove") as report:
        verdicts = run_proofs(chosen(names, everything), report)
    if as_json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    else:
        out.print(proof_table(verdicts))
    failed = [f"{v.name} {v.state}" for v in verdicts if not v.ok]
    compared(not failed, ", ".join(failed))


@app.command()
def area(
    unit: Annotated[str, typer.Argument(help="A unit of the registry, or npu.")] = "npu",
    config: ConfigName = "base",
    target: Annotated[
        list[str] | None,
        typer.Option(help="ecp5, ice40, up5k, xilinx, gates; default ecp5 and gates."),
    ] = None,
    liberty: Annotated[
        Path | None, typer.Option(help="Map to the cell library of this Liberty file.")
    ] = None,
    pnr: Annotated[
        bool, typer.Option("--pnr", help="Place and route: Fmax; default ecp5 and ice40.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Of place and route: the best, median.")] = 1,
    result: Annotated[Path, typer.Option("-o", "--out")] = Path("build/area.json"),
    as_json: Json = False,
) -> None:
    """Estimate area with Yosys: cells of an FPGA, gates, or cells of your own library."""
    from irnn_hw import steps
    from irnn_hw.area.shown import area_table, caveats

    default = ["ecp5", "ice40"] if pnr else ["ecp5", "gates"] if liberty is None else []
    with bar("area") as report:
        figures = steps.area(
            [unit], target or default, config_named(config), result.parent / "cache",
            progress=report, liberty=liberty, seeds=seeds if pnr else 0,
        )  # fmt: skip
    write_json(result, figures)
    if as_json:
        print(json.dumps(figures, indent=1))
        return
    for one in figures:
        out.print(f"{one['name']}: {one['title']}", area_table(one), sep="\n", markup=False)
    for caveat in dict.fromkeys(c for one in figures for c in caveats(one)):
        out.print(caveat)


app.command()(estimate)
app.command()(sweep)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A demo's folder.")] = Path("build/demo"),
    page: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Default: report.html there, or docs/tables.md."),
    ] = None,
    tables: Annotated[
        bool, typer.Option("--tables", help="The paper's tables, from the results of recipes.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Folder of these results.")] = Path("docs/results"),
) -> None:
    """Write the report page of a demo, or the paper's tables beside what recipes gave."""
    if tables:
        from irnn_hw.recipes.tables import write_tables

        written = write_tables(results, page or Path("docs/tables.md"))
        console.print(f"wrote {', '.join(map(str, written))}")
        return
    from irnn_hw.report import write_report

    path = page or folder / "report.html"
    write_report(folder, path)
    console.print(f"wrote {path}")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check every tool and its version, and say how to get what is missing."""
    from sim.toolchain import check_all

    rows = check_all()
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        out.print(tool_table(rows))
    compared(all(row.ok for row in rows), "tools are missing or too old; see the remedies", code=2)


def main() -> NoReturn:
    """Entry point: errors of input end in one line and exit code 2, Ctrl-C in one and 130."""
    try:
        with interruptible():
            app(standalone_mode=True)
    except InputError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    sys.exit(0)


if __name__ == "__main__":
    main()
