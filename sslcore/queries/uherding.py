"""UHerding: coverage of the uncertain items, one rule for all budgets.

Bae et al. 2025, "Uncertainty Herding: One Active Learning Method for All Label Budgets". Greedy gain of
``1/M Σ_x u(x) max_{c ∈ chosen} k_σ(x, c)``, ``u`` the margin uncertainty ``1 − (p_(1) − p_(2))`` of
calibrated probabilities, ``k`` Gaussian with σ the least distance between two labelled items. Few
labels: σ is wide and ``u`` flat, so it is MaxHerding; many: σ is narrow and it is margin.
Before the first model ``u = 1``. Score: the gain, which cannot rise.
The pool is judged on a random sample of 2,000 rows (or 20 n).
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.geometry import squared_distance
from sslcore.queries.max_herding import gaussian, greedy_coverage, kernel_view
from sslcore.queries.pool import Pool, Selection
from sslcore.queries.uncertainty import margin_score
from sslcore.shapes import FloatArray

WIDEST, NARROWEST = 1.0, 0.05


def kernel_width(labelled_LD: FloatArray) -> float:
    """The least distance between two labelled items, within [0.05, 1]; copies count once.

    >>> round(kernel_width(np.array([[1.0, 0.0], [0.8, 0.6], [0.8, 0.6]])), 3), kernel_width(np.ones((1, 2)))
    (0.632, 1.0)
    """
    distance_LL = squared_distance(labelled_LD, labelled_LD)
    apart = distance_LL[distance_LL > 1e-6]
    return float(np.clip(np.sqrt(apart.min()), NARROWEST, WIDEST)) if apart.size else WIDEST


@QUERIES.register("uherding", title="Uncertainty herding", family="query", paper="Bae et al. 2025")
def uherding(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """The ``n`` candidates of greatest gain in uncertainty coverage.

    >>> proba_NC = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    >>> pool = Pool(np.array([[1.0, 0], [0, 1], [1, 1]]), np.full(3, -1), np.arange(3), proba_NC)
    >>> uherding(pool, 1, rng=np.random.default_rng(0)).row_Q
    array([2])
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if n == 0:
        return Selection(np.empty(0, np.int64), np.empty(0))
    seen = kernel_view(pool, n, rng=rng)
    m = len(seen.candidate_M)
    sigma = kernel_width(seen.labelled_LD)
    weight_M: FloatArray = np.ones(m)
    if pool.proba_NC is not None:
        weight_M = margin_score(np.asarray(pool.proba_NC)[seen.candidate_M])
    covered_M: FloatArray = np.zeros(m)
    if len(seen.labelled_L):
        covered_M = gaussian(seen.point_MD, seen.labelled_LD, sigma=sigma).max(axis=1)
    kernel_MM = gaussian(seen.point_MD, seen.point_MD, sigma=sigma)
    at_Q, score_Q = greedy_coverage(kernel_MM, covered_M, weight_M / m, n)
    return Selection(seen.candidate_M[at_Q], score_Q)
