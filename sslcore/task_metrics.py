"""Figures of tasks whose answers are sets, places in an order, or numbers; each with its interval.

Multiple choice: the mean F1 of an item's set, micro and macro F1, subset accuracy (Jeffreys' interval),
Hamming loss, mean average precision, precision and recall a class (Jeffreys'). Ordinal: mean absolute error
in classes, Cohen's kappa with quadratic weights (Cohen 1968), beside accuracy. Numeric: mean absolute and
root mean squared error, R².
Intervals of what is no proportion are quantiles of the Bayesian bootstrap (Rubin 1981): the items are given
random weights, Dirichlet (1, …, 1), and the figure is taken anew, so a handful of items gives a wide range.
Models are ranked by one figure a kind, :data:`LEAD`, which is a mean over items, so that two models can be
compared item by item.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sslcore.errors import DataError
from sslcore.quality.intervals import LEVEL, Interval, proportion_interval
from sslcore.shapes import BoolArray, FloatArray, IntArray

DRAWS = 400

TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "subset_accuracy": "All classes right",
    "sample_f1": "F1 (items)",
    "micro_f1": "F1 (micro)",
    "macro_f1": "F1 (macro)",
    "mean_average_precision": "Mean average precision",
    "hamming_loss": "Wrong classes (Hamming)",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "R²",
    "kappa": "Quadratic kappa",
}
"""How figures are called on pages."""
LEAD = {"single": "accuracy", "ordinal": "accuracy", "multiple": "sample_f1", "numeric": "mae"}
"""The figure that models of a kind of task are ranked by."""
LOWER_IS_BETTER = frozenset({"hamming_loss", "mae", "rmse"})
SHARES = frozenset(TITLES) - {"mae", "rmse", "r2", "kappa"}
"""Figures that are read as percentages."""


@dataclass(frozen=True)
class ClassRow:
    """One class of a multiple-choice task."""

    name: str
    precision: Interval
    recall: Interval
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True)
class TaskReport:
    """Figures by name; see :data:`TITLES`. ``per_class`` is empty except for multiple choice."""

    kind: str
    size: int
    figures: dict[str, Interval]
    per_class: tuple[ClassRow, ...] = ()
    level: float = LEVEL
    notes: tuple[str, ...] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; what is undefined is None."""
        return {
            "kind": self.kind,
            "size": self.size,
            "level": self.level,
            "figures": {name: interval.as_dict() for name, interval in self.figures.items()},
            "per_class": [
                {
                    "name": row.name,
                    "support": row.support,
                    "predicted": row.predicted,
                    "f1": None if math.isnan(row.f1) else row.f1,
                    "precision": row.precision.as_dict(),
                    "recall": row.recall.as_dict(),
                }
                for row in self.per_class
            ],
        }


