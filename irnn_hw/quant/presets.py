"""The paper's two settings of bits and pieces, by name."""

from dataclasses import dataclass

from golden.errors import InputError
from irnn_hw.quant.cells import LstmOptions, Norm, Weights
from irnn_hw.quant.params import Float64
from irnn_hw.quant.quantize import Choices


@dataclass(frozen=True)
class Preset:
    """gate_bits, cell_bits: of an LSTM's sums of gates, and of its cell and its terms (section
    4.4). pieces, exp_pieces: of the PWL of sigmoid and tanh, and of attention's exponential."""

    gate_bits: int
    cell_bits: int
    pieces: int
    exp_pieces: int

    def choices(self, method: str = "greedy") -> Choices:
        """method: one of `irnn_hw.quant.pwl_methods.METHODS`."""
        return Choices({"": self.pieces, "exp": self.exp_pieces}, method)

    def lstm(
        self,
        *,
        coupled: bool = False,
        capped: bool = False,
        projection: Weights | None = None,
        norms: tuple[Norm, Norm, Norm] | None = None,
        bias: Float64 | None = None,
    ) -> LstmOptions:
        """An LSTM of these bits; the rest as of `LstmOptions`."""
        return LstmOptions(self.gate_bits, self.cell_bits, coupled, capped, projection, norms, bias)


# Attention has 16-bit sums and scores in both, unless `Attend` says 8, and all else 8 bits (section
# 4.3, appendix A.1).
PRESETS = {
    "lm8": Preset(8, 8, 32, 32),  # language models: Tables 1 and 2
    "asr16": Preset(16, 16, 96, 160),  # speech: Table 3
}


def preset_named(name: str) -> Preset:
    """Raises InputError for a name that is none of PRESETS."""
    if name not in PRESETS:
        raise InputError(f"preset: {name!r}; choose {', '.join(PRESETS)}")
    return PRESETS[name]
