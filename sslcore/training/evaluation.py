"""What the averaged network is worth now: on the audit split, and on a fixed sample of unlabelled items.

Audited figures are the honest ones. Beside them stand signs of trouble that need no label: how often one
class is given beside what the labels say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from sslcore.methods.base import Method
from sslcore.shapes import FloatArray, IntArray
from sslcore.training.data import TaskLabels

PROBE = 512  # unlabelled items looked at in each evaluation

Figures = list[tuple[str, float]]


class Evaluation:
    """Measures a network during a run.

    Args:
        tasks: The tasks that are trained.
        method: Is asked which of its answers it would trust.
        predict: Probabilities (Tensor ``AC``) of a task for rows of the set.
        probe_row: A fixed sample of items that are unlabelled in every task.
        key_TN: Known answers of each task, None where there are none; for figures alone.
    """

    def __init__(
        self,
        tasks: Sequence[TaskLabels],
        method: Method,
        predict: Callable[[int, IntArray], Tensor],
        *,
        probe_row: IntArray,
        key_TN: Sequence[Tensor | None],
    ) -> None:
        self.tasks, self.method, self.predict = list(tasks), method, predict
        self.probe_row, self.key_TN = probe_row, list(key_TN)

    def of_task(self, index: int) -> Figures:
        """Figures of one task."""
        return [*self._audit(index), *self._probe(index)]

    def _audit(self, index: int) -> Figures:
        task = self.tasks[index]
        if not len(task.audit_row_A):
            return []
        proba_AC = self.predict(index, np.asarray(task.audit_row_A))
        right_A = proba_AC.argmax(1) == torch.from_numpy(np.array(task.audit_label_A)).to(proba_AC.device)
        figures = [("audit_accuracy", float(right_A.float().mean()))]
        trust_A = self.method.accept(index, proba_AC)
        if trust_A is not None and float(trust_A.sum()) > 0:
            figures.append(("pseudo_precision", float((right_A * trust_A).sum() / trust_A.sum())))
        return figures

    def _probe(self, index: int) -> Figures:
        if not len(self.probe_row):
            return []
        answer_U = self.predict(index, self.probe_row).argmax(1)
        figures: Figures = []
        key_N = self.key_TN[index]
        if key_N is not None:
            key_U = key_N[torch.from_numpy(self.probe_row).to(answer_U.device)]
            known = int((key_U >= 0).sum())
            if known:
                figures.append(("key_accuracy", int((answer_U == key_U).sum()) / known))
        over_C = over_prior(self.tasks[index], answer_U.cpu().numpy())
        return [*figures, ("largest_class_over_prior", float(over_C.max()))]


def over_prior(task: TaskLabels, answer_U: IntArray) -> FloatArray:
    """How many times as often as the labels' (smoothed) prior says each class is given.

    >>> task = TaskLabels("t", "single", 2, np.array([0, 1, -1, -1]))
    >>> over_prior(task, np.array([0, 0, 0, 1])).tolist()
    [1.5, 0.5]
    """
    label_L = np.asarray(task.label_N)[np.asarray(task.label_N) >= 0]
    prior_C = (np.bincount(label_L, minlength=task.classes) + 1) / (len(label_L) + task.classes)
    share_C = np.bincount(answer_U, minlength=task.classes) / max(1, len(answer_U))
    over_C: FloatArray = share_C / prior_C
    return over_C


def probe_rows(tasks: Sequence[TaskLabels], free_row_U: IntArray, *, seed: int) -> IntArray:
    """A fixed sample of items outside the audit split that are unlabelled in every task."""
    row_U = np.sort(np.asarray(free_row_U))
    for task in tasks:
        row_U = row_U[np.asarray(task.label_N)[row_U] < 0]
    order = np.random.default_rng([seed, 7]).permutation(len(row_U))[:PROBE]
    return np.sort(row_U[order])
