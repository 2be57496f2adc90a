"""Core-set: the candidate farthest from everything labelled or already chosen, again and again.

Sener & Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach";
the greedy 2-approximation of k-centre (Gonzalez 1985). Score: the distance at the moment of the
choice (centred unit features, 0 … 2), which cannot rise. The first of an unlabelled pool is the
candidate nearest to the mean direction. It loves outliers: a control more than a default.
Pools beyond 3,000 rows (or 40 n) are judged on a random sample of that size.
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.geometry import squared_distance, view
from sslcore.queries.pool import Pool, Selection
from sslcore.shapes import FloatArray, IntArray


def farthest_first(
    point_MD: FloatArray, labelled_LD: FloatArray, n: int, *, start: int
) -> tuple[IntArray, FloatArray]:
    """Positions of the greedy k-centre choice, and each one's distance when it was chosen.

    >>> farthest_first(np.array([[0.0], [1.0], [5.0]]), np.array([[0.0]]), 2, start=0)
    (array([2, 1]), array([5., 1.]))
    """
    norm_M = np.einsum("md,md->m", point_MD, point_MD)
    if len(labelled_LD):
        nearest_M = squared_distance(point_MD, labelled_LD).min(axis=1)
        first = int(nearest_M.argmax())
    else:
        nearest_M, first = np.full(len(point_MD), np.inf), start
    at_Q, score_Q = np.empty(n, dtype=np.int64), np.empty(n)
    for q in range(n):
        at = first if q == 0 else int(nearest_M.argmax())
        at_Q[q] = at
        # before anything is chosen every distance is unbounded: 2 is the widest there is
        score_Q[q] = np.sqrt(max(nearest_M[at], 0.0)) if np.isfinite(nearest_M[at]) else 2.0
        distance_M = np.maximum(norm_M + norm_M[at] - 2 * point_MD @ point_MD[at], 0)
        nearest_M = np.minimum(nearest_M, distance_M)
        nearest_M[at] = -1.0  # chosen: never again, not even among duplicates
    return at_Q, score_Q


@QUERIES.register("coreset", title="Core-set", family="query", paper="Sener & Savarese 2018")
def coreset(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """The greedy k-centre choice of ``n`` candidates.

    >>> pool = Pool(np.array([[1.0, 0], [0.9, 0.1], [-1, 0]]), np.array([0, -1, -1]), np.array([1, 2]))
    >>> coreset(pool, 1, rng=np.random.default_rng(0)).row_Q
    array([2])
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if n == 0:
        return Selection(np.empty(0, np.int64), np.empty(0))
    seen = view(pool, n, rng=rng)
    start = int((seen.point_MD @ seen.point_MD.mean(axis=0)).argmax())
    at_Q, score_Q = farthest_first(seen.point_MD, seen.labelled_LD, n, start=start)
    return Selection(seen.candidate_M[at_Q], score_Q)
