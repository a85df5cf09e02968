"""IntModel and NpuConfig to a program: instructions, memory images, schedule."""

from irnn_hw.compiler.compile import compile_model

__all__ = ["compile_model"]
