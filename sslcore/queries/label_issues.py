"""Label issues first: items where the model and the labels near by contradict each other.

Either the model is wrong there or one of those labels is; the answer tells which. Vote: the 10 nearest
labelled items, weighted by cosine (kNN disagreement, as in ``quality.label_issues``). Score:
``max_c p_c · (1 − v_ŷ)``, the model's confidence times the share of the vote against its class.
A labelled row offered as a candidate (open to review) is judged by its label instead of ŷ, itself left
out of the vote, and comes before all others: 1 is added. Before the first model: ``kmeans``.
Pools beyond 3,000 rows (or 40 n) are judged on a random sample of that size.
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.geometry import view
from sslcore.queries.kmeans import kmeans_medoids
from sslcore.queries.pool import Pool, Selection, top
from sslcore.shapes import UNLABELLED, FloatArray, IntArray

NEIGHBOURS = 10


def vote_share(
    similarity_ML: FloatArray, label_L: IntArray, class_M: IntArray, *, neighbours: int = NEIGHBOURS
) -> FloatArray:
    """Share of the vote of the nearest labelled items that goes to each item's class.

    Similarities that are not positive do not vote; 1 where nobody votes.

    >>> vote_share(np.array([[0.9, 0.3, -0.1]]), np.array([0, 1, 1]), np.array([1]))
    array([0.25])
    """
    k = min(neighbours, similarity_ML.shape[1])
    near_MK = np.argpartition(-similarity_ML, k - 1, axis=1)[:, :k]
    weight_MK = np.maximum(np.take_along_axis(similarity_ML, near_MK, axis=1), 0)
    agreed_M = (weight_MK * (label_L[near_MK] == class_M[:, None])).sum(axis=1)
    total_M = weight_MK.sum(axis=1)
    return np.where(total_M > 0, agreed_M / np.maximum(total_M, 1e-12), 1.0)


@QUERIES.register("label_issues", title="Label issues first", family="query", paper="Northcutt et al. 2021")
def label_issues(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """The ``n`` candidates most at odds with the labels near them; ties at random.

    >>> feature_ND = np.array([[1.0, 0], [-1, 0], [1, 0.1], [-1, 0.1]])
    >>> proba_NC = np.array([[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.8, 0.2]])
    >>> pool = Pool(feature_ND, np.array([0, 1, -1, -1]), np.array([2, 3]), proba_NC)
    >>> label_issues(pool, 1, rng=np.random.default_rng(0)).row_Q
    array([3])
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if pool.proba_NC is None or len(pool.labelled_L) == 0 or n == 0:
        return kmeans_medoids(pool, n, rng=rng)
    seen = view(pool, n, rng=rng)
    proba_MC = np.asarray(pool.proba_NC, dtype=np.float64)[seen.candidate_M]
    given_M = np.asarray(pool.label_N)[seen.candidate_M]
    review_M = given_M != UNLABELLED
    similarity_ML = (seen.point_MD @ seen.labelled_LD.T).astype(np.float64)
    similarity_ML[seen.candidate_M[:, None] == seen.labelled_L[None, :]] = -1  # nobody votes on itself
    class_M = np.where(review_M, given_M, proba_MC.argmax(axis=1))
    share_M = vote_share(similarity_ML, np.asarray(pool.label_N)[seen.labelled_L], class_M)
    against_M = np.where(review_M, 1 - proba_MC[np.arange(len(proba_MC)), class_M], proba_MC.max(axis=1))
    return top(seen.candidate_M, against_M * (1 - share_M) + review_M, n, rng=rng)
