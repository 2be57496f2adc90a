"""The supervised network: labelled items alone.

Cross-entropy on weak views of the labelled items, the same network, steps and averaged weights as the others.
It is trained beside every semi-supervised run: a method that does not beat it has not earned its cost.
Formula: ``mean_l CE(p_l, y_l)``.

When: always, as the bar that the others must pass; alone where most items carry a label, or where the
unlabelled ones are of another kind and would mislead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, Moment, Seen, UnlabelledTerm

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class SupervisedConfig(Config):
    """Nothing to set."""


@METHODS.register("supervised", title="Supervised network", family="deep", config=SupervisedConfig)
class Supervised(Method):
    """Learns from labelled items only."""

    @property
    def weight(self) -> float:
        """There is no unlabelled loss."""
        return 0.0

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm | None:
        """Nothing."""
        return None
