"""Ensembles: several models' probabilities into one, weighed by answers that none of them learned from.

A linear opinion pool (Stone 1961) of members that are calibrated first and a pool that is calibrated last:
``p(c|x) ∝ (Σ_m w_m p_m(c|x)^(1/t_m))^(1/t)``, ``w ≥ 0``, ``Σ w = 1``. The last step is needed: a mix of
calibrated members is too unsure (Ranjan & Gneiting 2010; Rahaman & Thiery 2021 for networks). The weights
are the most likely mixture under a Dirichlet prior, by EM: ``w = n / Σ n``,
``n_m = s/M + Σ_i w_m p_m(y_i) / Σ_k w_k p_k(y_i)``, so ``s`` answers' worth of equal weights stands beside
the real ones. The problem is concave: one optimum. Below :data:`ENOUGH` answers nothing is fitted. A
logarithmic pool was measured beside it: better by a hair with 300 answers, worse with 20 and 60, where one
member that is sure and wrong is a veto.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sslcore.errors import DataError
from sslcore.quality.calibration import apply_temperature, fit_temperature
from sslcore.shapes import FloatArray, IntArray

ENOUGH = 20
"""Answers below which members weigh the same and nothing is fitted."""
STRENGTH = 5.0
"""Answers' worth of equal weights in the prior; 5, 10 and 20 were measured, 5 was the best on few answers."""
FOLDS = 10
"""Parts of the answers of which each is judged by weights that the others made."""

_STEPS, _STILL = 1000, 1e-6
_FLOOR = 1e-6  # what a member holds for impossible: one wrong certainty must not outweigh all the rest
_ENTRIES = 4_000_000  # rows × classes pooled at a time


@dataclass(frozen=True, eq=False)
class Pool:
    """How members become one.

    Args:
        weight_M: Shares of the members; they sum to 1.
        temperature_M: What each member's logits are divided by.
        temperature: The same for the pool.
        size: Answers it was fitted on; 0 where they were too few.
    """

    weight_M: FloatArray
    temperature_M: FloatArray
    temperature: float
    size: int

    @classmethod
    def equal(cls, members: int) -> Pool:
        """All members alike, as they are."""
        return cls(np.full(members, 1.0 / members), np.ones(members), 1.0, 0)


def mixture_weights(given_AM: FloatArray, *, strength: float = STRENGTH) -> FloatArray:
    """Shares of the members under which the true classes are most likely, drawn to equal ones.

    Args:
        given_AM: The probability that each member gives to the true class of each item.
        strength: Answers' worth of equal weights.

    >>> mixture_weights(np.array([[0.9, 0.1]] * 5)).round(2)
    array([0.73, 0.27])
    >>> mixture_weights(np.array([[0.9, 0.1]] * 200)).round(2)
    array([0.99, 0.01])
    >>> mixture_weights(np.empty((0, 2)))
    array([0.5, 0.5])
    """
    given_AM = np.maximum(np.asarray(given_AM, dtype=np.float64), _FLOOR)
    members = given_AM.shape[1]
    weight_M = np.full(members, 1.0 / members)
    for _ in range(_STEPS):
        share_AM = given_AM * weight_M
        share_AM /= share_AM.sum(axis=1, keepdims=True)
        next_M = share_AM.sum(axis=0) + strength / members
        next_M /= next_M.sum()
        moved, weight_M = float(np.abs(next_M - weight_M).max()), next_M
        if moved < _STILL:
            break
    return weight_M


def fit_pool(
    proba_MAC: Sequence[FloatArray], label_A: IntArray, *, strength: float = STRENGTH, least: int = ENOUGH
) -> Pool:
    """Temperatures and weights from answers that no member learned from.

    Args:
        proba_MAC: Each member's probabilities of the same items.
        label_A: Their true classes.
        strength: See :func:`mixture_weights`.
        least: Answers below which the members weigh the same.

    Raises:
        DataError: No member, or members of different items or classes.

    >>> rng = np.random.default_rng(0)
    >>> label_A = rng.integers(0, 2, 200)
    >>> good_AC = np.where(np.eye(2)[label_A] > 0, 0.8, 0.2)
    >>> guess_AC = rng.dirichlet([1.0, 1.0], 200)
    >>> pool = fit_pool([good_AC, guess_AC], label_A)
    >>> bool(pool.weight_M[0] > 0.9), pool.size
    (True, 200)
    """
    proba_MAC = _checked(proba_MAC, label_A)
    label_A = np.asarray(label_A)
    if len(label_A) < least:
        return Pool.equal(len(proba_MAC))
    temperature_M = np.array([fit_temperature(proba_AC, label_A) for proba_AC in proba_MAC])
    scaled_MAC = [apply_temperature(_sure(p), t) for p, t in zip(proba_MAC, temperature_M)]
    at_A = np.arange(len(label_A))
    given_AM = np.stack([scaled_AC[at_A, label_A] for scaled_AC in scaled_MAC], axis=1)
    weight_M = mixture_weights(given_AM, strength=strength)
    mixed_AC = np.tensordot(weight_M, np.stack(scaled_MAC), axes=1)
    return Pool(weight_M, temperature_M, fit_temperature(mixed_AC, label_A), len(label_A))


