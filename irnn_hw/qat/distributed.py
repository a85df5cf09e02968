"""Training by several processes, as torchrun starts them: each takes its rows of every batch, and
all of them together take the step of one process on the whole batch, but for the order of sums.

Each computes on a GPU of its own, where there are any: it is torch's default device then.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from golden.errors import InputError
from irnn_hw.qat.ranges import Range

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Processes:
    """This process is that of `rank` among `count`. All of them make the same calls in the same
    order; one alone gets back what it gives."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes and prints for all."""
        return self.rank == 0

    @property
    def rows(self) -> slice:
        """Those of a batch that are this one's."""
        return slice(self.rank, None, self.count)

    def check(self, batch: int) -> None:
        """Raises InputError for a batch of which not all get as many rows."""
        if batch % self.count:
            raise InputError(
                f"batch: {batch} sequences do not divide among {self.count} processes; "
                f"give a multiple of {self.count}"
            )

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()

    def gathered(self, value: Any) -> list[Any]:
        """The values of all, in order."""
        values = [value] * self.count
        if self.count > 1:
            dist.all_gather_object(values, value)
        return values

    def agree(self, what: str, value: Any) -> None:
        """Raises InputError, in all of them, unless the value is the same for all."""
        if any(other != value for other in self.gathered(value)):
            raise InputError(
                f"processes: {what} differ; give all of them one folder, and machines of one kind"
            )

    def mean(self, value: float) -> float:
        """Of the values of all."""
        total = torch.tensor([value], dtype=torch.float64)
        self.average([total])
        return total.item()

    def average(self, arrays: Iterable[Tensor]) -> None:
        """Make arrays of one dtype the means of those of all: the same bits in every process."""
        if self.count == 1:
            return
        arrays = list(arrays)
        flat = torch.cat([array.flatten() for array in arrays])
        dist.all_reduce(flat)
        flat /= self.count
        for array, mean in zip(arrays, flat.split([a.numel() for a in arrays]), strict=True):
            array.copy_(mean.view_as(array))

    def widest(self, ranges: Mapping[str, Range]) -> dict[str, Range]:
        """The smallest and the largest over all; NaN where there is one."""
        found = np.array([list(seen.values()) for seen in self.gathered(ranges)])
        lows, highs = found[..., 0], found[..., 1]
        ends = zip(lows.min(0).tolist(), highs.max(0).tolist(), strict=True)
        return dict(zip(ranges, ends, strict=True))

    def whole(self, states: Any) -> Any:
        """States (batch, length) of the whole batch from those of all, on the CPU where there are
        several. None: there are none."""
        if states is None or self.count == 1:
            return states
        parts = self.gathered({name: x.cpu() for name, x in states.items()})
        return {n: torch.stack([p[n] for p in parts], 1).flatten(0, 1) for n in states}

    def own(self, states: Any) -> Any:
        """This one's of `whole`."""
        if states is None or self.count == 1:
            return states
        return {name: state[self.rows].clone() for name, state in states.items()}


def processes() -> Processes:
    """Those that have joined; without `joined`, or torch.distributed, this one alone."""
    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    return Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Inside, the processes that torchrun has started train as one: once in the life of each.
    Else, this one is alone. Each has its GPU as torch's default device, where there are any.

    Raises InputError for more processes than GPUs."""
    device = _device()
    launched = dist.is_available() and dist.is_torchelastic_launched()
    with nullcontext() if device == CPU else device:
        if not launched or dist.is_initialized() or os.environ["WORLD_SIZE"] == "1":
            yield processes()
            return
        dist.init_process_group(_backend(device))
        try:
            yield processes()
        finally:
            dist.destroy_process_group()


def _device() -> torch.device:
    """The GPU of this process, or the CPU."""
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None or found.type == "mps":  # which has no float64
        return CPU
    count, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.accelerator.device_count()
    if count > gpus:
        raise InputError(
            f"processes: {count} for {gpus} GPUs; start {gpus}, or hide all (CUDA_VISIBLE_DEVICES=)"
        )
    index = int(os.environ.get("LOCAL_RANK", 0))
    torch.accelerator.set_device_index(index)
    return torch.device(found.type, index)


def _backend(device: torch.device) -> str:
    """Of gradients that are on a device; what is gathered is on the CPU."""
    if device == CPU:
        return "gloo"
    return f"cpu:gloo,{device.type}:{dist.get_default_backend_for_device(device)}"
