"""What an instant model is given, what it answers, and the promise it keeps.

A model sees only classes that have a label, numbered 0…C − 1 without gaps; the loop puts the others
back. It is made once a project and fitted after every label, so it may keep what it has solved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sslcore.shapes import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from sslcore.config import Config
    from sslcore.instant.view import View

MANY = 400
"""Above so many labels five folds will do; up to it ten, because a fifth of few labels is missed:
heads would be judged on less than the graph, which leaves out one label at a time, and lose to it."""
_FEW, _PART = 64, 4096  # classes and rows that log_softmax takes at a time


@dataclass(frozen=True, eq=False)
class Known:
    """The labels at hand.

    Args:
        row_L: Labelled rows, ascending, each once.
        label_L: Their classes, 0…classes − 1, every class with at least one.
        classes: Number of classes that have a label.
        group_L: Rows of one group never vouch for each other (near-duplicates); None: all apart.
        turn_L: Which label of its class a row was, counted as they came; None: by row. Folds follow it,
            so that a new label joins one fold and moves none: what was solved stays a good start.
        echo_L: Labels that a model gave and a person merely accepted: learned from, but no evidence.

    >>> Known(np.arange(4), np.array([0, 0, 1, 1]), 2).fold_L
    array([0, 1, 0, 1])
    """

    row_L: IntArray
    label_L: IntArray
    classes: int
    group_L: IntArray | None = None
    turn_L: IntArray | None = None
    echo_L: BoolArray | None = None

    def evidence(self, judged_L: BoolArray) -> BoolArray:
        """Of rows whose left-out answer means something those whose label is no model's own word."""
        return judged_L if self.echo_L is None else judged_L & ~self.echo_L

    @cached_property
    def count_C(self) -> IntArray:
        """Labels a class has."""
        return np.bincount(self.label_L, minlength=self.classes)

    @cached_property
    def fold_L(self) -> IntArray:
        """Cross-validation folds: each class, or each group, dealt out in turn."""
        folds = 10 if len(self.row_L) <= MANY else 5
        turn_L = self._by_row() if self.turn_L is None else self.turn_L
        if self.group_L is not None:  # a group stays where its first label is
            _, group_L = np.unique(self.group_L, return_inverse=True)
            first_G = np.full(len(self.row_L), np.iinfo(np.int64).max)
            np.minimum.at(first_G, group_L, turn_L)
            turn_L = first_G[group_L]
        return np.asarray(turn_L % folds)

    def _by_row(self) -> IntArray:
        turn_L = np.empty(len(self.label_L), np.int64)
        order_L = np.argsort(self.label_L, kind="stable")
        first_C = np.cumsum(self.count_C) - self.count_C
        turn_L[order_L] = np.arange(len(order_L)) - np.repeat(first_C, self.count_C)
        return turn_L


@dataclass(frozen=True, eq=False)
class Guess:
    """What a model says, as logarithms of probabilities over the classes that have labels.

    Args:
        log_NC: For every item, float32; rows are normalised.
        left_out_LC: For labelled rows, each said by a model that did not see its label.
        judged_L: Rows whose left-out answer means something: their class had another label.
        reason: One sentence for the user.
        weights: What the model weighed against what, by name.
        parts: Left-out answers of the candidates it chose among, by name.
        head_NC: What its linear head says alone, where it has one: logarithms, as ``log_NC``.
    """

    log_NC: FloatArray
    left_out_LC: FloatArray
    judged_L: BoolArray
    reason: str = ""
    weights: tuple[tuple[str, float], ...] = ()
    parts: tuple[tuple[str, FloatArray], ...] = ()
    head_NC: FloatArray | None = None


class InstantModel(Protocol):
    """Made from its config; fitted on all views and the labels, again and again."""

    def __init__(self, config: Config | None = None) -> None: ...

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """Answers for every item. Models of one view use the first."""


def log_softmax(logits_NC: FloatArray) -> FloatArray:
    """Rows become logarithms of probabilities; works in the array's own type.

    >>> np.exp(log_softmax(np.array([[0.0, 0.0]])))
    array([[0.5, 0.5]])
    """
    items, classes = logits_NC.shape
    if classes > _FEW or items < _PART:
        out_NC = logits_NC - logits_NC.max(axis=1, keepdims=True, initial=-np.inf)
        out_NC -= np.log(np.exp(out_NC).sum(axis=1, keepdims=True))
        return np.asarray(out_NC)
    out_NC = np.empty_like(logits_NC)
    for start in range(0, items, _PART):  # class by class: rows of a few numbers are slow to add up
        log_CB = np.ascontiguousarray(logits_NC[start : start + _PART].T)
        log_CB -= log_CB.max(axis=0, initial=-np.inf)
        log_CB -= np.log(np.exp(log_CB).sum(axis=0))
        out_NC[start : start + _PART] = log_CB.T
    return out_NC
