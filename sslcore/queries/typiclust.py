"""TypiClust: the most typical item of each large region that holds no label.

Hacohen, Dekel & Weinshall 2022, "Active Learning on a Budget: Opposite Strategies Suit High and Low
Budgets". ``K = min(|L| + n, 500)`` clusters; those of fewer than 5 items dropped; clusters by number
of labels (fewest first), then by size; from each the item of highest typicality, the inverse of its
mean distance to its ``min(20, size)`` nearest neighbours in the cluster.
Differs: centred unit features of the encoder in use stand for the paper's self-supervised ones; a
cluster of more than 1,000 measures typicality against 1,000 of its items. Score: falls by rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.queries import QUERIES
from sslcore.queries.geometry import kmeans, squared_distance, view
from sslcore.queries.pool import Pool, Selection, ranked
from sslcore.shapes import FloatArray

MOST_REFERENCES = 1000


@dataclass(frozen=True)
class TypiClustConfig(Config):
    """Sizes of clusters and neighbourhoods."""

    most_clusters: int = param(500, low=2, help="Clusters at most.", paper="Hacohen et al. 2022, §3.2")
    least_size: int = param(5, low=1, help="Items a cluster needs to be asked from.")
    neighbours: int = param(20, low=1, help="Neighbours that typicality is the mean over.")


def typicality(point_MD: FloatArray, *, neighbours: int = 20) -> FloatArray:
    """``1 / mean distance to the nearest neighbours`` of each point among the others.

    >>> typicality(np.array([[0.0], [1.0], [2.0]]), neighbours=2).round(2)
    array([0.67, 1.  , 0.67])
    """
    m = len(point_MD)
    if m < 2:
        return np.zeros(m)
    reference_RD = point_MD[:: 1 + (m - 1) // MOST_REFERENCES]
    k = min(neighbours, len(reference_RD) - 1)
    distance_MR = np.sqrt(squared_distance(point_MD, reference_RD))
    near_MK = np.sort(np.partition(distance_MR, k, axis=1)[:, : k + 1], axis=1)
    # the nearest reference of a point that is a reference is the point itself
    own_M = np.arange(m) % (1 + (m - 1) // MOST_REFERENCES) == 0
    mean_M = np.where(own_M, near_MK[:, 1:].mean(axis=1), near_MK[:, :k].mean(axis=1))
    value_M: FloatArray = 1.0 / np.maximum(mean_M, 1e-6)
    return value_M


@QUERIES.register(
    "typiclust", title="TypiClust", family="query", paper="Hacohen et al. 2022", config=TypiClustConfig
)
def typiclust(
    pool: Pool, n: int, *, rng: np.random.Generator, config: TypiClustConfig = TypiClustConfig()
) -> Selection:
    """The most typical candidate of each of ``n`` regions, least labelled and largest first.

    >>> rng = np.random.default_rng(0)
    >>> feature_ND = np.concatenate([rng.normal([0, 5], 0.1, (9, 2)), rng.normal([5, 0], 0.1, (6, 2))])
    >>> pool = Pool(feature_ND, np.full(15, -1), np.arange(15))
    >>> [row >= 9 for row in typiclust(pool, 2, rng=rng).row_Q.tolist()]
    [False, True]
    """
    n = min(max(n, 0), len(pool.candidate_U))
    seen = view(pool, n, rng=rng)
    if n == 0:
        return ranked([], pool.candidate_U, 0, rng)
    m = len(seen.candidate_M)
    point_BD = np.concatenate([seen.point_MD, seen.labelled_LD])
    k = max(min(len(seen.labelled_L) + n, config.most_clusters), 1)
    found = kmeans(point_BD, k, rng=rng)
    label_K = np.bincount(found.cluster_M[m:], minlength=k)
    size_K, left_K = found.sizes(), np.bincount(found.cluster_M[:m], minlength=k)
    # small clusters come last rather than never: a small pool still has to answer
    order_K = np.lexsort((-size_K, label_K, size_K < config.least_size))

    by_cluster: dict[int, list[int]] = {}
    chosen: list[int] = []
    while len(chosen) < min(n, m):
        for c in order_K:
            if left_K[c] == 0 or len(chosen) == min(n, m):
                continue
            if c not in by_cluster:
                at_M = np.flatnonzero(found.cluster_M == c)
                value_M = typicality(point_BD[at_M], neighbours=config.neighbours)
                at_M = at_M[np.argsort(-value_M, kind="stable")]
                by_cluster[c] = at_M[at_M < m].tolist()
            chosen.append(by_cluster[c].pop(0))
            left_K[c] -= 1
    return ranked(seen.candidate_M[chosen], pool.candidate_U, n, rng)
