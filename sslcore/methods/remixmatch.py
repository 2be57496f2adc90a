"""ReMixMatch: MixMatch with aligned guesses, anchored on the weak view, and a turned image to recognise.

Berthelot et al. 2020, arXiv:1911.09785. The guess is ``sharpen(n(p_w * p(y) / p_model), T)``; it is the
target of the weak and of both strong views, mixed: ``mean_l CE(p', y') + w(t) (l_u mean_u CE(p', q') + l_1
CE(p_s, q)) + l_r CE(turn)``. What differs: two strong views (the paper had up to eight), the labelled items
are seen in their weak view, where there are no images there is nothing to turn, and the weights are .5, .15
and .1 where the paper lets 1.5, .5 and .5 in over thousands of steps: after 200 to 300 all items end in one
class under those (sign digits, 100 labels, one draw: 38 %, with these 59; mnist-5k, 40 labels: 74 and 78).
The rest as in MixMatch.

When: images with very few labels, classes of about equal size, and a generous time budget, for it passes over
four views a step. Not where a turned image may be of another class (6 and 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.alignment import Alignment
from sslcore.methods.base import Batch, Moment, Seen, UnlabelledTerm
from sslcore.methods.mixmatch import MixMatch, MixMatchConfig
from sslcore.models import TaskShape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class ReMixMatchConfig(MixMatchConfig):
    """Settings of ReMixMatch."""

    unlabelled_weight: float = param(
        0.5, low=0, high=1000, help="Weight of the loss on mixed guesses once the ramp is over."
    )
    anchor_weight: float = param(
        0.15, low=0, high=100, help="Weight of the guesses on strong views that are not mixed."
    )
    rotation_weight: float = param(0.1, low=0, high=100, help="Weight of telling how far an image is turned.")


@METHODS.register(
    "remixmatch",
    title="ReMixMatch",
    family="deep",
    paper="Berthelot et al. 2020, arXiv:1911.09785",
    config=ReMixMatchConfig,
)
class ReMixMatch(MixMatch):
    """MixMatch with alignment, anchoring and rotation."""

    learn_views = ("strong", "strong_2", "weak")
    guess_views = ("weak",)

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        self.alignment = Alignment(self.state, tasks, target="labels")

    def build(self, network: Network) -> None:
        """A head that tells the four turns, for images."""
        from torch import nn

        if network.backbone.spec.kind == "image":
            self.own["rotation"] = nn.Linear(network.backbone.width, 4)

    def guess(self, task: int, proba_UC: Tensor, batch: Batch) -> Tensor:
        """The weak answer, moved to the classes' shares among the labels."""
        self.alignment.watch(task, proba_UC, batch.label_TB[task])
        return self.alignment(task, proba_UC)

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """Cross-entropy of mixtures that are mostly an unlabelled item."""
        from sslcore.losses.pseudo_label import weighted_soft_label

        mixed_UC, guess_UC = seen.targets["mixed"], seen.targets["guess"]
        loss = weighted_soft_label(seen.logits["mixed"], mixed_UC, mixed_UC.new_ones(len(mixed_UC)))
        return UnlabelledTerm(loss, self.accept(task, guess_UC), guess_UC.argmax(1))

    def further(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Sequence[Tensor]:
        """The guesses on a strong view that is not mixed."""
        import torch

        from sslcore.losses.pseudo_label import weighted_soft_label
        from sslcore.models.batch_norm import still_statistics

        strong_U = batch.views["strong"]
        weight_U = torch.ones(len(strong_U), device=strong_U.device)
        anchor = self.config.anchor_weight * self.raised(at)
        with still_statistics(model):  # learned from clean views, as in MixMatch
            logits_T = self.classify(model, model.features(strong_U))
        return [
            anchor * weighted_soft_label(logits_UC, seen.targets["guess"], weight_U)
            for logits_UC, seen in zip(logits_T, seen_T, strict=True)
        ]

    def beside(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Tensor | None:
        """The turn of the same view."""
        import torch
        import torch.nn.functional as F

        from sslcore.augment.geometry import quarter_turns
        from sslcore.models.batch_norm import still_statistics

        if "rotation" not in self.own:
            return None
        strong_U = batch.views["strong"]
        turn_U = torch.randint(0, 4, (len(strong_U),), generator=rng, device=strong_U.device)
        with still_statistics(model):
            logits_U4 = self.own["rotation"](model.features(quarter_turns(strong_U, turn_U))).float()
        loss: Tensor = self.config.rotation_weight * F.cross_entropy(logits_U4, turn_U)
        return loss
