"""VICReg: views agree, each feature varies, no two say the same (Bardes et al. 2022, arXiv:2105.04906).

``25 |z - z'|^2 + 25 [v(z) + v(z')] / 2 + [c(z) + c(z')]``: invariance, the mean squared difference; variance,
``mean_d max(0, 1 - std_d)``; covariance, ``sum_{d != e} cov_de^2 / D``. No negatives, so small batches serve.
The halves of the variance are as in the authors' code.

When: as SimCLR, with batches below about a hundred or with many near-equal items in the set.
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

HIDDEN, OUT = 256, 256


@dataclass(frozen=True)
class VICRegConfig(WarmConfig):
    """Settings of VICReg; the paper's weights."""

    invariance: float = param(25.0, low=0, high=1000, help="Weight of the views' agreement.")
    variance: float = param(25.0, low=0, high=1000, help="Weight of each feature's spread.")
    covariance: float = param(1.0, low=0, high=1000, help="Weight of features saying different things.")


@WARM_STARTS.register(
    "vicreg",
    title="VICReg",
    family="warm_start",
    paper="Bardes et al. 2022, arXiv:2105.04906",
    config=VICRegConfig,
)
class VICReg(WarmStart):
    """Agreement without collapse, by the features' spread."""

    views = ("strong", "strong_2")

    def build(self, backbone: Backbone, plain_B: Tensor) -> None:
        """The expander."""
        from sslcore.models.projector import projector

        self.own["projector"] = projector(backbone.width, HIDDEN, OUT, layers=3)

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """The three terms of the expanded views, weighed."""
        import torch

        first, second = (views[name] for name in self.views)
        out_BD = self.own["projector"](backbone(torch.cat([first, second])))
        first_BD, second_BD = out_BD.float().chunk(2)
        config = self.config
        return (
            config.invariance * (first_BD - second_BD).square().mean()
            + config.variance * (variance(first_BD) + variance(second_BD)) / 2
            + config.covariance * (covariance(first_BD) + covariance(second_BD))
        )


def variance(feature_BD: Tensor) -> Tensor:
    """How far each feature's standard deviation stays below 1, on average.

    >>> import torch
    >>> float(variance(torch.tensor([[2.0, 0.0], [-2.0, 0.0]])).round(decimals=2))
    0.5
    """
    std_D = (feature_BD.var(0) + 1e-4).sqrt()
    return (1 - std_D).clamp(min=0).mean()


def covariance(feature_BD: Tensor) -> Tensor:
    """Squared covariances between different features, summed and divided by their number.

    >>> import torch
    >>> float(covariance(torch.tensor([[1.0, 1.0], [-1.0, -1.0]])))  # (2 * 2^2) / 2
    4.0
    """
    import torch

    count, size = feature_BD.shape
    centred_BD = feature_BD - feature_BD.mean(0)
    with torch.autocast(feature_BD.device.type, enabled=False):
        cov_DD = centred_BD.T @ centred_BD / max(1, count - 1)
    return (cov_DD.square().sum() - cov_DD.diagonal().square().sum()) / size
