"""BADGE: uncertain and diverse at once, by k-means++ on gradients of the last layer.

Ash et al. 2020, "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds".
Gradient embedding ``g = (p − e_ŷ) ⊗ h``: long where the model is unsure, apart where items differ;
k-means++ draws each next item with probability proportional to its squared distance from those
drawn. Distances are factored, ``⟨g_i, g_j⟩ = ⟨a_i, a_j⟩⟨h_i, h_j⟩``, so no ``C·D`` vector is made.
As in the authors' code the first is the longest gradient. ``h``: centred unit features.
Before the first model it asks as ``kmeans`` does. Score: falls by rank (the draw is random).
Pools beyond 3,000 rows (or 40 n) are judged on a random sample of that size.
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.geometry import view
from sslcore.queries.kmeans import kmeans_medoids
from sslcore.queries.pool import Pool, Selection, ranked
from sslcore.shapes import FloatArray


def residual(proba_MC: FloatArray) -> FloatArray:
    """``p − e_ŷ``, the gradient of the cross entropy at the predicted class.

    >>> residual(np.array([[0.75, 0.25]]))
    array([[-0.25,  0.25]])
    """
    residual_MC: FloatArray = np.array(proba_MC, dtype=np.float64)
    residual_MC[np.arange(len(residual_MC)), residual_MC.argmax(axis=1)] -= 1
    return residual_MC


def gradient_distance(residual_MC: FloatArray, point_MD: FloatArray, at: int) -> FloatArray:
    """Squared distances of all gradient embeddings to that of one item, without making them.

    >>> gradient_distance(np.array([[1.0], [0.0]]), np.array([[2.0], [2.0]]), 0)
    array([0., 4.])
    """
    length_M = np.einsum("mc,mc->m", residual_MC, residual_MC) * np.einsum("md,md->m", point_MD, point_MD)
    inner_M = (residual_MC @ residual_MC[at]) * (point_MD @ point_MD[at])
    distance_M: FloatArray = np.maximum(length_M + length_M[at] - 2 * inner_M, 0)
    return distance_M


@QUERIES.register("badge", title="BADGE", family="query", paper="Ash et al. 2020")
def badge(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """``n`` candidates by k-means++ on gradient embeddings.

    >>> proba_NC = np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    >>> pool = Pool(np.eye(3), np.full(3, -1), np.arange(3), proba_NC)
    >>> badge(pool, 1, rng=np.random.default_rng(0)).row_Q
    array([1])
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if pool.proba_NC is None or n == 0:
        return kmeans_medoids(pool, n, rng=rng)
    seen = view(pool, n, rng=rng)
    residual_MC = residual(np.asarray(pool.proba_NC)[seen.candidate_M])
    length_M = np.einsum("mc,mc->m", residual_MC, residual_MC)
    length_M *= np.einsum("md,md->m", seen.point_MD, seen.point_MD)
    chosen = [int(length_M.argmax())]
    nearest_M = gradient_distance(residual_MC, seen.point_MD, chosen[0])
    nearest_M[chosen[0]] = 0
    while len(chosen) < n:
        total_M = np.cumsum(nearest_M, dtype=np.float64)
        if total_M[-1] <= 0:  # the rest have no gradient or double a chosen one: random, by `ranked`
            break
        at = int(np.searchsorted(total_M, rng.random() * total_M[-1], side="right"))
        chosen.append(at)
        nearest_M = np.minimum(nearest_M, gradient_distance(residual_MC, seen.point_MD, at))
        nearest_M[chosen] = 0
    return ranked(seen.candidate_M[chosen], pool.candidate_U, n, rng)
