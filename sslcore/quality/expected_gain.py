"""What the next labels may bring: the learning curve carried on, with an interval.

The error after n labels is taken to be a floor plus a mixture of power laws, ``e(n) = f + Σ_c w_c n^(−c)``,
all weights ≥ 0: it falls, ever more slowly, as curves of this kind do (Viering & Loog 2023, "The Shape of
Learning Curves"), and needs no start values, since non-negative least squares finds it. The gain of m labels
is ``e(n) − e(n + m)``. Its range is a Bayesian bootstrap (Rubin 1981) over the audit items, which keeps
together what one item says along the curve, and over the points of the curve, since the labels at hand are
one draw of many; the luck of the next labels is added, by how far the points scatter around the curve, so the
range may begin below 0; it never reaches past the error that is left. Three further items that are learnt as
``(n/C)^(−½)`` keep a curve without a miss from promising that nothing is left. Simulated curves: the 90 %
range holds 9 gains in 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.errors import DataError
from sslcore.quality.intervals import LEVEL, Interval
from sslcore.shapes import BoolArray, FloatArray, IntArray

EXPONENTS = np.array([0.25, 0.5, 1.0])
"""Powers of the mixture; learning curves are not found to fall faster than with 1/n."""
PRIOR_ITEMS = 3.0
"""Items that the usual ``n^(−½)`` is worth as evidence."""
DRAWS = 300
FEWEST_POINTS = 5
"""Points of a curve below which nothing is said: at first, digits learn faster than foretold."""
_POINT_SHAPE = 0.35  # Gamma weights of the points; 1, the usual bootstrap, covers 85 % instead of 90
_LUCK = 0.35  # share of the scatter that is luck in training, the rest being the audit's; replays of digits


@dataclass(frozen=True)
class Gain:
    """What some more labels are expected to bring.

    Attributes:
        more: How many more labels.
        accuracy: Expected gain as a share (0.006: 0.6 points), and the range that holds what comes of it.
    """

    more: int
    accuracy: Interval

    def __str__(self) -> str:
        """In points of accuracy.

        >>> str(Gain(20, Interval(0.0061, 0.002, 0.0112)))
        '+0.6 points (0.2…1.1)'
        >>> str(Gain(20, Interval(0.0002, 0.0, 0.0012)))
        'at most 0.1 points'
        """
        if self.accuracy.value < 0.0005:
            return f"at most {max(0.1, 100 * self.accuracy.high):.1f} points"
        value, low, high = (100 * x for x in (self.accuracy.value, self.accuracy.low, self.accuracy.high))
        return f"+{value:.1f} points ({low:.1f}…{high:.1f})".replace("-", "−").replace("−0.0", "0.0")


def expected_gain(
    labels_S: IntArray,
    error_DS: FloatArray,
    *,
    more: int = 20,
    rng: np.random.Generator,
    level: float = LEVEL,
) -> Gain | None:
    """The gain of ``more`` labels beyond the last point of a curve.

    Args:
        labels_S: Number of labels at each point, ascending.
        error_DS: Draws of the error at each point, from :func:`paired_errors`.
        more: How many more labels.
        rng: For the weights of the points.
        level: Probability that the interval holds the gain.

    Returns:
        None where the curve has fewer than five points.

    Raises:
        DataError: Numbers of labels that do not ascend, or draws of another length.

    >>> labels_S = np.array([4, 8, 16, 32, 64])
    >>> error_DS = np.tile(labels_S**-0.5, (300, 1))
    >>> gain = expected_gain(labels_S, error_DS, more=64, rng=np.random.default_rng(0))
    >>> round(gain.accuracy.value, 3), round(64**-0.5 - 128**-0.5, 3)
    (0.037, 0.037)
    """
    from scipy.optimize import nnls

    error_DS = np.asarray(error_DS, dtype=np.float64)
    _check(labels_S, error_DS, more)
    if len(labels_S) < FEWEST_POINTS:
        return None
    n = float(labels_S[-1])
    share_S = np.asarray(labels_S, dtype=np.float64) / n
    basis_SE = np.hstack([np.ones((len(labels_S), 1)), share_S[:, None] ** -EXPONENTS])
    fall_E = np.concatenate([[0.0], 1.0 - ((n + more) / n) ** -EXPONENTS])
    root_DS = np.sqrt(rng.gamma(_POINT_SHAPE, size=error_DS.shape))
    gain_D, luck_D, left_D = (np.empty(len(error_DS)) for _ in range(3))
    for d, (error_S, root_S) in enumerate(zip(error_DS, root_DS)):
        weight_E = nnls(basis_SE * root_S[:, None], error_S * root_S)[0]
        gain_D[d] = fall_E @ weight_E
        luck_D[d] = _scatter(error_S, basis_SE @ weight_E)
        # the error at the end of the curve, where all powers are 1; what was seen there may be less
        left_D[d] = min(float(weight_E.sum()), float(error_S[-1]))
    # the luck of the labels at hand and that of the next ones: two draws
    drawn_D = gain_D + _LUCK * np.sqrt(2) * luck_D * rng.normal(size=len(gain_D))
    gain_D, drawn_D = (np.minimum(told_D, left_D) for told_D in (gain_D, drawn_D))  # no more than is left
    tail = (1 - level) / 2
    low, high = np.quantile(drawn_D, [tail, 1 - tail])
    value = float(np.clip(gain_D.mean(), low, high))
    return Gain(more, Interval(value, float(low), float(high), level))


def _scatter(error_S: FloatArray, fitted_S: FloatArray) -> float:
    """How far the points lie from the curve, as an error at its end: scatter falls with the error."""
    share_S = (error_S - fitted_S) / np.maximum(fitted_S, 0.02)
    free = max(len(error_S) - 2, 1)
    return float(np.sqrt((share_S**2).sum() / free) * max(float(fitted_S[-1]), 0.005))


def paired_errors(
    wrong_SA: BoolArray,
    labels_S: IntArray,
    *,
    classes: int,
    rng: np.random.Generator,
    judged_SA: BoolArray | None = None,
    draws: int = DRAWS,
) -> FloatArray:
    """Draws ``DS`` of the error along a curve whose points were all judged on the same items.

    Args:
        wrong_SA: Whether the model of each point errs on each item.
        labels_S: Number of labels at each point.
        classes: Number of classes.
        rng: For the weights of the items.
        judged_SA: On which items each model can be judged; all by default.
        draws: How many.

    >>> wrong_SA = np.array([[True, True, False, False], [True, False, False, False]])
    >>> paired_errors(wrong_SA, np.array([2, 20]), classes=2, rng=np.random.default_rng(0)).shape
    (300, 2)
    """
    wrong_SA = np.asarray(wrong_SA, dtype=np.float64)
    judged_SA = np.ones_like(wrong_SA) if judged_SA is None else np.asarray(judged_SA, dtype=np.float64)
    weight_DA = rng.exponential(size=(draws, wrong_SA.shape[1]))
    prior_D = rng.gamma(PRIOR_ITEMS, size=draws)
    total_DS = weight_DA @ judged_SA.T + prior_D[:, None]
    missed_DS = weight_DA @ (wrong_SA * judged_SA).T + np.outer(prior_D, _usual(labels_S, classes))
    return np.asarray(missed_DS / total_DS)


def _usual(labels_S: IntArray, classes: int) -> FloatArray:
    """Guessing up to one label a class, then falling with the square root of the labels."""
    start = 1.0 - 1.0 / max(classes, 2)
    return np.asarray(start * np.minimum(1.0, (np.asarray(labels_S) / max(classes, 2)) ** -0.5))


def _check(labels_S: IntArray, error_DS: FloatArray, more: int) -> None:
    if error_DS.ndim != 2 or error_DS.shape[1] != len(labels_S):
        raise DataError(
            f"expected_gain needs draws for each of the {len(labels_S)} points. "
            f"Received: shape {error_DS.shape}."
        )
    if len(labels_S) and (labels_S[0] <= 0 or (np.diff(labels_S) <= 0).any()):
        raise DataError(
            "expected_gain needs numbers of labels that ascend from 1 on. "
            f"Received: {np.asarray(labels_S).tolist()}."
        )
    if more <= 0:
        raise DataError(f"more must be at least 1 label. Received: {more}.")
