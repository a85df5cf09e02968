"""Lattice iCE40: HX8K, which has no multipliers, and UltraPlus 5K, which has eight."""

from irnn_hw.area.target import NOTES, PLAIN_NAMES, Cells, Device, Target

# No LUT is a memory here: what asks for one is registers, or block RAM where that pays.
_NO_LUT_MEMORY = "setattr -unset ram_style a:ram_style=distributed\n"

_KINDS = ("", "E", "ER", "ES", "ESR", "ESS", "R", "S", "SR", "SS")

_CELLS: Cells = {
    "SB_LUT4": {"lut": 1},
    "SB_CARRY": {"carry": 1},
    **{f"SB_DFF{edge}{kind}": {"ff": 1} for edge in ("", "N") for kind in _KINDS},
    **{f"SB_RAM40_4K{clocks}": {"bram": 1} for clocks in ("", "NR", "NW", "NRNW")},
    "SB_MAC16": {"dsp": 1},
    **NOTES,
}

# Of a logic cell, nextpnr may use the LUT, the carry or both: cells are counted once placed.
_UNITS = {
    "lut": "LUT4",
    "carry": "SB_CARRY, each in the logic cell of a LUT or alone in one",
    "ff": "flip-flops",
    "bram": "4 kbit block RAMs",
}


def _target(name: str, title: str, options: str, units: dict[str, str], device: Device) -> Target:
    # As in ecp5: abc, not abc9.
    by_unit = f"""
{_NO_LUT_MEMORY}
synth_ice40 {options} -top {{top}} -run begin:map_luts
abc -lut 4
ice40_wrapcarry -unwrap
techmap -map +/ice40/ff_map.v
clean
opt_lut -tech ice40
synth_ice40 {options} -top {{top}} -run map_cells:check
"""
    synthesis = PLAIN_NAMES + _NO_LUT_MEMORY + f"synth_ice40 {options} -top {{top}}"
    return Target(name, title, synthesis, _CELLS, units, by_unit, devices=(device,))


ICE40 = _target(
    "ice40",
    "Lattice iCE40 HX",
    "-device hx",
    _UNITS,
    Device(
        "iCE40HX8K",
        "nextpnr-ice40",
        ("--hx8k", "--package", "ct256"),
        {"lut": 7680, "carry": 7680, "ff": 7680, "bram": 32},
    ),
)

UP5K = _target(
    "up5k",
    "Lattice iCE40 UltraPlus",
    "-device u -dsp",
    {**_UNITS, "dsp": "16 x 16 multipliers with accumulator"},
    Device(
        "iCE40UP5K",
        "nextpnr-ice40",
        ("--up5k", "--package", "sg48"),
        {"lut": 5280, "carry": 5280, "ff": 5280, "bram": 30, "dsp": 8},
    ),
)
