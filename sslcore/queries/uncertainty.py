"""Scores of how unsure a row of probabilities is; higher is less sure.

Settles 2009, "Active Learning Literature Survey", §3.1. All three agree on two classes.
Written once here for the strategies of the same names and for those that build on them.
"""

from __future__ import annotations

import numpy as np

from sslcore.shapes import FloatArray


def least_confidence_score(proba_UC: FloatArray) -> FloatArray:
    """``1 − max_c p_c``.

    >>> least_confidence_score(np.array([[0.5, 0.3, 0.2]]))
    array([0.5])
    """
    score_U: FloatArray = 1.0 - proba_UC.max(axis=1)
    return score_U


def margin_score(proba_UC: FloatArray) -> FloatArray:
    """``1 − (p_(1) − p_(2))``: 1 where the two best classes are level.

    >>> margin_score(np.array([[0.5, 0.3, 0.2]]))
    array([0.8])
    """
    if proba_UC.shape[1] < 2:
        return np.asarray(1.0 - proba_UC.max(axis=1, initial=0.0))
    # two passes of max are several times faster than a partition of every row
    first_U = proba_UC.argmax(axis=1)
    at_U = np.arange(len(proba_UC))
    rest_UC = proba_UC.astype(np.float64, copy=True)
    best_U = rest_UC[at_U, first_U].copy()
    rest_UC[at_U, first_U] = -np.inf
    score_U: FloatArray = 1.0 - (best_U - rest_UC.max(axis=1))
    return score_U


def entropy_score(proba_UC: FloatArray) -> FloatArray:
    """``−Σ_c p_c log p_c`` in nats, with ``0 log 0 = 0``.

    >>> float(entropy_score(np.array([[0.5, 0.5, 0.0]]))[0]) == float(np.log(2))
    True
    """
    proba_UC = np.asarray(proba_UC, dtype=np.float64)
    score_U: FloatArray = -(proba_UC * np.log(np.where(proba_UC > 0, proba_UC, 1.0))).sum(axis=1)
    return score_U
