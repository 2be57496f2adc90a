"""Pseudo-Label: learn your own confident answers on the same view.

Lee 2013 (ICML workshop). ``w(t) mean_u 1[max p >= tau] CE(p, argmax p)``, ``w`` ramped up.
What differs: a confidence threshold, which the paper had not; without one the first guesses are learned by
heart. FixMatch is this with a strong view in place of ``p``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, MethodConfig, Moment, UnlabelledTerm

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PseudoLabelConfig(MethodConfig):
    """Settings of Pseudo-Label."""

    threshold: float = param(0.95, low=0, high=1, help="Confidence a pseudo-label needs.")
    ramp: float = param(
        0.4, low=0, high=1, help="Share of the run over which the unlabelled weight is raised."
    )


@METHODS.register(
    "pseudo_label", title="Pseudo-Label", family="deep", paper="Lee 2013", config=PseudoLabelConfig
)
class PseudoLabel(Method):
    """Confident answers as labels of the same weak view."""

    learn_views = ("weak",)

    def unlabelled(self, task: int, logits: Mapping[str, Tensor], batch: Batch, at: Moment) -> UnlabelledTerm:
        """Cross-entropy to the confident answers, ramped up."""
        from sslcore.losses.consistency import ramp_up
        from sslcore.losses.pseudo_label import weighted_pseudo_label

        proba_UC = logits["weak"].detach().softmax(1)
        label_U, weight_U = proba_UC.argmax(1), self.accept(task, proba_UC)
        loss = ramp_up(at.done, self.config.ramp) * weighted_pseudo_label(logits["weak"], label_U, weight_U)
        return UnlabelledTerm(loss, weight_U, label_U)

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the threshold up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.config.threshold)
