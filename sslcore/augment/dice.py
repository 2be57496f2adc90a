"""Randomness of one step: a generator on the device and one on the host.

The host's draws decide what has to be known before a kernel is launched (which items get which operation:
the sizes of slices); the device's draws decide everything else. Both are set from ``(seed, step)``, so what
a step draws depends on nothing that happened before, and a resumed run draws the same.
"""

from __future__ import annotations

import numpy as np
import torch


class Dice:
    """Two generators that start again at every step.

    >>> dice = Dice(seed=1)
    >>> dice.turn(step=7)
    >>> first = torch.rand(1, generator=dice.rng).item()
    >>> dice.turn(step=8)
    >>> dice.turn(step=7)
    >>> first == torch.rand(1, generator=dice.rng).item()
    True
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed = seed
        self.rng = torch.Generator(device=device)
        self.host = np.random.default_rng(0)
        self.turn(0)

    def turn(self, step: int) -> None:
        """Sets both generators for a step."""
        device_seed, host_seed = np.random.SeedSequence([self.seed, step]).generate_state(2, np.uint64)
        self.rng.manual_seed(int(device_seed >> np.uint64(1)))
        self.host = np.random.Generator(np.random.PCG64(int(host_seed)))

    def uniform(self, count: int, low: float, high: float) -> torch.Tensor:
        """``count`` draws between ``low`` and ``high`` on the device."""
        return torch.rand(count, generator=self.rng, device=self.rng.device) * (high - low) + low

    def sign(self, count: int) -> torch.Tensor:
        """``count`` draws of -1 or 1 on the device."""
        return torch.randint(0, 2, (count,), generator=self.rng, device=self.rng.device) * 2.0 - 1.0
