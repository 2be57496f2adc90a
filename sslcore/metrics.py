"""How well probabilities fit known labels, every figure with its interval.

The figures are scikit-learn's. Intervals: Jeffreys' for proportions (accuracy, a class's precision and
recall). Balanced accuracy, macro averages and F1 are no proportions; their intervals are quantiles of
the posterior of the confusion matrix: ``Gamma`` draws per cell (Dirichlet), Jeffreys' half hit and half
miss for each class. A bootstrap would claim certainty when all 20 audit items are right; this does not.
Macro figures are means over the classes that occur among the labels; micro precision, recall and F1 of
one choice among classes all equal accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslcore.errors import DataError
from sslcore.quality.calibration import ReliabilityBin, expected_calibration_error, reliability
from sslcore.quality.intervals import LEVEL, Interval, proportion_interval
from sslcore.shapes import FloatArray, IntArray

DRAWS = 2000
"""Draws of the confusion matrix behind an interval; its ends then move by under 0.01."""


@dataclass(frozen=True)
class ClassReport:
    """One class: precision is nan-valued where it was never predicted, recall where it never occurs."""

    name: str
    precision: Interval
    recall: Interval
    f1: Interval
    support: int
    predicted: int


@dataclass(frozen=True)
class Report:
    """Figures of one model on one set of known labels; see :func:`report`."""

    size: int
    level: float
    accuracy: Interval
    balanced_accuracy: Interval
    macro_precision: Interval
    macro_recall: Interval
    macro_f1: Interval
    micro_precision: Interval
    micro_recall: Interval
    micro_f1: Interval
    per_class: tuple[ClassReport, ...]
    confusion_CC: IntArray
    ece: float
    reliability: tuple[ReliabilityBin, ...]
    log_loss: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; what is undefined is None."""
        whole = ("accuracy", "balanced_accuracy")
        averages = tuple(f"{kind}_{what}" for kind in ("macro", "micro") for what in _PRF)
        return {
            "size": self.size,
            "level": self.level,
            **{name: getattr(self, name).as_dict() for name in whole + averages},
            "per_class": [
                {
                    "name": row.name,
                    "support": row.support,
                    "predicted": row.predicted,
                    **{what: getattr(row, what).as_dict() for what in _PRF},
                }
                for row in self.per_class
            ],
            "confusion": self.confusion_CC.tolist(),
            "ece": None if math.isnan(self.ece) else self.ece,
            "reliability": [dict(bin_.__dict__) for bin_ in self.reliability],
            "log_loss": None if math.isnan(self.log_loss) else self.log_loss,
        }


_PRF = ("precision", "recall", "f1")


def report(
    label_A: IntArray,
    proba_AC: FloatArray,
    class_names: list[str],
    *,
    level: float = LEVEL,
    seed: int = 0,
) -> Report:
    """All figures of probabilities on items of known class.

    Args:
        label_A: True classes; rows with -1 are left out.
        proba_AC: Probabilities, rows summing to 1.
        class_names: Names of the columns.
        level: Probability that an interval holds the truth.
        seed: Seed of the draws behind the macro and F1 intervals.

    Returns:
        The report; with no labelled row every value is nan and every range is 0 … 1.

    Raises:
        DataError: Lengths that differ, or a label beyond the columns.

    >>> label_A = np.array([0, 0, 1, 1])
    >>> proba_AC = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    >>> found = report(label_A, proba_AC, ["cat", "dog"])
    >>> str(found.accuracy), found.confusion_CC.tolist(), round(found.per_class[1].precision.value, 3)
    ('0.750 (0.349–0.954)', [[1, 1], [0, 2]], 0.667)
    """
    from sklearn import metrics as sk

    label_A, proba_AC = np.asarray(label_A), np.asarray(proba_AC, dtype=np.float64)
    classes = len(class_names)
    _check(label_A, proba_AC, classes)
    label_A, proba_AC = label_A[label_A >= 0], proba_AC[label_A >= 0]
    if len(label_A) == 0:
        return _nothing(class_names, level)
    predicted_A = proba_AC.argmax(axis=1)
    every = list(range(classes))
    if classes > 1:
        confusion_CC = sk.confusion_matrix(label_A, predicted_A, labels=every)
    else:  # scikit-learn warns of a matrix of one cell
        confusion_CC = np.array([[len(label_A)]])
    hit_C, support_C, taken_C = confusion_CC.diagonal(), confusion_CC.sum(axis=1), confusion_CC.sum(axis=0)
    present = np.flatnonzero(support_C)
    f1_C = sk.f1_score(label_A, predicted_A, labels=every, average=None, zero_division=np.nan)
    macro = sk.precision_recall_fscore_support(
        label_A, predicted_A, labels=present, average="macro", zero_division=0.0
    )
    spread = _posterior(confusion_CC, present, level=level, rng=np.random.default_rng(seed))
    accuracy = proportion_interval(int(hit_C.sum()), len(label_A), level=level)
    return Report(
        size=len(label_A),
        level=level,
        accuracy=accuracy,
        # the mean recall over the classes present, as balanced_accuracy_score has it
        balanced_accuracy=spread.around("recall", float(macro[1])),
        macro_precision=spread.around("precision", float(macro[0])),
        macro_recall=spread.around("recall", float(macro[1])),
        macro_f1=spread.around("f1", float(macro[2])),
        micro_precision=accuracy,
        micro_recall=accuracy,
        micro_f1=accuracy,
        per_class=tuple(
            ClassReport(
                name=class_names[c],
                precision=proportion_interval(int(hit_C[c]), int(taken_C[c]), level=level),
                recall=proportion_interval(int(hit_C[c]), int(support_C[c]), level=level),
                f1=spread.f1_of(c, float(f1_C[c])),
                support=int(support_C[c]),
                predicted=int(taken_C[c]),
            )
            for c in every
        ),
        confusion_CC=confusion_CC,
        ece=expected_calibration_error(proba_AC, label_A),
        reliability=tuple(reliability(proba_AC, label_A, level=level)),
        log_loss=_log_loss(label_A, proba_AC),
    )


