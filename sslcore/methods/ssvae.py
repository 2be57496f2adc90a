"""SSVAE: the class is a cause of the item, and where it is not known it is summed over.

Kingma et al. 2014, arXiv:1406.5298, model M2. ``CE + w (mean_l L(x, y) + mean_u U(x)) / D`` with
``L(x, y) = -log p(x|y, z) + KL(q(z|x, y) || N(0, 1)) + log C`` and
``U(x) = sum_y q(y|x) L(x, y) - H(q(y|x))``; ``q(y|x)`` is the network, ``q(z|x, y)`` stands on its features.
Pixels are Bernoulli, features Gaussian with one learned variance. What differs: nats are told per number of
the item (``D`` of them), so that one weight suits all sizes, and the sum over classes is ramped up, as a
decoder that has learned nothing yet would teach the network its first guesses.

When: features or small plain images that a simple decoder can copy, few labels, and a wish to see what the
model thinks a class looks like. Not for photographs: their pixels drown the class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, MethodConfig, Moment, Seen, UnlabelledTerm
from sslcore.methods.generative import AutoencoderMethod

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.conditional_vae import ConditionalVAE
    from sslcore.models.network import Network


@dataclass(frozen=True)
class SSVAEConfig(MethodConfig):
    """Settings of the SSVAE."""

    unlabelled_weight: float = param(1.0, low=0, high=1000, help="Weight of the bounds, in nats per number.")
    latent: int = param(16, low=1, high=1024, help="Length of a code.")
    ramp: float = param(1.0, low=0, high=1, help="Share of the run over which the unknown class is let in.")
    summed: int = param(
        32, low=1, high=4096, help="Unlabelled items a step whose bound is summed over all classes."
    )


@METHODS.register(
    "ssvae",
    title="SSVAE",
    family="generative",
    paper="Kingma et al. 2014, arXiv:1406.5298",
    config=SSVAEConfig,
)
class SSVAE(AutoencoderMethod):
    """A variational autoencoder whose decoder is told the class."""

    learn_views = ("weak",)

    def look(self, model: Network, batch: Batch, at: Moment, rng: torch.Generator) -> list[Seen]:
        """The views, and the noise that codes are drawn by."""
        import torch

        seen_T = super().look(model, batch, at, rng)
        self.watch(batch.views["weak"])
        device, latent = batch.labelled_B.device, self.config.latent
        summed = min(self.config.summed, len(batch.views["weak"]))

        def noise(*shape: int) -> Tensor:
            return torch.randn(*shape, latent, generator=rng, device=device)

        return [
            replace(
                seen,
                targets={
                    "noise_B": noise(len(batch.labelled_B)),
                    "noise_UC": noise(summed, task.classes),
                },
            )
            for seen, task in zip(seen_T, self.tasks, strict=True)
        ]

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm | None:
        """The bounds of labelled and of unlabelled items, in nats per number."""
        from sslcore.losses.consistency import ramp_up
        from sslcore.losses.elbo import marginalised

        vae = self.vae(task)
        if vae is None:
            return None
        prior = math.log(vae.classes)  # -log p(y), the classes taken as even
        labelled = self._labelled(vae, task, seen, batch)
        noise_UCD = seen.targets["noise_UC"]
        view_U = batch.views["weak"][: len(noise_UCD)]
        value_U = self.values(view_U)
        feature_UD = seen.features["weak"][: len(view_U), self.slices[task]]
        read_UH = vae.read(feature_UD, view_U)
        bound_UC = vae.bound_of_all(read_UH, value_U, noise_UCD)
        logits_UC = seen.logits["weak"]
        unknown = marginalised(bound_UC + prior, logits_UC[: len(view_U)]).mean()
        numbers = value_U[0].numel()
        loss = (labelled + prior + ramp_up(at.done, self.config.ramp) * unknown) / numbers
        proba_UC = logits_UC.detach().softmax(1)
        self.show(vae, task, read_UH, value_U, proba_UC)
        return UnlabelledTerm(loss, self.accept(task, proba_UC), proba_UC.argmax(1))

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """Every answer counts in full."""
        return proba_UC.new_ones(len(proba_UC))

    def _labelled(self, vae: ConditionalVAE, task: int, seen: Seen, batch: Batch) -> Tensor:
        """``-ELBO`` given the class, mean over the items that have a label for this task."""
        import torch.nn.functional as F

        label_B = batch.label_TB[task].long()
        share_BC = F.one_hot(label_B.clamp(min=0), vae.classes).float()
        read_BH = vae.read(seen.features["labelled"][:, self.slices[task]], batch.labelled_B)
        bound_B = vae.bound(read_BH, share_BC, self.values(batch.labelled_B), seen.targets["noise_B"])
        has_B = (label_B >= 0).float()
        return (bound_B * has_B).sum() / has_B.sum().clamp(min=1)
