"""Auto: coverage while the labels are few, then margin spread over clusters.

Hacohen, Dekel & Weinshall 2022 ("Active Learning on a Budget"): typical items pay while labels are
few, uncertain ones later; Zhdanov 2019 ("Diverse mini-batch Active Learning"): the top
``β n`` by uncertainty are clustered into ``n`` and one is asked from each.
Cold (no probabilities, or fewer than ``cold_per_class`` labels a class): ``kmeans``.
Warm: the ``max(20 n, 200)`` candidates of least margin (at most half of all, so that a small pool
still ranks), k-means into ``n`` clusters, each cluster's medoid, least margin first.
Score: ``1 − margin`` when warm, that of ``kmeans`` when cold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.queries import QUERIES
from sslcore.queries.geometry import kmeans, unit_rows
from sslcore.queries.kmeans import kmeans_medoids
from sslcore.queries.pool import Pool, Selection, top
from sslcore.queries.uncertainty import margin_score


@dataclass(frozen=True)
class AutoConfig(Config):
    """When the labels count as few, and how wide the net of uncertain items is."""

    cold_per_class: float = param(
        2.0, low=0, high=100, help="Labels a class (mean) below which coverage is asked, not uncertainty."
    )
    net: int = param(20, low=1, high=1000, help="Uncertain items clustered for each one asked.")
    least_net: int = param(200, low=1, help="Uncertain items clustered at least.")


def is_cold(pool: Pool, *, cold_per_class: float) -> bool:
    """Whether the labels are too few for uncertainty to mean much.

    >>> pool = Pool(np.eye(4), np.array([0, 1, -1, -1]), np.array([2, 3]), np.full((4, 2), 0.5))
    >>> is_cold(pool, cold_per_class=2.0), is_cold(pool, cold_per_class=1.0)
    (True, False)
    """
    labels = len(pool.labelled_L)
    return pool.proba_NC is None or labels < cold_per_class * max(pool.class_count, 1)


@QUERIES.register(
    "auto",
    title="Automatic",
    family="query",
    paper="Hacohen et al. 2022; Zhdanov 2019",
    config=AutoConfig,
)
def auto(pool: Pool, n: int, *, rng: np.random.Generator, config: AutoConfig = AutoConfig()) -> Selection:
    """Typical items first, then uncertain ones that differ from each other.

    >>> pool = Pool(np.eye(4), np.full(4, -1), np.arange(4))
    >>> len(auto(pool, 3, rng=np.random.default_rng(0)))
    3
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if n == 0 or is_cold(pool, cold_per_class=config.cold_per_class) or pool.proba_NC is None:
        return kmeans_medoids(pool, n, rng=rng)
    size = max(n, min(max(config.net * n, config.least_net), len(pool.candidate_U) // 2))
    net = top(pool.candidate_U, margin_score(pool.proba_NC[pool.candidate_U]), size, rng=rng)
    return diverse(pool, net, n, rng=rng)


def diverse(pool: Pool, net: Selection, n: int, *, rng: np.random.Generator) -> Selection:
    """The medoids of ``n`` clusters of a selection, best score first; the rest of it where they run out."""
    point_MD = unit_rows(pool.feature_ND, net.row_Q)
    medoid_K = kmeans(point_MD, n, rng=rng).medoids()
    is_medoid_M = np.zeros(len(net), dtype=bool)
    is_medoid_M[medoid_K] = True
    at_Q = np.concatenate([np.flatnonzero(is_medoid_M), np.flatnonzero(~is_medoid_M)])[:n]
    score_Q = net.score_Q[at_Q]
    order_Q = np.argsort(-score_Q, kind="stable")
    return Selection(net.row_Q[at_Q][order_Q], score_Q[order_Q])
