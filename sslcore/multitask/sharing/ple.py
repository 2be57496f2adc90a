"""PLE: experts of one's own beside shared ones, level upon level.

Tang et al. 2020, doi:10.1145/3383313.3412236. On each level task t has experts of its own on its own stream,
and there are shared ones on a shared stream; the gate ``softmax(G x_t)`` mixes a task's own and the shared
ones into the next ``x_t``, a further gate all of them into the next shared stream. Levels are the backbone's
last parts, on a stem that all share; a backbone of one part is stacked where it gives as much as it takes,
else there is one level (CGC). What differs: experts and gates are as wide as the backbone's parts.

When: under hard sharing one task gains and another loses: each keeps experts that the others do not touch.
The largest network of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.models.ground import Ground
from sslcore.models.traits import Traits
from sslcore.multitask import SHARINGS
from sslcore.multitask.base import Sharing

if TYPE_CHECKING:
    from sslcore.models.network import Backbone


@dataclass(frozen=True)
class PLEConfig(Config):
    """Settings of progressive layered extraction."""

    levels: int = param(2, low=1, high=8, help="Levels of experts; at most the network's parts allow.")
    own: int = param(1, low=0, high=16, help="Experts of each task alone.")
    shared: int = param(1, low=0, high=16, help="Experts of all tasks.")


def expert_groups(tasks: int, *, own: int, shared: int) -> list[list[int]]:
    """Experts that each task's gate mixes, and at last those of the shared stream: all.

    The shared experts come first, then those of each task.

    >>> expert_groups(2, own=1, shared=1)
    [[0, 1], [0, 2], [0, 1, 2]]
    """
    common = list(range(shared))
    alone = [list(range(shared + task * own, shared + (task + 1) * own)) for task in range(tasks)]
    return [*(common + group for group in alone), list(range(shared + tasks * own))]


@SHARINGS.register(
    "ple",
    title="Own and shared experts (PLE)",
    family="sharing",
    paper="Tang et al. 2020, doi:10.1145/3383313.3412236",
    config=PLEConfig,
)
class PLE(Sharing):
    """Levels of own and shared experts."""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It needs an expert."""
        if config.own + config.shared:
            return ""
        return "PLE needs at least one expert, own or shared. Received: none of both."

    @classmethod
    def only_copies(cls, traits: Traits) -> bool:
        """Experts begin alike where they come with their weights."""
        return traits.pretrained

    def trunk(self, make: Callable[[], Backbone], tasks: Sequence[TaskShape]) -> tuple[Backbone, list[slice]]:
        """A stem, levels of experts, gates."""
        from sslcore.multitask.trunks import Experts, side_by_side, stackable, weighty

        config = self.config
        first = make()
        parts, groups = first.parts(), expert_groups(len(tasks), own=config.own, shared=config.shared)
        heavy = weighty(parts)
        if len(heavy) > 1:
            # a part each for the levels, the last with what follows it; at least one stays for the stem
            starts = heavy[-min(config.levels, len(heavy) - 1) :]
            stem, ends = starts[0], [*starts[1:], len(parts)]
            spans = list(zip(starts, ends, strict=True))
            sizes = [end - start for start, end in spans]
        else:
            levels = config.levels if stackable(first) else 1
            stem, spans = 0, [(0, len(parts))] * levels
            sizes = [len(parts)] + [0] * (levels - 1)
        levels_of_others = [
            [make().parts()[start:end] for _ in range(len(groups[-1]) - (size > 0))]
            for (start, end), size in zip(spans, sizes, strict=True)
        ]
        trunk = Experts(first, stem, levels_of_others, sizes=sizes, groups=groups)
        return trunk, side_by_side([first.width] * len(tasks))
