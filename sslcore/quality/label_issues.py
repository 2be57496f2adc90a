"""Labels that are probably wrong.

Probabilities alone: confident learning, Northcutt, Jiang & Chuang 2021 (JAIR 70), by ``cleanlab``; ranked
by self-confidence (the out-of-fold probability of the given label), flagged by noise rate.
With neighbours: the probabilities are multiplied by the leave-one-out vote of the nearest labelled items
(a product of experts that err on different items), and the label is judged by Bayes: of labels a share ε
is wrong, evenly among the other classes. What was learnt from such labels foretells labels, not classes:
``q_g = (1 − ε) p_g + f (1 − p_g)`` with ``f = ε / (C − 1)``, which gives ``p_g``, that the label is right,
and then ``P(wrong) = a / (a + b)``, ``a = f (1 − p_g)``, ``b = (1 − ε) p_g``; ε is the mean of ``P(wrong)``,
found by iteration (EM). Flagged above ½.
The probabilities must come from models that did not see the item, or every label looks right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.errors import DataError
from sslcore.shapes import BoolArray, FloatArray, IntArray

NOBODY = 2.0
"""Neighbours of similarity 1 that say nothing of the class and stand beside those that do: two labelled
neighbours are no proof. Fifteen hardly notice them."""


@dataclass(frozen=True)
class Issues:
    """Labelled items by how wrong their label looks, worst first.

    Attributes:
        row_ranked: All positions 0 … L−1 of the input, most suspicious first.
        score: How wrong each looks, in the same order, 0 … 1: with neighbours the probability that it
            is wrong, else ``1 − self-confidence``.
        suggested: The class that fits best, in the same order.
        flagged: Whether it is held to be wrong, in the same order.
        noise_rate: Estimated share of wrong labels.
    """

    row_ranked: IntArray
    score: FloatArray
    suggested: IntArray
    flagged: BoolArray
    noise_rate: float

    @property
    def flagged_rows(self) -> IntArray:
        """Positions held to be wrong, most suspicious first."""
        return self.row_ranked[self.flagged]


def label_issues(
    out_of_fold_proba_LC: FloatArray, label_L: IntArray, *, vote_LC: FloatArray | None = None
) -> Issues:
    """Ranks labels by how much the evidence speaks against them.

    Args:
        out_of_fold_proba_LC: Probabilities of models that did not see the item.
        label_L: The given labels, 0 … C−1, no -1.
        vote_LC: Shares of each class among an item's labelled neighbours, itself left out
            (:func:`neighbour_vote`); sharpens the verdict where features cluster by class.

    Raises:
        DataError: Lengths that differ, a missing label, or a label beyond the columns.

    >>> proba_LC = np.array([[0.9, 0.1]] * 10 + [[0.1, 0.9]] * 10)
    >>> label_L = np.array([0] * 10 + [1] * 9 + [0])
    >>> found = label_issues(proba_LC, label_L)
    >>> int(found.row_ranked[0]), int(found.suggested[0]), found.flagged_rows
    (19, 1, array([19]))
    """
    label_L = np.asarray(label_L)
    proba_LC = np.asarray(out_of_fold_proba_LC, dtype=np.float64)
    _check(proba_LC, label_L)
    if len(label_L) == 0:
        nothing = np.empty(0, dtype=np.int64)
        return Issues(nothing, np.empty(0), nothing, np.empty(0, dtype=bool), 0.0)
    if vote_LC is not None:
        # a tenth of a vote for every class: neighbours may doubt a class but not rule it out
        proba_LC = proba_LC * (_as_wide(vote_LC, proba_LC.shape[1]) + 0.1 / proba_LC.shape[1])
    proba_LC = proba_LC / np.maximum(proba_LC.sum(axis=1, keepdims=True), 1e-300)
    given_L = proba_LC[np.arange(len(label_L)), label_L]
    if len(np.unique(label_L)) < 2:  # nothing to compare with: no verdict
        wrong_L, flagged_L, noise_rate = 1 - given_L, np.zeros(len(label_L), dtype=bool), 0.0
    elif vote_LC is None:
        wrong_L, flagged_L = _confident_learning(proba_LC, label_L)
        noise_rate = float(flagged_L.mean())
    else:
        wrong_L, noise_rate = wrong_probability(given_L, classes=proba_LC.shape[1])
        flagged_L = wrong_L > 0.5
    order_L = np.argsort(given_L, kind="stable")
    suggested_L = proba_LC.argmax(axis=1)
    return Issues(order_L, wrong_L[order_L], suggested_L[order_L], flagged_L[order_L], noise_rate)


def wrong_probability(given_L: FloatArray, *, classes: int) -> tuple[FloatArray, float]:
    """Probability that each label is wrong, and the share of wrong labels that goes with it.

    Args:
        given_L: Probability of the given label by the evidence, the label itself left out.
        classes: Number of classes.

    >>> wrong_L, noise_rate = wrong_probability(np.array([0.95] * 9 + [0.0001]), classes=5)
    >>> wrong_L.round(2)[-2:], round(noise_rate, 2)
    (array([0., 1.]), 0.1)
    """
    others = max(classes - 1, 1)
    # beyond C − 1 of C wrong labels a label would speak against its class
    most = min(0.5, 0.8 * others / (others + 1))
    noise_rate = 0.1
    for _ in range(50):
        spread = noise_rate / others
        # below what wrong labels alone explain a hundredth is left: no evidence is certain
        right_L = np.clip((given_L - spread) / (1 - noise_rate - spread), 0.01 * given_L, 1.0)
        wrong_L = spread * (1 - right_L)
        wrong_L = wrong_L / np.maximum(wrong_L + (1 - noise_rate) * right_L, 1e-300)
        noise_rate = float(np.clip(wrong_L.mean(), 1e-4, most))
    return wrong_L, noise_rate


def neighbour_vote(
    neighbour_LK: IntArray, similarity_LK: FloatArray, label_N: IntArray, *, classes: int | None = None
) -> FloatArray:
    """Shares ``LC`` of each class among labelled neighbours, weighted by similarity, and :data:`NOBODY`.

    Args:
        neighbour_LK: Rows of the neighbours of each item, itself not among them.
        similarity_LK: Their cosine similarities; negative ones count nothing.
        label_N: Labels of all rows, -1 for none: such neighbours count nothing.
        classes: Number of classes C; by default those up to the highest label.

    Returns:
        Rows that sum to 1; even where no neighbour has a label.

    >>> neighbour_vote(np.array([[1, 2]]), np.array([[0.5, 0.5]]), np.array([-1, 0, 1]))
    array([[0.5, 0.5]])
    >>> neighbour_vote(np.array([[1, 2]]), np.array([[1.0, 1.0]]), np.array([-1, 0, 0]), classes=2)
    array([[0.75, 0.25]])
    """
    label_N = np.asarray(label_N)
    classes = int(label_N.max(initial=0)) + 1 if classes is None else classes
    label_LK = label_N[neighbour_LK]
    weight_LK = np.where(label_LK >= 0, np.maximum(similarity_LK, 0), 0)
    vote_LC = np.full((len(neighbour_LK), classes), NOBODY / classes)
    at_L = np.arange(len(neighbour_LK))
    for k in range(label_LK.shape[1]):
        np.add.at(vote_LC, (at_L, np.maximum(label_LK[:, k], 0)), weight_LK[:, k])
    return vote_LC / vote_LC.sum(axis=1, keepdims=True)


def _confident_learning(proba_LC: FloatArray, label_L: IntArray) -> tuple[FloatArray, BoolArray]:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    # cleanlab wants labels 0 … C−1 that all occur: classes without a label are folded away
    seen, dense_L = np.unique(label_L, return_inverse=True)
    dense_LC = proba_LC[:, seen]
    dense_LC = dense_LC / np.maximum(dense_LC.sum(axis=1, keepdims=True), 1e-12)
    quality_L = get_label_quality_scores(dense_L, dense_LC, method="self_confidence")
    flagged_L = find_label_issues(dense_L, dense_LC, filter_by="prune_by_noise_rate", n_jobs=1)
    return 1 - quality_L, flagged_L


def _as_wide(vote_LC: FloatArray, classes: int) -> FloatArray:
    """The vote with a column for every class: it may know fewer, those seen among the labels."""
    vote_LC = np.asarray(vote_LC, dtype=np.float64)
    return np.pad(vote_LC, ((0, 0), (0, classes - vote_LC.shape[1])))


def _check(proba_LC: FloatArray, label_L: IntArray) -> None:
    if proba_LC.ndim != 2 or len(proba_LC) != len(label_L):
        raise DataError(
            f"label_issues needs a row of probabilities for each of the {len(label_L)} labels. "
            f"Received: shape {proba_LC.shape}."
        )
    if len(label_L) and (label_L.min() < 0 or label_L.max() >= proba_LC.shape[1]):
        raise DataError(
            f"label_issues needs labels in 0…{proba_LC.shape[1] - 1}. "
            f"Received: {label_L.min()}…{label_L.max()}. Leave unlabelled items out."
        )