def multiple_report(
    answer_AC: BoolArray,
    proba_AC: FloatArray,
    class_names: list[str],
    *,
    threshold: float = 0.5,
    seed: int = 0,
    known_AC: BoolArray | None = None,
) -> TaskReport:
    """Figures of sets of classes.

    F1, precision and recall are of the sets cut at ``threshold``; subset accuracy and Hamming loss of the
    likeliest sets, cut at ½. Macro F1 and mean average precision are over the classes that occur; the F1 of
    items is the mean of :func:`set_scores`. What is unknown counts for nothing: an item has a part in each
    figure with the classes that are known of it, and in subset accuracy where all are.

    Args:
        answer_AC: Whether each class applies.
        proba_AC: Its probability.
        class_names: Names of the columns.
        threshold: The cut of the sets that are taken away.
        seed: Seed of the draws behind the intervals.
        known_AC: Whether it is known if a class applies; all are, where not given.

    Raises:
        DataError: Tables of different shape.

    >>> answer_AC = np.array([[True, False], [True, True], [False, False]])
    >>> found = multiple_report(answer_AC, np.array([[0.9, 0.2], [0.8, 0.3], [0.1, 0.4]]), ["a", "b"])
    >>> round(found.figures["micro_f1"].value, 3), str(found.figures["subset_accuracy"])
    (0.8, '0.667 (0.236–0.938)')
    """
    answer_AC, proba_AC = np.asarray(answer_AC, bool), np.asarray(proba_AC, np.float64)
    if answer_AC.shape != proba_AC.shape or answer_AC.shape[1:] != (len(class_names),):
        raise DataError(
            f"multiple_report needs answers and probabilities of {len(class_names)} classes. "
            f"Received: shapes {answer_AC.shape} and {proba_AC.shape}."
        )
    known_AC = np.ones_like(answer_AC) if known_AC is None else np.asarray(known_AC, bool)
    told_A = known_AC.any(axis=1)
    answer_AC, proba_AC, known_AC = (answer_AC & known_AC)[told_A], proba_AC[told_A], known_AC[told_A]
    size = len(answer_AC)
    if size == 0:
        return TaskReport("multiple", 0, {})
    said_AC, wrong_AC = (proba_AC >= threshold) & known_AC, ((proba_AC >= 0.5) != answer_AC) & known_AC
    whole_A = known_AC.all(axis=1)
    hit_AC = said_AC & answer_AC
    hits_C, support_C, said_C = hit_AC.sum(axis=0), answer_AC.sum(axis=0), said_AC.sum(axis=0)
    present_C = support_C > 0
    weight_RA = _weights(size, seed)
    half_R2 = _halves(size, seed)
    taken_RC, had_RC, right_RC = _counts(said_AC, answer_AC, weight_RA, half_R2)
    wrong_A = wrong_AC.sum(axis=1) / known_AC.sum(axis=1)
    figures = {
        "sample_f1": _share_range(set_scores(answer_AC, said_AC), weight_RA, half_R2),
        "micro_f1": _range(
            _f1(hits_C.sum(), said_C.sum(), support_C.sum()),
            _f1(right_RC.sum(axis=1), taken_RC.sum(axis=1), had_RC.sum(axis=1)),
        ),
        "macro_f1": _range(
            float(_f1(hits_C, said_C, support_C)[present_C].mean()) if present_C.any() else math.nan,
            _f1(right_RC, taken_RC, had_RC)[:, present_C].mean(axis=1) if present_C.any() else None,
        ),
        "subset_accuracy": proportion_interval(int((whole_A & (wrong_A == 0)).sum()), int(whole_A.sum())),
        "mean_average_precision": _mean_average_precision(
            answer_AC[:, present_C], proba_AC[:, present_C], known_AC[:, present_C], weight_RA, half_R2
        ),
        # half an item with no class wrong, and half of one with one wrong
        "hamming_loss": _share_range(wrong_A, weight_RA, half_R2, most=1 / len(class_names)),
    }
    rows = tuple(
        ClassRow(
            name=name,
            precision=proportion_interval(int(hits_C[c]), int(said_C[c])),
            recall=proportion_interval(int(hits_C[c]), int(support_C[c])),
            f1=float(_f1(hits_C[c], said_C[c], support_C[c])) if said_C[c] + support_C[c] else math.nan,
            support=int(support_C[c]),
            predicted=int(said_C[c]),
        )
        for c, name in enumerate(class_names)
    )
    return TaskReport("multiple", size, _known(figures), rows)


def set_scores(answer_AC: BoolArray, said_AC: BoolArray) -> FloatArray:
    """F1 of each item's set, 0 to 1: twice the classes in both over the classes in each; of two empty ones 1.

    >>> set_scores(np.array([[True, False], [False, False]]), np.array([[True, True], [False, False]])).round(
    ...     2
    ... )
    array([0.67, 1.  ])
    """
    either_A = answer_AC.sum(axis=1) + said_AC.sum(axis=1)
    both_A = (answer_AC & said_AC).sum(axis=1)
    return np.where(either_A > 0, 2.0 * both_A / np.maximum(either_A, 1), 1.0)


