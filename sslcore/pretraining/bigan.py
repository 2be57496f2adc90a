"""BiGAN: the encoder learns by deceiving a judge of pairs (Donahue et al. 2017, arXiv:1605.09782).

D tells ``(x, E(x))`` from ``(G(z), z)``; E and G try to make the two alike, and succeed only where each
undoes the other. ``BCE(D(x, E(x)), 1) + BCE(D(G(z), z), 0)`` for D, the labels swapped for E and G; also ALI,
Dumoulin et al. 2017, arXiv:1606.00704. One optimiser for both: D's terms see detached pairs, and the terms
of E and G go through D with its weights detached, in the same backward pass. Labels for D are .9 and .1.

When: generated samples are wanted too; as a warm start alone SimCLR or VICReg gives more in the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sslcore.config import param
from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmConfig, WarmStart
from sslcore.pretraining.sheets import MOST, to_pictures

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Backbone

SURE = 0.9  # what D is told of true pairs; 1 - SURE of the others
ONLY_IMAGES = "its generator draws images."


@dataclass(frozen=True)
class BiGANConfig(WarmConfig):
    """Settings of BiGAN."""

    cycle: float = param(
        1.0,
        low=0,
        high=100,
        help="Weight of |x - G(E(x))|^2 beside the judge; 0: BiGAN as published.",
        paper="Li et al. 2017, arXiv:1709.01215",
    )
    latent: int = param(64, low=2, high=1024, help="Length of the code z.")


@WARM_STARTS.register(
    "bigan",
    title="BiGAN",
    family="warm_start",
    paper="Donahue et al. 2017, arXiv:1605.09782",
    config=BiGANConfig,
)
class BiGAN(WarmStart):
    """Encoder, generator, and a judge of their pairs."""

    called: ClassVar[str] = "BiGAN"
    refuses: ClassVar[Mapping[str, str]] = dict.fromkeys(("feature", "text", "tokens"), ONLY_IMAGES)
    views = ("plain",)

    def build(self, backbone: Backbone, plain_B: Tensor) -> None:
        """The code layer on the backbone, the generator, the judge."""
        from torch import nn

        from sslcore.models.decoder import ImageDecoder
        from sslcore.models.judge import Judge

        latent = self.config.latent
        self.own["code"] = nn.Sequential(
            nn.Linear(backbone.width, latent), nn.BatchNorm1d(latent, affine=False)
        )
        self.own["generator"] = ImageDecoder(latent, plain_B.shape[1], plain_B.shape[2], batch_norm=True)
        self.own["judge"] = Judge(plain_B.shape[1], latent)
        self._shown: dict[str, Tensor] = {}

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """D's terms and those of E and G."""
        import torch

        image_BXHW = views["plain"]
        drawn_BD = torch.randn((len(image_BXHW), self.config.latent), generator=rng, device=image_BXHW.device)
        code_BD = self.own["code"](backbone(image_BXHW)).float()
        made_BXHW = self.own["generator"](drawn_BD).float()
        self._shown = {"items": image_BXHW[:MOST].detach(), "samples": made_BXHW[:MOST].detach()}
        images = torch.cat([image_BXHW, made_BXHW])
        codes = torch.cat([code_BD, drawn_BD])
        judge = self.own["judge"]
        fixed = {name: weight.detach() for name, weight in judge.named_parameters()}
        true_B, false_B = judge(images.detach(), codes.detach()).chunk(2)
        # the same judge, its weights held: gradients go through it to the pairs alone
        taken_B, given_B = torch.func.functional_call(judge, fixed, (images, codes)).chunk(2)
        loss = judge_loss(true_B, false_B, sure=SURE) + judge_loss(given_B, taken_B, sure=SURE)
        if self.config.cycle:
            rebuilt_BXHW = self.own["generator"](code_BD).float()
            self._shown["rebuilt"] = rebuilt_BXHW[:MOST].detach()
            loss = loss + self.config.cycle * (rebuilt_BXHW - image_BXHW).square().mean()
        return loss

    def picture(self, rng: torch.Generator) -> dict[str, Tensor] | None:
        """Items of the last step, and what the generator drew in it."""
        return to_pictures(self._shown, "items") if self._shown else None


def judge_loss(true_B: Tensor, false_B: Tensor, *, sure: float) -> Tensor:
    """``BCE(true, sure) + BCE(false, 1 - sure)`` of logits.

    >>> import torch
    >>> zero_B = torch.zeros(3)
    >>> round(float(judge_loss(zero_B, zero_B, sure=1.0)), 4)  # 2 log 2
    1.3863
    """
    import torch
    import torch.nn.functional as F

    wanted = torch.full_like(true_B, sure)
    return F.binary_cross_entropy_with_logits(true_B, wanted) + F.binary_cross_entropy_with_logits(
        false_B, 1 - wanted
    )
