"""The registry of units: unit tests, co-simulation and area iterate over it."""

from rtl.units.attention import ATTENTION_UNITS
from rtl.units.division import DIVISION_UNITS
from rtl.units.mac_array import MAC_UNITS
from rtl.units.pwl import PWL_UNITS
from rtl.units.requantizer import REQUANTIZER_UNITS
from rtl.units.unit import Unit
from rtl.units.vector_lane import LANE_UNITS

UNITS: dict[str, Unit] = {
    unit.name: unit
    for family in (
        REQUANTIZER_UNITS,
        PWL_UNITS,
        MAC_UNITS,
        LANE_UNITS,
        DIVISION_UNITS,
        ATTENTION_UNITS,
    )
    for unit in family
}
