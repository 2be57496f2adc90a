"""SGAN: to know a real item from a drawn one, know what classes there are.

Improved GAN: Salimans et al. 2016, arXiv:1606.03498. The classifier is the discriminator, with a class more
whose logit is 0: ``CE - mean_u log p(real|x_u) - mean log p(drawn|G(z))``, ``p(real|x) = Z / (Z + 1)``,
``Z = sum_k exp(l_k)``; the generator matches the mean features: ``|| mean f(x_u) - mean f(G(z)) ||^2``. One
backward pass: the generator is judged by a network whose weights are held. What differs: no noise layers, as
views are augmented; where the paper normalises weights, networks from random weights normalise activations by
the statistics of their first batch (ActNorm, the same data-dependent start): batch norm tells real from drawn
by the batch, or gives both the same mean features. Telling them apart weighs a tenth of the labels: at 1 it
drowns them in a short run, and features end up all alike (docs/adr/0011). Packaged weights keep their batch
norm, and drawn items are then normalised by the running statistics of real ones (the paper's virtual batch
norm, whose reference batch never changes).

When: small images, few labels, and time: a generator and a classifier are trained at once, which is slow and
can fail. Where augmentation works, ``fixmatch`` asks for less and gives more control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, MethodConfig, Moment, Seen, UnlabelledTerm
from sslcore.methods.generative import GenerativeMethod
from sslcore.models.ground import CLASS_KINDS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Backbone, Network


@dataclass(frozen=True)
class SGANConfig(MethodConfig):
    """Settings of the Improved GAN."""

    unlabelled_weight: float = param(0.1, low=0, high=1000, help="Weight of telling real from drawn.")
    latent: int = param(64, low=1, high=1024, help="Length of a code.")
    drawn: int = param(
        48, low=2, high=4096, help="Items drawn in a step, at most as many as there are unlabelled ones."
    )


@METHODS.register(
    "sgan",
    title="Improved GAN",
    family="generative",
    paper="Salimans et al. 2016, arXiv:1606.03498",
    config=SGANConfig,
)
class SGAN(GenerativeMethod):
    """A classifier with a class for drawn items, and a generator that matches features."""

    target_views = ("weak",)
    norm = "act"
    fastest = 0.03  # what is normalised by a first batch alone bears no more
    labels_first = True
    # at 1e-3 the generator never catches up with a classifier that moves by SGD (docs/generative.md)
    rate, momentum = 4e-3, 0.5

    def build(self, network: Network) -> None:
        """The generator."""
        from sslcore.models.decoder import ImageDecoder, VectorDecoder

        super().build(network)
        spec, latent = self.spec, self.config.latent
        self.own["generator"] = (
            ImageDecoder(latent, spec.channels, spec.size, batch_norm=True)
            if spec.kind == "image"
            else VectorDecoder(latent, spec.dim, batch_norm=True)
        )

    def look(self, model: Network, batch: Batch, at: Moment, rng: torch.Generator) -> list[Seen]:
        """The views, and drawn items as the classifier sees them: apart, by the statistics of real ones."""
        import torch

        from sslcore.models.batch_norm import running_statistics

        seen_T = super().look(model, batch, at, rng)
        self.watch(batch.views["weak"])
        count = min(self.config.drawn, len(batch.views["weak"]))
        code_BD = torch.randn(count, self.config.latent, generator=rng, device=rng.device)
        drawn_B = self.draw(code_BD)
        features: dict[str, Tensor] = {}
        logits: dict[str, list[Tensor]] = {}
        with running_statistics(model):
            both = {"real": batch.views["weak"][:count], "drawn": drawn_B.detach()}
            self._send(model, both, features, logits)
        return [
            replace(
                seen,
                logits={**seen.logits, **{name: per_task[task] for name, per_task in logits.items()}},
                features={**seen.features, **features},
                targets={"drawn": drawn_B},
            )
            for task, seen in enumerate(seen_T)
        ]

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm | None:
        """What the classifier pays for taking real items as drawn ones, and the other way round."""
        from sslcore.losses.adversarial_samples import real_from_drawn

        if self.tasks[task].kind not in CLASS_KINDS:
            return None
        loss = real_from_drawn(seen.logits["real"], seen.logits["drawn"])
        proba_UC = seen.logits["weak"].detach().softmax(1)
        return UnlabelledTerm(loss, self.accept(task, proba_UC), proba_UC.argmax(1))

    def beside(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Tensor:
        """What the generator pays for mean features that are not those of real items."""
        from sslcore.losses.adversarial_samples import feature_matching

        drawn_BD = held_features(model.backbone, seen_T[0].targets["drawn"])
        return feature_matching(seen_T[0].features["real"].detach().float(), drawn_BD.float())

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """Every answer counts in full."""
        return proba_UC.new_ones(len(proba_UC))

    def draw(self, code_BD: Tensor) -> Tensor:
        """Items from codes, as the network is fed them."""
        out_B: Tensor = self.own["generator"](code_BD).float()
        return self.view(out_B.sigmoid() if self.spec.kind == "image" else out_B)

    def samples(self, task: int, label_K: Tensor, rng: torch.Generator) -> Tensor | None:
        """Drawn items; their classes are the classifier's to say, so the sheet is in no order."""
        import torch

        if task:
            return None
        code_KD = torch.randn(len(label_K), self.config.latent, generator=rng, device=label_K.device)
        return self.values(self.draw(code_KD))


def held_features(backbone: Backbone, item_B: Tensor) -> Tensor:
    """Features ``BD`` by running statistics, with gradients for the items and none for the weights."""
    from torch.func import functional_call

    from sslcore.models.batch_norm import running_statistics

    held = {name: weight.detach() for name, weight in backbone.named_parameters()}
    with running_statistics(backbone):
        out_BD: Tensor = functional_call(backbone, held, (item_B,))
    return out_BD
