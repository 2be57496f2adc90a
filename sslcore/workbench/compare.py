"""What works best? Instant models and finished runs on the same audit items, side by side.

Every figure comes from the audit split, which no model trained on, with its 90 % interval. Until that
has 20 answers the figures are rough: the instant loop's then lean on out-of-fold predictions, the
others' on the few audit answers there are. Accuracy against an answer key is kept apart and named so.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.jobs.kinds.ensemble import METHOD, trained_on
from sslcore.metrics import Report, report
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store import Run, Task
from sslcore.workbench.desk import Desk
from sslcore.workbench.learning_curve import CurveResult, LearningCurve
from sslcore.workbench.live import ENOUGH_AUDIT
from sslcore.workbench.snapshot import Snapshot
from sslcore.workbench.task_reports import TaskFigures, task_figures

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench

PREDICTS = ("train", "ensemble")
"""Kinds of run that leave predictions."""
MANY_CLASSES = 30
"""Beyond, a confusion matrix cannot be read: the most confused pairs are shown instead."""
_KEPT = 64


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that can be compared.

    Attributes:
        key: ``"instant"``, ``"head"`` or ``"run:7"``.
        title: How it is called on the page.
        kind: ``"instant"``, ``"head"`` (the supervised head alone) or ``"run"``.
        proba_NC: Its probabilities; a run's may lack items and classes that came later.
        saw_N: Items it trained on.
        labels: How many labels it saw.
    """

    key: str
    title: str
    kind: str
    proba_NC: FloatArray
    saw_N: BoolArray
    labels: int
    run_id: int | None = None

    def prediction(self, row_A: IntArray) -> IntArray:
        """Most probable class of some rows; -1 for rows that it does not know."""
        known_A = row_A < len(self.proba_NC)
        found_A = np.full(len(row_A), -1, dtype=np.int64)
        found_A[known_A] = np.asarray(self.proba_NC[row_A[known_A]]).argmax(axis=1)
        return found_A


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
        self._files: dict[Path, tuple[float, FloatArray]] = {}
        self._saw: dict[tuple[int, int], BoolArray] = {}
        self._reports: dict[tuple[Any, ...], ModelReport] = {}
        self._curve = LearningCurve()
        self._fitting = threading.Lock()

    # --- what there is -----------------------------------------------------------------------

    def candidates(self, task: Task) -> list[Candidate]:
        """The instant loop, its supervised head alone, and the finished runs, newest first."""
        snapshot = self.snapshot(task)
        found: list[Candidate] = []
        if snapshot.result is not None and (snapshot.result.label_N >= 0).any():
            result, saw_N = snapshot.result, snapshot.state.training_label_N >= 0
            labels = int(saw_N.sum())
            on = f" on {names}" if (names := " and ".join(view.name for view in snapshot.views)) else ""
            title = f"Instant: {result.method}{on}"
            found.append(Candidate("instant", title, "instant", result.proba_NC, saw_N, labels))
            if result.head_proba_NC is not None:
                title = f"Supervised head alone{on}"
                found.append(Candidate("head", title, "head", result.head_proba_NC, saw_N, labels))
        for run in self.store.runs.list(status=("done",)):
            candidate = self._run_candidate(run, task) if run.kind in PREDICTS else None
            if candidate is not None:
                found.append(candidate)
        return found

    def task_figures(self, task: Task) -> list[TaskFigures]:
        """The models of a multiple-choice or numeric task with their figures; empty for other kinds."""
        return task_figures(self.snapshot(task))

    def candidate(self, task: Task, key: str) -> Candidate | None:
        """One model by its key."""
        return next((found for found in self.candidates(task) if found.key == key), None)

    def followed(self, task: Task) -> str | None:
        """Key of the model whose predictions the task follows; None while there are none."""
        follows = self.snapshot(task).follows
        return {"run": f"run:{follows.run_id}", "instant": "instant"}.get(follows.kind)

    def audit(self, task: Task) -> tuple[IntArray, IntArray]:
        """Rows of the audit split that have an answer, and the answers."""
        state = self.snapshot(task).state
        row_A = state.audit_row_A
        row_A = row_A[state.label_N[row_A] >= 0]
        return row_A, state.label_N[row_A]

    def audit_needed(self, task: Task) -> int:
        """How many more audit answers make the figures more than rough."""
        return max(0, ENOUGH_AUDIT - len(self.audit(task)[0]))

    # --- figures -----------------------------------------------------------------------------

    def reports(self, task: Task) -> list[ModelReport]:
        """The figures of every model of a task, in the order of :meth:`candidates`."""
        snapshot = self.snapshot(task)
        return [self.report(task, candidate, snapshot) for candidate in self.candidates(task)]

    def report(self, task: Task, candidate: Candidate, snapshot: Snapshot | None = None) -> ModelReport:
        """The figures of one model; kept until a label changes."""
        snapshot = self.snapshot(task) if snapshot is None else snapshot
        stamp = (task.id, snapshot.serial, candidate.key)
        held = self._reports.get(stamp)
        if held is None:
            held = self._measure(task, candidate, snapshot)
            with self._lock:
                while len(self._reports) >= _KEPT:
                    self._reports.pop(next(iter(self._reports)))
                self._reports[stamp] = held
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
        if not snapshot.views or not (snapshot.state.training_label_N >= 0).any():
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

    def _run_candidate(self, run: Run, task: Task) -> Candidate | None:
        if task.kind not in ("single", "ordinal"):
            return None  # reports are of one class an item; a run's other tasks have their own figures
        path = self.bench.folder / "runs" / str(run.id) / f"proba_{task.id}.npy"
        proba_NC = self._load(path)
        if proba_NC is None or proba_NC.shape[1] > len(task.classes):
            return None
        method = _title(run.recipe)
        saw_N = self._trained_on(run, task)
        return Candidate(
            f"run:{run.id}", f"Run {run.id}: {method}", "run", proba_NC, saw_N, int(saw_N.sum()), run.id
        )

    def _load(self, path: Path) -> FloatArray | None:
        try:
            stamp = path.stat().st_mtime
        except OSError:
            return None
        held = self._files.get(path)
        if held is None or held[0] != stamp:
            proba_NC = np.load(path, mmap_mode="r", allow_pickle=False)
            if proba_NC.ndim != 2 or proba_NC.shape[1] == 0:
                return None
            held = self._files[path] = (stamp, proba_NC)
        return held[1]

    def _trained_on(self, run: Run, task: Task) -> BoolArray:
        """The items whose label a run saw. An audit item among them would flatter it: it is left out."""
        stamp = (run.id, task.id)
        if stamp not in self._saw:
            self._saw[stamp] = trained_on(self.store, run.recipe, task.id, run.labels_upto)
        return self._saw[stamp]

    def _measure(self, task: Task, candidate: Candidate, snapshot: Snapshot) -> ModelReport:
        state, names = snapshot.state, task.class_names
        row_A, label_A = self.audit(task)
        row_A, label_A = _unseen(candidate, row_A, label_A)
        proba_AC = _columns(candidate.proba_NC[row_A], len(names))
        key_accuracy = _key_accuracy(candidate, self.bench.live.key(task.id), state.labelled_N)
        enough = len(row_A) >= ENOUGH_AUDIT
        source = "audit" if len(row_A) else "none"
        result = snapshot.result
        if not enough and candidate.kind == "instant" and result is not None and len(result.labelled_row_L):
            # too few audit answers: what the instant loop says of labels it was not shown joins them
            row_L = result.labelled_row_L
            proba_AC = np.concatenate([proba_AC, _columns(result.out_of_fold_proba_LC, len(names))])
            label_A = np.concatenate([label_A, state.label_N[row_L]])
            source = "out-of-fold"
        found = report(label_A, proba_AC, names) if len(label_A) else None
        return ModelReport(candidate, found, source, not enough, key_accuracy)


