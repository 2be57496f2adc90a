"""Autoencoder: the features must hold what is needed to draw the image again.

``|x - G(E(x))|^2``, mean over pixels (Hinton & Salakhutdinov 2006, doi:10.1126/science.1127647). The backbone
is E, a small upsampling network G; G is left behind.

When: images that are simple and centred, and no time for anything else; mostly the bar for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmConfig
from sslcore.pretraining.reconstruction import Reconstruction, error

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Backbone

COPY = "its features are as long as its input, and a copy would be a perfect answer."
NO_ORDER = "the mean of a text's words cannot give them back in order."


@WARM_STARTS.register(
    "autoencoder",
    title="Autoencoder",
    family="warm_start",
    paper="Hinton & Salakhutdinov 2006, doi:10.1126/science.1127647",
    config=WarmConfig,
)
class Autoencoder(Reconstruction):
    """Gives back what it was given."""

    called: ClassVar[str] = "The autoencoder"
    refuses: ClassVar[Mapping[str, str]] = {"feature": COPY, "text": NO_ORDER, "tokens": NO_ORDER}

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """The mean squared error of all pixels."""
        plain_BXHW = views["plain"]
        return error(self.rebuild(backbone, plain_BXHW, plain_BXHW), plain_BXHW)
