"""What works best? Instant models and finished runs on the same audit items, side by side.

Every figure comes from the audit split, which no model trained on, with its 90 % interval. Until that
has 20 answers the figures are rough: the instant loop's then lean on out-of-fold predictions, the
others' on the few audit answers there are. Accuracy against an answer key is kept apart and named so.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.metrics import Report, report
from sslcore.quality.intervals import Interval
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store import Task
from sslcore.workbench.candidates import Candidate, Candidates, columns, scores
from sslcore.workbench.desk import Desk
from sslcore.workbench.figures import answered_audit, left_out_of
from sslcore.workbench.learning_curve import CurveResult, LearningCurve, label_order
from sslcore.workbench.live import ENOUGH_AUDIT
from sslcore.workbench.snapshot import CHOICE, Snapshot
from sslcore.workbench.task_reports import TaskFigures, judged_numbers, task_figures

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench

MANY_CLASSES = 30
"""Beyond, a confusion matrix cannot be read: the most confused pairs are shown instead."""
_KEPT = 64


@dataclass(frozen=True, eq=False)
class ModelReport:
    """One model's figures.

    Attributes:
        candidate: The model.
        report: On ``size`` items; None where there is nothing to measure on.
        source: ``"audit"``, ``"out-of-fold"`` or ``"none"``.
        rough: Whether the figures rest on anything but enough audit items.
        key_accuracy: Against the answer key, on items that nobody labelled; None without a key.
    """

    candidate: Candidate
    report: Report | None
    source: str
    rough: bool
    key_accuracy: float | None

    @property
    def size(self) -> int:
        """Items that the figures rest on."""
        return 0 if self.report is None else self.report.size

    @property
    def lead(self) -> Interval | None:
        """The figure that models are ranked by."""
        return None if self.report is None else self.report.accuracy


Measured = ModelReport | TaskFigures
"""The figures of a model, by the kind of its task."""


@dataclass(frozen=True)
class Pair:
    """Two classes that a model mixes up: ``count`` items of ``true`` taken for ``given``."""

    true: str
    given: str
    count: int
    share: float


@dataclass(frozen=True)
class Disagreement:
    """An item that two models take for different things; ``label`` is a person's word, where there is one."""

    item_id: int
    key: str
    text: str | None
    sha256: str
    first: str
    first_confidence: float
    second: str
    second_confidence: float
    label: str | None


@dataclass(frozen=True)
class RunPoint:
    """A finished run in the learning curve's plane."""

    title: str
    labels: int
    report: ModelReport = field(repr=False)


