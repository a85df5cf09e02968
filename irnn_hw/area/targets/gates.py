"""NAND2 and NOT gates: a figure that does not depend on any cell library."""

from irnn_hw.area.target import MEMORY_BITS, MEMORY_CELLS, NOTES, Target

# `dch` halves the inverters; the default script's sweeps cost three times the time for 0.6 %.
_ABC = "+strash;dc2;&get,-n;&dch,-f;&nf;&put"

GATES = Target(
    "gates",
    "gates (NAND2 and NOT, static CMOS)",
    f"""
synth -flatten -run begin:fine -top {{top}}
opt -full
techmap
opt -fast
dfflegalize -cell $_DFF_P_ 01
simplemap
opt_clean
abc -script {_ABC} -g NAND
opt_clean
memory_unpack
""",
    {
        "$_NAND_": {"transistors": 4},
        "$_NOT_": {"transistors": 2},
        "$_DFF_P_": {"transistors": 16, "ff": 1},
        **MEMORY_CELLS,
        **NOTES,
    },
    {
        "nand2": "NAND2 equivalents",
        "transistors": "transistors",
        "ff": "flip-flops",
        **MEMORY_BITS,
    },
)
