"""Lattice ECP5."""

from irnn_hw.area.target import NOTES, PLAIN_NAMES, Device, Target

# Modules by themselves take half as many LUTs again by abc9, which maps the whole, as by abc.
_BY_UNIT = """
synth_ecp5 -top {top} -run begin:map_luts
abc -lut 4
clean
synth_ecp5 -top {top} -run map_cells:check
"""

ECP5 = Target(
    "ecp5",
    "Lattice ECP5",
    PLAIN_NAMES + "synth_ecp5 -top {top}",
    {
        "LUT4": {"lut": 1},
        "CCU2C": {"lut": 2},  # two LUT4 used as a carry chain
        "TRELLIS_DPR16X4": {"lut": 4},
        "TRELLIS_FF": {"ff": 1},
        "MULT18X18D": {"dsp": 1},
        "DP16KD": {"bram": 1},
        "PDPW16KD": {"bram": 1},
        "PFUMX": {},  # multiplexers of the slice, behind LUTs already counted
        "L6MUX21": {},
        **NOTES,
    },
    {
        "lut": "LUT4",
        "ff": "flip-flops",
        "dsp": "18 x 18 multipliers",
        "bram": "18 kbit block RAMs",
    },
    _BY_UNIT,
    devices=(
        Device(
            "LFE5U-25F-6",
            "nextpnr-ecp5",
            ("--25k", "--package", "CABGA381", "--speed", "6"),
            {"lut": 24288, "ff": 24288, "dsp": 28, "bram": 56},
        ),
        Device(
            "LFE5U-85F-6",
            "nextpnr-ecp5",
            ("--85k", "--package", "CABGA756", "--speed", "6"),
            {"lut": 83640, "ff": 83640, "dsp": 156, "bram": 208},
        ),
    ),
)
