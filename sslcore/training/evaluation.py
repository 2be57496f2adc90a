"""What the averaged network is worth now: on the audit split, and on a fixed sample of unlabelled items.

Audited figures are the honest ones, each with its 90 % interval. Beside them stand signs that need no label:
how often each class is given beside what the labels say, and how many answers changed since the last look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from sslcore.methods.base import Method
from sslcore.quality.calibration import expected_calibration_error
from sslcore.quality.intervals import proportion_interval
from sslcore.shapes import FloatArray, IntArray
from sslcore.training.best import LEAST_AUDIT
from sslcore.training.collapse import dominance, left_for_others, probability_below, probability_below_unseen
from sslcore.training.data import Baseline, TaskLabels
from sslcore.training.tally import MOST_CLASSES

PROBE = 512  # unlabelled items looked at in each evaluation

LEAST_LEFT_OUT = 10  # labels said without having been seen, below which nothing is known of the head

Figures = list[tuple[str, float]]


class Evaluation:
    """Measures a network during a run.

    Args:
        tasks: The tasks that are trained.
        method: Is asked which of its answers it would trust.
        predict: Probabilities (Tensor ``AC``) of a task for rows of the set.
        probe_row: A fixed sample of items that are unlabelled in every task.
        key_TN: Known answers of each task, None where there are none; for figures alone.
        baseline_T: The supervised head of each task; None where there is none.
    """

    def __init__(
        self,
        tasks: Sequence[TaskLabels],
        method: Method,
        predict: Callable[[int, IntArray], Tensor],
        *,
        probe_row: IntArray,
        key_TN: Sequence[Tensor | None],
        baseline_T: Sequence[Baseline | None] = (),
    ) -> None:
        self.tasks, self.method, self.predict = list(tasks), method, predict
        self.probe_row, self.key_TN = probe_row, list(key_TN)
        self.baseline_T = list(baseline_T) or [None] * len(self.tasks)
        self._last: dict[int, Tensor] = {}  # answers on the probe, of the last look

    def forget(self) -> None:
        """Forgets the last answers: what follows is of other weights."""
        self._last.clear()

    def of_task(self, index: int) -> Figures:
        """Figures of one task."""
        parts = (self._audit(index), self._probe(index), self._thresholds(index), self._history(index))
        return [figure for part in parts for figure in part]

    def _audit(self, index: int) -> Figures:
        task = self.tasks[index]
        if not len(task.audit_row_A):
            return []
        proba_AC = self.predict(index, np.asarray(task.audit_row_A))
        label_A = np.asarray(task.audit_label_A)
        right_A = proba_AC.argmax(1) == torch.from_numpy(label_A.copy()).to(proba_AC.device)
        said_A = right_A.cpu().numpy()
        figures = _with_range("audit_accuracy", float(said_A.sum()), len(said_A))
        figures.append(("audit_size", float(len(said_A))))
        figures.append(("calibration_error", expected_calibration_error(proba_AC.cpu().numpy(), label_A)))
        baseline = self.baseline_T[index]
        if baseline is not None and audits_the_head(task):
            head_A = baseline.said_N[task.audit_row_A] == label_A
            figures.append(("below_head", probability_below(said_A, head_A)))
        trust_A = self.method.accept(index, proba_AC)
        if trust_A is not None and float(trust_A.sum()) > 0:
            hits, trusted = float((right_A * trust_A).sum()), float(trust_A.sum())
            figures += _with_range("pseudo_precision", min(hits, trusted), trusted)
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
        figures += self._beside_head(index, answer_U.cpu().numpy())
        last_U, self._last[index] = self._last.get(index), answer_U
        if last_U is not None:
            figures.append(("flip_rate", float((answer_U != last_U).float().mean())))
        share_C, prior_C = shares(self.tasks[index], answer_U.cpu().numpy())
        over_C, expected_C = share_C / prior_C, self._expected(index, prior_C)
        figures += [
            ("largest_class_over_prior", float(over_C.max())),
            ("smallest_class_over_prior", float(over_C.min())),
            ("dominance", dominance(share_C, expected_C)),
            ("left_for_others", left_for_others(share_C, expected_C)),
        ]
        figures += [(f"share/{label}", value) for label, value in _first(share_C)]
        if last_U is None:  # it stays as it is
            figures += [(f"prior/{label}", value) for label, value in _first(prior_C)]
        return figures

    def _expected(self, index: int, prior_C: FloatArray) -> FloatArray:
        """How often each class may be given: as the labels say, or as the head says where that is more."""
        baseline = self.baseline_T[index]
        if baseline is None:
            return prior_C
        return np.maximum(prior_C, shares(self.tasks[index], baseline.said_N[self.probe_row])[0])

    def _beside_head(self, index: int, answer_U: IntArray) -> Figures:
        """How often the head's answer is given, and what that says where no audit answers can."""
        baseline, task = self.baseline_T[index], self.tasks[index]
        if baseline is None or audits_the_head(task) or baseline.left_out[1] < LEAST_LEFT_OUT:
            return []
        same_U = baseline.said_N[self.probe_row] == answer_U
        below = probability_below_unseen(same_U, baseline.left_out, task.classes)
        return [("head_agreement", float(same_U.mean())), ("below_head", below)]

    def _thresholds(self, index: int) -> Figures:
        bar_C = self.method.thresholds(index)
        return [] if bar_C is None else spread("threshold", bar_C.detach().float().cpu().numpy())

    def _history(self, index: int) -> Figures:
        history = self.method.history(index)
        return [] if history is None else [("taken_back", float(history.taken_back()))]


