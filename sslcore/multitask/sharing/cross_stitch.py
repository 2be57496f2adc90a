"""Cross-stitch: a tower for each task, and after every part a learned mixture of what the towers see.

Misra et al. 2016, arXiv:1604.03539. ``x_i <- sum_j a_ij x_j`` with one number a pair of tasks and part,
learned with the rest, from mostly one's own at the start. What differs: the towers start from the same
weights instead of networks trained alone, so that channels mean the same from the first step.

When: it is not known how much the tasks have in common; it learns that part by part. Time and memory grow
with the tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.multitask import SHARINGS
from sslcore.multitask.base import Sharing

if TYPE_CHECKING:
    from sslcore.models.network import Backbone


@dataclass(frozen=True)
class CrossStitchConfig(Config):
    """Settings of cross-stitch sharing."""

    own: float = param(0.9, low=0, high=1, help="Share of a task's own features at the start.")


@SHARINGS.register(
    "cross_stitch",
    title="Cross-stitch",
    family="sharing",
    paper="Misra et al. 2016, arXiv:1604.03539",
    config=CrossStitchConfig,
)
class CrossStitch(Sharing):
    """Towers that mix what they see."""

    def trunk(self, make: Callable[[], Backbone], tasks: Sequence[TaskShape]) -> tuple[Backbone, list[slice]]:
        """Towers with a stitch after every part."""
        from sslcore.multitask.trunks import Towers, side_by_side

        towers = Towers(make, len(tasks), self.config.own)
        return towers, side_by_side([towers.first.width] * len(tasks))
