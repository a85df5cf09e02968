"""Hyper-parameters of training, each with its reason."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from golden.errors import InputError
from irnn_hw.quant.pwl_methods import METHODS
from irnn_hw.quant.quantize import Choices

# By phase, the field of a schedule that says its steps.
STEPS = {"float": "float_steps", "ranges": "range_steps", "lut": "lut_steps", "pwl": "pwl_steps"}
PHASES = tuple(STEPS)
OPTIMIZERS = ("adamw", "sgd")
# What is on codes, each with what is before it (`irnn_hw.qat.partial`); ALL: a network of integers.
STAGES = ("weights", "products", "elements", "all")
ALL = STAGES[-1]
MAY_BE_ZERO = (
    "seed", "weight_decay", "averaging", "cell_penalty", "stochastic", "float_steps",
    "range_steps", "lut_steps", "pwl_steps", "compiled", "score_every",
)  # fmt: skip
# What a resumed run may change: it alters no number.
FREE_FIELDS = ("checkpoint_every", "score_every")


@dataclass(frozen=True)
class Schedule:
    """Phases, optimizer and quantization of any network."""

    pieces: int = 16  # the paper's 8-bit LSTM loses nothing from 8 pieces on
    exp_pieces: int = 32  # of attention's exponential, whose errors the softmax multiplies
    method: str = "greedy"  # Algorithm 1 of the paper
    quantized: str = ALL  # what is on codes after full precision; less than all only measures
    multiplier_width: int = 16  # the hardware's; 8-bit codes cannot see more
    stochastic: bool = False  # ternary and exponential weights drawn at random in training
    float_steps: int = 2000  # about 19 passes over pydoc
    range_steps: int = 50  # the moving average settles well within
    lut_steps: int = 150  # a pass and a half: weights get used to codes
    pwl_steps: int = 250  # more than two passes: and to 16 pieces
    optimizer: str = "adamw"
    float_rate: float = 1.5e-2  # decayed along a cosine
    lut_rate: float = 1e-3  # the weights are trained already
    pwl_rate: float = 1e-3
    weight_decay: float = 0.15  # decoupled (AdamW): the text is short, 20 passes overfit it
    averaging: float = 0.0  # a phase ends with the moving average of its weights; 0: without one
    cell_limit: float = 4.0  # cells that count to 100 would leave 8 bits too coarse for the rest
    cell_penalty: float = 0.0  # nats for a cell one beyond the limit, growing with its square
    clip: float = 1.0  # of the gradient's norm, against explosions over long windows
    range_momentum: float = 0.9  # ten windows of memory
    seed: int = 1
    compiled: bool = True  # recurrences in C++ where that can be built: the same integers, faster
    threads: int = 1  # sums depend on it; one is also the fastest where cores are shared
    checkpoint_every: int = 100  # steps: seconds of work at stake
    score_every: int = 0  # steps between scores of the validation part; 0: none

    def __post_init__(self) -> None:
        known = {"method": tuple(METHODS), "optimizer": OPTIMIZERS, "quantized": STAGES}
        for name, choices in known.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name}: {getattr(self, name)!r}; choose {', '.join(choices)}")
        for name, value in asdict(self).items():
            if isinstance(value, str):
                continue
            if value < 0 or (value == 0 and name not in MAY_BE_ZERO):
                raise InputError(f"{name}: {value} is too small; give a positive number")
        for name in ("range_momentum", "averaging"):
            if getattr(self, name) >= 1:
                raise InputError(f"{name}: {getattr(self, name)} is not below 1")

    def steps(self, phase: str) -> int:
        steps: int = getattr(self, STEPS[phase])
        return steps

    @property
    def all_steps(self) -> int:
        return sum(map(self.steps, PHASES))

    def rate(self, phase: str) -> float:
        """The learning rate at the start of a phase that trains."""
        return {"float": self.float_rate, "lut": self.lut_rate, "pwl": self.pwl_rate}[phase]

    def choices(self, phase: str) -> Choices:
        """How a network is quantized in a phase: with tables, or with PWL."""
        pieces = None if phase == "lut" else self.pieces
        exp = None if phase == "lut" else self.exp_pieces
        return Choices({"": pieces, "exp": exp}, self.method, self.multiplier_width)

    def difference(self, other: dict[str, Any]) -> str:
        """The fields in which a run of `other` gives other numbers, as text; empty: none."""
        before = {f.name: f.default for f in fields(self)} | other  # it may be older than a field
        pairs = ((name, value, before[name]) for name, value in asdict(self).items())
        return ", ".join(
            f"{name} {theirs} there, {mine} here"
            for name, mine, theirs in pairs
            if mine != theirs and name not in FREE_FIELDS
        )


@dataclass(frozen=True)
class TrainConfig(Schedule):
    """Everything that decides the numbers of the character language model, beside the corpus."""

    embedding: int = 64  # half the state: 96 symbols need little
    hidden: int = 128  # fits the small NPU's memories, and 2 cores within minutes
    batch: int = 64  # streams read in parallel
    window: int = 64  # time steps of truncated backpropagation
    cell_penalty: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantized != ALL:
            raise InputError(f"quantized: {self.quantized!r}; of a character model it is {ALL!r}")
