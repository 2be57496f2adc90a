"""MaxHerding: the candidates that raise the kernel coverage of the pool most.

Bae, Noh & Sutherland 2024, "Generalized Coverage for More Robust Low-Budget Active Learning".
Coverage ``1/M Σ_x max_{c ∈ chosen} k(x, c)`` with ``k = exp(−‖x − c‖² / σ²)``, σ = 1 on unit
features; it is submodular, so greedy choice is within ``1 − 1/e`` of the best. Score: the gain in
coverage, which cannot rise. Greedy is lazy (Minoux 1978): a gain seen earlier bounds the one now.
The pool is judged on a random sample of 2,000 rows (or 20 n).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.queries import QUERIES
from sslcore.queries.geometry import View, sampled, squared_distance, unit_rows
from sslcore.queries.pool import Pool, Selection
from sslcore.shapes import FloatArray, IntArray

KERNEL_SAMPLE = 2000


@dataclass(frozen=True)
class MaxHerdingConfig(Config):
    """The width of the kernel."""

    sigma: float = param(
        1.0, low=0.01, high=10, help="Distance that counts as covered, on unit features (0 … 2)."
    )


def gaussian(a_AD: FloatArray, b_BD: FloatArray, *, sigma: float) -> FloatArray:
    """``exp(−‖a − b‖² / σ²)``.

    >>> gaussian(np.array([[0.0]]), np.array([[0.0], [1.0]]), sigma=1.0).round(3)
    array([[1.   , 0.368]])
    """
    kernel_AB = squared_distance(a_AD, b_BD)
    kernel_AB *= -1 / sigma**2
    return np.exp(kernel_AB, out=kernel_AB)


def greedy_coverage(
    kernel_MM: FloatArray, covered_M: FloatArray, weight_M: FloatArray, n: int
) -> tuple[IntArray, FloatArray]:
    """Positions that raise ``Σ_x w_x max_c k(x, c)`` most, one after the other, and their gains.

    Args:
        kernel_MM: Similarity of point ``x`` (column) to candidate ``c`` (row).
        covered_M: Similarity of each point to what is labelled already, 0 where nothing is.
        weight_M: What covering each point is worth.
        n: Choices, at most M.

    >>> greedy_coverage(np.array([[1.0, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]), np.zeros(3), np.ones(3), 2)
    (array([0, 2]), array([1.9, 1. ]))
    """
    covered_M = np.asarray(covered_M, dtype=kernel_MM.dtype).copy()
    weight_M = np.asarray(weight_M, dtype=kernel_MM.dtype)
    gain_M = np.maximum(kernel_MM - covered_M, 0) @ weight_M
    heap = [(-float(gain), at) for at, gain in enumerate(gain_M)]
    heapq.heapify(heap)
    at_Q, score_Q = np.empty(n, dtype=np.int64), np.empty(n)
    for q in range(n):
        while True:
            _, at = heapq.heappop(heap)
            gain = float(np.maximum(kernel_MM[at] - covered_M, 0) @ weight_M)
            if not heap or gain >= -heap[0][0] - 1e-7 * abs(heap[0][0]):
                break
            heapq.heappush(heap, (-gain, at))
        at_Q[q], score_Q[q] = at, gain
        covered_M = np.maximum(covered_M, kernel_MM[at])
    return at_Q, np.minimum.accumulate(score_Q)


def kernel_view(pool: Pool, n: int, *, rng: np.random.Generator) -> View:
    """The pool as kernel strategies see it: a smaller sample, for all pairs of it are compared."""
    candidate_M = sampled(pool.candidate_U, n // 2, rng=rng, least=KERNEL_SAMPLE)
    labelled_L = sampled(pool.labelled_L, 0, rng=rng, least=KERNEL_SAMPLE)
    point_BD = unit_rows(pool.feature_ND, np.concatenate([candidate_M, labelled_L]))
    return View(candidate_M, labelled_L, point_BD[: len(candidate_M)], point_BD[len(candidate_M) :])


@QUERIES.register(
    "max_herding", title="MaxHerding", family="query", paper="Bae et al. 2024", config=MaxHerdingConfig
)
def max_herding(
    pool: Pool, n: int, *, rng: np.random.Generator, config: MaxHerdingConfig = MaxHerdingConfig()
) -> Selection:
    """The ``n`` candidates of greatest gain in coverage.

    >>> pool = Pool(np.array([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1], [0, 0.9]]), np.full(5, -1), np.arange(5))
    >>> [row > 1 for row in max_herding(pool, 2, rng=np.random.default_rng(0)).row_Q.tolist()]
    [True, False]
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if n == 0:
        return Selection(np.empty(0, np.int64), np.empty(0))
    seen = kernel_view(pool, n, rng=rng)
    kernel_MM = gaussian(seen.point_MD, seen.point_MD, sigma=config.sigma)
    covered_M = np.zeros(len(seen.point_MD))
    if len(seen.labelled_L):
        covered_M = gaussian(seen.point_MD, seen.labelled_LD, sigma=config.sigma).max(axis=1)
    m = len(seen.point_MD)
    at_Q, score_Q = greedy_coverage(kernel_MM, covered_M, np.full(m, 1 / m), n)
    return Selection(seen.candidate_M[at_Q], score_Q)
