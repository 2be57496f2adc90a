"""Hierarchical sharing: easy tasks are learned from shallow parts, hard ones from what stands on them.

Søgaard & Goldberg 2016, ACL P16-2038; Hashimoto et al. 2017, arXiv:1611.01587. With H parts that have
weights, the r-th of T tasks reads after part ``ceil(r H / T)``, averaged over positions. A backbone of one
part that gives as much as it takes is stacked, a part a task.

When: one task is simpler than another or a step towards it (kind of item, then its fine class); give the
simple one first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.models.ground import Ground
from sslcore.multitask import SHARINGS
from sslcore.multitask.base import Sharing

if TYPE_CHECKING:
    from sslcore.models.network import Backbone


@dataclass(frozen=True)
class HierarchicalConfig(Config):
    """Settings of hierarchical sharing."""

    order: str = param(
        "", help="Task names from shallow to deep, with commas between; empty: fewest classes first."
    )


def depth_order(tasks: Sequence[TaskShape], order: str) -> list[int]:
    """Places of the tasks from the shallowest to the deepest; ``order`` names each once, or is empty.

    >>> depth_order([TaskShape("fine", 10), TaskShape("coarse", 3)], "")
    [1, 0]
    """
    if not order.strip():
        return sorted(range(len(tasks)), key=lambda place: tasks[place].classes)
    names, known = [name.strip() for name in order.split(",")], [task.name for task in tasks]
    return [known.index(name) for name in names]


def exits(weighty: Sequence[int], tasks: int, parts: int) -> list[int]:
    """Parts after which the tasks read, the shallowest first, the last at the end.

    >>> exits([0, 1, 2], 2, 4)
    [1, 3]
    """
    places = [weighty[ceil(rank * len(weighty) / tasks) - 1] for rank in range(1, tasks)]
    return [*places, parts - 1]


@SHARINGS.register(
    "hierarchical",
    title="Hierarchical sharing",
    family="sharing",
    paper="Søgaard & Goldberg 2016, ACL P16-2038",
    config=HierarchicalConfig,
)
class Hierarchical(Sharing):
    """Tasks read one column of parts at different depths."""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It needs a part of the network for each task, and an order that names each once."""
        known, order = [task.name for task in ground.tasks], config.order
        if order.strip() and sorted(name.strip() for name in order.split(",")) != sorted(known):
            return (
                "The order of hierarchical sharing must name each task once. "
                f"Expected: {', '.join(known)} in some order. Received: {order!r}."
            )
        traits, tasks = ground.traits, len(known)
        parts = traits.weighty * tasks if traits.stackable else traits.weighty
        if parts < tasks:
            return (
                "Hierarchical sharing needs a part of the network for each task. "
                f"{ground.backbone} has {parts} that can be parted, and there are {tasks} tasks. "
                "Choose a deeper network, fewer tasks, or another sharing such as hard."
            )
        return ""

    def trunk(self, make: Callable[[], Backbone], tasks: Sequence[TaskShape]) -> tuple[Backbone, list[slice]]:
        """One column with an exit for each task."""
        from sslcore.multitask.trunks import Hierarchy, side_by_side, stackable, weighty

        order = depth_order(tasks, self.config.order)
        first = make()
        parts = first.parts()
        upper = [part for _ in tasks[1:] for part in make().parts()] if stackable(first) else []
        heavy = weighty([*parts, *upper])
        trunk = Hierarchy(first, upper, exits(heavy, len(tasks), len(parts) + len(upper)))
        by_depth = side_by_side(trunk.widths)
        return trunk, [by_depth[order.index(place)] for place in range(len(tasks))]
