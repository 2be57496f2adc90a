"""Do they know more together? Finished runs and the instant loop combined into one prediction set.

The combining is a run like any other, done by the worker: it is durable, it can be repeated, and what
comes of it is compared and adopted as the predictions of a training run are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sslcore.errors import RecipeError
from sslcore.jobs.kinds.ensemble import METHOD
from sslcore.store import LIVE, Run, Task
from sslcore.workbench.candidates import Candidate
from sslcore.workbench.desk import Desk
from sslcore.workbench.live import MOST_VIEWS
from sslcore.workbench.snapshot import CHOICE
from sslcore.workbench.titles import ensemble_title
from sslcore.workbench.train import RunCard, run_card

KIND = "ensemble"
"""The kind of such a run in the store."""
MOST = 8
"""Members of one ensemble; with more, audit answers cannot tell their weights apart."""
FITTED = ("instant", "head")
"""Members that the worker fits anew on the labels of now; all others are runs."""


@dataclass(frozen=True)
class MemberRow:
    """What one model is to an ensemble.

    Attributes:
        weight: Its share, 0 to 1.
        temperature: What its logits were divided by: above 1 it was too sure of itself.
        accuracy: On the audit items, alone; None without any.
        gain: Accuracy of the ensemble minus that of the ensemble without it, on held-out items.
    """

    key: str
    title: str
    weight: float
    temperature: float
    accuracy: float | None
    gain: float | None


@dataclass(frozen=True)
class Ensemble:
    """A finished ensemble of one task.

    Attributes:
        line: What each member weighs and what came of it, in a line.
        rough: Whether there were too few audit answers to weigh by.
        wins: Held-out audit items that it has right and the best member wrong; ``losses`` the reverse.
    """

    run_id: int
    members: tuple[MemberRow, ...]
    line: str
    rough: bool
    size: int
    wins: int
    losses: int


class EnsembleDesk(Desk):
    """Combines models, and tells what each one brought."""

    def obstacle(self, task: Task, keys: Sequence[str]) -> str | None:
        """Why these models of :meth:`CompareDesk.candidates` cannot be combined; None where they can."""
        try:
            self._members(task, keys)
        except RecipeError as error:
            return str(error)
        return None

    def start(self, task: Task, keys: Sequence[str], *, seed: int = 0) -> int:
        """Queues the combining of models, sees to a worker, and returns the run's id.

        Args:
            task: The task, of one choice among classes.
            keys: Two or more of ``"run:7"``, ``"instant"`` and ``"head"``.
            seed: Deals the audit items into folds.

        Raises:
            RecipeError: They cannot be combined; says which one and why.
            StoreError: Too many runs are waiting.
        """
        from sslcore.jobs.launch import ensure_worker

        members = self._members(task, keys)
        recipe = {
            "method": METHOD,
            "tasks": [task.name],
            "members": [{"key": member.key, "title": member.title} for member in members],
            "views": self._views(task) if any(member.key in FITTED for member in members) else [],
        }
        newest = self.store.annotations.newest()
        run_id = self.store.runs.add(KIND, recipe, labels_upto=newest, seed=seed)
        ensure_worker(self.bench.folder.parent, self.bench.project)
        return run_id

    def done(self, task: Task) -> list[Ensemble]:
        """The finished ensembles of a task, newest first."""
        runs = self.store.runs.list(kind=KIND, status=("done",))
        held = [(run, run.result.get("tasks", {}).get(task.name)) for run in runs]
        return [_ensemble(run, figures) for run, figures in held if figures]

    def waiting(self, task: Task) -> list[RunCard]:
        """Ensembles of a task that are queued or at work, and the newest where it failed."""
        runs = [run for run in self.store.runs.list(kind=KIND) if task.name in run.recipe.get("tasks", ())]
        live = self.store.runs.list(status=LIVE)
        shown = [run for at, run in enumerate(runs) if run.live or (at == 0 and run.error)]
        return [
            run_card(run, live, title=ensemble_title(run.recipe), method=METHOD, tasks=(task.name,))
            for run in shown
        ]

    # --- inside ------------------------------------------------------------------------------

    def _members(self, task: Task, keys: Sequence[str]) -> list[Candidate]:
        if task.kind not in CHOICE:
            raise RecipeError(
                f"Ensembles are of tasks with one class an item. {task.name!r} is of kind {task.kind}: "
                "adopt the best model instead."
            )
        keys = sorted(dict.fromkeys(keys), key=_order)
        if not 2 <= len(keys) <= MOST:
            raise RecipeError(
                f"An ensemble has 2 to {MOST} different members. Received: {', '.join(keys) or 'none'}. "
                "Choose finished runs, and the instant loop where it should have a say."
            )
        there = {candidate.key: candidate for candidate in self.bench.compare.candidates(task)}
        for key in keys:
            self._refuse(task, key, there.get(key))
        return [there[key] for key in keys]

    def _refuse(self, task: Task, key: str, candidate: Candidate | None) -> None:
        """Raises where a model can be no member, with the reason."""
        if not key.startswith("run:"):
            if candidate is None:
                raise RecipeError(
                    "The instant loop has no predictions yet: label some items first."
                    if key in FITTED
                    else f"A member is 'instant', 'head' or 'run:' with a number. Received: {key!r}."
                )
            return
        run = self._run(key)
        if run.status != "done":
            reason = f" {run.error}" if run.error else ""
            raise RecipeError(f"Run {run.id} is {run.status}: only finished runs can be combined.{reason}")
        if run.kind == KIND:
            inner = ", ".join(member["title"] for member in run.recipe["members"])
            raise RecipeError(f"Run {run.id} is an ensemble itself. Combine what it is made of: {inner}.")
        if candidate is None:
            raise RecipeError(f"Run {run.id} has no predictions for the task {task.name!r}.")
        if run.result.get("tasks", {}).get(task.name, {}).get("collapsed"):
            note = run.result.get("note") or "It says one class of almost everything."
            raise RecipeError(f"Run {run.id} collapsed and would only add noise. {note}")
        if candidate.proba_NC.shape[1] != len(task.classes):
            raise RecipeError(
                f"Run {run.id} knows {candidate.proba_NC.shape[1]} of the {len(task.classes)} classes: "
                "the others were added later. Train it again, then combine."
            )

    def _run(self, key: str) -> Run:
        try:
            return self.store.runs.get(int(key.removeprefix("run:")))
        except ValueError:
            raise RecipeError(f"'run:' is followed by a number. Received: {key!r}.") from None

    def _views(self, task: Task) -> list[str]:
        names = [view.name for view in self.snapshot(task).views]
        return names or self.bench.trusted_encoders()[:MOST_VIEWS]


def _order(key: str) -> tuple[int, int, str]:
    """Runs by their number, then the instant loop, then its head."""
    number = key.removeprefix("run:")
    return (0, int(number), key) if number.isdecimal() else (1, 0 if key == "instant" else 1, key)


def _ensemble(run: Run, figures: Mapping[str, Any]) -> Ensemble:
    return Ensemble(
        run_id=run.id,
        members=tuple(
            MemberRow(
                row["key"],
                row["title"],
                row["weight"],
                row["temperature"],
                row["audit_accuracy"],
                row["gain"],
            )
            for row in figures["members"]
        ),
        line=str(run.result.get("note", "")),
        rough=bool(figures["rough"]),
        size=int(figures["audit_size"]),
        wins=int(figures["wins"]),
        losses=int(figures["losses"]),
    )