def audits_the_head(task: TaskLabels) -> bool:
    """Whether the audit split is large enough to set a run beside the supervised head."""
    return len(task.audit_row_A) >= LEAST_AUDIT


def spread(name: str, value_C: FloatArray) -> Figures:
    """The middle, lowest and highest of a figure per class, and each class's own for the first classes.

    >>> spread("threshold", np.array([0.5, 0.9, 0.7]))[:3]
    [('threshold', 0.7), ('threshold_low', 0.5), ('threshold_high', 0.9)]
    """
    return [
        (name, float(np.median(value_C))),
        (f"{name}_low", float(np.min(value_C))),
        (f"{name}_high", float(np.max(value_C))),
        *((f"{name}/{label}", float(value)) for label, value in _first(value_C)),
    ]


def shares(task: TaskLabels, answer_U: IntArray) -> tuple[FloatArray, FloatArray]:
    """How often each class is given, and how often the labels' (smoothed) prior says it should be.

    >>> task = TaskLabels("t", "single", 2, np.array([0, 1, -1, -1]))
    >>> [part.tolist() for part in shares(task, np.array([0, 0, 0, 1]))]
    [[0.75, 0.25], [0.5, 0.5]]
    """
    label_L = np.asarray(task.label_N)[np.asarray(task.label_N) >= 0]
    prior_C: FloatArray = (np.bincount(label_L, minlength=task.classes) + 1) / (len(label_L) + task.classes)
    share_C: FloatArray = np.bincount(answer_U, minlength=task.classes) / max(1, len(answer_U))
    return share_C, prior_C


def _first(value_C: FloatArray) -> list[tuple[int, float]]:
    return list(enumerate(value_C[:MOST_CLASSES].tolist()))


def _with_range(name: str, successes: float, trials: float) -> Figures:
    found = proportion_interval(successes, trials)
    return [(name, found.value), (f"{name}_low", found.low), (f"{name}_high", found.high)]


def probe_rows(tasks: Sequence[TaskLabels], free_row_U: IntArray, *, seed: int) -> IntArray:
    """A fixed sample of items outside the audit split that are unlabelled in every task."""
    row_U = np.sort(np.asarray(free_row_U))
    for task in tasks:
        row_U = row_U[np.asarray(task.label_N)[row_U] < 0]
    order = np.random.default_rng([seed, 7]).permutation(len(row_U))[:PROBE]
    return np.sort(row_U[order])
