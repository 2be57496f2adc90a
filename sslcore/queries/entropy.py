"""Entropy: the items whose class distribution is flattest.

Settles 2009, §3.1; Shannon 1948. Score ``−Σ_c p_c log p_c`` (nats). With many classes it follows
the long tail of small probabilities and can lose to random: it is offered, never the default.
Before the first model (no probabilities) it asks as ``kmeans`` does.
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.kmeans import kmeans_medoids
from sslcore.queries.pool import Pool, Selection, top
from sslcore.queries.uncertainty import entropy_score


@QUERIES.register("entropy", title="Entropy", family="query", paper="Settles 2009")
def entropy(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """The ``n`` candidates of highest entropy; ties at random.

    >>> proba_NC = np.array([[1.0, 0.0], [0.5, 0.5], [0.8, 0.2]])
    >>> pool = Pool(np.eye(3), np.full(3, -1), np.arange(3), proba_NC)
    >>> entropy(pool, 2, rng=np.random.default_rng(0)).row_Q
    array([1, 2])
    """
    if pool.proba_NC is None:
        return kmeans_medoids(pool, n, rng=rng)
    return top(pool.candidate_U, entropy_score(pool.proba_NC[pool.candidate_U]), n, rng=rng)