def balanced_accuracy(label_A: IntArray, prediction_A: IntArray, *, seed: int = 0) -> Interval:
    """Mean recall over the classes that occur, each class counting alike however rare it is.

    The interval is of draws of each class's recall from its Jeffreys posterior: a rare class widens it.

    >>> str(balanced_accuracy(np.array([0] * 8 + [1, 1]), np.array([0] * 8 + [0, 1])))
    '0.750 (0.517–0.933)'
    """
    class_P, place_A = np.unique(label_A, return_inverse=True)
    if not len(class_P):
        return Interval(math.nan, 0.0, 1.0)
    hit_P = np.bincount(place_A, weights=np.asarray(label_A) == np.asarray(prediction_A))
    size_P = np.bincount(place_A)
    draw_RP = np.random.default_rng(seed).beta(hit_P + 0.5, size_P - hit_P + 0.5, size=(DRAWS, len(class_P)))
    return _range(float((hit_P / size_P).mean()), draw_RP.mean(axis=1))


def ordinal_figures(label_A: IntArray, prediction_A: IntArray, *, seed: int = 0) -> dict[str, Interval]:
    """Mean absolute error in classes and quadratic kappa of ordered classes.

    Args:
        label_A: True classes, all known.
        prediction_A: Predicted ones.
        seed: Seed of the draws behind the intervals.

    >>> found = ordinal_figures(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1]))
    >>> found["mae"].value, round(found["kappa"].value, 3)
    (0.25, 0.8)
    """
    if len(label_A) == 0:
        return {}
    true_A, said_A = np.asarray(label_A, np.float64), np.asarray(prediction_A, np.float64)
    weight_RA = _weights(len(true_A), seed)
    error_A = np.abs(true_A - said_A)
    even_1A = np.full((1, len(true_A)), 1.0 / len(true_A))
    return {
        "mae": _range(float(error_A.mean()), weight_RA @ error_A),
        "kappa": _range(float(_kappa(true_A, said_A, even_1A)[0]), _kappa(true_A, said_A, weight_RA)),
    }


def numeric_figures(value_A: FloatArray, prediction_A: FloatArray, *, seed: int = 0) -> dict[str, Interval]:
    """Mean absolute error, root mean squared error and R² of numbers.

    Args:
        value_A: The true numbers.
        prediction_A: The predicted ones.
        seed: Seed of the draws behind the intervals.

    >>> found = numeric_figures(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    >>> round(found["mae"].value, 3), round(found["r2"].value, 3)
    (0.333, 0.5)
    """
    value_A, prediction_A = np.asarray(value_A, np.float64), np.asarray(prediction_A, np.float64)
    if len(value_A) == 0:
        return {}
    weight_RA = _weights(len(value_A), seed)
    error_A = value_A - prediction_A
    even_1A = np.full((1, len(value_A)), 1.0 / len(value_A))

    def r2(weight_RA: FloatArray) -> FloatArray:
        mean_R1 = (weight_RA @ value_A)[:, None]
        total_R = (weight_RA * (value_A[None, :] - mean_R1) ** 2).sum(axis=1)
        return np.asarray(1.0 - (weight_RA @ error_A**2) / np.maximum(total_R, 1e-300))

    varied = len(value_A) > 1 and float(value_A.std()) > 0
    figures = {
        "mae": _range(float(np.abs(error_A).mean()), weight_RA @ np.abs(error_A)),
        "rmse": _range(float(np.sqrt((error_A**2).mean())), np.sqrt(weight_RA @ error_A**2)),
        "r2": _range(float(r2(even_1A)[0]) if varied else math.nan, r2(weight_RA) if varied else None),
    }
    return _known(figures)


def _weights(size: int, seed: int) -> FloatArray:
    """Dirichlet draws of the items' weights, whose means spread as Student's t says.

    The Bayesian bootstrap (Rubin 1981) has concentration 1 and is too sure of few items: its mean has the
    variance ``s² (n - 1) / n / (n + 1)``, where t asks for ``(t / z)² s² / n``.
    """
    from scipy.stats import norm, t

    narrow = 1.0
    if size > 1:
        narrow = float((norm.ppf((1 + LEVEL) / 2) / t.ppf((1 + LEVEL) / 2, size - 1)) ** 2)
    concentration = max(0.05, ((size - 1) * narrow - 1.0) / size)
    draw_RA = np.random.default_rng(seed).gamma(concentration, size=(DRAWS, size))
    draw_RA = np.maximum(draw_RA, 1e-300)
    return np.asarray(draw_RA / draw_RA.sum(axis=1, keepdims=True))


