"""No warm start: the network begins with the weights it was made with.

When: a pretrained network, frozen features, or a run of a minute or two, which a warm start would only
shorten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmStart

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Backbone


@WARM_STARTS.register("none", title="No warm start", family="warm_start")
class NoWarmStart(WarmStart):
    """Takes no time and changes nothing."""

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """Never asked for."""
        raise NotImplementedError("Nothing is learned without a warm start.")
