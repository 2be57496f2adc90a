"""Self-training: the linear head labels items itself, and takes back what it would no longer say.

Yarowsky 1995, with three corrections. An item is judged only by a head that did not learn from its own
pseudo-label (two halves, as in co-training), and its pseudo-label is revoked once that out-of-fold answer
changes or its confidence leaves the best of the class (Cascante-Bonilla et al. 2021). Classes grow in step:
each by the same share of what it claims, a large claim cut to its geometric mean with an equal one. All
pseudo-labels together weigh at most so much against the labels. It stops when < 0.1 % of items flip.

When: the head suits the features and only lacks labels, and classes are no clusters, so that the graph would
mislead. It needs a few labels in every class to judge itself by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.instant import INSTANT
from sslcore.instant.logistic import logistic
from sslcore.instant.model import Guess, Known, log_softmax
from sslcore.instant.refits import Refits, calibrated
from sslcore.instant.view import View
from sslcore.shapes import UNLABELLED, FloatArray, IntArray

_HALVES = 2
_TAUGHT = 1_000  # pseudo-labels a fit learns from at most: evenly spaced ones where there are more
_FLIPS = 1e-3


@dataclass(frozen=True)
class SelfTrainingConfig(Config):
    """Settings of self-training."""

    growth: float = param(0.2, low=0.01, high=1.0, help="Share of a class's claims added each round.")
    most: float = param(0.8, low=0.0, high=1.0, help="Share of its claims a class ever holds; 0 is the head.")
    weight: float = param(
        10.0,
        low=0.0,
        high=100.0,
        help="What all pseudo-labels weigh together, the labels weighing 1.",
    )
    strength: float = param(10.0, low=1e-4, high=1e6, help="C of the linear head.")
    rounds: int = param(12, low=1, high=200, help="Rounds at most.")


@INSTANT.register(
    "self_training",
    title="Self-training with error correction",
    family="instant",
    paper="Yarowsky 1995, Unsupervised Word Sense Disambiguation; Cascante-Bonilla et al. 2021",
    config=SelfTrainingConfig,
)
class SelfTraining:
    """Self-training of the linear head on the first view."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, SelfTrainingConfig) else SelfTrainingConfig()

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """All fits side by side, each with pseudo-labels of its own."""
        view, refits, config = views[0], Refits.of(known), self.config
        feature_ND = view.head_ND
        half_N = np.arange(len(view)) % _HALVES
        pseudo_FN = np.full((len(refits.kept_FL), len(view)), UNLABELLED)
        solved, share, said_FN = None, 0.0, pseudo_FN
        logits_NFHC: FloatArray = np.zeros((0, 0, 0, 0))
        for round_ in range(config.rounds):
            solved = _teach(feature_ND, known, refits, pseudo_FN, half_N, config, solved)
            coef_XDC, bias_XC = solved
            flat_DX = coef_XDC.transpose(1, 0, 2).reshape(feature_ND.shape[1], -1)
            logits_NFHC = (feature_ND @ flat_DX).reshape(len(view), len(pseudo_FN), _HALVES, known.classes)
            logits_NFHC += bias_XC.reshape(1, len(pseudo_FN), _HALVES, known.classes)
            if config.most == 0 or config.weight == 0:
                break
            # the head of an item's own half has not learnt from its pseudo-label
            own_NFC = log_softmax_last(logits_NFHC[np.arange(len(view)), :, half_N])
            told_FN = own_NFC.argmax(axis=2).T
            if round_ and share >= config.most and (told_FN != said_FN).mean(axis=1).max() < _FLIPS:
                break
            said_FN, share = told_FN, min(share + config.growth, config.most)
            for f in range(len(pseudo_FN)):
                pseudo_FN[f] = chosen(own_NFC[:, f], share=share)
                pseudo_FN[f, known.row_L[refits.kept_FL[f]]] = UNLABELLED
        log_NFC = log_softmax_last(logits_NFHC.mean(axis=2))
        held = int((pseudo_FN[0] != UNLABELLED).sum())
        return calibrated(
            "self_training",
            np.ascontiguousarray(log_NFC[:, 0]),
            refits.left_out(log_NFC[known.row_L].transpose(1, 0, 2)),
            refits,
            known,
            f"Linear head on {view.name}, taught by {held:,} labels of its own as well.",
        )


def chosen(log_NC: FloatArray, *, share: float) -> IntArray:
    """Pseudo-labels: of the items a class claims the most confident, -1 for the others.

    Args:
        log_NC: Log probabilities by heads that did not learn from the item.
        share: Of its claims a class may hold; a claim above its fair part N/C counts as ``√(claim · N/C)``.

    >>> log_NC = np.log([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    >>> chosen(log_NC, share=0.5)
    array([ 0, -1,  1, -1])
    """
    items, classes = log_NC.shape
    label_N, confidence_N = log_NC.argmax(axis=1), log_NC.max(axis=1)
    claim_C = np.bincount(label_N, minlength=classes)
    quota_C = np.minimum(claim_C, np.sqrt(claim_C * items / classes)) * share
    order_N = np.lexsort((-confidence_N, label_N))
    rank_N = np.empty(items, np.int64)
    rank_N[order_N] = np.arange(items) - np.repeat(np.cumsum(claim_C) - claim_C, claim_C)
    return np.where(rank_N < np.round(quota_C)[label_N], label_N, UNLABELLED)


def log_softmax_last(logits: FloatArray) -> FloatArray:
    """:func:`~sslcore.instant.model.log_softmax` over the last of any number of axes."""
    return log_softmax(logits.reshape(-1, logits.shape[-1])).reshape(logits.shape)


def _teach(
    feature_ND: FloatArray,
    known: Known,
    refits: Refits,
    pseudo_FN: IntArray,
    half_N: IntArray,
    config: SelfTrainingConfig,
    start: tuple[FloatArray, FloatArray] | None,
) -> tuple[FloatArray, FloatArray]:
    """Two heads a fit: on its labels, and on the pseudo-labels of the items of the other half."""
    classes, labels = known.classes, len(known.row_L)
    fits = len(pseudo_FN)
    taught_FN = pseudo_FN != UNLABELLED
    for f in range(fits):
        at = np.flatnonzero(taught_FN[f])
        if len(at) > _TAUGHT:
            taught_FN[f] = False
            taught_FN[f, at[np.linspace(0, len(at) - 1, _TAUGHT).astype(int)]] = True
    at_F, at_N = np.nonzero(taught_FN)
    # fits agree on most pseudo-labels, so rows are (item, class) pairs that all fits share
    pair_P, place = np.unique(at_N * classes + pseudo_FN[at_F, at_N], return_inverse=True)
    weight_FHP = np.zeros((fits, _HALVES, labels + len(pair_P)), np.float32)
    weight_FHP[:, :, :labels] = refits.kept_FL[:, None]
    for half in range(_HALVES):
        teaches = half_N[at_N] != half
        weight_FHP[at_F[teaches], half, labels + place[teaches]] = 1.0
    pseudo_FH1 = weight_FHP[:, :, labels:].sum(axis=2, keepdims=True)
    label_FH1 = weight_FHP[:, :, :labels].sum(axis=2, keepdims=True)
    weight_FHP[:, :, labels:] *= np.minimum(1.0, config.weight * label_FH1 / np.maximum(pseudo_FH1, 1.0))
    row_P = np.concatenate([known.row_L, pair_P // classes])
    return logistic(
        feature_ND[row_P],
        np.concatenate([known.label_L, pair_P % classes]),
        weight_FHP.reshape(fits * _HALVES, -1),
        classes=classes,
        strength=config.strength,
        start=start,
    )