def _unseen(candidate: Candidate, row_A: IntArray, label_A: IntArray) -> tuple[IntArray, IntArray]:
    """The audit rows that a model knows and did not train on."""
    fair_A = row_A < len(candidate.proba_NC)
    within_A = row_A < len(candidate.saw_N)
    fair_A[within_A] &= ~candidate.saw_N[row_A[within_A]]
    return row_A[fair_A], label_A[fair_A]


def _columns(proba_AC: FloatArray, classes: int) -> FloatArray:
    """Classes that were added after a run get probability 0 from it."""
    proba_AC = np.asarray(proba_AC, dtype=np.float64)
    missing = classes - proba_AC.shape[1]
    return np.pad(proba_AC, ((0, 0), (0, missing))) if missing else proba_AC


def _key_accuracy(candidate: Candidate, key_N: IntArray | None, labelled_N: BoolArray) -> float | None:
    if key_N is None:
        return None
    row_U = np.flatnonzero((key_N >= 0) & ~labelled_N)
    if not len(row_U):
        return None
    return float((candidate.prediction(row_U) == key_N[row_U]).mean())


def ensemble_title(recipe: Mapping[str, Any]) -> str:
    """How an ensemble is called: by what it is made of.

    >>> ensemble_title({"members": [{"key": "run:3"}, {"key": "run:5"}, {"key": "instant"}]})
    'Ensemble of run 3, run 5 and instant'
    """
    parts = [str(member["key"]).replace("run:", "run ") for member in recipe.get("members", ())]
    return f"Ensemble of {', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "Ensemble"


def _title(recipe: Mapping[str, Any]) -> str:
    from sslcore import choices

    if recipe.get("method") == METHOD:
        return ensemble_title(recipe)
    name = str(recipe.get("method", "?"))
    titles = {entry["name"]: entry["title"] for entry in choices.methods()}
    return titles.get(name, name)
