"""BYOL: one view foretells what a slow copy of the network says of the other (Grill et al. 2020).

arXiv:2006.07733. ``2 - 2 cos(q(z), z'_slow)``, both ways; q is a small predictor, the slow copy has averaged
weights and gets no gradient; without the predictor all features would become one. Both see batches in
training mode: what batch norm takes away is part of what keeps features apart. What differs: the slow
backbone is the loop's averaged network, whose average starts fast; the slow projector follows alike.

When: as SimCLR, where items are so alike that pushing them apart does harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmConfig, WarmStart

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Backbone

HIDDEN, OUT = 256, 64


@dataclass(frozen=True)
class BYOLConfig(WarmConfig):
    """Settings of BYOL."""

    decay: float = param(0.99, low=0, high=0.9999, help="How slowly the slow projector follows.")


@WARM_STARTS.register(
    "byol", title="BYOL", family="warm_start", paper="Grill et al. 2020, arXiv:2006.07733", config=BYOLConfig
)
class BYOL(WarmStart):
    """Foretells a slow copy of itself."""

    views = ("strong", "strong_2")

    def build(self, backbone: Backbone, plain_B: Tensor) -> None:
        """Projector, its slow copy, predictor."""
        import copy

        from sslcore.models.projector import projector

        self.own["projector"] = projector(backbone.width, HIDDEN, OUT)
        self.own["predictor"] = projector(OUT, HIDDEN, OUT)
        self.own["slow"] = copy.deepcopy(self.own["projector"]).requires_grad_(False)

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """The distance of both foretellings from what the slow copy says."""
        import torch

        from sslcore.models.batch_norm import still_statistics

        view_B = torch.cat([views[name] for name in self.views])
        self._follow(at.step)
        with torch.no_grad():
            slow = at.teacher.backbone
            with still_statistics(slow.train()):
                slow_BD = self.own["slow"](slow(view_B))
            slow.eval()
        told_BD = self.own["predictor"](self.own["projector"](backbone(view_B)))
        return distance(told_BD, slow_BD.roll(len(slow_BD) // 2, 0))  # each view foretells the other

    def _follow(self, step: int) -> None:
        import torch

        decay = min(self.config.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            pairs = zip(self.own["slow"].parameters(), self.own["projector"].parameters(), strict=True)
            for slow, fast in pairs:
                slow.lerp_(fast, 1 - decay)


def distance(told_BD: Tensor, slow_BD: Tensor) -> Tensor:
    """``mean (2 - 2 cos)``.

    >>> import torch
    >>> float(distance(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 1.0]])))
    2.0
    """
    import torch.nn.functional as F

    return (2 - 2 * F.cosine_similarity(told_BD.float(), slow_BD.float(), dim=1)).mean()
