"""What a confidence threshold accepts, and how much of it will be right.

Audit items (a random sample, never trained on) that pass the same threshold are the evidence: of
``n`` that pass, ``h`` are right. The estimate is Bayesian: Jeffreys' half hit and half miss, plus a
prior worth two items at the mean calibrated confidence of what is accepted, so that the figure leans
on the model's own word only while audit items are few: ``Beta(½ + 2m + h, ½ + 2(1−m) + n − h)``.
The interval is for the share of right ones among the very items accepted, so their number counts:
the Beta is widened to the variance of the Beta-binomial (moment matching).
Where fewer than 20 audit items exist, out-of-fold predictions stand in and the source says "rough".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sslcore.errors import DataError
from sslcore.quality.intervals import LEVEL, Interval, beta_range
from sslcore.shapes import BoolArray, FloatArray, IntArray

ENOUGH_AUDIT = 20
"""Audit items needed before they are the source of figures."""

PRIOR_ITEMS = 2.0
"""Items that the model's own confidence is worth as evidence."""

Source = Literal["audit", "out-of-fold (rough)", "none"]


@dataclass(frozen=True)
class Acceptance:
    """What is accepted and what is known of it.

    Attributes:
        class_index: The predicted class, or None for all of them together.
        threshold: The lowest confidence accepted; nan overall where it differs by class.
        accepted: Items that pass.
        precision: Expected share of right ones among them; None where no evidence passes.
        source: Where the evidence comes from.
        checked: Evidence items that pass the threshold.
        correct: Those of them that are right.
    """

    class_index: int | None
    threshold: float
    accepted: int
    precision: Interval | None
    source: Source
    checked: int
    correct: int

    def as_dict(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "class_index": self.class_index,
            "threshold": None if math.isnan(self.threshold) else self.threshold,
            "accepted": self.accepted,
            "precision": None if self.precision is None else self.precision.as_dict(),
            "source": self.source,
            "checked": self.checked,
            "correct": self.correct,
        }


@dataclass(frozen=True)
class _Evidence:
    """Predictions on items of known class that the model did not learn from."""

    confidence_A: FloatArray
    predicted_A: IntArray
    hit_A: BoolArray
    source: Source


def expected_precision(
    correct: float, checked: float, *, confidence: float, accepted: int, level: float = LEVEL
) -> Interval:
    """Share of right ones to expect among ``accepted`` items, from ``correct`` of ``checked``.

    Args:
        correct: Evidence items that are right.
        checked: Evidence items that pass the threshold.
        confidence: Mean calibrated confidence of the accepted items; worth two items.
        accepted: Items that the figure speaks of; a few vary more than many.
        level: Probability that the interval holds the share.

    >>> str(expected_precision(48, 50, confidence=0.95, accepted=1000))
    '0.951 (0.893–0.989)'
    """
    a = 0.5 + PRIOR_ITEMS * confidence + correct
    b = 0.5 + PRIOR_ITEMS * (1 - confidence) + checked - correct
    strength, mean = a + b, a / (a + b)
    # variance of the Beta-binomial share: p(1-p)/(s+1) · (s+m)/m
    matched = max(accepted, 1) * (strength + 1) / (strength + max(accepted, 1)) - 1
    if matched < 1e-3:  # one item: right or wrong, nothing between
        return Interval(mean, 0.0, 1.0, level)
    low, high = beta_range(mean * matched, (1 - mean) * matched, level=level)
    # no miss seen: a perfect score cannot be ruled out, and so on below
    return Interval(
        mean, 0.0 if correct == 0 else min(low, mean), 1.0 if correct == checked else max(high, mean), level
    )


