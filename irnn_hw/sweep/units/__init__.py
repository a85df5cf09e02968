"""The families of units that a sweep builds: the one place that knows the classes of the RTL."""

from irnn_hw.sweep.units.divider import DIVIDER
from irnn_hw.sweep.units.family import Family
from irnn_hw.sweep.units.mac import MAC
from irnn_hw.sweep.units.pwl import PWL
from irnn_hw.sweep.units.requantizer import REQUANTIZER

FAMILIES: dict[str, Family] = {f.name: f for f in (PWL, MAC, REQUANTIZER, DIVIDER)}
