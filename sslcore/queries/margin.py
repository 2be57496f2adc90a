"""Margin: the items whose two best classes are closest.

Scheffer, Decomain & Wrobel 2001, "Active Hidden Markov Models". Score ``1 − (p_(1) − p_(2))``.
Alone it may ask for near-duplicates and it starves a linear head of typical items; ``auto`` spreads
it over clusters. Before the first model (no probabilities) it asks as ``kmeans`` does.
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.kmeans import kmeans_medoids
from sslcore.queries.pool import Pool, Selection, top
from sslcore.queries.uncertainty import margin_score


@QUERIES.register("margin", title="Margin", family="query", paper="Scheffer et al. 2001")
def margin(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """The ``n`` candidates of least margin; ties at random.

    >>> proba_NC = np.array([[0.9, 0.1, 0.0], [0.5, 0.1, 0.4], [0.6, 0.2, 0.2]])
    >>> pool = Pool(np.eye(3), np.full(3, -1), np.arange(3), proba_NC)
    >>> margin(pool, 2, rng=np.random.default_rng(0)).row_Q
    array([1, 2])
    """
    if pool.proba_NC is None:
        return kmeans_medoids(pool, n, rng=rng)
    return top(pool.candidate_U, margin_score(pool.proba_NC[pool.candidate_U]), n, rng=rng)
