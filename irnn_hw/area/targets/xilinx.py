"""Xilinx 7 series."""

from irnn_hw.area.target import NOTES, PLAIN_NAMES, Cells, Target

_OPTIONS = "-flatten -noiopad -noclkbuf -top {top}"

# As in ecp5: abc, not abc9. The costs of LUTs are those of synth_xilinx.
_BY_UNIT = f"""
synth_xilinx {_OPTIONS} -run begin:map_luts
opt_expr -mux_undef -noclkinv
abc -luts 2:2,3,6:5,10,20
clean
xilinx_srl -fixed -minlen 3
techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6
xilinx_dffopt
opt_lut_ins -tech xilinx
synth_xilinx {_OPTIONS} -run finalize:check
"""

# LUTs that a memory or a shift register takes.
_LUT_MEMORIES = {
    "RAM32X1S": 1,
    "RAM32X1D": 2,
    "RAM64X1S": 1,
    "RAM64X1D": 2,
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "RAM32M": 4,
    "RAM64M": 4,
    "SRL16E": 1,
    "SRLC32E": 1,
}

_CELLS: Cells = {
    **{f"LUT{inputs}": {"lut": 1} for inputs in range(1, 7)},
    "INV": {"lut": 1},  # a LUT, unless its place takes the inversion in
    **{cell: {"lut": luts, "lutram": luts} for cell, luts in _LUT_MEMORIES.items()},
    "CARRY4": {"carry": 1},
    "MUXF7": {"mux": 1},
    "MUXF8": {"mux": 1},
    **{f"FD{kind}E{edge}": {"ff": 1} for kind in "RSCP" for edge in ("", "_1")},
    "DSP48E1": {"dsp": 1},
    "RAMB18E1": {"bram": 1},
    "RAMB36E1": {"bram": 2},
    **NOTES,
}

XILINX = Target(
    "xilinx",
    "Xilinx 7 series",
    PLAIN_NAMES + f"synth_xilinx {_OPTIONS}",
    _CELLS,
    {
        "lut": "LUT6, also where fewer inputs are used",
        "lutram": "of them memory or shift register",
        "carry": "CARRY4",
        "mux": "MUXF7 and MUXF8",
        "ff": "flip-flops",
        "dsp": "DSP48E1",
        "bram": "18 kbit block RAMs (RAMB36E1 is two)",
    },
    _BY_UNIT,
)