def pooled(proba_MNC: Sequence[FloatArray], pool: Pool) -> FloatArray:
    """What the members say together, float32.

    A member may know fewer rows than the others, since items come last: where it is silent the others
    share its weight. There are as many rows as any member knows.

    >>> pool = Pool(np.array([0.5, 0.5]), np.ones(2), 1.0, 0)
    >>> pooled([np.array([[1.0, 0.0], [0.2, 0.8]]), np.array([[0.0, 1.0]])], pool).round(3).tolist()
    [[0.5, 0.5], [0.20000000298023224, 0.800000011920929]]
    """
    rows, classes = max(map(len, proba_MNC)), proba_MNC[0].shape[1]
    out_NC = np.zeros((rows, classes), dtype=np.float32)
    step = max(1, _ENTRIES // classes)
    ends = {len(proba_NC) for proba_NC in proba_MNC}
    cuts = sorted(ends | set(range(0, rows, step)) | {0})
    for first, last in itertools.pairwise(cuts):
        speaking = [m for m, proba_NC in enumerate(proba_MNC) if len(proba_NC) >= last]
        weight_M = pool.weight_M[speaking] / pool.weight_M[speaking].sum()
        mixed_BC = np.zeros((last - first, classes))
        for m, weight in zip(speaking, weight_M):
            part_BC = np.asarray(proba_MNC[m][first:last], dtype=np.float64)
            mixed_BC += weight * apply_temperature(_sure(part_BC), float(pool.temperature_M[m]))
        out_NC[first:last] = apply_temperature(mixed_BC, pool.temperature)
    return out_NC


def held_out(
    proba_MAC: Sequence[FloatArray],
    label_A: IntArray,
    *,
    rng: np.random.Generator,
    folds: int = FOLDS,
    strength: float = STRENGTH,
) -> FloatArray:
    """What the ensemble says of each item when that item's answer had no part in its weights.

    The figures of an ensemble come from these: with the final weights they would be judged on the very
    answers that made them.

    Args:
        proba_MAC: Each member's probabilities of the same items.
        label_A: Their true classes.
        rng: Deals the items into folds.
        folds: How many; no more than there are items.
        strength: See :func:`mixture_weights`.

    >>> rng = np.random.default_rng(0)
    >>> held_out([np.full((30, 2), 0.5)] * 2, np.zeros(30, int), rng=rng).shape
    (30, 2)
    """
    proba_MAC = _checked(proba_MAC, label_A)
    label_A = np.asarray(label_A)
    if len(label_A) < ENOUGH:
        return pooled(proba_MAC, Pool.equal(len(proba_MAC))) if len(label_A) else proba_MAC[0]
    fold_A = rng.permutation(np.arange(len(label_A)) % min(folds, len(label_A)))
    out_AC = np.zeros(proba_MAC[0].shape, dtype=np.float32)
    for fold in np.unique(fold_A):
        in_A = fold_A == fold
        rest = [proba_AC[~in_A] for proba_AC in proba_MAC]
        # the fold's absence must not tip 20 answers below what is enough for a fit
        pool = fit_pool(rest, label_A[~in_A], strength=strength, least=1)
        out_AC[in_A] = pooled([proba_AC[in_A] for proba_AC in proba_MAC], pool)
    return out_AC


def _sure(proba_NC: FloatArray) -> FloatArray:
    """Probabilities with a floor, so that float16's zeros and a member's certainties leave a way out."""
    kept_NC = np.maximum(np.asarray(proba_NC, dtype=np.float64), _FLOOR)
    return np.asarray(kept_NC / kept_NC.sum(axis=1, keepdims=True))


def _checked(proba_MAC: Sequence[FloatArray], label_A: IntArray) -> list[FloatArray]:
    shapes = {np.shape(proba_AC) for proba_AC in proba_MAC}
    if len(shapes) != 1 or next(iter(shapes))[0] != len(label_A):
        told = ", ".join(str(shape) for shape in sorted(shapes)) or "none"
        raise DataError(
            f"An ensemble needs members of the same {len(label_A)} items and the same classes. "
            f"Received: {told}."
        )
    return [np.asarray(proba_AC, dtype=np.float64) for proba_AC in proba_MAC]


__all__ = [
    "ENOUGH",
    "FOLDS",
    "STRENGTH",
    "Pool",
    "fit_pool",
    "held_out",
    "mixture_weights",
    "pooled",
]