def acceptance(
    proba_NC: FloatArray,
    *,
    threshold: float | FloatArray,
    candidate_N: BoolArray,
    audit_row_A: IntArray,
    audit_label_A: IntArray,
    out_of_fold: tuple[FloatArray, IntArray] | None = None,
) -> list[Acceptance]:
    """What each class's threshold accepts: all classes together first, then one row a class.

    Args:
        proba_NC: Calibrated probabilities of all items.
        threshold: Lowest confidence accepted, one number or one a (predicted) class.
        candidate_N: Items that may be accepted; audit items among them are never counted.
        audit_row_A: Rows of the audit sample.
        audit_label_A: Their true classes (-1: not known yet, left out).
        out_of_fold: Probabilities of models that did not see the item, and labels; the stand-in.

    Raises:
        DataError: A threshold for each class that does not match the columns.

    >>> proba_NC = np.array([[0.9, 0.1]] * 60 + [[0.4, 0.6]] * 40)
    >>> audit = np.arange(0, 100, 4)
    >>> rows = acceptance(
    ...     proba_NC,
    ...     threshold=0.8,
    ...     candidate_N=np.ones(100, bool),
    ...     audit_row_A=audit,
    ...     audit_label_A=np.zeros(25, int),
    ... )
    >>> rows[0].accepted, rows[0].checked, rows[0].source, rows[2].accepted
    (45, 15, 'audit', 0)
    """
    threshold_C = _per_class(threshold, proba_NC.shape[1])
    confidence_N, predicted_N, open_N = _predictions(proba_NC, candidate_N, audit_row_A)
    accepted_N = open_N & (confidence_N >= threshold_C[predicted_N])
    evidence = _evidence(proba_NC, audit_row_A, audit_label_A, out_of_fold)
    passes_A = evidence.confidence_A >= threshold_C[evidence.predicted_A]
    common = float(threshold_C[0]) if np.all(threshold_C == threshold_C[0]) else math.nan
    rows = [_row(None, common, confidence_N[accepted_N], evidence, passes_A)]
    for c in range(proba_NC.shape[1]):
        of_class_N = accepted_N & (predicted_N == c)
        of_class_A = passes_A & (evidence.predicted_A == c)
        rows.append(_row(c, float(threshold_C[c]), confidence_N[of_class_N], evidence, of_class_A))
    return rows


def suggest_threshold(
    proba_NC: FloatArray,
    *,
    candidate_N: BoolArray,
    audit_row_A: IntArray,
    audit_label_A: IntArray,
    out_of_fold: tuple[FloatArray, IntArray] | None = None,
    target_precision: float = 0.95,
) -> list[float | None]:
    """For each class the lowest threshold whose expected precision reaches the target.

    The arguments are those of :func:`acceptance`. None where no threshold reaches it: at a target of
    0.95 a class needs about eight audit items that pass and are all right.

    >>> proba_NC = np.array([[0.9, 0.1]] * 60 + [[0.6, 0.4]] * 40)
    >>> truth_N = np.array([0] * 60 + [0, 1] * 20)
    >>> suggest_threshold(
    ...     proba_NC,
    ...     candidate_N=np.ones(100, bool),
    ...     audit_row_A=np.arange(0, 100, 3),
    ...     audit_label_A=truth_N[::3],
    ...     target_precision=0.9,
    ... )
    [0.9, None]
    """
    confidence_N, predicted_N, open_N = _predictions(proba_NC, candidate_N, audit_row_A)
    evidence = _evidence(proba_NC, audit_row_A, audit_label_A, out_of_fold)
    return [
        _lowest(
            confidence_N[open_N & (predicted_N == c)], evidence, evidence.predicted_A == c, target_precision
        )
        for c in range(proba_NC.shape[1])
    ]


def suggest_common_threshold(
    proba_NC: FloatArray,
    *,
    candidate_N: BoolArray,
    audit_row_A: IntArray,
    audit_label_A: IntArray,
    out_of_fold: tuple[FloatArray, IntArray] | None = None,
    target_precision: float = 0.95,
) -> float | None:
    """The lowest single threshold whose expected precision over all classes reaches the target.

    >>> proba_NC = np.array([[0.9, 0.1]] * 60 + [[0.6, 0.4]] * 40)
    >>> truth_N = np.array([0] * 60 + [0, 1] * 20)
    >>> suggest_common_threshold(
    ...     proba_NC,
    ...     candidate_N=np.ones(100, bool),
    ...     audit_row_A=np.arange(0, 100, 3),
    ...     audit_label_A=truth_N[::3],
    ...     target_precision=0.9,
    ... )
    0.9
    """
    confidence_N, _, open_N = _predictions(proba_NC, candidate_N, audit_row_A)
    evidence = _evidence(proba_NC, audit_row_A, audit_label_A, out_of_fold)
    everything_A = np.ones(len(evidence.hit_A), dtype=bool)
    return _lowest(confidence_N[open_N], evidence, everything_A, target_precision)


