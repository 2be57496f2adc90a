"""The figures of models whose answers are sets or numbers, for the Compare page and the leaderboard.

All are measured on the audit split, on items that they did not train on; before it has 20 answers the instant
loop's figures lean on labels left out in turn, the others' on the few audit answers there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.instant.numeric import NumericResult
from sslcore.quality.intervals import Interval
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.task_metrics import LEAD, ClassRow, TaskReport
from sslcore.workbench.candidates import Candidate, columns
from sslcore.workbench.figures import ENOUGH_AUDIT, answered_audit, number_pairs, number_report, set_report
from sslcore.workbench.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class TaskFigures:
    """One model's figures.

    Attributes:
        candidate: The model.
        report: By the names of :data:`sslcore.task_metrics.TITLES`; None without anything to measure on.
        source: ``"audit"``, ``"out-of-fold"`` or ``"none"``.
        rough: Whether the figures rest on anything but enough audit items.
        key_accuracy: None: answer keys are of one class an item.
    """

    candidate: Candidate
    report: TaskReport | None
    source: str
    rough: bool
    key_accuracy: float | None = None

    @property
    def title(self) -> str:
        """How the model is called."""
        return self.candidate.title

    @property
    def figures(self) -> dict[str, Interval]:
        """Each with its 90 % interval; empty where there is nothing to measure on."""
        return {} if self.report is None else self.report.figures

    @property
    def size(self) -> int:
        """Items that they rest on."""
        return 0 if self.report is None else self.report.size

    @property
    def per_class(self) -> tuple[ClassRow, ...]:
        """Multiple choice: precision and recall of every class."""
        return () if self.report is None else self.report.per_class

    @property
    def lead(self) -> Interval | None:
        """The figure that models are ranked by."""
        return None if self.report is None else self.report.figures.get(LEAD[self.report.kind])


def task_figures(snapshot: Snapshot, candidate: Candidate) -> TaskFigures:
    """The figures of one model of a multiple-choice or numeric task."""
    state = snapshot.state
    row_A = answered_audit(state)
    row_A = row_A[candidate.fair(row_A)]
    left_out = _left_out(snapshot, candidate)
    if candidate.value_N is not None:
        found, source = number_report(state, candidate.value_N, left_out=left_out, row_A=row_A)
    else:
        whole = candidate.proba_NC.shape[1] == len(state.task.classes)
        proba_NC = candidate.proba_NC if whole else columns(candidate.proba_NC, len(state.task.classes))
        found, source = set_report(state, proba_NC, cut=candidate.cut, left_out=left_out, row_A=row_A)
    if not found.figures:
        return TaskFigures(candidate, None, "none", True)
    return TaskFigures(candidate, found, source, source != "audit" or found.size < ENOUGH_AUDIT)


def judged_numbers(snapshot: Snapshot, candidate: Candidate) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Of a numeric task, what a model's figures rest on.

    Returns:
        The numbers that were given, what the model says of these items, and which are audit answers.
    """
    assert candidate.value_N is not None
    row_A = answered_audit(snapshot.state)
    row_A = row_A[candidate.fair(row_A)]
    left_out = _left_out(snapshot, candidate)
    given_J, said_J, _ = number_pairs(snapshot.state, candidate.value_N, left_out=left_out, row_A=row_A)
    return given_J, said_J, np.arange(len(given_J)) >= len(given_J) - len(row_A)


def _left_out(snapshot: Snapshot, candidate: Candidate) -> tuple[IntArray, FloatArray] | None:
    """Labelled rows and what is said of them without their label, where that is known."""
    answer = snapshot.loop_answer
    if answer is None or candidate.kind == "run":
        return None
    if isinstance(answer, NumericResult):
        head = candidate.kind == "head"
        return answer.labelled_row_L, answer.head_out_of_fold_L if head else answer.out_of_fold_L
    return None if candidate.kind == "head" else (answer.labelled_row_L, answer.out_of_fold_proba_LC)
