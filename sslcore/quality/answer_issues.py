"""Sets and numbers that are probably wrong, by what models say of their items without them.

Sets: a share ε of them has one decision wrong (a class marked, or not marked), whichever of the C. Where p is
the probability of a decision as it was given, the odds that the set is wrong are ``ε / (1 − ε)`` times the
mean of ``(1 − p) / p``: the least likely decision counts most. As in ``label_issues.py`` what was learnt from
such labels foretells labels, ``q = (1 − f) p + f (1 − p)`` with ``f = ε / C``, and ε is the mean of P(wrong),
found by iteration (EM), at least 0.033: the share of wrong labels that Northcutt, Athalye & Mueller 2021
("Pervasive Label Errors in Test Sets") found on average; at most 0.1, for to a model that knows nothing the
mean is 1 and any ε as good as another. So to be doubted a set needs odds of three against it, and a weak
model, to which every set has some unlikely decision, doubts few.

Numbers: the left-out error e is too large where ``|e − median e|`` is more than three times 1.4826 times the
median of these (Leys et al. 2013, "Detecting outliers: do not use standard deviation around the mean, use
absolute deviation around the median"; of their bars the strictest). Medians bear a sixth of wrong numbers, as
the regressions do that pull in what is far off (``instant/numeric.py``).
"""

from __future__ import annotations

import numpy as np

from sslcore.shapes import BoolArray, FloatArray

DOUBTED = 0.25
"""Probability of being wrong from which on a set is doubted: to look at it costs one key. Of 600 sets of
handwritten digits by shape, 60 with a planted error, 47 are doubted, 39 of them wrong; without one, 15."""
FAR = 3.0
"""Usual errors from which on a number is doubted (Leys et al. 2013). Of 400 scores of reviews, 40 replaced by
those of others, 44 are doubted and 32 of them wrong; of 67 replaced 52 and 47; with none replaced 19 (four
draws)."""
_ROUNDS = 50
_LEAST_NOISE, _MOST_NOISE = 0.033, 0.1
_OF_MEDIAN, _OF_MEAN = 1.4826, 1.2533  # deviations of a normal distribution in units of its own


def set_differs(proba_LC: FloatArray, answer_LC: BoolArray) -> BoolArray:
    """Whether the likeliest set is another one than was given.

    >>> set_differs(np.array([[0.9, 0.2], [0.9, 0.6]]), np.array([[True, False], [True, False]]))
    array([False,  True])
    """
    return np.asarray(((proba_LC >= 0.5) != answer_LC).any(axis=1))


def number_differs(error_L: FloatArray) -> BoolArray:
    """Whether a number lies farther from what was said than nine in ten do.

    >>> number_differs(np.array([0.1, -0.2, 0.1, 0.3, 0.2, -0.1, 0.2, 0.1, 0.1, -4.0])).nonzero()[0]
    array([9])
    """
    if not len(error_L):
        return np.zeros(0, dtype=bool)
    return np.asarray(np.abs(error_L) > np.quantile(np.abs(error_L), 0.9))


def wrong_sets(
    proba_LC: FloatArray, answer_LC: BoolArray, *, judged_LC: BoolArray
) -> tuple[FloatArray, float]:
    """The probability that each set is wrong, and the share ε of wrong ones that goes with it.

    Args:
        proba_LC: The probability that each class applies, of models that did not see the answer.
        answer_LC: The sets that were given.
        judged_LC: Decisions that can be judged; the others are taken for right. No model foresees the only
            yes of a class.

    >>> proba_LC = np.array([[0.95, 0.05]] * 9 + [[0.005, 0.05]])
    >>> answer_LC = np.array([[True, False]] * 10)
    >>> wrong_L, noise_rate = wrong_sets(proba_LC, answer_LC, judged_LC=np.ones((10, 2), dtype=bool))
    >>> wrong_L.round(2)[-2:], round(noise_rate, 2)
    (array([0., 1.]), 0.1)
    """
    decision_LC = np.asarray(np.where(answer_LC, proba_LC, 1.0 - proba_LC), dtype=np.float64)
    wrong_L, noise_rate = np.zeros(len(decision_LC)), 0.1
    if not decision_LC.size:
        return wrong_L, 0.0
    for _ in range(_ROUNDS):
        flipped = noise_rate / decision_LC.shape[1]
        # below what wrong labels alone explain a hundredth is left: no evidence is certain
        right_LC = (decision_LC - flipped) / (1.0 - 2.0 * flipped)
        right_LC = np.clip(right_LC, np.maximum(0.01 * decision_LC, 1e-9), 1.0)
        odds_L = noise_rate / (1.0 - noise_rate) * np.where(judged_LC, 1.0 / right_LC - 1.0, 0.0).mean(axis=1)
        wrong_L = odds_L / (1.0 + odds_L)
        before, noise_rate = noise_rate, float(np.clip(wrong_L.mean(), _LEAST_NOISE, _MOST_NOISE))
        if abs(noise_rate - before) < 1e-5:
            break
    return wrong_L, noise_rate


def usual_error(error_L: FloatArray) -> float:
    """How far numbers are off, wrong ones not counted: a standard deviation, were the errors normal.

    Where more than half of the errors are the same, the mean deviation stands for the median one.

    >>> round(usual_error(np.array([-1.0, 0.0, 1.0, 0.5, -0.5, 400.0])), 2)
    1.11
    """
    if not len(error_L):
        return 0.0
    off_L = np.abs(error_L - np.median(error_L))
    return float(_OF_MEDIAN * np.median(off_L) or _OF_MEAN * off_L.mean())


def usual_errors_off(error_L: FloatArray) -> FloatArray:
    """How many usual errors each number is off.

    >>> usual_errors_off(np.array([-1.0, 0.0, 1.0, 0.5, -0.5, 40.0])).round(1)
    array([ 1.1,  0.2,  0.7,  0.2,  0.7, 35.7])
    """
    usual = usual_error(error_L)
    if usual <= 0:
        return np.zeros(len(error_L))
    return np.asarray(np.abs(error_L - np.median(error_L)) / usual)
