"""The space that coverage strategies work in: centred unit vectors, and k-means on them.

Coverage of a large pool is judged on a random sample of it: the place of a cluster is known to
``1/sqrt(sample)`` of its width, so a few thousand rows say where 50 questions should go as well as
all rows do, and the time of a strategy no longer grows with the pool.

k-means: greedy k-means++ (Arthur & Vassilvitskii 2007; the greedy choice among ``2 + log k`` draws
as in scikit-learn), then Lloyd's rounds; an emptied cluster restarts at the worst-served point.
Written here and not taken from scikit-learn because that one warns, through the process-wide
filter, whenever a pool holds fewer distinct points than clusters: a normal state here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.queries.pool import Pool
from sslcore.shapes import FloatArray, IntArray

SAMPLE = 3000
"""Rows that coverage is judged on, at least; more where many are asked."""


def unit_rows(feature_ND: FloatArray, row_B: IntArray, *, mean_D: FloatArray | None = None) -> FloatArray:
    """Rows as float32, centred on ``mean_D`` (their own mean where None), scaled to length 1.

    >>> unit_rows(np.array([[0.0, 0.0], [2.0, 0.0], [9.0, 9.0]]), np.array([0, 1]))
    array([[-1.,  0.],
           [ 1.,  0.]], dtype=float32)
    """
    point_BD = np.asarray(feature_ND[row_B], dtype=np.float32)
    if point_BD.shape[0] == 0:
        return point_BD
    point_BD = point_BD - (point_BD.mean(axis=0) if mean_D is None else mean_D.astype(np.float32))
    norm_B = np.sqrt(np.einsum("bd,bd->b", point_BD, point_BD))
    point_BD /= np.maximum(norm_B, 1e-12)[:, None]
    return point_BD


def sampled(row_U: IntArray, n: int, *, rng: np.random.Generator, least: int = SAMPLE) -> IntArray:
    """A random sample of the rows, sorted: ``max(least, 40 n)`` of them, or all where fewer."""
    size = max(least, 40 * n)
    if len(row_U) <= size:
        return np.sort(row_U)
    return np.sort(rng.choice(row_U, size, replace=False, shuffle=False))


@dataclass(frozen=True)
class View:
    """A sample of candidates and of labelled rows in one space.

    ``candidate_M`` and ``labelled_L`` are rows of the pool; the points are unit vectors.
    """

    candidate_M: IntArray
    labelled_L: IntArray
    point_MD: FloatArray
    labelled_LD: FloatArray


def view(pool: Pool, n: int, *, rng: np.random.Generator, least: int = SAMPLE) -> View:
    """The pool as coverage strategies see it; both parts share the candidates' mean."""
    candidate_M = sampled(pool.candidate_U, n, rng=rng, least=least)
    labelled_L = sampled(pool.labelled_L, 0, rng=rng, least=least)
    row_B = np.concatenate([candidate_M, labelled_L])
    point_BD = unit_rows(pool.feature_ND, row_B)
    return View(candidate_M, labelled_L, point_BD[: len(candidate_M)], point_BD[len(candidate_M) :])


def squared_distance(a_AD: FloatArray, b_BD: FloatArray) -> FloatArray:
    """Squared Euclidean distances ``AB``, never negative.

    >>> squared_distance(np.eye(2), np.eye(2))
    array([[0., 2.],
           [2., 0.]])
    """
    d_AB = a_AD @ b_BD.T
    d_AB *= -2
    d_AB += np.einsum("ad,ad->a", a_AD, a_AD)[:, None]
    d_AB += np.einsum("bd,bd->b", b_BD, b_BD)[None, :]
    return np.maximum(d_AB, 0, out=d_AB)


@dataclass(frozen=True)
class Clusters:
    """k-means clusters of M points: centres, each point's cluster, its squared distance to it."""

    centre_KD: FloatArray
    cluster_M: IntArray
    distance_M: FloatArray

    def medoids(self) -> IntArray:
        """For each cluster that holds a point, the point nearest to its centre, by cluster index."""
        order_M = np.lexsort((self.distance_M, self.cluster_M))
        _, first_K = np.unique(self.cluster_M[order_M], return_index=True)
        medoid_K: IntArray = order_M[first_K]
        return medoid_K

    def sizes(self) -> IntArray:
        """Points in each cluster."""
        return np.bincount(self.cluster_M, minlength=len(self.centre_KD))


