"""DropQuery: items whose predicted class does not survive dropout, spread over clusters.

Gupta et al. 2024, "Revisiting Active Learning in the Era of Vision Foundation Models". M = 3 passes
with features dropped at rate .75; candidates whose class changes in more than half of the passes are
clustered into ``n``, and the one nearest each centre is asked.
Differs: where fewer than ``n`` change, the least certain others fill up (the paper leaves it open).
Head: logistic regression on the labels; where it cannot be fitted it asks as ``kmeans`` does.
Score: falls by rank, largest cluster first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.queries import QUERIES
from sslcore.queries.ensemble import linear_head
from sslcore.queries.geometry import kmeans, unit_rows
from sslcore.queries.kmeans import kmeans_medoids
from sslcore.queries.pool import Pool, Selection, ranked
from sslcore.shapes import BoolArray, FloatArray

CHUNK = 8192
MOST_POINTS = 3000


@dataclass(frozen=True)
class DropQueryConfig(Config):
    """How hard predictions are shaken."""

    passes: int = param(3, low=1, high=50, help="Passes with dropped features.", paper="Gupta et al. 2024")
    rate: float = param(0.75, low=0, high=0.99, help="Share of features dropped in a pass.")


def inconsistent(plain_U: FloatArray, dropped_MU: FloatArray) -> BoolArray:
    """Whether the class changes in more than half of the passes.

    >>> inconsistent(np.array([0, 1]), np.array([[0, 0], [1, 0], [0, 1]]))
    array([False,  True])
    """
    changed_U: BoolArray = 2 * (dropped_MU != plain_U).sum(axis=0) > len(dropped_MU)
    return changed_U


@QUERIES.register(
    "drop_query", title="DropQuery", family="query", paper="Gupta et al. 2024", config=DropQueryConfig
)
def drop_query(
    pool: Pool, n: int, *, rng: np.random.Generator, config: DropQueryConfig = DropQueryConfig()
) -> Selection:
    """``n`` medoids among the candidates whose class is unstable.

    >>> pool = Pool(np.eye(4), np.array([0, 1, -1, -1]), np.array([2, 3]))
    >>> sorted(drop_query(pool, 2, rng=np.random.default_rng(0)).row_Q.tolist())
    [2, 3]
    """
    n = min(max(n, 0), len(pool.candidate_U))
    head = linear_head(pool)
    if head is None or n == 0:
        return kmeans_medoids(pool, n, rng=rng)
    weight_DC, bias_C, mean_D = head
    unstable, certainty = [], []
    for start in range(0, len(pool.candidate_U), CHUNK):
        point_BD = unit_rows(pool.feature_ND, pool.candidate_U[start : start + CHUNK], mean_D=mean_D)
        logits_BC = point_BD @ weight_DC + bias_C
        best_BC = np.partition(logits_BC, -2, axis=1)
        certainty.append(best_BC[:, -1] - best_BC[:, -2])
        dropped = []
        for _ in range(config.passes):
            keep_BD = rng.random(point_BD.shape, dtype=np.float32) >= config.rate
            dropped.append(((point_BD * keep_BD) @ weight_DC / (1 - config.rate) + bias_C).argmax(axis=1))
        unstable.append(inconsistent(logits_BC.argmax(axis=1), np.stack(dropped)))
    unstable_U, certainty_U = np.concatenate(unstable), np.concatenate(certainty)
    row_U = pool.candidate_U[unstable_U]
    if len(row_U) < n:
        order_U = np.lexsort((certainty_U, ~unstable_U))
        return ranked(pool.candidate_U[order_U], pool.candidate_U, n, rng)
    if len(row_U) > max(MOST_POINTS, 40 * n):
        row_U = np.sort(rng.choice(row_U, max(MOST_POINTS, 40 * n), replace=False))
    found = kmeans(unit_rows(pool.feature_ND, row_U, mean_D=mean_D), n, rng=rng)
    medoid_K = found.medoids()
    size_K = found.sizes()[found.cluster_M[medoid_K]]
    return ranked(row_U[medoid_K[np.argsort(-size_K, kind="stable")]], pool.candidate_U, n, rng)
