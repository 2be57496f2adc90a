"""MixMatch: guess labels from several weak views, sharpen them, and mix everything with everything.

Berthelot et al. 2019, arXiv:1905.02249. ``q = sharpen(mean_k p(x_k), T)``; all labelled items and views are
mixed in pairs with shares from Beta(a, a): ``mean_l CE(p', y') + w(t) mean_u mean_c (p' - q')^2``. What
differs: the ramp is that of the other consistency methods; an item without a label of a task takes part in
it with its guess; batch norm learns its statistics from clean views; of texts the mean word vectors are
mixed; the weight is 25 where the paper has 75 and 100 under Adam: with 40 labels and 500 steps 100 ended at
71, 96 and 17 % (two draws of mnist-5k, one of fashion-mnist), 25 at 91, 94 and 65.

When: small images or texts with a handful of labels a class, where hard pseudo-labels would be learned by
heart: its targets are soft and mixed. Mixing blurs fine differences between classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, Moment, RampedConfig, Seen, UnlabelledTerm

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class MixMatchConfig(RampedConfig):
    """Settings of MixMatch."""

    unlabelled_weight: float = param(
        25.0, low=0, high=1000, help="Weight of the loss on guessed labels once the ramp is over."
    )
    temperature: float = param(0.5, low=0.01, high=1, help="Below 1 guesses are sharper than predictions.")
    alpha: float = param(0.75, low=0, high=100, help="How evenly two items are mixed; 0: not at all.")


@METHODS.register(
    "mixmatch",
    title="MixMatch",
    family="deep",
    paper="Berthelot et al. 2019, arXiv:1905.02249",
    config=MixMatchConfig,
)
class MixMatch(Method):
    """Guessed labels and mixtures.

    Attributes:
        guess_views: Views whose mean answer is the guess; no gradient goes through them.
    """

    learn_views: ClassVar[tuple[str, ...]] = ("weak", "weak_2")
    guess_views: ClassVar[tuple[str, ...]] = ("weak", "weak_2")

    def look(self, model: Network, batch: Batch, at: Moment, rng: torch.Generator) -> list[Seen]:
        """Guesses, mixes, and sends the mixtures through the network.

        Returns:
            For each task logits and targets of "labelled" (B rows) and "mixed" (U rows a view), and "guess".
        """
        import torch

        from sslcore.augment.mixup import mix, mixing_share
        from sslcore.models.batch_norm import still_statistics

        guessed: dict[str, list[Tensor]] = {}
        clean = {"labelled": batch.labelled_B} | {name: batch.views[name] for name in self.guess_views}
        with torch.no_grad():
            self._send(model, clean, {}, guessed)
        target_T = [
            self.targets(task, {name: per_task[task] for name, per_task in guessed.items()}, batch)
            for task in range(len(self.tasks))
        ]
        parts = [batch.labelled_B, *(batch.views[name] for name in self.learn_views)]
        whole_B = model.backbone.embed(torch.cat(parts))
        partner_B = torch.randperm(len(whole_B), generator=rng, device=whole_B.device)
        share_B = mixing_share(len(whole_B), self.config.alpha, rng=rng)
        with still_statistics(model):
            feature_BD = model.backbone.encode(mix(whole_B, whole_B[partner_B], share_B))
        count = len(batch.labelled_B)
        seen_T = []
        for logits_BC, (known_BC, guess_UC) in zip(self.classify(model, feature_BD), target_T, strict=True):
            pure_BC = torch.cat([known_BC, *[guess_UC] * len(self.learn_views)])
            mixed_BC = mix(pure_BC, pure_BC[partner_B], share_B)
            logits = {"labelled": logits_BC[:count], "mixed": logits_BC[count:]}
            targets = {"labelled": mixed_BC[:count], "mixed": mixed_BC[count:], "guess": guess_UC}
            seen_T.append(Seen(logits, {}, targets))
        return seen_T

    def targets(self, task: int, logits: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
        """What labelled items and unlabelled ones should get, before they are mixed."""
        import torch

        from sslcore.losses.pseudo_label import sharpen

        label_B = batch.label_TB[task]
        views = torch.stack([logits[name].softmax(1) for name in self.guess_views])
        guess_UC = sharpen(self.guess(task, views.mean(0), batch), self.config.temperature)
        told_BC = sharpen(logits["labelled"].softmax(1), self.config.temperature)
        sure_BC = torch.nn.functional.one_hot(label_B.clamp(min=0), told_BC.shape[1]).to(told_BC.dtype)
        return sure_BC.where((label_B >= 0)[:, None], told_BC), guess_UC

    def guess(self, task: int, proba_UC: Tensor, batch: Batch) -> Tensor:
        """The guess before it is sharpened: the mean answer."""
        return proba_UC

    def supervised(self, task: int, seen: Seen, batch: Batch, at: Moment) -> Tensor:
        """Cross-entropy of mixtures that are mostly a labelled item."""
        from sslcore.losses.supervised import masked_soft_cross_entropy

        return masked_soft_cross_entropy(
            seen.logits["labelled"], seen.targets["labelled"], batch.label_TB[task]
        )

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """Squared difference of mixtures that are mostly an unlabelled item."""
        from sslcore.losses.consistency import mean_squared_difference

        loss = mean_squared_difference(seen.logits["mixed"], seen.targets["mixed"])
        guess_UC = seen.targets["guess"]
        return UnlabelledTerm(loss, self.accept(task, guess_UC), guess_UC.argmax(1))

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """Every answer counts in full."""
        return proba_UC.new_ones(len(proba_UC))
