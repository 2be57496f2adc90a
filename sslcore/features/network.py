"""Where networks run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def device() -> torch.device:
    """The GPU where there is one that works, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
