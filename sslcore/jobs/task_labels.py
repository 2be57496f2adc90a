"""The answers to one task as a training run reads them, whatever the kind of task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.shapes import FloatArray, IntArray
from sslcore.store.fold import TaskState

if TYPE_CHECKING:
    from sslcore.training.data import TaskLabels

CHOICES = ("single", "ordinal")
"""Kinds with one class an item."""


def trains(state: TaskState) -> bool:
    """Whether a run can learn the task: it has classes, or its answers are numbers."""
    return state.task.kind == "numeric" or bool(state.task.classes)


def audited(state: TaskState) -> IntArray:
    """Rows of the audit split that have an answer."""
    row_A = state.audit_row_A
    return row_A[state.label_N[row_A] >= 0] if state.task.kind in CHOICES else row_A


def task_labels(state: TaskState) -> TaskLabels:
    """Labels to learn from and audit answers to measure with."""
    from sslcore.training.data import TaskLabels

    task, audit_A = state.task, audited(state)
    if task.kind in CHOICES:
        return TaskLabels(
            name=task.name,
            kind=task.kind,
            classes=len(task.classes),
            label_N=state.training_label_N,
            audit_row_A=audit_A,
            audit_label_A=state.label_N[audit_A],
            weight=task.weight,
        )
    several = task.kind == "multiple"
    value_N = _sets(state) if several else _numbers(state)
    taught_N = np.where(_per_row(state.audit_N, value_N), np.nan, value_N)
    known_N = ~(np.isnan(taught_N).all(axis=1) if several else np.isnan(taught_N))
    return TaskLabels(
        name=task.name,
        kind=task.kind,
        classes=len(task.classes),
        label_N=np.where(known_N, 0, -1),
        audit_row_A=audit_A,
        audit_label_A=np.zeros(len(audit_A), dtype=np.int64),
        value_N=taught_N,
        audit_value_A=value_N[audit_A],
        weight=task.weight,
    )


def _sets(state: TaskState) -> FloatArray:
    """1 and 0 a class; of items without an answer only what a person ruled out."""
    value_NC = np.full((len(state.label_N), len(state.task.classes)), np.nan)
    for row, ruled_out in state.rejected.items():
        value_NC[row, sorted(ruled_out)] = 0.0
    for row, answer in state.value.items():
        value_NC[row] = 0.0
        value_NC[row, answer if isinstance(answer, list) else [int(answer)]] = 1.0
    return value_NC


def _numbers(state: TaskState) -> FloatArray:
    value_N = np.full(len(state.label_N), np.nan)
    for row, answer in state.value.items():
        value_N[row] = float(answer)
    return value_N


def _per_row(mask_N: Any, value_N: FloatArray) -> Any:
    """A mask of rows that fits values with one number or with several a row."""
    return mask_N if value_N.ndim == 1 else np.asarray(mask_N)[:, None]
