"""A device of its own in torch, `island`: what a GPU would refuse, it refuses, where there is none.

Its tensors have memory that no operator of the CPU and no numpy reads. Every operator is the CPU's,
on that memory, so its numbers are the CPU's to the bit. An operand that was left on the CPU is an
error, but for a number (0 dimensions), as with CUDA. To import this makes it the accelerator of the
process: tests do so in processes of their own.
"""

import torch
from torch import Tensor
from torch import distributed as dist
from torch.library import Library
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

NAME, COUNT = "island", 2  # one for each of two processes; torch itself takes them for one
META = torch._C.DispatchKeySet(torch._C.DispatchKey.Meta)
COPY = torch.ops.aten._copy_from.default


class Module(_DummyBackendModule):
    """torch.island"""

    def device_count(self) -> int:
        return COUNT


def memory(x: Tensor) -> Tensor:
    """What an island's tensor holds, as the CPU's."""
    empty = torch.empty(0, dtype=x.dtype, device="cpu")
    return empty.set_(x.untyped_storage().held, x.storage_offset(), x.shape, x.stride())


def shaped(x: Tensor, like: Tensor) -> Tensor:
    """A view of an island's tensor. (The kernel of meta tensors reads no memory.)"""
    view = torch.ops.aten.as_strided.default.redispatch
    return view(META, x, like.shape, like.stride(), like.storage_offset())


class Call:
    """One call of an operator."""

    def __init__(self, op):
        self.op, self.arguments, self.memories = op, {}, {}

    def enter(self, x):
        """An argument of the CPU's operator."""
        if isinstance(x, list | tuple):
            return [*map(self.enter, x)]
        if isinstance(x, torch.device):
            return torch.device("cpu")
        if not isinstance(x, Tensor):
            return x
        if x.device.type == NAME:
            held = memory(x)
            self.arguments[id(held)] = self.memories[held.untyped_storage()._cdata] = x
            return held
        if x.dim() and self.op is not COPY:
            raise RuntimeError(f"{self.op}: an operand is on the CPU")
        return x

    def leave(self, held):
        """A result: one of the arguments, a view of one, or memory of its own."""
        if isinstance(held, list | tuple):
            return type(held)(map(self.leave, held))
        if not isinstance(held, Tensor):
            return held
        if id(held) in self.arguments:
            x = self.arguments[id(held)]
            if x.shape != held.shape:  # an empty one, to be resized
                x.data = shaped(x, held)
            return x
        x = self.memories.get(held.untyped_storage()._cdata)
        if x is None:
            x = torch._C._acc.create_empty_tensor((), held.dtype)
            x.untyped_storage().held = held.untyped_storage()
        assert x.dtype == held.dtype
        return shaped(x, held)


def operator(op, *args, **kwargs):
    """Every operator of the island."""
    call = Call(op)
    args, kwargs = call.enter(args), {key: call.enter(x) for key, x in kwargs.items()}
    return call.leave(args[1].copy_(args[0]) if op is COPY else op(*args, **kwargs))


def all_reduce(tensors, *args):
    """Among the processes, through gloo."""
    return tensors, torch.ops.c10d.allreduce_([*map(memory, tensors)], *args)[1]


_setup_privateuseone_for_python_backend(NAME, Module())
dist.Backend.default_device_backend_map[NAME] = "gloo"
LIBRARIES = Library("_", "IMPL"), Library("c10d", "IMPL")
LIBRARIES[0].fallback(operator, "PrivateUse1")
LIBRARIES[1].impl("allreduce_", all_reduce, "PrivateUse1")
