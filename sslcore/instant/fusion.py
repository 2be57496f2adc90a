"""Label-correlation fusion: what is known of an item's other tasks speaks for some classes of this one.

Bayes, with the features and the other task's class b independent given the class a: ``p(a|x,b) ~ p(a|x)
p(b|a) / p(b)``, and where b is only believed, ``sum_b q(b) p(b|a) / p(b)``. ``p(b|a)`` are shares of b among
the labelled items of a, drawn towards ``p(b)`` by a few imagined items. Beliefs come from the same features
as ``p(a|x)``, so the evidence gets a power. Power, number of imagined items and whether to fuse at all are
decided on this task's labels, each left out of model and counts alike; items for which the other label is at
hand and items for which it must be guessed count as often as they occur among the unlabelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sslcore.instant.loop import InstantResult
from sslcore.instant.model import log_softmax
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray

POWERS = (0.25, 0.5, 0.75, 1.0)
IMAGINED = (0.1, 0.3, 1.0, 4.0)
SURE = 0.5  # standard errors of the gain: half of one let through no fusion that cost 0.2 points (docs)
FEWEST = 8  # labels below which nothing could be tested
MOST_ENTRIES = 2_000_000_000  # products that a fusion may cost; above that it is left out
_ROWS = 8192


@dataclass(frozen=True, eq=False)
class OtherTask:
    """What is known of another task.

    Args:
        name: The task's name.
        belief_NB: Probabilities of its classes; certain where it is labelled.
        guess_NB: The same, said of labelled items without their label.
        known_N: Whether an item is labelled.
    """

    name: str
    belief_NB: FloatArray
    guess_NB: FloatArray
    known_N: BoolArray

    @classmethod
    def of(cls, name: str, result: InstantResult) -> OtherTask:
        """From that task's own result."""
        guess_NB = result.proba_NC.copy()
        guess_NB[result.labelled_row_L] = result.out_of_fold_proba_LC
        known_N = np.zeros(len(guess_NB), dtype=bool)
        known_N[result.labelled_row_L] = True
        return cls(name, result.proba_NC, guess_NB, known_N)


def fuse(
    result: InstantResult, others: Sequence[OtherTask], *, rejected: Sequence[tuple[int, int]] = ()
) -> InstantResult:
    """A task's result, corrected by other tasks where that explains its left-out labels better.

    Args:
        result: What the task's own model says.
        others: The other tasks.
        rejected: Rows and classes that a person ruled out; these rows stay as they are.

    Returns:
        The result itself where no other task helps by more than the noise; else one whose probabilities,
        left-out ones too, are corrected, with a sentence in ``reason`` and the powers in ``weights``.

    >>> rng = np.random.default_rng(0)
    >>> fine_N = rng.integers(4, size=400)
    >>> point_ND = rng.normal(size=(400, 4)) + np.eye(4)[fine_N]  # hard to tell
    >>> from sslcore.instant.loop import InstantLoop
    >>> from sslcore.instant.view import View
    >>> view = View.of("toy", point_ND)
    >>> fine = InstantLoop([view], classes=4).fit(np.where(np.arange(400) < 40, fine_N, -1))
    >>> coarse = InstantLoop([view], classes=2).fit(fine_N // 2)  # all labelled: known for every item
    >>> fused = fuse(fine, [OtherTask.of("coarse", coarse)])
    >>> before, after = ((held.prediction_N == fine_N)[40:].mean() for held in (fine, fused))
    >>> bool(after > before + 0.05), sorted(fused.weights)[-1]
    (True, 'task coarse')
    """
    for other in others:
        result = _fuse_one(result, other, rejected)
    return result


