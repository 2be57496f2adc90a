"""The figures of a task as of now, for every kind of task.

From 20 audit answers on they come from the audit split alone; before, from what the instant loop says of
labels it was not shown, joined by the audit answers there are, and are called rough. Labels that the
machine gave, accepted in bulk, agree with it and are no evidence for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.instant.multiple import MultipleResult
from sslcore.instant.numeric import NumericResult
from sslcore.quality.intervals import proportion_interval
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store.fold import SOURCE_CODE, TaskState
from sslcore.workbench.snapshot import CHOICE, Figure

if TYPE_CHECKING:
    from sslcore.instant.loop import InstantResult
    from sslcore.task_metrics import TaskReport

ENOUGH_AUDIT = 20
"""Audit items from which on figures come from the audit split; below, they are called rough."""


def by_people(state: TaskState) -> BoolArray:
    """Rows whose label a person gave one by one, or that came with the data."""
    return (state.source_N == SOURCE_CODE["human"]) | (state.source_N == SOURCE_CODE["imported"])


def left_out_of(state: TaskState, result: InstantResult) -> tuple[IntArray, FloatArray]:
    """Rows of people's labels, one by one, and what the loop says of them without that label.

    Labels without another of their class are not among them: no model could have named it.
    """
    row_L = result.labelled_row_L
    held_L = result.evidence_L & by_people(state)[row_L]
    return row_L[held_L], result.out_of_fold_proba_LC[held_L]


def choice_figure(
    state: TaskState,
    proba_NC: FloatArray | None,
    left_out: tuple[IntArray, FloatArray] | None,
) -> Figure:
    """Figures of one choice among classes, ordered or not.

    Args:
        state: The labels.
        proba_NC: The probabilities that are judged.
        left_out: What :func:`left_out_of` gives; None where that is not known.
    """
    audit_A = state.audit_row_A
    audit_A = audit_A[state.label_N[audit_A] >= 0]
    if proba_NC is None or proba_NC.shape[1] < 2:  # of one class everything is right: that says nothing
        return Figure(None, len(audit_A), "none")
    row_J, said_J = audit_A, proba_NC[audit_A].argmax(axis=1)
    source = "audit"
    if len(audit_A) < ENOUGH_AUDIT:
        if left_out is None:
            return Figure(None, len(audit_A), "none")
        row_L, proba_LC = left_out
        if not len(row_L):
            return Figure(None, len(audit_A), "none")
        row_J = np.concatenate([row_L, audit_A])
        said_J = np.concatenate([proba_LC.argmax(axis=1), said_J])
        source = "out-of-fold"
    return _choice(state, row_J, said_J, source)


def _choice(state: TaskState, row_J: IntArray, said_J: IntArray, source: str) -> Figure:
    from sslcore.task_metrics import balanced_accuracy, ordinal_figures

    label_J = state.label_N[row_J]
    also: dict[str, Any] = {}
    if state.task.kind == "ordinal":
        also |= ordinal_figures(label_J, said_J)
    also["balanced_accuracy"] = balanced_accuracy(label_J, said_J)
    hits = int((said_J == label_J).sum())
    return Figure(proportion_interval(hits, len(row_J)), len(row_J), source, also)


def set_report(
    state: TaskState,
    proba_NC: FloatArray,
    *,
    cut: float,
    left_out: tuple[IntArray, FloatArray] | None = None,
    row_A: IntArray | None = None,
) -> tuple[TaskReport, str]:
    """The figures of a multiple-choice model, and where they come from: ``"audit"`` or ``"out-of-fold"``.

    Args:
        state: The labels.
        proba_NC: The probabilities that are judged.
        cut: The probability from which on a class is in the set that is taken away.
        left_out: Rows and what is said of them without their own answer; they join few audit answers.
        row_A: Audit rows to judge on; all answered ones by default.
    """
    from sslcore.task_metrics import multiple_report

    row_J = answered_audit(state) if row_A is None else row_A
    row_J, proba_JC, source = _joined(state, row_J, proba_NC[row_J], left_out)
    return multiple_report(sets(state, row_J), proba_JC, state.task.class_names, threshold=cut), source


def number_report(
    state: TaskState,
    said_N: FloatArray,
    *,
    left_out: tuple[IntArray, FloatArray] | None = None,
    row_A: IntArray | None = None,
) -> tuple[TaskReport, str]:
    """The same of numbers; see :func:`set_report`."""
    from sslcore.task_metrics import TaskReport, numeric_figures

    given_J, said_J, source = number_pairs(state, said_N, left_out=left_out, row_A=row_A)
    return TaskReport("numeric", len(given_J), numeric_figures(given_J, said_J)), source


def number_pairs(
    state: TaskState,
    said_N: FloatArray,
    *,
    left_out: tuple[IntArray, FloatArray] | None = None,
    row_A: IntArray | None = None,
) -> tuple[FloatArray, FloatArray, str]:
    """Numbers that :func:`number_report` rests on, given and said, audit answers last; and their source."""
    row_J = answered_audit(state) if row_A is None else row_A
    row_J, said_J, source = _joined(state, row_J, said_N[row_J], left_out)
    return numbers(state, row_J), said_J, source


def answer_report(
    state: TaskState, answer: MultipleResult | NumericResult | None, *, own: bool, head: bool
) -> tuple[TaskReport, str] | None:
    """The figures of sets or numbers; None while nothing was learnt.

    Args:
        state: The labels.
        answer: What is judged.
        own: Whether left-out answers are known of it.
        head: Judges the supervised head alone, whose left-out answers are known of numbers.
    """
    if answer is None or not len(answer.labelled_row_L):
        return None
    row_L = answer.labelled_row_L
    if isinstance(answer, MultipleResult):
        proba_NC = answer.head_proba_NC if head else answer.proba_NC
        left_out = (row_L, answer.out_of_fold_proba_LC) if own and not head else None
        return set_report(state, proba_NC, cut=answer.threshold, left_out=left_out)
    said_N = answer.head_prediction_N if head else answer.prediction_N
    said_L = answer.head_out_of_fold_L if head else answer.out_of_fold_L
    return number_report(state, said_N, left_out=(row_L, said_L) if own else None)


def figure_of(state: TaskState, found: tuple[TaskReport, str] | None) -> Figure:
    """A report as a figure of now; nothing where few audit answers are all it rests on.

    Accuracy of sets is the share of items with all classes right; numbers have none.
    """
    if found is None or not found[0].figures:
        return Figure(None, len(answered_audit(state)), "none")
    (held, source), figures = found, dict(found[0].figures)
    if source == "audit" and held.size < ENOUGH_AUDIT:
        return Figure(None, held.size, "none")
    return Figure(figures.pop("subset_accuracy", None), held.size, source, figures)


def _joined(
    state: TaskState, row_J: IntArray, said_J: FloatArray, left_out: tuple[IntArray, FloatArray] | None
) -> tuple[IntArray, FloatArray, str]:
    """Rows to judge on and what is said of them: with few audit answers people's labels, left out in turn."""
    if len(row_J) >= ENOUGH_AUDIT or left_out is None:
        return row_J, said_J, "audit"
    row_L, said_L = left_out
    by_people_L = by_people(state)[row_L]
    if by_people_L.sum() < 2:  # of one label there is nothing to leave it out of
        return row_J, said_J, "audit"
    joined_J = np.concatenate([said_L[by_people_L], said_J])
    return np.concatenate([row_L[by_people_L], row_J]), joined_J, "out-of-fold"


def answered_audit(state: TaskState) -> IntArray:
    """Rows of the audit split that have an answer, of any kind of task."""
    if state.task.kind in CHOICE:
        return state.audit_row_A[state.label_N[state.audit_row_A] >= 0]
    row_A = state.audit_row_A
    return row_A[[row in state.value for row in row_A.tolist()]]


def sets(state: TaskState, row_J: IntArray) -> BoolArray:
    """The answers of some rows of a multiple-choice task, one column a class."""
    answer_JC = np.zeros((len(row_J), len(state.task.classes)), dtype=bool)
    for at, row in enumerate(row_J.tolist()):
        answer_JC[at, positions(state.value.get(row, []))] = True
    return answer_JC


def positions(value: Any) -> list[int]:
    """A multiple-choice answer as a list of positions; an import of one class may be stored bare.

    >>> positions(3), positions([0, 2])
    ([3], [0, 2])
    """
    return value if isinstance(value, list) else [int(value)]


def numbers(state: TaskState, row_J: IntArray) -> FloatArray:
    """The answers of some rows of a numeric task."""
    return np.array([state.value.get(row, np.nan) for row in row_J.tolist()], dtype=np.float64)
