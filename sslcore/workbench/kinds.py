"""What differs between kinds of task where questions are chosen and shown.

The query strategies read probabilities over classes. Of a set of classes or a number they are given two
columns that say only how sure the machine is: a margin of 1 where it is certain, 0 where it is least so
(several choices: the number of classes expected to be wrong; numbers: how far the interval reaches).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sslcore.shapes import UNLABELLED, FloatArray, IntArray
from sslcore.workbench.figures import sets
from sslcore.workbench.snapshot import CHOICE as CHOICE
from sslcore.workbench.snapshot import Snapshot

MOST_SHOWN = 60
"""Classes of a set whose probabilities travel to the page."""


def training_label_N(snapshot: Snapshot) -> IntArray:
    """The labels as a strategy reads them: classes, or 0 where any answer of another kind is."""
    state = snapshot.state
    if snapshot.task.kind in CHOICE:
        return state.training_label_N
    return np.where(state.labelled_N & ~state.audit_N, 0, UNLABELLED)


def class_counts(snapshot: Snapshot) -> IntArray:
    """Labels to learn from of each class; of several classes an item, items that have it; of numbers none."""
    classes, state = len(snapshot.task.classes), snapshot.state
    if snapshot.task.kind in CHOICE:
        label_N = state.training_label_N
        return np.bincount(label_N[label_N >= 0], minlength=classes)
    if snapshot.task.kind == "numeric":
        return np.zeros(0, dtype=np.int64)
    return np.asarray(sets(state, np.flatnonzero(training_label_N(snapshot) >= 0)).sum(axis=0))


def doubt_N2(snapshot: Snapshot) -> FloatArray | None:
    """Probabilities as a strategy reads them; None while there are none.

    One choice among classes has its own; see the module for the other kinds.
    """
    proba_NC = snapshot.proba_NC
    if snapshot.task.kind in CHOICE:
        return proba_NC if proba_NC is not None and proba_NC.shape[1] > 1 else None
    answer = snapshot.answer
    if answer is None or not snapshot.predicts:
        return None
    doubt_N = np.asarray(answer.uncertainty_N, dtype=np.float64)
    most = float(np.quantile(doubt_N, 0.99)) if len(doubt_N) else 0.0
    margin_N = 1.0 - np.minimum(doubt_N / most, 1.0) if most > 0 else np.ones(len(doubt_N))
    return np.stack([(1 + margin_N) / 2, (1 - margin_N) / 2], axis=1)


def sentence(snapshot: Snapshot, row: int, around: str) -> str:
    """Why an item of a multiple-choice or numeric task is worth asking.

    Args:
        snapshot: Whose doubt it is.
        row: The item.
        around: The sentence on what lies around it.
    """
    own, rest = doubt(snapshot, row), around.rstrip(".")
    rest = "" if rest == "Drawn at random" and own else rest
    text = ", ".join(part for part in (own, rest[:1].lower() + rest[1:]) if part)
    return f"{text[:1].upper()}{text[1:]}."


def doubt(snapshot: Snapshot, row: int) -> str:
    """What the machine is unsure of in one item, or that it is not; empty while it says nothing.

    Of several choices the classes closest to even odds, of numbers the interval.
    """
    if not snapshot.predicts:
        return ""
    number = snapshot.number
    if number is not None:
        low, high = float(number.low_N[row]), float(number.high_N[row])
        places = decimals(snapshot)
        return f"between {low:.{places}f} and {high:.{places}f}" if np.isfinite(low) and low < high else ""
    assert snapshot.proba_NC is not None
    proba_C, names = snapshot.proba_NC[row], snapshot.task.class_names
    closest = np.argsort(np.abs(proba_C - 0.5), kind="stable")[:2]
    unsure = [f"{names[c]} ({proba_C[c]:.2f})" for c in closest if 0.2 <= proba_C[c] <= 0.8]
    return f"unsure about {' and '.join(unsure)}" if unsure else "fairly sure of every class"


def decimals(snapshot: Snapshot) -> int:
    """Decimal places that the numbers given so far have; at most three."""
    value = snapshot.state.value.values()
    return max((_places(float(number)) for number in list(value)[-200:]), default=0)


def _places(number: float) -> int:
    return next((places for places in range(3) if abs(round(number, places) - number) < 1e-9), 3)


@dataclass(frozen=True)
class Scale:
    """The numbers given so far: what a sensible answer looks like."""

    low: float
    high: float
    decimals: int
    count: int


def scale(snapshot: Snapshot) -> Scale | None:
    """The range of the numbers of a numeric task; None without any, and for other kinds."""
    if snapshot.task.kind != "numeric" or not snapshot.state.value:
        return None
    numbers = [float(value) for value in snapshot.state.value.values()]
    return Scale(min(numbers), max(numbers), decimals(snapshot), len(numbers))


@dataclass(frozen=True)
class Said:
    """What the machine suggests for an item of any kind of task, JSON-ready by :meth:`as_dict`.

    Attributes:
        value: Position, positions, or number: what accepting it stores.
        confidence: Probability that it is right; None of a number.
        low: Of a number: lower end of the interval that holds nine in ten; None while not known.
        high: The upper end.
    """

    value: Any
    confidence: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def said(snapshot: Snapshot, row: int) -> Said | None:
    """The machine's suggestion; None while it says nothing."""
    if not snapshot.predicts:
        return None
    number = snapshot.number
    if number is None:
        return Said(snapshot.said(row), round(float(snapshot.confidence_N[row]), 4))
    places = decimals(snapshot)
    low, high = float(number.low_N[row]), float(number.high_N[row])
    known = bool(np.isfinite(low) and np.isfinite(high))
    digits = places + 1
    return Said(
        round(float(number.prediction_N[row]), places),
        None,
        round(low, digits) if known else None,
        round(high, digits) if known else None,
    )


def shown_proba(snapshot: Snapshot, row: int) -> tuple[tuple[int, float], ...]:
    """Probabilities worth showing of a multiple-choice item, most probable first."""
    if not snapshot.multiple:
        return ()
    return tuple((c, round(p, 4)) for c, p in snapshot.suggestion(row, top=MOST_SHOWN))
