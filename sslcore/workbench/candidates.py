"""The models of a task that can be compared: the instant loop, its supervised head alone, finished runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sslcore.instant.loop import InstantResult
from sslcore.instant.multiple import MultipleResult, best_cut
from sslcore.instant.numeric import NumericResult
from sslcore.jobs.kinds.ensemble import trained_on
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store import Run, Task
from sslcore.task_metrics import set_scores
from sslcore.workbench.adopted import prediction_file
from sslcore.workbench.figures import numbers, sets
from sslcore.workbench.snapshot import CHOICE, Snapshot
from sslcore.workbench.titles import recipe_title

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench

PREDICTS = ("train", "ensemble")
"""Kinds of run that leave predictions."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that can be compared.

    Attributes:
        key: ``"instant"``, ``"head"`` or ``"run:7"``.
        title: How it is called on the page.
        kind: ``"instant"``, ``"head"`` (the supervised head alone) or ``"run"``.
        proba_NC: Its probabilities; a run's may lack items and classes that came later. Of a numeric task
            there are no columns.
        saw_N: Items it trained on.
        labels: How many labels it saw.
        cut: Of a multiple-choice task, the probability from which on a class is in the set.
        value_N: Its numbers, float64; None unless the task is numeric.
    """

    key: str
    title: str
    kind: str
    proba_NC: FloatArray
    saw_N: BoolArray
    labels: int
    run_id: int | None = None
    cut: float = 0.5
    value_N: FloatArray | None = None

    def prediction(self, row_A: IntArray) -> IntArray:
        """Most probable class of some rows; -1 for rows that it does not know."""
        known_A = row_A < len(self.proba_NC)
        found_A = np.full(len(row_A), -1, dtype=np.int64)
        found_A[known_A] = np.asarray(self.proba_NC[row_A[known_A]]).argmax(axis=1)
        return found_A

    def fair(self, row_A: IntArray) -> BoolArray:
        """Which rows it can be judged on: those that it knows and did not train on."""
        fair_A = row_A < len(self.proba_NC)
        within_A = row_A < len(self.saw_N)
        fair_A[within_A] &= ~self.saw_N[row_A[within_A]]
        return fair_A

    def fits(self, snapshot: Snapshot) -> bool:
        """Whether it says something of every item and class that there is now."""
        columns = len(snapshot.task.classes) if self.value_N is None else 0
        return self.proba_NC.shape == (len(snapshot.state.label_N), columns)


def columns(proba_AC: FloatArray, classes: int) -> FloatArray:
    """Probabilities of all classes, float64: those that were added after a run get 0 from it."""
    proba_AC = np.asarray(proba_AC, dtype=np.float64)
    missing = classes - proba_AC.shape[1]
    return np.pad(proba_AC, ((0, 0), (0, missing))) if missing else proba_AC


def scores(snapshot: Snapshot, candidate: Candidate, row_A: IntArray) -> FloatArray:
    """How well a model does on each of some answered items, a higher score is better.

    One class: 1 where it is right, 0 where wrong. Several: the F1 of its set. A number: how far it is off,
    below 0. nan where the model does not know the item, or trained on it.
    """
    score_A, fair_A = np.full(len(row_A), np.nan), candidate.fair(row_A)
    row_F, state = row_A[fair_A], snapshot.state
    if candidate.value_N is not None:
        score_A[fair_A] = -np.abs(candidate.value_N[row_F] - numbers(state, row_F))
    elif snapshot.multiple:
        said_FC = columns(candidate.proba_NC[row_F], len(state.task.classes)) >= candidate.cut
        score_A[fair_A] = set_scores(sets(state, row_F), said_FC)
    else:
        score_A[fair_A] = candidate.prediction(row_F) == state.label_N[row_F]
    return score_A


class Candidates:
    """Finds the models of a task; files of runs are mapped once.

    Args:
        bench: The project.
    """

    def __init__(self, bench: Workbench) -> None:
        self.bench, self.store = bench, bench.store
        self._held: dict[tuple[int, int], tuple[float, Candidate]] = {}

    def of(self, snapshot: Snapshot) -> list[Candidate]:
        """The instant loop, its supervised head alone, and the finished runs, newest first."""
        found = _instant(snapshot)
        for run in self.store.runs.list(status=("done",)):
            candidate = self._run(run, snapshot.task) if run.kind in PREDICTS else None
            if candidate is not None:
                found.append(candidate)
        return found

    def _run(self, run: Run, task: Task) -> Candidate | None:
        """A run's predictions; None where it left none of this task, or of classes that are no more."""
        path = prediction_file(self.bench.folder, run.id, task.id, task.kind)
        held = self._held.get((run.id, task.id))
        try:
            stamp = path.stat().st_mtime
        except OSError:
            return None
        if held is None or held[0] != stamp:
            made = self._read(run, task, path)
            if made is None:
                return None
            held = self._held[run.id, task.id] = (stamp, made)
        return held[1] if held[1].proba_NC.shape[1] <= len(task.classes) else None

    def _read(self, run: Run, task: Task, path: Path) -> Candidate | None:
        said = np.load(path, mmap_mode="r", allow_pickle=False)
        numeric = task.kind == "numeric"
        if said.ndim != (1 if numeric else 2) or 0 in said.shape:
            return None
        # an audit item among those it saw would flatter it: it is left out
        saw_N = trained_on(self.store, run.recipe, task.id, run.labels_upto)
        return Candidate(
            f"run:{run.id}",
            f"Run {run.id}: {recipe_title(run.recipe)}",
            "run",
            np.zeros((len(said), 0)) if numeric else said,
            saw_N,
            int(saw_N.sum()),
            run.id,
            cut=best_cut(np.asarray(said, dtype=np.float32)) if task.kind == "multiple" else 0.5,
            value_N=np.asarray(said, dtype=np.float64) if numeric else None,
        )


def _instant(snapshot: Snapshot) -> list[Candidate]:
    """What the instant loop says, and its supervised head alone; nothing before there is a label."""
    said = snapshot.result if snapshot.task.kind in CHOICE else snapshot.loop_answer
    if said is None:
        return []
    if isinstance(said, InstantResult):
        saw_N, learnt = snapshot.state.training_label_N >= 0, bool((said.label_N >= 0).any())
    else:
        saw_N, learnt = np.zeros(len(snapshot.state.label_N), dtype=bool), len(said.labelled_row_L) > 0
        saw_N[said.labelled_row_L] = True
    if not learnt:
        return []
    names = " and ".join(view.name for view in snapshot.views)
    on = f" on {names}" if names else ""
    labels = int(saw_N.sum())
    found = []
    for key, title in (("instant", f"Instant: {said.method}{on}"), ("head", f"Supervised head alone{on}")):
        if isinstance(said, NumericResult):
            value_N = said.prediction_N if key == "instant" else said.head_prediction_N
            nothing_N0 = np.zeros((len(value_N), 0))
            found.append(Candidate(key, title, key, nothing_N0, saw_N, labels, value_N=value_N))
            continue
        proba_NC = said.proba_NC if key == "instant" else said.head_proba_NC
        if proba_NC is not None:
            cut = said.threshold if isinstance(said, MultipleResult) else 0.5
            found.append(Candidate(key, title, key, proba_NC, saw_N, labels, cut=cut))
    return found