def kmeans(
    point_MD: FloatArray,
    k: int,
    *,
    rng: np.random.Generator,
    restarts: int = 1,
    rounds: int = 15,
) -> Clusters:
    """The best of ``restarts`` runs of k-means.

    Args:
        point_MD: The points.
        k: Number of clusters, cut to the number of points.
        rng: Source of the starting centres.
        restarts: Runs from new starts; the tightest is kept.
        rounds: Lloyd's rounds at most; fewer when fewer than 1 in 1000 points move.

    >>> found = kmeans(np.array([[0.0], [0.1], [5.0], [5.1]]), 2, rng=np.random.default_rng(0))
    >>> found.sizes().tolist(), sorted(found.medoids().tolist())
    ([2, 2], [0, 2])
    """
    k = min(k, len(point_MD))
    runs = [_lloyd(point_MD, _plusplus(point_MD, k, rng), rounds) for _ in range(restarts)]
    return min(runs, key=lambda run: float(run.distance_M.sum()))


def _plusplus(point_MD: FloatArray, k: int, rng: np.random.Generator) -> IntArray:
    m, trials = len(point_MD), 2 + int(np.log(max(k, 1)))
    norm_M = np.einsum("md,md->m", point_MD, point_MD)
    chosen = [int(rng.integers(m))]
    nearest_M = np.maximum(norm_M + norm_M[chosen[0]] - 2 * point_MD @ point_MD[chosen[0]], 0)
    for _ in range(k - 1):
        total_M = np.cumsum(nearest_M, dtype=np.float64)
        if total_M[-1] <= 0:  # every point is already a centre: any start is as good
            chosen.append(int(rng.integers(m)))
            continue
        try_T = np.minimum(np.searchsorted(total_M, rng.random(trials) * total_M[-1]), m - 1)
        d_MT = norm_M[:, None] + norm_M[try_T][None, :] - 2 * (point_MD @ point_MD[try_T].T)
        d_MT = np.minimum(np.maximum(d_MT, 0), nearest_M[:, None])
        best = int(d_MT.sum(axis=0).argmin())
        chosen.append(int(try_T[best]))
        nearest_M = d_MT[:, best]
    return np.array(chosen)


def _lloyd(point_MD: FloatArray, start_K: IntArray, rounds: int) -> Clusters:
    from scipy.sparse import csr_array

    m, k = len(point_MD), len(start_K)
    centre_KD = point_MD[start_K].copy()
    norm_M = np.einsum("md,md->m", point_MD, point_MD)
    cluster_M = np.full(m, -1)
    distance_M = np.zeros(m, dtype=point_MD.dtype)
    for _ in range(max(rounds, 1)):
        # ‖x‖² is the same for all centres: it is added after the minimum
        d_MK = point_MD @ (-2 * centre_KD.T)
        d_MK += np.einsum("kd,kd->k", centre_KD, centre_KD)[None, :]
        before_M, cluster_M = cluster_M, d_MK.argmin(axis=1)
        distance_M = np.maximum(d_MK[np.arange(m), cluster_M] + norm_M, 0)
        if np.count_nonzero(cluster_M != before_M) <= m // 1000:
            break
        size_K = np.bincount(cluster_M, minlength=k)
        one_KM = csr_array(
            (np.ones(m, point_MD.dtype), (cluster_M, np.arange(m))), shape=(k, m), dtype=point_MD.dtype
        )
        centre_KD = (one_KM @ point_MD) / np.maximum(size_K, 1)[:, None].astype(point_MD.dtype)
        empty_K = np.flatnonzero(size_K == 0)
        if len(empty_K):
            centre_KD[empty_K] = point_MD[np.argsort(-distance_M, kind="stable")[: len(empty_K)]]
    return Clusters(centre_KD, cluster_M, distance_M)
