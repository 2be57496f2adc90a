"""Least confidence: the items whose best class has the least probability.

Lewis & Gale 1994, "A Sequential Algorithm for Training Text Classifiers". Score ``1 − max_c p_c``.
Before the first model (no probabilities) it asks as ``kmeans`` does.
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.kmeans import kmeans_medoids
from sslcore.queries.pool import Pool, Selection, top
from sslcore.queries.uncertainty import least_confidence_score


@QUERIES.register("least_confidence", title="Least confidence", family="query", paper="Lewis & Gale 1994")
def least_confidence(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """The ``n`` candidates of least ``max_c p_c``; ties at random.

    >>> proba_NC = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])
    >>> pool = Pool(np.eye(3), np.full(3, -1), np.arange(3), proba_NC)
    >>> least_confidence(pool, 2, rng=np.random.default_rng(0)).row_Q
    array([1, 2])
    """
    if pool.proba_NC is None:
        return kmeans_medoids(pool, n, rng=rng)
    return top(pool.candidate_U, least_confidence_score(pool.proba_NC[pool.candidate_U]), n, rng=rng)
