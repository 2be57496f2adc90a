"""Label correction: a pseudo-label is kept only as long as those who did not learn it believe it.

After Yarowsky 1995 (ACL), where items whose confidence falls go back to the unlabelled ones, with confidence
taken out of fold as in confident learning (Northcutt et al. 2021, arXiv:1911.00068). Item u of fold f is
judged by a linear head that never learned u's pseudo-label: from ``threshold`` up its answer is adopted,
below ``keep`` it is revoked. ``mean_u 1[held] CE(p_s, held)``. What differs: folds share the backbone; only
their heads are apart. What was given and taken back of each item is kept (:mod:`sslcore.methods.history`).

When: pseudo-labels go wrong and stay wrong: audit accuracy rises and then falls in the course of a run, or
the labels themselves hold errors. What the other folds would not say is taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, MethodConfig, Moment, Seen, UnlabelledTerm
from sslcore.methods.history import History
from sslcore.models import TaskShape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class LabelCorrectionConfig(MethodConfig):
    """Settings of label correction."""

    threshold: float = param(0.95, low=0, high=1, help="Confidence from which a pseudo-label is adopted.")
    keep: float = param(0.7, low=0, high=1, help="Confidence below which a held pseudo-label is revoked.")
    folds: int = param(4, low=2, high=20, help="Parts of the set; each has a judge that learns the others.")


@METHODS.register(
    "label_correction",
    title="Label correction",
    family="deep",
    paper="Yarowsky 1995; Northcutt et al. 2021, arXiv:1911.00068",
    config=LabelCorrectionConfig,
)
class LabelCorrection(Method):
    """Pseudo-labels with judges that can take them back."""

    learn_views = ("strong",)
    target_views = ("weak",)
    one_device = "it remembers the pseudo-label of every item"

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for task in range(len(tasks)):
            self.state[f"{task}.held_N"] = torch.full((items,), -1, dtype=torch.long)
            self.history(task)

    def history(self, task: int) -> History:
        """What became of the pseudo-label of each item."""
        return History(self.state, task, self.items)

    def build(self, network: Network) -> None:
        """The judges: for each task one linear layer that holds the heads of all folds."""
        from torch import nn

        width, folds = network.backbone.width, self.config.folds
        self.own["judges"] = nn.ModuleList([nn.Linear(width, folds * task.classes) for task in self.tasks])

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """Adopts and revokes, then learns what is held on the strong views."""
        import torch

        from sslcore.losses.pseudo_label import weighted_pseudo_label

        with torch.no_grad():
            logits_UFC = self._judged(task, seen.features["weak"])
        item_U = torch.arange(len(logits_UFC), device=logits_UFC.device)
        proba_UC = logits_UFC[item_U, self._fold(batch)].softmax(1)
        held_N = self.state[f"{task}.held_N"]
        before_U = held_N[batch.row_U]
        held_U = corrected(before_U, proba_UC, adopt=self.config.threshold, keep=self.config.keep)
        self.history(task).add(batch.row_U, before_U, held_U, proba_UC, step=at.step)
        held_N[batch.row_U] = held_U
        weight_U = (held_U >= 0).to(proba_UC.dtype)
        label_U = held_U.where(held_U >= 0, proba_UC.argmax(1))
        return UnlabelledTerm(
            weighted_pseudo_label(seen.logits["strong"], label_U, weight_U), weight_U, label_U
        )

    def beside(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Tensor:
        """What the judges learn: labelled items, and the held labels of the other folds; the backbone is not
        moved by it."""
        import torch
        import torch.nn.functional as F

        from sslcore.losses.supervised import masked_cross_entropy

        features = seen_T[0].features
        fold_U = self._fold(batch)
        total = features["labelled"].new_zeros(())
        for task in range(len(seen_T)):
            logits_UFC = self._judged(task, features["weak"])
            held_U = self.state[f"{task}.held_N"][batch.row_U]
            other_UF = F.one_hot(fold_U, self.config.folds) == 0
            held_UF = torch.where(other_UF, held_U[:, None], -1)
            total = total + self._labels(task, features["labelled"], batch)
            total = total + masked_cross_entropy(logits_UFC.flatten(0, 1), held_UF.flatten())
        return self.config.folds * total  # the means are over all folds: each judge learns in full

    def labels_beside(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, rng: torch.Generator
    ) -> Tensor:
        """The judges learn the labelled items: else they would begin to judge without knowing any class."""
        feature_BD = seen_T[0].features["labelled"]
        total = feature_BD.new_zeros(())
        for task in range(len(seen_T)):
            total = total + self._labels(task, feature_BD, batch)
        return self.config.folds * total

    def _labels(self, task: int, feature_BD: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the labelled items, the mean over all judges."""
        from sslcore.losses.supervised import masked_cross_entropy

        logits_BFC = self._judged(task, feature_BD.detach())
        label_BF = batch.label_TB[task][:, None].expand(-1, self.config.folds)
        return masked_cross_entropy(logits_BFC.flatten(0, 1), label_BF.flatten())

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the threshold of adoption up."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.config.threshold)

    def thresholds(self, task: int) -> Tensor:
        """The same for every class."""
        import torch

        return torch.full((self.tasks[task].classes,), float(self.config.threshold))

    def _fold(self, batch: Batch) -> Tensor:
        return batch.row_U % self.config.folds

    def _judged(self, task: int, feature_BD: Tensor) -> Tensor:
        """Logits of all judges: items x folds x classes."""
        judge = self.own["judges"][task]  # type: ignore[index]
        logits: Tensor = judge(feature_BD).float()
        return logits.view(len(feature_BD), self.config.folds, -1)


def corrected(held_U: Tensor, proba_UC: Tensor, *, adopt: float, keep: float) -> Tensor:
    """Which labels are held after the judges have spoken, ``-1`` for none.

    >>> import torch
    >>> proba_UC = torch.tensor([[0.96, 0.04], [0.8, 0.2], [0.4, 0.6], [0.8, 0.2]])
    >>> corrected(torch.tensor([-1, 0, 0, -1]), proba_UC, adopt=0.95, keep=0.7).tolist()
    [0, 0, -1, -1]
    """
    top_U, answer_U = proba_UC.max(1)
    belief_U = proba_UC.gather(1, held_U.clamp(min=0)[:, None])[:, 0]
    kept_U = held_U.masked_fill(belief_U < keep, -1)
    return answer_U.where(top_U >= adopt, kept_U)
