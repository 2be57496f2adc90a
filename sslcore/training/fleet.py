"""The processes of a run: one on most machines, one a GPU where there are several.

Each process takes its share of every batch; Accelerate (Hugging Face) sets them up, averages gradients
(torch's DistributedDataParallel) and whatever else must stay alike. The first process evaluates, saves,
reports and decides; the others follow its word every few steps, because asking at each one would cost more
than the steps of a small network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sslcore.shapes import IntArray

AGREE_EVERY = 10  # steps between the first process's words

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Fleet:
    """One process on one device: nothing to agree on.

    Attributes:
        rank: Which process this is; the first has rank 0.
        size: How many there are.
    """

    rank, size = 0, 1

    @property
    def first(self) -> bool:
        """Whether this process evaluates, saves and reports."""
        return self.rank == 0

    def device(self, wish: torch.device) -> torch.device:
        """The device of this process."""
        return wish

    def share(self, row_B: IntArray) -> IntArray:
        """This process's part of a batch that is dealt to all.

        >>> import numpy as np
        >>> Fleet().share(np.arange(3)).tolist()
        [0, 1, 2]
        """
        return row_B[self.rank :: self.size]

    def whole(self, size: int) -> int:
        """The next batch size that can be shared evenly."""
        return -(-size // self.size) * self.size

    def due(self, step: int) -> bool:
        """Whether the processes listen to the first one after this step."""
        return True

    def agree(self, values: list[float]) -> list[float]:
        """The first process's values, in every process."""
        return values

    def wrap(self, module: nn.Module) -> nn.Module:
        """A module whose gradients come out averaged over the processes."""
        return module

    def mean_(self, tensors: Iterable[Tensor]) -> None:
        """Replaces tensors by their means over the processes."""

    def wait(self) -> None:
        """Until all processes are here."""


class AccelerateFleet(Fleet):
    """The processes that Accelerate's launcher has started.

    Args:
        cpu: Whether they compute on processors (gloo); else each on the GPU of its number.
    """

    def __init__(self, *, cpu: bool) -> None:
        from accelerate import Accelerator  # type: ignore[import-untyped]
        from accelerate.utils import DistributedDataParallelKwargs  # type: ignore[import-untyped]

        # heads that a method uses late and branches that it skips have no gradient in some steps
        how = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator: Any = Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[how])
        self.rank, self.size = self._accelerator.process_index, self._accelerator.num_processes

    def device(self, wish: torch.device) -> torch.device:
        """The GPU of this process's number, or the processor."""
        found: torch.device = self._accelerator.device
        return found

    def due(self, step: int) -> bool:
        """Every few steps, and at the first ones, when speed is measured."""
        return step % AGREE_EVERY == 0 or step < AGREE_EVERY

    def agree(self, values: list[float]) -> list[float]:
        """The first process's values, in every process."""
        from accelerate.utils import broadcast

        told = torch.tensor(values, dtype=torch.float64, device=self._accelerator.device)
        agreed: list[float] = broadcast(told).tolist()
        return agreed

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module in DistributedDataParallel."""
        wrapped: nn.Module = self._accelerator.prepare_model(module, device_placement=False)
        return wrapped

    def mean_(self, tensors: Iterable[Tensor]) -> None:
        """Replaces tensors by their means over the processes."""
        for tensor in tensors:
            if tensor.is_floating_point():
                tensor.copy_(self._accelerator.reduce(tensor.clone(), reduction="mean"))

    def wait(self) -> None:
        """Until all processes are here."""
        self._accelerator.wait_for_everyone()


def launched() -> Fleet:
    """The fleet that this process belongs to, by what the launcher left in its environment."""
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return Fleet()
    cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return AccelerateFleet(cpu=cpu)
