"""The whole road, once: train, export, run, compile, generate, co-simulate, area, report.

A step whose inputs did not change since it last ended is not run again: each leaves a stamp with a
hash of its inputs (files, settings, source code) and of what it wrote.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from golden.container import write_atomic
from golden.model import IntModel
from golden.npu_config import NpuConfig
from golden.program import Program
from irnn_hw import steps
from irnn_hw.console import bar, console
from irnn_hw.data.corpus import Corpus, load_corpus
from irnn_hw.report import write_report

PACKAGES = Path(__file__).parents[1]
ALL_CODE = ("golden", "rtl", "sim", "irnn_hw")
TRAINING_CODE = ("golden", "irnn_hw/qat", "irnn_hw/quant", "irnn_hw/data")
PASSAGE, WRITES = 200, 200
TARGETS = ("ecp5", "gates")


@dataclass(frozen=True)
class Settings:
    """What a demo is made from. train: a TrainConfig."""

    folder: Path
    corpus: str
    config: NpuConfig
    train: Any


def run_demo(settings: Settings) -> dict[str, Any]:
    """Run every step that is not up to date; returns the summary, which summary.json holds too."""
    return _Demo(settings).run()


class _Demo:
    def __init__(self, settings: Settings):
        self._settings = settings
        self._folder = settings.folder
        self._corpus: Corpus = load_corpus(settings.corpus)
        self._seconds: dict[str, float] = {}
        self._reused: list[str] = []

    def run(self) -> dict[str, Any]:
        start = time.perf_counter()
        path, config = self._folder.joinpath, self._settings.config
        checkpoint, model, program = (
            path(n) for n in ("checkpoint.pt", "model.irnn", "program.irnn")
        )
        config_key = asdict(config)
        corpus_key = self._corpus.sha256
        train_key = {"corpus": corpus_key, "train": asdict(self._settings.train)}
        self._losses = self._step("train", self._train, train_key, [], [checkpoint], TRAINING_CODE)
        self._step("export", self._export, {}, [checkpoint], [model])
        held_out = self._step("run", self._evaluate, {"corpus": corpus_key}, [checkpoint, model],
                              [path("clamps.json"), path("curves.json")])  # fmt: skip
        compiled = self._step("compile", self._compile, config_key, [model], [program])
        verilog = path("npu", "npu.v")
        generated = self._step("generate", self._generate, config_key, [program], [verilog])
        sizes = self._step("area", self._area, config_key, [verilog], [path("area.json")])
        cosim = self._step("cosim", self._cosim, {"corpus": corpus_key}, [model, program, verilog],
                           [path("cycles.json"), path("text.json")])  # fmt: skip
        summary = {
            "seconds": round(time.perf_counter() - start, 1),
            "corpus": self._corpus.name,
            **{k: v for k, v in held_out.items() if k != "clamps"},
            **{k: cosim[k] for k in ("words_compared", "words_differing", "cycles", "steps",
                                     "mac_utilisation", "cycles_per_second", "message")},
            "area": sizes,
            "config": config.name,
            "instructions": compiled["instructions"],
            "hashes": {
                "model": steps.file_sha256(model),
                "verilog": generated["sha256"],
                "program": compiled["sha256"],
            },
            "seconds_by_step": self._seconds,
            "reused": self._reused,
        }  # fmt: skip
        steps.write_json(path("summary.json"), summary)
        write_report(self._folder, path("report.html"))
        return summary

    def _step(
        self,
        name: str,
        run: Callable[[], dict[str, Any]],
        settings: dict[str, Any],
        inputs: list[Path],
        outputs: list[Path],
        code: tuple[str, ...] = ALL_CODE,
    ) -> dict[str, Any]:
        """The step's figures: of this run, or of the last where nothing changed."""
        stamp = self._folder / ".steps" / f"{name}.json"
        hashes = {p.name: steps.file_sha256(p) for p in inputs}
        key = _digest({"settings": settings, "inputs": hashes, "code": _code_hash(code)})
        last = json.loads(stamp.read_text()) if stamp.exists() else {}
        written = {p.name: steps.file_sha256(p) for p in outputs if p.exists()}
        if last.get("key") == key and last.get("outputs") == written:
            self._reused.append(name)
            self._seconds[name] = last["seconds"]
            console.print(f"{name:<10} up to date")
            return last["figures"]
        if last.get("key") != key:
            # A checkpoint is resumed only by the run that began it.
            for path in outputs:
                path.unlink(missing_ok=True)
            write_atomic(stamp, json.dumps({"key": key}))
        start = time.perf_counter()
        figures = run()
        self._seconds[name] = seconds = round(time.perf_counter() - start, 1)
        console.print(f"{name:<10} {seconds:6.1f} s")
        written = {p.name: steps.file_sha256(p) for p in outputs}
        done = {"key": key, "outputs": written, "figures": figures, "seconds": seconds}
        steps.write_json(stamp, done)
        return figures

    def _train(self) -> dict[str, Any]:
        config, checkpoint = self._settings.train, self._folder / "checkpoint.pt"
        with bar("train") as report:
            progress = steps.phases_on(report, config)
            return steps.train(config, self._corpus, checkpoint, progress)

    def _export(self) -> dict[str, Any]:
        return steps.export(self._folder / "checkpoint.pt", self._folder / "model.irnn")

    def _evaluate(self) -> dict[str, Any]:
        with bar("run") as report:
            checkpoint = self._folder / "checkpoint.pt"
            figures = steps.evaluate(self._model(), self._corpus, checkpoint, report)
        curves = self._losses["curves"]
        measured = {"float": "bits_per_char_float", "pwl": "bits_per_char_int"}
        for phase in curves["phases"]:
            if phase["name"] in measured:
                phase["heldout"] = [[phase["steps"][-1], figures[measured[phase["name"]]]]]
        steps.write_json(self._folder / "curves.json", curves)
        steps.write_json(self._folder / "clamps.json", figures["clamps"])
        return figures

    def _compile(self) -> dict[str, Any]:
        return steps.compile_to(self._model(), self._settings.config, self._folder / "program.irnn")

    def _generate(self) -> dict[str, Any]:
        return steps.generate(self._settings.config, self._folder / "npu", self._program())

    def _area(self) -> dict[str, Any]:
        with bar("area") as report:
            figures = steps.area(
                ["npu"], TARGETS, self._settings.config, self._folder / "cache", progress=report
            )
        steps.write_json(self._folder / "area.json", figures)
        return {figure["target"]: figure["total"] for figure in figures}

    def _cosim(self) -> dict[str, Any]:
        passage = self._corpus.held_out[:PASSAGE]
        with bar("cosim") as report:
            figures, _ = steps.cosimulate_text(
                self._program(), self._model(), passage, WRITES, self._folder / "cosim",
                progress=report,
            )  # fmt: skip
        steps.write_json(self._folder / "cycles.json", figures.pop("cycles_by_operation"))
        steps.write_json(self._folder / "text.json", figures.pop("text"))
        return figures

    def _model(self) -> IntModel:
        return IntModel.load(self._folder / "model.irnn")

    def _program(self) -> Program:
        return Program.load(self._folder / "program.irnn")


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _code_hash(parts: tuple[str, ...]) -> str:
    """Hash of the source files below these folders of the installed packages."""
    files = sorted(p for part in parts for p in (PACKAGES / part).rglob("*")
                   if p.suffix in (".py", ".sv", ".html", ".vlt", ".cpp"))  # fmt: skip
    return _digest([[str(p.relative_to(PACKAGES)), steps.file_sha256(p)] for p in files])
