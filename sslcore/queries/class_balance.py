"""Class balance: items likely to belong to the classes with the fewest labels.

After Aggarwal, Popescu & Hudelot 2020, "Active Learning for Imbalanced Datasets": the rarest class
is served first. Greedy: with counts ``n_c`` (labels, plus what the picks so far are expected to add,
``Σ p_ic``), the class ``c* = argmin n_c`` is served by the candidate of highest ``p_ic*``.
Law: with certain and right probabilities the labels end as even as they can.
Before the first model (no probabilities) it asks as ``kmeans`` does. Score: falls by rank.
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.kmeans import kmeans_medoids
from sslcore.queries.pool import Pool, Selection, ranked


@QUERIES.register("class_balance", title="Class balance", family="query", paper="Aggarwal et al. 2020")
def class_balance(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """The ``n`` candidates that are expected to even out the labels; ties at random.

    >>> proba_NC = np.array([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [0.2, 0.8]])
    >>> pool = Pool(np.eye(4), np.array([0, -1, -1, -1]), np.array([1, 2, 3]), proba_NC)
    >>> class_balance(pool, 1, rng=np.random.default_rng(0)).row_Q
    array([3])
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if pool.proba_NC is None or n == 0:
        return kmeans_medoids(pool, n, rng=rng)
    row_U = rng.permutation(pool.candidate_U)
    proba_UC = np.asarray(pool.proba_NC[row_U], dtype=np.float64)
    classes = proba_UC.shape[1]
    count_C = np.bincount(pool.label_N[pool.labelled_L], minlength=classes).astype(np.float64)[:classes]
    # the n best of each class are all that can ever be picked for it
    best_C = {}
    chosen: list[int] = []
    taken: set[int] = set()
    for _ in range(n):
        c = int(count_C.argmin())
        if c not in best_C:
            best_C[c] = iter(np.argsort(-proba_UC[:, c], kind="stable")[:n].tolist())
        pick = next(at for at in best_C[c] if at not in taken)
        taken.add(pick)
        chosen.append(pick)
        count_C += proba_UC[pick]
    return ranked(row_U[chosen], pool.candidate_U, n, rng)
