"""What would labelling have cost? Replays from the answer key, as background runs that are kept.

A simulation begins without a label, on the views that the app uses, and leaves the project's own labels
alone. Its figures are against the key, for comparing strategies and models; nothing is decided by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sslcore import choices
from sslcore.choices import Choice
from sslcore.errors import ConfigError, DataError, StoreError, UnknownNameError
from sslcore.jobs.kinds.simulation import cells, stamp
from sslcore.simulate import CONTROL, stops_of
from sslcore.store import LIVE, Run, Task
from sslcore.workbench.desk import Desk
from sslcore.workbench.live import MOST_VIEWS
from sslcore.workbench.train import SHOWN, RunCard, run_card

KIND = "simulation"
"""The kind of a simulation in the store."""
MOST_REPLAYS = 2000
"""Replays of one run beyond which somebody has mistyped."""
MOST_LABELS = 20_000


class SimulationDesk(Desk):
    """Starts, watches and shows replays."""

    # --- what there is to choose -------------------------------------------------------------

    def strategies(self) -> list[Choice]:
        """The queries, as plain data; the control is replayed beside each of them anyway."""
        return choices.queries()

    def models(self) -> list[Choice]:
        """The instant models, as plain data."""
        return choices.methods("instant")

    def obstacle(self, task: Task) -> str | None:
        """Why labelling of this task cannot be replayed, and what to do; None where it can."""
        if task.kind not in ("single", "ordinal"):
            return f"Only single-choice and ordinal tasks are replayed; {task.name!r} is of kind {task.kind}."
        if self.bench.live.key(task.id) is None:
            return (
                f"The task {task.name!r} has no answer key: to replay labelling, the right class of its "
                "items must be known, and hidden from the machine. Catalogue sets have one: take one of the "
                "demos on the Data page, or the command: python -m sslcore demo bbc-news"
            )
        if not self.views():
            return "No features are ready yet. They are computed in the background; come back in a moment."
        return None

    def views(self) -> list[str]:
        """The feature views that the app uses now, the preferred first."""
        from sslcore.features.cache import FeatureCache

        total, cache = self.store.count(), FeatureCache(self.bench.folder)
        ready = [name for name in self.bench.trusted_encoders() if cache.is_complete(name, total)]
        return ready[:MOST_VIEWS]

    def replays(self, strategies: Sequence[str], models: Sequence[str], seeds: int) -> int:
        """How many replays that makes, those of the control among them."""
        return len(cells(strategies, models)) * seeds

    # --- runs --------------------------------------------------------------------------------

    def start(
        self,
        task: Task,
        strategies: Sequence[str],
        models: Sequence[str],
        *,
        budget: int = 100,
        seeds: int = 5,
        views: Sequence[str] | None = None,
    ) -> int:
        """Queues a simulation and returns its run; the same one again is the run that there is.

        Args:
            task: With an answer key.
            strategies: Names of queries.
            models: Names of instant models.
            budget: Labels asked for in each replay.
            seeds: Replays of each strategy and model.
            views: Names of feature sets; by default those that the app uses.

        Raises:
            DataError: No key, or no features.
            UnknownNameError: No such strategy, model or view.
            ConfigError: Nothing to replay, or far too much.
        """
        from sslcore.jobs.launch import ensure_worker

        recipe = self._recipe(task, strategies, models, budget, seeds, views)
        same = next((run for run in self._runs() if run.recipe == recipe), None)
        if same is not None and same.status in ("failed", "cancelled"):
            self.store.runs.requeue(same.id)
        run_id = self.store.runs.add(KIND, recipe) if same is None else same.id
        if same is None or same.status != "done":
            ensure_worker(self.bench.folder.parent, self.bench.project)
        return run_id

    def runs(self, task: Task | None = None) -> list[RunCard]:
        """The simulations (of a task), newest first."""
        live = self.store.runs.list(status=LIVE)
        found = [run for run in self._runs() if task is None or run.recipe.get("task") == task.name]
        return [_card(run, live) for run in found[:SHOWN]]

    def run(self, run_id: int) -> RunCard:
        """One simulation.

        Raises:
            StoreError: The project has none of that number.
        """
        return _card(self._run(run_id), self.store.runs.list(status=LIVE))

    def points(self, run_id: int, *, after: int = 0) -> list[tuple[int, int, str, str | None, float | None]]:
        """The figures of a simulation above id ``after``: id, labels, line, nothing, value."""
        rows = self.store.runs.metrics(run_id, after=after)
        return [(row.id, row.step, row.name, row.task, row.value) for row in rows]

    def result(self, run_id: int) -> dict[str, Any] | None:
        """What came of a finished one (:func:`sslcore.simulate.summarise`); None before.

        Raises:
            StoreError: The project has none of that number.
        """
        run = self._run(run_id)
        return dict(run.result) if run.status == "done" else None

    def settings(self, run_id: int) -> dict[str, Any]:
        """The recipe of a simulation: task, strategies, models, budget, seeds, views."""
        return dict(self._run(run_id).recipe)

    def cancel(self, run_id: int) -> None:
        """Asks a simulation to stop; replays that are done stay."""
        self.store.runs.request_cancel(self._run(run_id).id)

    def resume(self, run_id: int) -> None:
        """Goes on with one that failed or was cancelled."""
        self._run(run_id)
        self.bench.resume(run_id)

    # --- inside ------------------------------------------------------------------------------

    def _runs(self) -> Sequence[Run]:
        return self.store.runs.list(kind=KIND)

    def _run(self, run_id: int) -> Run:
        run = self.store.runs.get(run_id)
        if run.kind != KIND:
            raise StoreError(f"Run {run_id} is no simulation: it is of kind {run.kind}.")
        return run

    def _recipe(
        self,
        task: Task,
        strategies: Sequence[str],
        models: Sequence[str],
        budget: int,
        seeds: int,
        views: Sequence[str] | None,
    ) -> dict[str, Any]:
        obstacle = self.obstacle(task)
        if obstacle is not None:
            raise DataError(obstacle)
        used = list(dict.fromkeys(self.views() if views is None else views))
        strategies, models = list(dict.fromkeys(strategies)), list(dict.fromkeys(models))
        _known("query", strategies, [entry["name"] for entry in self.strategies()])
        _known("instant model", models, [entry["name"] for entry in self.models()])
        _known("complete feature set", used, self._complete())
        if not strategies or not models or not used:
            raise ConfigError("A simulation needs at least one strategy, one model and one feature view.")
        if not 1 <= budget <= MOST_LABELS:
            raise ConfigError(f"A simulation's budget is 1 to {MOST_LABELS:,} labels. Received: {budget}.")
        count = self.replays(strategies, models, seeds)
        if seeds < 1 or count > MOST_REPLAYS:
            raise ConfigError(
                f"A simulation has 1 to {MOST_REPLAYS:,} replays, of at least one seed. "
                f"Received: {seeds} seeds, {count:,} replays."
            )
        key_N = self.bench.live.key(task.id)
        assert key_N is not None
        budget = stops_of(budget, int((key_N >= 0).sum()))[-1]
        return {
            "task": task.name,
            "strategies": [name for name in strategies if name != CONTROL] or [CONTROL],
            "models": models,
            "budget": budget,
            "seeds": seeds,
            "views": used,
            "stamp": stamp(self.store, task, used),
        }

    def _complete(self) -> list[str]:
        from sslcore.features.cache import FeatureCache

        total, cache = self.store.count(), FeatureCache(self.bench.folder)
        return [name for name in cache.available() if cache.is_complete(name, total)]


def title_of(recipe: Mapping[str, Any]) -> str:
    """How a simulation is called in a list.

    >>> title_of({"strategies": ["auto", "margin"], "models": ["auto"], "budget": 100, "seeds": 5})
    'auto, margin · 100 labels · 5 seeds'
    """
    models = list(recipe.get("models", ()))
    by = "" if models == ["auto"] else f" by {', '.join(models)}"
    seeds = int(recipe.get("seeds", 0))
    return (
        f"{', '.join(recipe.get('strategies', ()))}{by} · {recipe.get('budget')} labels · "
        f"{seeds} seed{'' if seeds == 1 else 's'}"
    )


def _known(what: str, names: Sequence[str], there: Sequence[str]) -> None:
    for name in names:
        if name not in there:
            raise UnknownNameError(f"No {what} is named {name!r}. There are: {', '.join(there)}.")


def _card(run: Run, live: Sequence[Run]) -> RunCard:
    return run_card(run, live, title=title_of(run.recipe), method=KIND, tasks=(str(run.recipe.get("task")),))
