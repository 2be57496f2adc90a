"""What is known of a task right now: one immutable picture that pages read and never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sslcore.quality.intervals import Interval
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store import Task
from sslcore.store.fold import TaskState

if TYPE_CHECKING:
    from sslcore.instant.loop import InstantResult
    from sslcore.instant.multiple import MultipleResult
    from sslcore.instant.numeric import NumericResult
    from sslcore.instant.view import View

CHOICE = ("single", "ordinal")
"""Kinds of task that ask for one class."""


@dataclass(frozen=True)
class Follow:
    """Whose predictions are shown: the instant loop's, or an adopted run's."""

    kind: str  # "instant" | "run" | "none"
    title: str  # "committee on minilm", "run 7 (FixMatch)"
    reason: str = ""
    encoder: str | None = None
    run_id: int | None = None


@dataclass(frozen=True)
class Figure:
    """One estimate of accuracy and where it comes from.

    Attributes:
        accuracy: Share of items that are right, with its 90 % interval; of a multiple-choice item all
            classes must be. None where there is nothing to estimate it from, and always for numbers.
        size: Items it was estimated on.
        source: ``"audit"`` (a random sample that is never trained on) or ``"out-of-fold"`` (rough).
        also: Further figures of the same items by the names of :data:`sslcore.task_metrics.TITLES`, the
            most telling first: F1 of multiple choice, the errors of numbers and ordered classes.
        wants: What a figure that is not there waits for: ``"labels"``, or ``"audit"`` answers where labels
            tell nothing, as a followed run has learned them.
    """

    accuracy: Interval | None
    size: int
    source: str
    also: Mapping[str, Interval] = field(default_factory=dict)
    wants: Literal["labels", "audit"] = "labels"

    @property
    def rough(self) -> bool:
        """Whether it comes from anything but enough audit items."""
        return self.source != "audit"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        nothing = {"value": None, "low": None, "high": None, "level": 0.9}
        interval = self.accuracy.as_dict() if self.accuracy is not None else nothing
        also = {name: held.as_dict() for name, held in self.also.items()}
        told = {"size": self.size, "source": self.source, "wants": self.wants}
        return told | {"accuracy": interval, "also": also}


@dataclass(frozen=True)
class Snapshot:
    """One task as of one moment.

    Attributes:
        version: The newest annotation it has seen.
        serial: Rises by one with every snapshot of the process; what browsers compare.
        state: The current labels (a copy of its own).
        proba_NC: Calibrated probabilities, float32; None before the first features or labels, and for
            numbers. Of a multiple-choice task each column is the probability that its class applies.
        follows: Whose probabilities these are.
        result: The instant loop's latest, also while a run is followed; of one choice among classes.
        answer: Of a multiple-choice or numeric task, what is followed: the instant loop's answers, or an
            adopted run's in the same shape.
        loop_answer: The instant loop's latest of such a task, also while a run is followed.
        view: The strongest of the features the instant loop stands on; ``views`` are all of them.
        figure: Accuracy of what is followed; ``head_figure`` of the supervised head alone.
        key_accuracy: Against the answer key, on items that nobody labelled; None without a key.
        label_seconds: Time from noticing the labels to this picture.
    """

    task: Task
    version: int
    serial: int
    state: TaskState
    proba_NC: FloatArray | None
    follows: Follow
    result: InstantResult | None
    view: View | None
    views: tuple[View, ...]
    figure: Figure
    head_figure: Figure
    key_accuracy: float | None
    key_head_accuracy: float | None
    label_seconds: float
    extra: Mapping[str, Any] = field(default_factory=dict)
    answer: MultipleResult | NumericResult | None = None
    loop_answer: MultipleResult | NumericResult | None = None

    @property
    def multiple(self) -> bool:
        """Whether several classes may apply at once."""
        return self.task.kind == "multiple"

    @property
    def number(self) -> NumericResult | None:
        """What is known of the numbers of a numeric task; None while that is nothing, and otherwise."""
        if self.task.kind != "numeric" or self.answer is None or not len(self.answer.labelled_row_L):
            return None
        return self.answer  # type: ignore[return-value]

    @property
    def predicts(self) -> bool:
        """Whether the machine says anything yet."""
        return self.number is not None or (self.proba_NC is not None and self.proba_NC.shape[1] > 0)

    @property
    def cut(self) -> float:
        """The probability from which on a class is in a set that is taken away (multiple choice)."""
        return float(getattr(self.answer, "threshold", 0.5))

    def said(self, row: int) -> Any:
        """The machine's answer as the store would hold it: a position, positions, a number, or None."""
        number = self.number
        if number is not None:
            return float(number.prediction_N[row])
        if self.proba_NC is None or self.proba_NC.shape[1] == 0:
            return None
        if self.multiple:
            return np.flatnonzero(self.proba_NC[row] >= 0.5).tolist()
        return int(self.prediction_N[row])

    @cached_property
    def prediction_N(self) -> IntArray:
        """Most probable class; -1 everywhere while there are no probabilities."""
        if self.proba_NC is None or self.proba_NC.shape[1] == 0:
            return np.full(len(self.state.label_N), -1, dtype=np.int32)
        return self.proba_NC.argmax(axis=1).astype(np.int32)

    @cached_property
    def confidence_N(self) -> FloatArray:
        """Probability of the most probable class, or of the whole likeliest set; 0 while there are none."""
        if self.proba_NC is None or self.proba_NC.shape[1] == 0:
            return np.zeros(len(self.state.label_N), dtype=np.float32)
        if self.multiple:
            return np.maximum(self.proba_NC, 1 - self.proba_NC).prod(axis=1)
        return self.proba_NC.max(axis=1)

    @cached_property
    def margin_N(self) -> FloatArray:
        """Distance of the two most probable classes; of the least certain class from even odds."""
        if self.multiple and self.proba_NC is not None and self.proba_NC.shape[1]:
            return np.abs(2 * self.proba_NC - 1).min(axis=1)
        if self.proba_NC is None or self.proba_NC.shape[1] < 2:
            return self.confidence_N
        top_N2 = np.partition(self.proba_NC, -2, axis=1)[:, -2:]
        return top_N2[:, 1] - top_N2[:, 0]

    @cached_property
    def pseudo_N(self) -> BoolArray:
        """Rows whose label is the machine's alone: no value from anybody, and probabilities exist."""
        if not self.predicts:
            return np.zeros(len(self.state.label_N), dtype=bool)
        return ~self.state.labelled_N

    def suggestion(self, row: int, *, top: int = 3) -> list[tuple[int, float]]:
        """The ``top`` most probable classes of a row with their probabilities."""
        if self.proba_NC is None or self.proba_NC.shape[1] == 0:
            return []
        order = np.argsort(-self.proba_NC[row])[:top]
        return [(int(c), float(self.proba_NC[row, c])) for c in order]