def _fuse_one(result: InstantResult, other: OtherTask, rejected: Sequence[tuple[int, int]]) -> InstantResult:
    row_L = result.labelled_row_L
    classes, others = result.proba_NC.shape[1], other.belief_NB.shape[1]
    held_L = result.evidence_L
    if held_L.sum() < FEWEST or others < 2 or len(result.proba_NC) * classes * others > MOST_ENTRIES:
        return result
    label_L = result.label_N[row_L]
    own_LC = np.log(np.maximum(result.out_of_fold_proba_LC.astype(np.float64), 1e-7))
    free_N = result.label_N == UNLABELLED
    at_hand = float(other.known_N[free_N].mean()) if free_N.any() else 0.0
    prior_B = other.belief_NB.mean(axis=0, dtype=np.float64) + 1e-6
    prior_B /= prior_B.sum()
    belief_LB = other.belief_NB[row_L].astype(np.float64)
    count_CB = co_occurrence(label_L, belief_LB, classes)
    guess_LB = other.guess_NB[row_L].astype(np.float64)
    at_L = np.arange(len(row_L))
    # a label that the other task has here, it may not have where this task is in need
    hand_L = np.where(other.known_N[row_L], at_hand, 0.0)

    def joint(evidence_LC: FloatArray, power: float) -> FloatArray:
        return log_softmax(own_LC + power * evidence_LC)

    best: tuple[float, float, float, FloatArray] | None = None
    for imagined in IMAGINED:
        given = {"count_CB": count_CB, "prior_B": prior_B, "imagined": imagined}
        known_LC = left_out_evidence(belief_LB, belief_LB, label_L, **given)
        guessed_LC = left_out_evidence(guess_LB, belief_LB, label_L, **given)
        for power in POWERS:
            said_L = hand_L * joint(known_LC, power)[at_L, label_L]
            said_L = said_L + (1 - hand_L) * joint(guessed_LC, power)[at_L, label_L]
            mean = float(said_L[held_L].mean())
            if best is None or mean > best[0]:
                best = (mean, power, imagined, said_L[held_L])
    assert best is not None
    _, power, imagined, said_J = best
    gain_J = said_J - log_softmax(own_LC)[held_L, label_L[held_L]]
    if gain_J.mean() <= SURE * gain_J.std(ddof=1) / np.sqrt(len(gain_J)):
        return result
    lift_CB = lifts(count_CB, prior_B, imagined)
    proba_NC = result.proba_NC.copy()
    keep_N = ~free_N
    keep_N[[row for row, _ in rejected]] = True  # what a person ruled out stays ruled out
    for start in range(0, len(proba_NC), _ROWS):
        rows = np.flatnonzero(~keep_N[start : start + _ROWS]) + start
        evidence_BC = np.log(other.belief_NB[rows].astype(np.float64) @ lift_CB.T)
        log_BC = np.log(np.maximum(proba_NC[rows], 1e-7)) + power * evidence_BC
        proba_NC[rows] = np.exp(log_softmax(log_BC))
    given = {"count_CB": count_CB, "prior_B": prior_B, "imagined": imagined}
    left_out_LC = joint(left_out_evidence(guess_LB, belief_LB, label_L, **given), power)
    return replace(
        result,
        proba_NC=proba_NC,
        out_of_fold_proba_LC=np.exp(left_out_LC).astype(np.float32),
        reason=f"{result.reason} What is known of “{other.name}” explains left-out labels better.",
        weights={**result.weights, f"task {other.name}": power},
    )


def co_occurrence(label_L: IntArray, belief_LB: FloatArray, classes: int) -> FloatArray:
    """How much of each other class was found with each class: ``CB``.

    >>> co_occurrence(np.array([0, 0, 1]), np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), 2).tolist()
    [[1.5, 0.5], [0.0, 1.0]]
    """
    count_CB = np.zeros((classes, belief_LB.shape[1]))
    np.add.at(count_CB, label_L, belief_LB)
    return count_CB


def lifts(count_CB: FloatArray, prior_B: FloatArray, imagined: float) -> FloatArray:
    """``p(b|a) / p(b)``, with so many imagined items of each class that are like all items.

    >>> lifts(np.array([[3.0, 0.0]]), np.array([0.5, 0.5]), 1.0).tolist()
    [[1.75, 0.25]]
    """
    share_CB = (count_CB + imagined * prior_B) / (count_CB.sum(axis=1, keepdims=True) + imagined)
    return np.asarray(share_CB / prior_B)


def left_out_evidence(
    asked_LB: FloatArray,
    belief_LB: FloatArray,
    label_L: IntArray,
    *,
    count_CB: FloatArray,
    prior_B: FloatArray,
    imagined: float,
) -> FloatArray:
    """``log sum_b q(b) p(b|a) / p(b)`` for labelled items, each out of the counts of its own class.

    The other classes are asked with one item fewer as well, an average one of theirs: else the true class
    alone would be known from less than it is, which with two labels a class decides.

    Args:
        asked_LB: What is believed of the items' other class.
        belief_LB: What went into the counts for them.
        label_L: Their classes.
        count_CB: The counts of :func:`co_occurrence` with all of them.
        prior_B: Shares of the other classes among all items.
        imagined: Imagined items of each class.
    """
    size_C = np.bincount(label_L, minlength=len(count_CB))
    fewer_CB = count_CB * (np.maximum(size_C - 1, 0) / np.maximum(size_C, 1))[:, None]
    evidence_LC = asked_LB @ lifts(fewer_CB, prior_B, imagined).T
    rest_LB = count_CB[label_L] - belief_LB
    share_LB = (rest_LB + imagined * prior_B) / (rest_LB.sum(axis=1, keepdims=True) + imagined)
    evidence_LC[np.arange(len(label_L)), label_L] = (asked_LB * share_LB / prior_B).sum(axis=1)
    return np.asarray(np.log(np.maximum(evidence_LC, 1e-12)))
