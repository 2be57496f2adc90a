"""SimCLR: two views of an item are near, all others far (Chen et al. 2020, arXiv:2002.05709).

NT-Xent: ``-log exp(z_i . z_j / t) / sum_{k != i} exp(z_i . z_k / t)``, z projected features at unit length, j
the other view of item i, k over all views of the batch. Views are the product's strong ones; for frozen
features noise and missing entries, as in SimCSE (Gao et al. 2021, arXiv:2104.08821).

When: images without a pretrained network that knows their like, a few thousand of them, and ten minutes.
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
class SimCLRConfig(WarmConfig):
    """Settings of SimCLR."""

    temperature: float = param(0.3, low=0.01, high=10, help="How much nearness counts (t).")


@WARM_STARTS.register(
    "simclr",
    title="SimCLR",
    family="warm_start",
    paper="Chen et al. 2020, arXiv:2002.05709",
    config=SimCLRConfig,
)
class SimCLR(WarmStart):
    """Views of one item together, others apart."""

    views = ("strong", "strong_2")

    def build(self, backbone: Backbone, plain_B: Tensor) -> None:
        """The projector."""
        from sslcore.models.projector import projector

        self.own["projector"] = projector(backbone.width, HIDDEN, OUT)

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """NT-Xent of the projected views, which go through the network together."""
        import torch

        first, second = (views[name] for name in self.views)
        out_BD = self.own["projector"](backbone(torch.cat([first, second])))
        return nt_xent(*out_BD.float().chunk(2), temperature=self.config.temperature)


def nt_xent(first_BD: Tensor, second_BD: Tensor, *, temperature: float) -> Tensor:
    """The loss over both views of all items.

    >>> import torch
    >>> near, far = torch.eye(3), torch.eye(3)[[1, 2, 0]]
    >>> bool(nt_xent(near, near, temperature=0.5) < nt_xent(near, far, temperature=0.5))
    True
    """
    import torch
    import torch.nn.functional as F

    batch = len(first_BD)
    unit_BD = F.normalize(torch.cat([first_BD, second_BD]).float(), dim=1)
    with torch.autocast(unit_BD.device.type, enabled=False):
        logits_BB = unit_BD @ unit_BD.T / temperature
    logits_BB = logits_BB.masked_fill(torch.eye(2 * batch, dtype=torch.bool, device=unit_BD.device), -1e9)
    other_B = torch.arange(2 * batch, device=unit_BD.device).roll(batch)
    return F.cross_entropy(logits_BB, other_B)
