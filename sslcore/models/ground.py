"""What a recipe stands on: the network, the tasks and their labels, as plain data.

Each choice of a recipe says in ``obstacle(config, ground)`` why it cannot work there. The app asks before a
run is queued, from what is declared and what the store holds; the run asks again, from what it was given.
"""

from __future__ import annotations

from dataclasses import dataclass

from sslcore.models import TaskShape
from sslcore.models.traits import Traits

CLASS_KINDS = ("single", "ordinal")
"""Kinds of tasks with one class an item."""


@dataclass(frozen=True)
class Ground:
    """Where a recipe is to work.

    Args:
        backbone: Name of the network.
        traits: What is known of it.
        tasks: The tasks in the order of the heads.
        labelled: How many classes of each task have a label that may be trained on; 0 where there are none.
        warm: Whether a warm start teaches the network first.
        given: What the run can give a network: "image", "text", "feature"; nothing where that is not known.

    >>> from sslcore.models.traits import TRAITS
    >>> Ground("small_cnn", TRAITS["small_cnn"], (TaskShape("topic", 3),), (2,)).classed
    (0,)
    """

    backbone: str
    traits: Traits
    tasks: tuple[TaskShape, ...]
    labelled: tuple[int, ...] = ()
    warm: bool = False
    given: tuple[str, ...] = ()

    @property
    def classed(self) -> tuple[int, ...]:
        """Places of the tasks with one class an item."""
        return tuple(place for place, task in enumerate(self.tasks) if task.kind in CLASS_KINDS)

    @property
    def knows(self) -> bool:
        """Whether the network has learned something when the method begins."""
        return self.warm or self.traits.knows
