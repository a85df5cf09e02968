"""The whole road, once: train, export, run, compile, generate, co-simulate, area, report.

What needs the configuration alone (the simulator's build, the area) is made beside the training. A
step whose inputs did not change since it last ended is not run again.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from golden.model import IntModel
from golden.npu_config import NpuConfig
from golden.program import Program
from irnn_hw import steps
from irnn_hw.console import bars
from irnn_hw.data.corpus import load_corpus
from irnn_hw.files import file_sha256, write_json
from irnn_hw.generate import generate
from irnn_hw.report import write_report
from irnn_hw.stamps import Figures, Stamps
from sim import toolchain
from sim.npu_check import build_npu

PASSAGE, WRITES = 200, 200
TARGETS = ("ecp5", "gates")
TRAINING_CODE = ("golden", "irnn_hw/qat", "irnn_hw/quant", "irnn_hw/data")
SIMULATOR_CODE = ("golden", "rtl", "sim")
AREA_CODE = ("golden", "rtl", "irnn_hw/area")


@dataclass(frozen=True)
class Settings:
    """What a demo is made from. train: a TrainConfig."""

    folder: Path
    corpus: str
    config: NpuConfig
    train: Any


def run_demo(settings: Settings) -> Figures:
    """Run every step that is not up to date; returns the summary, which summary.json holds too.

    Raises InputError for a corpus that cannot be read or a tool that is missing, before it begins.
    """
    return _Demo(settings).run()


class _Demo:
    def __init__(self, settings: Settings):
        toolchain.ensure()
        self._settings, self._config = settings, settings.config
        self._corpus = load_corpus(settings.corpus)
        self._stamps = Stamps(settings.folder / ".steps")

    def _path(self, *parts: str) -> Path:
        return self._settings.folder.joinpath(*parts)

    def run(self) -> Figures:
        start = time.perf_counter()
        with ThreadPoolExecutor(1) as background, bars() as self._bar:
            hardware = background.submit(self._hardware)
            summary = self._road()
            summary["area"] = hardware.result()
        summary |= {
            "seconds": round(time.perf_counter() - start, 1),
            "seconds_by_step": self._stamps.seconds,
            "reused": self._stamps.reused,
        }
        write_json(self._path("summary.json"), summary)
        write_report(self._settings.folder, self._path("report.html"))
        return summary

    def _hardware(self) -> Figures:
        """The simulator's build, and the area of the NPU by target."""
        step, config = self._stamps.step, asdict(self._config)
        step("simulator", self._simulator, config, code=SIMULATOR_CODE)
        return step("area", self._area, config, [], [self._path("area.json")], AREA_CODE)

    def _road(self) -> Figures:
        """Text to figures, step by step."""
        step, path = self._stamps.step, self._path
        config, corpus = asdict(self._config), {"corpus": self._corpus.sha256}
        checkpoint, model, program = map(path, ("checkpoint.pt", "model.irnn", "program.irnn"))
        verilog = path("npu", "npu.v")
        train = corpus | asdict(self._settings.train)
        trained = step("train", self._train, train, [], [checkpoint], TRAINING_CODE)
        step("export", self._export, {}, [checkpoint], [model])
        held_out = step("run", self._evaluate, corpus, [checkpoint, model], [path("clamps.json")])
        self._write_curves(trained["curves"], held_out)
        compiled = step("compile", self._compile, config, [model], [program])
        generated = step("generate", self._generate, config, [program], [verilog])
        cosim = step("cosim", self._cosim, corpus, [model, program, verilog],
                     [path("cycles.json"), path("text.json")])  # fmt: skip
        hashes = {
            "model": file_sha256(model),
            "verilog": generated["sha256"],
            "program": compiled["sha256"],
        }
        return {
            "corpus": self._corpus.name,
            **{key: held_out[key] for key in held_out if key != "clamps"},
            **{key: cosim[key] for key in cosim if key not in ("tensors", "logits_compared")},
            "config": self._config.name,
            "instructions": compiled["instructions"],
            "hashes": hashes,
        }

    def _simulator(self) -> Figures:
        report = self._bar("simulator")
        build = build_npu(self._config)
        report(1, 1, "from cache" if build.cached else "")
        return {"cached": build.cached}

    def _train(self) -> Figures:
        config = self._settings.train
        progress = steps.phases_on(self._bar("train"), config)
        return steps.train(config, self._corpus, self._path("checkpoint.pt"), progress)

    def _export(self) -> Figures:
        return steps.export(self._path("checkpoint.pt"), self._path("model.irnn"))

    def _evaluate(self) -> Figures:
        checkpoint = self._path("checkpoint.pt")
        figures = steps.evaluate(self._model(), self._corpus, checkpoint, self._bar("run"))
        write_json(self._path("clamps.json"), figures["clamps"])
        return figures

    def _write_curves(self, curves: Figures, held_out: Figures) -> None:
        """The loss curves, with the held-out figure at the end of the phases that have one."""
        measured = {"float": "bits_per_char_float", "pwl": "bits_per_char_int"}
        for phase in curves["phases"]:
            if phase["name"] in measured:
                phase["heldout"] = [[phase["steps"][-1], held_out[measured[phase["name"]]]]]
        write_json(self._path("curves.json"), curves)

    def _compile(self) -> Figures:
        return steps.compile_to(self._model(), self._config, self._path("program.irnn"))

    def _generate(self) -> Figures:
        return generate(self._config, self._path("npu"), self._program())

    def _area(self) -> Figures:
        cache = self._path("cache")
        figures = steps.area(["npu"], TARGETS, self._config, cache, 1, self._bar("area"))
        write_json(self._path("area.json"), figures)
        return {figure["target"]: figure["total"] for figure in figures}

    def _cosim(self) -> Figures:
        passage, folder = self._corpus.held_out[:PASSAGE], self._path("cosim")
        figures, _ = steps.cosimulate_text(
            self._program(), self._model(), passage, WRITES, folder, progress=self._bar("cosim")
        )
        write_json(self._path("cycles.json"), figures.pop("cycles_by_operation"))
        write_json(self._path("text.json"), figures.pop("text"))
        return figures

    def _model(self) -> IntModel:
        return IntModel.load(self._path("model.irnn"))

    def _program(self) -> Program:
        return Program.load(self._path("program.irnn"))
