"""What a checkpoint holds: the masters of its network, and how they are quantized."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from golden.errors import InputError
from irnn_hw.data.corpus import UNKNOWN
from irnn_hw.qat import checkpoint
from irnn_hw.qat.compiled import Tapes
from irnn_hw.qat.config import ALL, PHASES, Schedule, TrainConfig
from irnn_hw.qat.integer import Integer, integer
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.model import CharLM, CharMasters
from irnn_hw.qat.partial import partial
from irnn_hw.qat.ranges import Range
from irnn_hw.qat.real import Reals
from irnn_hw.qat.structure import describe, rebuild
from irnn_hw.quant.network import Network
from irnn_hw.quant.quantize import Choices


@dataclass(frozen=True)
class Restored:
    """A checkpoint of a character language model, or of any network."""

    content: Mapping[str, Any]
    path: Path

    @property
    def config(self) -> Schedule:
        """A TrainConfig, where it is of a character language model."""
        kind = Schedule if "structure" in self.content else TrainConfig
        names = {f.name for f in fields(kind)}
        return kind(**{k: v for k, v in self.content["config"].items() if k in names})

    @property
    def ranges(self) -> dict[str, Range]:
        """Of its tensors, as gathered."""
        return dict(self.content["ranges"])

    @property
    def quantized_phases(self) -> list[str]:
        """Those that have trained."""
        return [phase for phase in ("lut", "pwl") if self.content["losses"].get(phase)]

    @property
    def choices(self) -> Choices:
        """Those of the last quantized phase that has trained, or of PWL where none has."""
        return self.config.choices((self.quantized_phases or ["pwl"])[-1])

    @property
    def metadata(self) -> dict[str, Any]:
        """Of the exported model, beside what ties its integers to real numbers."""
        if "structure" in self.content:
            return dict(self.content["metadata"])
        vocabulary = self.content["vocabulary"]
        return {
            "task": "char-lm",
            "vocabulary": vocabulary,
            "unknown": vocabulary.index(UNKNOWN),
            "corpus_sha256": self.content["corpus"],
            "multiplier_width": self.config.multiplier_width,
        }

    def char_model(self, weights: str = "model") -> CharLM:
        """The character language model, with the weights saved under that name."""
        c = self.content["config"]
        model = CharLM(len(self.content["vocabulary"]), c["embedding"], c["hidden"])
        model.load_state_dict(self.content[weights])
        return model

    def masters(self, weights: str = "model") -> Masters:
        """The network, with the weights saved under that name."""
        if "structure" not in self.content:
            return Masters(CharMasters(self.char_model(weights)).template)
        arrays = self.content[weights]
        return Masters(rebuild(self.content["structure"], arrays, str(self.path)))

    def integer(self, keep: Iterable[str] | None = (), tapes: Tapes | None = None) -> Integer:
        """The network on its integers, as training left it. keep, tapes: as of `integer`.

        Raises InputError where it has trained with a part on codes alone."""
        if self.config.quantized != ALL:
            raise InputError(
                f"{self.path}: trained with quantized = {self.config.quantized!r}, which has no "
                f"integers; train with {ALL!r}"
            )
        return integer(self.masters(), self.ranges, self.choices, keep, tapes=tapes)

    def partial(self, tapes: Tapes | None = None) -> Reals:
        """The network with a part on codes, as training left it. tapes: as of `partial`."""
        masters, stage = self.masters(), self.config.quantized
        return partial(masters, self.ranges, stage, self.choices, tapes=tapes)


def restore(path: Path, needs: str) -> Restored:
    """The checkpoint at path. Raises InputError unless the `needs` phase has trained."""
    content = checkpoint.load(path)
    at, needed = content["phase"], PHASES.index(needs)
    if at < needed or (at == needed and not content["losses"][needs]):
        raise InputError(
            f"{path}: training stopped in the {PHASES[at]} phase; resume it with `irnn train`"
        )
    return Restored(content, path)


def save_untrained(
    path: Path, network: Network, ranges: Mapping[str, Range], config: Schedule
) -> None:
    """A checkpoint of a network that is quantized as it is, with no training of its own."""
    content = {
        "config": asdict(config),
        "structure": describe(network),
        "metadata": {},
        "model": Masters(network).state_dict(),
        "float_weights": None,
        "phase": len(PHASES),
        "ranges": dict(ranges),
        "losses": {},
    }
    checkpoint.save(path, content)
