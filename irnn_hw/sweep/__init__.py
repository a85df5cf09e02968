"""Accuracy against area, for every way to build an activation unit: `irnn sweep`."""
