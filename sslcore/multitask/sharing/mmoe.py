"""MMoE: experts that all tasks may ask, and a gate for each task that mixes their answers.

Ma et al. 2018, doi:10.1145/3219819.3220007. ``f_t = sum_e softmax(G_t x)_e f_e(x)``. The experts are copies
of the backbone's last half, on a stem that all share; the gate reads the stem's features, averaged over
positions. A backbone that cannot be cut is copied whole. One expert is hard sharing.

When: several tasks that are related to different degrees; the gates may leave an expert to one of them. Two
tasks that agree need no more than hard sharing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.models.traits import Traits
from sslcore.multitask import SHARINGS
from sslcore.multitask.base import Sharing

if TYPE_CHECKING:
    from sslcore.models.network import Backbone


@dataclass(frozen=True)
class MMoEConfig(Config):
    """Settings of the mixture of experts."""

    experts: int = param(4, low=1, high=64, help="Experts; each costs as much as half the network.")


@SHARINGS.register(
    "mmoe",
    title="Mixture of experts (MMoE)",
    family="sharing",
    paper="Ma et al. 2018, doi:10.1145/3219819.3220007",
    config=MMoEConfig,
)
class MMoE(Sharing):
    """Gates mix the answers of shared experts."""

    @classmethod
    def only_copies(cls, traits: Traits) -> bool:
        """Experts begin alike where they come with their weights."""
        return traits.pretrained

    def trunk(self, make: Callable[[], Backbone], tasks: Sequence[TaskShape]) -> tuple[Backbone, list[slice]]:
        """A stem, the experts, a gate for each task."""
        from sslcore.multitask.trunks import Experts, side_by_side, weighty

        first = make()
        parts = first.parts()
        heavy = weighty(parts)
        stem = heavy[(len(heavy) + 1) // 2] if len(heavy) > 1 else 0
        others = [make().parts()[stem:] for _ in range(self.config.experts - 1)]
        everybody = list(range(self.config.experts))
        trunk = Experts(
            first,
            stem,
            [others],
            sizes=[len(parts) - stem],
            groups=[everybody] * (len(tasks) + 1),
        )
        return trunk, side_by_side([first.width] * len(tasks))
