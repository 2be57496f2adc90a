"""Hard sharing: one backbone for all tasks, a linear head each (Caruana 1997).

The fewest weights, and what one task learns all others see; where tasks need different features it costs
the one with fewer labels.

When: the default: tasks that look at the same things, few labels, little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sslcore.models import TaskShape
from sslcore.multitask import SHARINGS
from sslcore.multitask.base import Sharing

if TYPE_CHECKING:
    from sslcore.models.network import Backbone


@SHARINGS.register("hard", title="Hard sharing", family="sharing", paper="Caruana 1997")
class Hard(Sharing):
    """One backbone, all of whose features every task reads."""

    def trunk(self, make: Callable[[], Backbone], tasks: Sequence[TaskShape]) -> tuple[Backbone, list[slice]]:
        """The backbone itself."""
        backbone = make()
        return backbone, [slice(0, backbone.width)] * len(tasks)