class CompareDesk(Desk):
    """Measures models on the audit split and finds where they differ."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._lock = threading.Lock()
        self._models = Candidates(bench)
        self._reports: dict[tuple[Any, ...], Measured] = {}
        self._curve = LearningCurve()
        self._fitting = threading.Lock()

    # --- what there is -----------------------------------------------------------------------

    def candidates(self, task: Task) -> list[Candidate]:
        """The instant loop, its supervised head alone, and the finished runs, newest first."""
        return self._models.of(self.snapshot(task))

    def candidate(self, task: Task, key: str) -> Candidate | None:
        """One model by its key."""
        return next((found for found in self.candidates(task) if found.key == key), None)

    def followed(self, task: Task) -> str | None:
        """Key of the model whose predictions the task follows; None while there are none."""
        follows = self.snapshot(task).follows
        return {"run": f"run:{follows.run_id}", "instant": "instant"}.get(follows.kind)

    def audit(self, task: Task) -> IntArray:
        """Rows of the audit split that have an answer."""
        return answered_audit(self.snapshot(task).state)

    def pairs(self, task: Task, candidate: Candidate) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Of a numeric task, the answers that a model's figures rest on; see :func:`judged_numbers`."""
        return judged_numbers(self.snapshot(task), candidate)

    def audit_needed(self, task: Task) -> int:
        """How many more audit answers make the figures more than rough."""
        return max(0, ENOUGH_AUDIT - len(self.audit(task)))

    def scores(self, task: Task, candidate: Candidate) -> FloatArray:
        """How well a model does on each audit item, in the order of :meth:`audit`; see :func:`scores`."""
        return scores(self.snapshot(task), candidate, self.audit(task))

    # --- figures -----------------------------------------------------------------------------

    def reports(self, task: Task) -> list[ModelReport]:
        """The figures of every model of a task of one class an item, as :meth:`candidates` has them."""
        return [found for found in self.measured(task) if isinstance(found, ModelReport)]

    def task_figures(self, task: Task) -> list[TaskFigures]:
        """The same of a multiple-choice or numeric task."""
        return [found for found in self.measured(task) if isinstance(found, TaskFigures)]

    def measured(self, task: Task) -> list[Measured]:
        """The figures of every model of a task of any kind, in the order of :meth:`candidates`."""
        snapshot = self.snapshot(task)
        return [self.measure(task, candidate, snapshot) for candidate in self._models.of(snapshot)]

    def measure(self, task: Task, candidate: Candidate, snapshot: Snapshot | None = None) -> Measured:
        """The figures of one model; kept until a label changes."""
        snapshot = self.snapshot(task) if snapshot is None else snapshot
        stamp = (task.id, snapshot.serial, candidate.key)
        held = self._reports.get(stamp)
        if held is None:
            if task.kind in CHOICE:
                held = self._measure(task, candidate, snapshot)
            else:
                held = task_figures(snapshot, candidate)
            with self._lock:
                while len(self._reports) >= _KEPT:
                    self._reports.pop(next(iter(self._reports)))
                self._reports[stamp] = held
        return held

    def report(self, task: Task, candidate: Candidate) -> ModelReport:
        """The figures of one model of a task of one class an item."""
        held = self.measure(task, candidate)
        assert isinstance(held, ModelReport)
        return held

    def confused_pairs(self, task: Task, found: Report, *, most: int = 20) -> list[Pair]:
        """The pairs of classes that a model mixes up most often, worst first."""
        names, confusion_CC = task.class_names, found.confusion_CC.copy()
        support_C = confusion_CC.sum(axis=1)
        np.fill_diagonal(confusion_CC, 0)
        order = np.argsort(-confusion_CC, axis=None, kind="stable")[:most]
        pairs = []
        for true, given in zip(*np.unravel_index(order, confusion_CC.shape)):
            count = int(confusion_CC[true, given])
            if count:
                pairs.append(Pair(names[true], names[given], count, count / int(support_C[true])))
        return pairs

    # --- how figures grow with labels --------------------------------------------------------

    def learning_curve(self, task: Task, *, seconds: float = 8.0) -> CurveResult | None:
        """Accuracy by number of labels: the labels of now, added in the order in which they were given.

        Args:
            task: The task.
            seconds: Longest time this may take; points that do not fit in are left out. What was
                computed once is kept, so the next call goes on from there.

        Returns:
            The curve, or None where nothing can be fitted yet.
        """
        snapshot = self.snapshot(task)
        if not snapshot.views or not len(label_order(snapshot.state)):
            return None
        key_N = self.bench.live.key(task.id)
        with self._fitting:  # one curve at a time; whoever asks next finds its fits done
            return self._curve.of(snapshot.views, snapshot.state, key_N, seconds=seconds)

    def run_points(self, task: Task) -> list[RunPoint]:
        """The finished runs with the number of labels that each saw."""
        return [
            RunPoint(found.candidate.title, found.candidate.labels, found)
            for found in self.reports(task)
            if found.candidate.kind == "run" and found.report is not None
        ]

    # --- where models differ -----------------------------------------------------------------

    def disagreements(
        self, task: Task, first: str, second: str, *, most: int = 100
    ) -> tuple[int, list[Disagreement]]:
        """Items that two models take for different things, those first where both are surest.

        Args:
            task: The task.
            first: Key of one model; ``second`` of the other.
            second: See ``first``.
            most: How many are listed.

        Returns:
            How many there are, and the first of them.
        """
        one, other = self.candidate(task, first), self.candidate(task, second)
        if one is None or other is None:
            return 0, []
        n = min(len(one.proba_NC), len(other.proba_NC))
        one_NC, other_NC = np.asarray(one.proba_NC[:n]), np.asarray(other.proba_NC[:n])
        by_one_N, by_other_N = one_NC.argmax(axis=1), other_NC.argmax(axis=1)
        row_U = np.flatnonzero(by_one_N != by_other_N)
        sure_N = one_NC.max(axis=1).astype(np.float32) + other_NC.max(axis=1).astype(np.float32)
        row_U = row_U[np.argsort(-sure_N[row_U], kind="stable")]
        names, label_N = task.class_names, self.snapshot(task).state.label_N
        item_id_N = self.store.item_ids()
        listed = []
        for row, item in zip(row_U[:most].tolist(), self.store.items(item_id_N[row_U[:most]].tolist())):
            listed.append(
                Disagreement(
                    item_id=item.id,
                    key=item.key,
                    text=item.text,
                    sha256=item.sha256,
                    first=names[by_one_N[row]],
                    first_confidence=float(one_NC[row].max()),
                    second=names[by_other_N[row]],
                    second_confidence=float(other_NC[row].max()),
                    label=names[label_N[row]] if label_N[row] >= 0 else None,
                )
            )
        return len(row_U), listed

    # --- inside ------------------------------------------------------------------------------

    def _measure(self, task: Task, candidate: Candidate, snapshot: Snapshot) -> ModelReport:
        state, names = snapshot.state, task.class_names
        row_A = answered_audit(state)
        row_A = row_A[candidate.fair(row_A)]
        label_A = state.label_N[row_A]
        proba_AC = columns(candidate.proba_NC[row_A], len(names))
        key_accuracy = _key_accuracy(candidate, self.bench.live.key(task.id), state.labelled_N)
        enough = len(row_A) >= ENOUGH_AUDIT
        source = "audit" if len(row_A) else "none"
        result = snapshot.result
        if not enough and candidate.kind == "instant" and result is not None and len(result.labelled_row_L):
            # too few audit answers: what the instant loop says of labels it was not shown joins them
            row_L, proba_LC = left_out_of(state, result)
            proba_AC = np.concatenate([proba_AC, columns(proba_LC, len(names))])
            label_A = np.concatenate([label_A, state.label_N[row_L]])
            source = "out-of-fold" if len(row_L) else source
        found = report(label_A, proba_AC, names) if len(label_A) else None
        return ModelReport(candidate, found, source, not enough, key_accuracy)


def _key_accuracy(candidate: Candidate, key_N: IntArray | None, labelled_N: BoolArray) -> float | None:
    if key_N is None:
        return None
    row_U = np.flatnonzero((key_N >= 0) & ~labelled_N)
    if not len(row_U):
        return None
    return float((candidate.prediction(row_U) == key_N[row_U]).mean())