def _known(figures: dict[str, Interval]) -> dict[str, Interval]:
    """Without the figures that are not defined on these items."""
    return {name: held for name, held in figures.items() if not math.isnan(held.value)}


def _range(value: float, draw_R: FloatArray | None) -> Interval:
    value = float(value)
    if draw_R is None or math.isnan(value):
        return Interval(math.nan, math.nan, math.nan)
    low, high = np.quantile(draw_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, min(float(low), value), max(float(high), value))


def _share_range(
    score_A: FloatArray, weight_RA: FloatArray, half_R2: FloatArray, *, most: float = 1.0
) -> Interval:
    """The mean of scores from 0 up. Half an item of ``most`` and half of 0 stand beside them, as in Jeffreys'
    interval, which scores of 0 and 1 give: all items right is no certainty."""
    drawn_R = weight_RA @ score_A + half_R2[:, 0] * most
    return _range(float(score_A.mean()), drawn_R / (1 + half_R2.sum(axis=1)))


def _halves(size: int, seed: int) -> FloatArray:
    """Weights of half an item that is right and half of one that is wrong, beside those of ``_weights``."""
    return np.asarray(np.random.default_rng([seed, 1]).gamma(0.5, size=(DRAWS, 2)) / size)


def _counts(
    said_AC: BoolArray, answer_AC: BoolArray, weight_RA: FloatArray, half_R2: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draws of how often each class is said, is true, and is both. The halves have every class as often as
    an item has it, said as often as it is true: an F1 of 1 is then as uncertain as any share of its items."""
    usual_C = answer_AC.mean(axis=0)
    right_RC = weight_RA @ (said_AC & answer_AC) + half_R2[:, :1] * usual_C
    both_RC = half_R2.sum(axis=1, keepdims=True) * usual_C
    return weight_RA @ said_AC + both_RC, weight_RA @ answer_AC + both_RC, right_RC


def _f1(hits: Any, said: Any, had: Any) -> Any:
    return 2.0 * hits / np.maximum(said + had, 1e-12)


def _kappa(label_A: FloatArray, prediction_A: FloatArray, weight_RA: FloatArray) -> FloatArray:
    """``1 − Σ w (y − ŷ)² / E (y − ŷ)²`` with y and ŷ drawn apart from their margins."""
    seen_R = weight_RA @ (label_A - prediction_A) ** 2
    mean_R, said_R = weight_RA @ label_A, weight_RA @ prediction_A
    spread_R = weight_RA @ label_A**2 - mean_R**2 + weight_RA @ prediction_A**2 - said_R**2
    chance_R = spread_R + (mean_R - said_R) ** 2
    return np.asarray(np.where(chance_R > 1e-12, 1.0 - seen_R / np.maximum(chance_R, 1e-12), 1.0))


def _mean_average_precision(
    answer_AC: BoolArray,
    proba_AC: FloatArray,
    known_AC: BoolArray,
    weight_RA: FloatArray,
    half_R2: FloatArray,
) -> Interval:
    """Over classes that all occur; an item whose class is unknown has no place in that class's order."""
    if not answer_AC.size:
        return _range(math.nan, None)
    order_AC = np.argsort(-proba_AC, axis=0, kind="stable")
    sorted_AC = np.take_along_axis(answer_AC, order_AC, axis=0)
    placed_AC = np.take_along_axis(known_AC, order_AC, axis=0)

    def mean(weight_A: FloatArray) -> float:
        weight_AC = weight_A[order_AC] * placed_AC
        right_AC = np.cumsum(weight_AC * sorted_AC, axis=0)
        precision_AC = right_AC / np.maximum(np.cumsum(weight_AC, axis=0), 1e-300)
        return float(((precision_AC * weight_AC * sorted_AC).sum(axis=0) / right_AC[-1]).mean())

    value = mean(np.full(len(answer_AC), 1.0 / len(answer_AC)))
    few = weight_RA[: int(np.clip(4_000_000 // max(sorted_AC.size, 1), 40, DRAWS))]
    right_R, whole_R = half_R2[: len(few), 0], 1 + half_R2[: len(few)].sum(axis=1)
    return _range(value, (np.array([mean(weight_A) for weight_A in few]) + right_R) / whole_R)
