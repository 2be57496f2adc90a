"""Which of two models is the better one, judged on the same audit items.

Items on which both do equally well say nothing. Where one is right and the other wrong the wins are draws of
``Beta(wins + ½, losses + ½)``: the Bayesian side of McNemar's test, with Jeffreys' prior. Where models are
better by more or less on an item (an F1, an error), the items get random weights (the Bayesian bootstrap,
Rubin 1981), and Jeffreys' half win and half loss, of the size that gains mostly consist of, ``Σ g² / Σ |g|``,
stand beside them: one item is no proof, and gains of ±1 give the same probability as wins and losses.
"""

from __future__ import annotations

import numpy as np

from sslcore.shapes import FloatArray

DRAWS = 4000
SURE = 0.9
"""Probability of being the better model from which on that is said."""


def probability_better(wins: int, losses: int) -> float | None:
    """Probability that the first of two models is the better one, from the items they differ on.

    ``P(q > ½)`` for ``q ~ Beta(wins + ½, losses + ½)``. None without any item.

    >>> probability_better(0, 0) is None, round(probability_better(8, 8), 3), probability_better(9, 1) > 0.99
    (True, 0.5, True)
    """
    from scipy.special import betainc

    if wins + losses == 0:
        return None
    return float(1.0 - betainc(wins + 0.5, losses + 0.5, 0.5))


def probability_gain(gain_A: FloatArray, *, seed: int = 0) -> float | None:
    """Probability that the first of two models scores higher in the mean.

    Args:
        gain_A: Score of the first minus that of the second, by item; nan where either is not judged.
        seed: Seed of the draws behind gains that are not all ±1.

    Returns:
        The probability; None where no item tells the two apart.

    >>> probability_gain(np.array([1.0, 1.0, -1.0, 0.0, np.nan])) == probability_better(2, 1)
    True
    >>> probability_gain(np.array([0.3, 0.2, 0.1, 0.4])) > 0.95
    True
    """
    gain_A = np.asarray(gain_A, np.float64)
    gain_D = gain_A[np.isfinite(gain_A) & (gain_A != 0)]
    size_D = np.abs(gain_D)
    if not len(gain_D):
        return None
    if np.all(size_D == size_D[0]):
        return probability_better(int((gain_D > 0).sum()), int((gain_D < 0).sum()))
    rng = np.random.default_rng(seed)
    total_R = rng.exponential(size=(DRAWS, len(gain_D))) @ gain_D
    half_R2 = rng.gamma(0.5, size=(DRAWS, 2))
    total_R += float((size_D**2).sum() / size_D.sum()) * (half_R2[:, 0] - half_R2[:, 1])
    return float((total_R > 0).mean())