@dataclass(frozen=True)
class _Posterior:
    """Draws of the macro figures and of each class's F1, ready to be read as intervals."""

    macro: dict[str, FloatArray]
    f1_RC: FloatArray
    level: float

    def around(self, name: str, value: float) -> Interval:
        return _quantiles(self.macro[name], value, self.level)

    def f1_of(self, c: int, value: float) -> Interval:
        if math.isnan(value):
            return Interval(math.nan, 0.0, 1.0, self.level)
        return _quantiles(self.f1_RC[:, c], value, self.level)


def _quantiles(draw_R: FloatArray, value: float, level: float) -> Interval:
    low, high = np.quantile(draw_R, [(1 - level) / 2, (1 + level) / 2])
    # a figure at the end of its range is inside its interval, as in Jeffreys' rule
    return Interval(value, min(float(low), value), max(float(high), value), level)


def _posterior(
    confusion_CC: IntArray, present: IntArray, *, level: float, rng: np.random.Generator
) -> _Posterior:
    """Draws confusion matrices given the counts.

    Only observed cells, the diagonal and one lump of unseen misses a class are drawn, so a thousand
    classes cost what the audit items cost. The lump is spread evenly over the other classes.
    """
    classes, draws = len(confusion_CC), DRAWS if len(confusion_CC) <= 50 else DRAWS // 4
    true_M, given_M = np.nonzero(confusion_CC * (1 - np.eye(classes, dtype=int)))
    count_M = confusion_CC[true_M, given_M]
    hit_RC = rng.gamma(confusion_CC.diagonal() + 0.5, size=(draws, classes))
    miss_RM = rng.gamma(count_M, size=(draws, len(count_M)))
    lump_RC = rng.gamma(0.5, size=(draws, classes))
    # a class that never occurs among the labels is no part of the macro figures
    absent_C = np.ones(classes, dtype=bool)
    absent_C[present] = False
    hit_RC[:, absent_C] = lump_RC[:, absent_C] = 0.0

    true_MC, given_MC = np.eye(classes)[true_M], np.eye(classes)[given_M]
    support_RC = hit_RC + lump_RC + miss_RM @ true_MC
    shared_RC = (lump_RC.sum(axis=1, keepdims=True) - lump_RC) / max(classes - 1, 1)
    taken_RC = hit_RC + shared_RC + miss_RM @ given_MC
    with np.errstate(invalid="ignore", divide="ignore"):
        precision_RC = np.nan_to_num(hit_RC / taken_RC)
        recall_RC = np.nan_to_num(hit_RC / support_RC)
        f1_RC = np.nan_to_num(2 * hit_RC / (taken_RC + support_RC))
    by_name = {"precision": precision_RC, "recall": recall_RC, "f1": f1_RC}
    return _Posterior({name: draw[:, present].mean(axis=1) for name, draw in by_name.items()}, f1_RC, level)


def _log_loss(label_A: IntArray, proba_AC: FloatArray) -> float:
    from sklearn.metrics import log_loss

    if proba_AC.shape[1] < 2:
        return 0.0
    proba_AC = proba_AC / np.maximum(proba_AC.sum(axis=1, keepdims=True), 1e-12)
    return float(log_loss(label_A, proba_AC, labels=np.arange(proba_AC.shape[1])))


def _check(label_A: IntArray, proba_AC: FloatArray, classes: int) -> None:
    if proba_AC.ndim != 2 or proba_AC.shape != (len(label_A), classes):
        raise DataError(
            f"report needs one row of {classes} probabilities for each of the {len(label_A)} labels. "
            f"Received: shape {proba_AC.shape}."
        )
    if len(label_A) and int(label_A.max()) >= classes:
        raise DataError(
            f"report needs labels below {classes}, the number of names. Received: {label_A.max()}."
        )


def _nothing(class_names: list[str], level: float) -> Report:
    unknown = Interval(math.nan, 0.0, 1.0, level)
    rows = tuple(ClassReport(name, unknown, unknown, unknown, 0, 0) for name in class_names)
    empty_CC = np.zeros((len(class_names), len(class_names)), dtype=np.int64)
    return Report(
        size=0,
        level=level,
        accuracy=unknown,
        balanced_accuracy=unknown,
        macro_precision=unknown,
        macro_recall=unknown,
        macro_f1=unknown,
        micro_precision=unknown,
        micro_recall=unknown,
        micro_f1=unknown,
        per_class=rows,
        confusion_CC=empty_CC,
        ece=math.nan,
        reliability=(),
        log_loss=math.nan,
    )