def _per_class(threshold: float | FloatArray, classes: int) -> FloatArray:
    threshold_C = np.asarray(threshold, dtype=np.float64)
    if threshold_C.ndim == 0:
        return np.full(classes, float(threshold_C))
    if threshold_C.shape != (classes,):
        raise DataError(
            f"threshold must be one number or one for each of the {classes} classes. "
            f"Received: shape {threshold_C.shape}."
        )
    return threshold_C


def _predictions(
    proba_NC: FloatArray, candidate_N: BoolArray, audit_row_A: IntArray
) -> tuple[FloatArray, IntArray, BoolArray]:
    open_N = np.array(candidate_N, dtype=bool)
    open_N[np.asarray(audit_row_A, dtype=np.int64)] = False
    return proba_NC.max(axis=1), proba_NC.argmax(axis=1), open_N


def _evidence(
    proba_NC: FloatArray,
    audit_row_A: IntArray,
    audit_label_A: IntArray,
    out_of_fold: tuple[FloatArray, IntArray] | None,
) -> _Evidence:
    label_A = np.asarray(audit_label_A)
    known_A = label_A >= 0
    if known_A.sum() >= ENOUGH_AUDIT or (out_of_fold is None and known_A.any()):
        proba_AC = proba_NC[np.asarray(audit_row_A, dtype=np.int64)[known_A]]
        return _compare(proba_AC, label_A[known_A], "audit")
    if out_of_fold is not None:
        proba_LC, label_L = out_of_fold
        kept_L = np.asarray(label_L) >= 0
        return _compare(np.asarray(proba_LC)[kept_L], np.asarray(label_L)[kept_L], "out-of-fold (rough)")
    return _compare(proba_NC[:0], label_A[:0], "none")


def _compare(proba_AC: FloatArray, label_A: IntArray, source: Source) -> _Evidence:
    predicted_A = proba_AC.argmax(axis=1)
    return _Evidence(proba_AC.max(axis=1), predicted_A, predicted_A == label_A, source)


def _row(
    class_index: int | None,
    threshold: float,
    confidence_U: FloatArray,
    evidence: _Evidence,
    passes_A: BoolArray,
) -> Acceptance:
    checked, correct = int(passes_A.sum()), int(evidence.hit_A[passes_A].sum())
    precision = None
    if checked and len(confidence_U):
        precision = expected_precision(
            correct, checked, confidence=float(confidence_U.mean()), accepted=len(confidence_U)
        )
    return Acceptance(class_index, threshold, len(confidence_U), precision, evidence.source, checked, correct)


def _lowest(
    confidence_U: FloatArray, evidence: _Evidence, of_class_A: BoolArray, target: float
) -> float | None:
    """Lowest evidence confidence at which the expected precision is still on target."""
    if not of_class_A.any() or not len(confidence_U):
        return None
    confidence_A, hit_A = evidence.confidence_A[of_class_A], evidence.hit_A[of_class_A]
    order_A = np.argsort(-confidence_A, kind="stable")
    confidence_A, correct_A = confidence_A[order_A], np.cumsum(hit_A[order_A])
    checked_A = np.arange(1, len(order_A) + 1)
    # mean confidence of the candidates at or above each evidence confidence
    sorted_U = np.sort(confidence_U)[::-1]
    total_U = np.concatenate([[0.0], np.cumsum(sorted_U)])
    above_A = len(sorted_U) - np.searchsorted(sorted_U[::-1], confidence_A, side="left")
    mean_A = np.where(above_A > 0, total_U[above_A] / np.maximum(above_A, 1), confidence_A)
    a_A = 0.5 + PRIOR_ITEMS * mean_A + correct_A
    value_A = a_A / (1 + PRIOR_ITEMS + checked_A)
    # among equal confidences only the last counts: a threshold takes all of them or none
    last_A = np.append(confidence_A[1:] != confidence_A[:-1], True)
    good_A = np.flatnonzero((value_A >= target) & last_A)
    return float(confidence_A[good_A[-1]]) if len(good_A) else None
