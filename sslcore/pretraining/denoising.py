"""Denoising autoencoder: the clean item from a noisy one (Vincent et al. 2008, doi:10.1145/1390156.1390294).

``|x - G(E(x + noise))|^2`` with Gaussian noise on items of unit spread. To take noise away the network must
know what items look like; a copy is no answer, so it serves frozen features too.

When: small grey images, or features that scatter; beside the masked one the cheaper of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sslcore.config import param
from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmConfig
from sslcore.pretraining.reconstruction import Reconstruction, error

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Backbone

NO_NOISE = "noise on words is words left out."


@dataclass(frozen=True)
class DenoisingConfig(WarmConfig):
    """Settings of the denoising autoencoder."""

    noise: float = param(0.7, low=0.01, high=10, help="Noise beside the spread of the items.")


@WARM_STARTS.register(
    "denoising",
    title="Denoising autoencoder",
    family="warm_start",
    paper="Vincent et al. 2008, doi:10.1145/1390156.1390294",
    config=DenoisingConfig,
)
class Denoising(Reconstruction):
    """Gives back the item without the noise."""

    called: ClassVar[str] = "The denoising autoencoder"
    refuses: ClassVar[Mapping[str, str]] = {"text": NO_NOISE, "tokens": NO_NOISE}

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """The mean squared error against the clean item."""
        import torch

        plain_B = views["plain"]
        noise_B = torch.randn(plain_B.shape, generator=rng, device=plain_B.device)
        return error(self.rebuild(backbone, plain_B + self.config.noise * noise_B, plain_B), plain_B)
