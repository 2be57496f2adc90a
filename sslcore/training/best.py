"""The averaged weights worth going back to, should the run collapse later.

With at least 20 audited answers those with the best audited accuracy; with fewer there is no honest measure
to choose by (agreement of the network with itself is highest in a collapse), and the latest sound ones are
kept. Only sound evaluations count: no class far over its prior, not clearly below the supervised head. A run
that ends well never reports them: the best of many looks at one audit split flatters.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from sslcore.training.checkpoint import read_checkpoint, write_checkpoint

BEST = "best.safetensors"
LEAST_AUDIT = 20  # audited answers below which an accuracy is too rough to choose by


class Best:
    """Keeps the best averaged weights seen, in memory and, from checkpoint to checkpoint, on the disk.

    Attributes:
        step: Of the weights; -1 where there are none.
        score: What they were chosen by.
    """

    def __init__(self) -> None:
        self.step, self.score = -1, float("-inf")
        self._tensors: dict[str, Tensor] = {}
        self._written = True

    def offer(self, step: int, score: float, network: torch.nn.Module) -> None:
        """Takes the weights where none before were better; of equal ones the later."""
        if score < self.score:
            return
        self.step, self.score, self._written = step, score, False
        self._tensors = {name: held.detach().cpu().clone() for name, held in network.state_dict().items()}

    def write(self, folder: Path) -> None:
        """Writes what is not written yet."""
        if self._written:
            return
        write_checkpoint(folder / BEST, self._tensors, {"step": self.step, "score": self.score})
        self._written = True

    def read(self, folder: Path) -> None:
        """Takes up what an earlier sitting wrote."""
        if (folder / BEST).exists():
            self._tensors, facts = read_checkpoint(folder / BEST)
            self.step, self.score = int(facts["step"]), float(facts["score"])

    @staticmethod
    def forget(folder: Path) -> None:
        """Removes what another run wrote into the folder."""
        (folder / BEST).unlink(missing_ok=True)

    def restore(self, network: torch.nn.Module) -> None:
        """Puts the weights into a network."""
        network.load_state_dict(self._tensors)
