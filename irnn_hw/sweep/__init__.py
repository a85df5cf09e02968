"""Accuracy against area, for every way to build a unit: `irnn sweep`."""
