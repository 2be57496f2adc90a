"""ProbCover: the candidates whose balls cover the most items not covered yet.

Yehuda et al. 2022, "Active Learning Through a Covering Lens". Items within δ of a chosen one are
covered; greedy maximum coverage (within ``1 − 1/e`` of the best). δ is the largest radius at which
balls are pure: in 95 % of them all items share the k-means cluster of the centre, with as many
clusters as classes. Score: share of the pool newly covered, which cannot rise.
Differs: δ is found on the pool itself, not set per data set; at least 2 clusters.
The pool is judged on a random sample of 2,000 rows (or 20 n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.queries import QUERIES
from sslcore.queries.geometry import kmeans, squared_distance
from sslcore.queries.max_herding import kernel_view
from sslcore.queries.pool import Pool, Selection
from sslcore.shapes import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class ProbCoverConfig(Config):
    """How pure a ball must be."""

    purity: float = param(
        0.95, low=0.5, high=1, help="Share of balls that hold one cluster only.", paper="Yehuda et al. 2022"
    )


def ball_purity(distance_MM: FloatArray, cluster_M: IntArray, radius: float) -> float:
    """Share of items whose ball of this radius holds one cluster only.

    >>> distance_MM = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]])
    >>> ball_purity(distance_MM, np.array([0, 0, 1]), 1.5)
    1.0
    """
    foreign_MM = (distance_MM <= radius) & (cluster_M[:, None] != cluster_M[None, :])
    return float(1 - foreign_MM.any(axis=1).mean())


def pure_radius(distance_MM: FloatArray, cluster_M: IntArray, *, purity: float) -> float:
    """The largest radius at which the balls are that pure.

    A ball is pure up to its centre's distance to the nearest foreign item, so the answer is a
    quantile of those distances: no search is needed.

    >>> distance_MM = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]])
    >>> bool(1.99 < pure_radius(distance_MM, np.array([0, 0, 1]), purity=1.0) < 2)
    True
    """
    foreign_MM = np.where(cluster_M[:, None] != cluster_M[None, :], distance_MM, np.inf)
    nearest_M = np.sort(foreign_MM.min(axis=1))
    spoilt = int(np.floor((1 - purity) * len(nearest_M) + 1e-9))  # balls that may be impure
    limit = float(nearest_M[min(spoilt, len(nearest_M) - 1)])
    return float(np.nextafter(np.float32(limit), np.float32(0))) if np.isfinite(limit) else 2.0


def greedy_cover(within_MM: BoolArray, covered_M: BoolArray, n: int) -> tuple[IntArray, FloatArray]:
    """Positions that cover most, one after the other, and how many each newly covers.

    >>> within_MM = np.array([[True, True, False], [True, True, False], [False, False, True]])
    >>> greedy_cover(within_MM, np.zeros(3, bool), 2)
    (array([0, 2]), array([2., 1.]))
    """
    within_MM = within_MM.astype(np.float32)
    open_M = (~covered_M).astype(np.float32)
    taken_M = np.zeros(len(open_M), dtype=bool)
    at_Q, score_Q = np.empty(n, dtype=np.int64), np.empty(n)
    for q in range(n):
        degree_M = within_MM @ open_M
        degree_M[taken_M] = -1
        at = int(degree_M.argmax())
        at_Q[q], score_Q[q] = at, degree_M[at]
        taken_M[at] = True
        open_M[within_MM[at] > 0] = 0
    return at_Q, score_Q


@QUERIES.register(
    "probcover", title="ProbCover", family="query", paper="Yehuda et al. 2022", config=ProbCoverConfig
)
def probcover(
    pool: Pool, n: int, *, rng: np.random.Generator, config: ProbCoverConfig = ProbCoverConfig()
) -> Selection:
    """The ``n`` candidates of greatest new coverage.

    >>> feature_ND = np.array([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1], [0, 0.9]])
    >>> pool = Pool(feature_ND, np.full(5, -1), np.arange(5))
    >>> [row > 1 for row in probcover(pool, 2, rng=np.random.default_rng(0)).row_Q.tolist()]
    [True, False]
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if n == 0:
        return Selection(np.empty(0, np.int64), np.empty(0))
    seen = kernel_view(pool, n, rng=rng)
    distance_MM = np.sqrt(squared_distance(seen.point_MD, seen.point_MD))
    cluster_M = kmeans(seen.point_MD, max(pool.class_count, 2), rng=rng).cluster_M
    radius = pure_radius(distance_MM, cluster_M, purity=config.purity)
    covered_M = np.zeros(len(seen.point_MD), dtype=bool)
    if len(seen.labelled_L):
        covered_M = squared_distance(seen.point_MD, seen.labelled_LD).min(axis=1) <= radius**2
    at_Q, score_Q = greedy_cover(distance_MM <= radius, covered_M, n)
    return Selection(seen.candidate_M[at_Q], score_Q / len(seen.point_MD))
