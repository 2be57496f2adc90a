"""Out of memory: how it is told, and the batch that is tried next.

The batch is halved, and the learning rate with it (the linear rule, Goyal et al. 2017, arXiv:1706.02677: the
noise of a step stays what the user's settings gave, and a smaller rate can never make a run unstable).
"""

from __future__ import annotations

import torch

from sslcore.errors import TrainingError

CPU_WORDS = ("can't allocate memory", "not enough memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or in the processor's.

    >>> out_of_memory(
    ...     RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte")
    ... )
    True
    >>> out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    False
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(words in text for words in CPU_WORDS)


def halved(sizes: tuple[int, int]) -> tuple[int, int]:
    """Labelled and unlabelled items of the next try.

    Raises:
        TrainingError: There is nothing left to halve.

    >>> halved((16, 112)), halved((1, 3))
    ((8, 56), (1, 1))
    """
    if max(sizes) <= 1:
        raise TrainingError(
            "Memory ran out with one item in a batch. Expected: room for at least one. Choose a smaller "
            "network or image size, or end other programs that hold memory."
        )
    labelled, unlabelled = sizes
    return max(1, labelled // 2), max(1, unlabelled // 2) if unlabelled else 0


def forget_device_memory(device: torch.device) -> None:
    """Gives back what the allocator holds for nobody, so that smaller tensors fit between."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
