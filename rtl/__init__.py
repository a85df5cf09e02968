"""Amaranth components and Verilog emission, built from the spec objects that golden evaluates."""
