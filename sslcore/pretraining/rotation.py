"""Rotation: which of four ways an image is turned (Gidaris et al. 2018, arXiv:1803.07728).

Cross-entropy of the four turns by 0, 90, 180 and 270 degrees, told by a small perceptron on the features (a
linear layer would leave four directions of them). To tell them the network must know what stands upright.
What differs: each image of a batch comes in one turn, drawn evenly, not in all four, so a step costs a
quarter and sees four times as many images.

When: photographs and letters, which have an upright; not cells, leaves or satellite images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmConfig, WarmStart

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Backbone

HIDDEN = 256
NO_UPRIGHT = "there is nothing to turn."


@WARM_STARTS.register(
    "rotation",
    title="Rotation",
    family="warm_start",
    paper="Gidaris et al. 2018, arXiv:1803.07728",
    config=WarmConfig,
)
class Rotation(WarmStart):
    """Tells how an image is turned."""

    called: ClassVar[str] = "Rotation"
    refuses: ClassVar[Mapping[str, str]] = dict.fromkeys(("feature", "text", "tokens"), NO_UPRIGHT)
    views = ("weak",)

    def build(self, backbone: Backbone, plain_B: Tensor) -> None:
        """The layer that tells."""
        from sslcore.models.projector import projector

        self.own["head"] = projector(backbone.width, HIDDEN, 4)

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """Cross-entropy of the turns."""
        import torch
        import torch.nn.functional as F

        image_BXHW = views["weak"]
        order_B = torch.randperm(len(image_BXHW), generator=rng, device=image_BXHW.device)
        turn_B = order_B % 4  # each turn as often as the others, to within one
        logits_BC = self.own["head"](backbone(turned(image_BXHW, turn_B)))
        return F.cross_entropy(logits_BC.float(), turn_B)


def turned(image_BXHW: Tensor, turn_B: Tensor) -> Tensor:
    """Square images, each turned by its number of right angles against the clock.

    >>> import torch
    >>> image_BXHW = torch.tensor([[[[1, 2], [3, 4]]]]).repeat(2, 1, 1, 1)
    >>> turned(image_BXHW, torch.tensor([0, 1]))[1, 0].tolist()
    [[2, 4], [1, 3]]
    """
    import torch

    all_4BXHW = torch.stack([image_BXHW.rot90(turn, (2, 3)) for turn in range(4)])
    return all_4BXHW[turn_B, torch.arange(len(turn_B), device=turn_B.device)]
