"""The six steps of a project: prepare, define, train, evaluate, look, improve; which are done, which is next.

Read off the facts, nothing is ticked by hand. A step counts as done when its trace is there: complete
features and classes to choose from, a recipe, a finished run, audit answers enough for figures that are not
rough, somebody's word on what the machine said, and labels or an adoption after a run.
"""

from __future__ import annotations

from dataclasses import dataclass

from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.store.fold import SOURCE_CODE, VERB_CODE
from sslcore.workbench.candidates import PREDICTS
from sslcore.workbench.desk import Desk
from sslcore.workbench.live import ENOUGH_AUDIT

HIDDEN = "practice_hidden"
"""The project's setting that puts the line away."""


@dataclass(frozen=True)
class Step:
    """A step of the practice.

    Attributes:
        name: "prepare", "define", "train", "evaluate", "look" or "improve".
        done: Whether its trace is there.
        todo: What would do it, in a few words.
        page: Where that is: the file of a page.
    """

    name: str
    done: bool
    todo: str
    page: str


class PracticeDesk(Desk):
    """Where a project stands in the six steps."""

    def steps(self) -> tuple[Step, ...]:
        """All six, in order."""
        runs = [run for run in self.store.runs.list() if run.kind in PREDICTS]
        done = [run for run in runs if run.status == "done"]
        tasks = self.bench.tasks()
        neediest = max(tasks, key=self._audit_needed, default=None)
        needed = ENOUGH_AUDIT if neediest is None else self._audit_needed(neediest)
        asked = f"answer {needed} more audit question{'' if needed == 1 else 's'}"
        if neediest is not None and len(tasks) > 1:
            asked += f" of {neediest.name}"
        else:
            asked += ": figures are rough until then"
        improved = bool(done) and self._improved(min(run.labels_upto or 0 for run in done))
        return (
            Step("prepare", self._prepared(), "add items, name the classes, wait for features", "data.py"),
            Step("define", bool(runs), "choose a recipe on Train", "train.py"),
            Step("train", bool(done), "wait for a run to finish" if runs else "start a run", "train.py"),
            Step("evaluate", needed == 0, asked, "label.py"),
            Step("look", self._looked(), "go over what the machine is least sure of", "review.py"),
            Step("improve", improved, "label where models disagree, or adopt the better one", "compare.py"),
        )

    def next(self) -> Step | None:
        """The first step that is not done; None after the last."""
        return next((step for step in self.steps() if not step.done), None)

    @property
    def hidden(self) -> bool:
        """Whether somebody has put the line away."""
        return bool(self.store.settings().get(HIDDEN))

    def hide(self, away: bool = True) -> None:
        """Puts the line away, or shows it again."""
        self.store.set_settings({HIDDEN: away})

    # --- inside ------------------------------------------------------------------------------

    def _prepared(self) -> bool:
        tasks = self.bench.tasks()
        asked = all(task.kind == "numeric" or len(task.classes) > 1 for task in tasks)
        ready = any(row["total"] and row["done"] == row["total"] for row in self.bench.encoder_progress())
        return bool(tasks) and asked and ready

    def _audit_needed(self, task: Task) -> int:
        try:
            return max(0, ENOUGH_AUDIT - len(self.snapshot(task).state.audit_row_A))
        except LabelloomError:
            return ENOUGH_AUDIT

    def _looked(self) -> bool:
        for task in self.bench.tasks():
            state = self.snapshot(task).state
            said_N = (state.source_N == SOURCE_CODE["bulk"]) | (state.verb_N == VERB_CODE["accept"])
            if said_N.any() or state.confirmed_N.any() or state.rejected:
                return True
        return False

    def _improved(self, first_upto: int) -> bool:
        """Whether labels came after the first run, or a run is followed."""
        for task in self.bench.tasks():
            state = self.snapshot(task).state
            learned_N = state.labelled_N & ~state.audit_N
            if self.store.adopted(task.id) is not None or (state.row_id_N[learned_N] > first_upto).any():
                return True
        return False
