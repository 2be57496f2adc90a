"""The workbench: every use case of the app and of the command line, over one project.

Pages show what it says and hand it what people do; it writes facts and wishes into the store, where
the worker process finds them. Nothing here imports torch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslcore.errors import StoreError
from sslcore.features.cache import encoder_name
from sslcore.jobs.learned import is_learned, is_own
from sslcore.jobs.prepare import PREFERRED, queue_missing
from sslcore.store import LIVE, Event, Store, Task, existing_project
from sslcore.workbench.live import Live
from sslcore.workbench.snapshot import Snapshot

if TYPE_CHECKING:
    from sslcore.workbench.advice import AdviceDesk
    from sslcore.workbench.compare import CompareDesk
    from sslcore.workbench.corrections import CorrectionsDesk
    from sslcore.workbench.data import DataDesk
    from sslcore.workbench.ensembles import EnsembleDesk
    from sslcore.workbench.export import ExportDesk
    from sslcore.workbench.label import LabelDesk
    from sslcore.workbench.map import MapDesk
    from sslcore.workbench.practice import PracticeDesk
    from sslcore.workbench.quality import QualityDesk
    from sslcore.workbench.review import ReviewDesk
    from sslcore.workbench.simulation import SimulationDesk
    from sslcore.workbench.train import TrainDesk

_open: dict[Path, Workbench] = {}
_opening = threading.Lock()


class Workbench:
    """One open project. Use :meth:`open`, which shares one instance per process.

    Args:
        store: The project's facts.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.folder = store.folder
        self.project = store.folder.name
        self.modality = store.modality
        self.live = Live(store, encoders=self.trusted_encoders)

    @classmethod
    def open(cls, project: str, *, root: Path | None = None, follow: bool = False) -> Workbench:
        """The workbench of a project; the same object for every caller in this process.

        A project whose database was deleted and made again, or restored, is opened anew.

        Args:
            project: Its name.
            root: The home folder; by default the one of this installation.
            follow: Also keep the snapshots up to date in the background (the app does).

        Raises:
            ProjectNotFoundError: There is no project of that name.
        """
        folder = existing_project(project, root).resolve()
        with _opening:
            bench = held = _open.get(folder)
            if bench is None or bench.store.replaced:
                bench = _open[folder] = cls(Store(folder))
        if held is not None and held is not bench:
            held._let_go()
        if follow:
            bench.live.start()
        return bench

    def close(self) -> None:
        """Ends the background thread and lets go of the files."""
        with _opening:
            if _open.get(self.folder.resolve()) is self:
                del _open[self.folder.resolve()]
        self._let_go()

    def _let_go(self) -> None:
        self.live.close()
        self.store.close()

    # --- desks, one per page -----------------------------------------------------------------

    @cached_property
    def data(self) -> DataDesk:
        """What do I have?"""
        from sslcore.workbench.data import DataDesk

        return DataDesk(self)

    @cached_property
    def label(self) -> LabelDesk:
        """What is this?"""
        from sslcore.workbench.label import LabelDesk

        return LabelDesk(self)

    @cached_property
    def review(self) -> ReviewDesk:
        """Is the machine right?"""
        from sslcore.workbench.review import ReviewDesk

        return ReviewDesk(self)

    @cached_property
    def quality(self) -> QualityDesk:
        """What is wrong, and how do we know?"""
        from sslcore.workbench.quality import QualityDesk

        return QualityDesk(self)

    @cached_property
    def map(self) -> MapDesk:
        """How does it hang together?"""
        from sslcore.workbench.map import MapDesk

        return MapDesk(self)

    @cached_property
    def train(self) -> TrainDesk:
        """Can it learn more?"""
        from sslcore.workbench.train import TrainDesk

        return TrainDesk(self)

    @cached_property
    def advice(self) -> AdviceDesk:
        """Which one?"""
        from sslcore.workbench.advice import AdviceDesk

        return AdviceDesk(self)

    @cached_property
    def practice(self) -> PracticeDesk:
        """Where do we stand?"""
        from sslcore.workbench.practice import PracticeDesk

        return PracticeDesk(self)

    @cached_property
    def compare(self) -> CompareDesk:
        """What works best?"""
        from sslcore.workbench.compare import CompareDesk

        return CompareDesk(self)

    @cached_property
    def ensembles(self) -> EnsembleDesk:
        """Do models know more together?"""
        from sslcore.workbench.ensembles import EnsembleDesk

        return EnsembleDesk(self)

    @cached_property
    def corrections(self) -> CorrectionsDesk:
        """What became of an item's pseudo-label?"""
        from sslcore.workbench.corrections import CorrectionsDesk

        return CorrectionsDesk(self)

    @cached_property
    def simulation(self) -> SimulationDesk:
        """What would labelling have cost?"""
        from sslcore.workbench.simulation import SimulationDesk

        return SimulationDesk(self)

    @cached_property
    def export(self) -> ExportDesk:
        """How do I take it away?"""
        from sslcore.workbench.export import ExportDesk

        return ExportDesk(self)

    # --- shared ------------------------------------------------------------------------------

    def tasks(self) -> list[Task]:
        """The tasks in order."""
        return self.store.tasks()

    def task(self, name: str | None = None) -> Task:
        """A task by name, or the first one."""
        tasks = self.tasks()
        if name is not None:
            return self.store.task(name)
        if not tasks:
            raise StoreError("The project has no task yet. Add one on the Data page.")
        return tasks[0]

    def snapshot(self, task: Task) -> Snapshot:
        """What is known of a task right now."""
        return self.live.snapshot(task.id)

    def record(self, events: Sequence[Event]) -> int:
        """Stores what people did; when this returns it is on the disk. Returns the newest row's id.

        Raises:
            DataError: An event makes no sense; none of them was stored.
            StoreBusyError: Nothing was stored; send them again.
        """
        newest = self.store.annotations.append(events)
        self.live.poke()
        return newest

    def encoders(self) -> list[str]:
        """Encoders of this project, in the order of preference; further feature sets come last."""
        names = list(PREFERRED[self.modality])
        folder = self.folder / "features"
        if folder.is_dir():
            further = sorted(encoder_name(p) for p in folder.iterdir() if p.is_dir() and p.name not in names)
            # what another project learned is worth more than what needs no weights
            foreign = [name for name in further if is_learned(name) and not is_own(name, self.project)]
            names[1:1] = foreign
            names += [name for name in further if name not in foreign]
        return names

    def trusted_encoders(self) -> list[str]:
        """Those that have not seen this project's labels: what the instant loop may ask them about."""
        return [name for name in self.encoders() if not is_own(name, self.project)]

    def encoder_progress(self) -> list[dict[str, Any]]:
        """Each encoder's ``name``, ``done`` and ``total`` items, its ``status`` and time left."""
        from sslcore.features.cache import FeatureCache

        total, cache = self.store.count(), FeatureCache(self.folder)
        newest_first = self.store.runs.list(kind="features")
        runs = {held.recipe.get("encoder"): held for held in reversed(newest_first)}
        rows = []
        for name in self.encoders():
            if cache.is_complete(name, total):
                rows.append({"name": name, "done": total, "total": total, "status": "done", "eta": None})
                continue
            run = runs.get(name)
            if run is None and name not in PREFERRED[self.modality]:
                continue
            progress = run.progress if run is not None and run.status == "running" else {}
            rows.append(
                {
                    "name": name,
                    "done": min(cache.next_row(name), total),
                    "total": total,
                    "status": "waiting" if run is None else run.status,
                    "eta": progress.get("eta"),
                    "error": None if run is None else run.error,
                    "run": None if run is None else run.id,
                }
            )
        return rows

    def prepare(self) -> list[int]:
        """Queues the features and the map that are missing, and sees to a worker; returns the run ids.

        Encoders that need no weights come first, so that labelling can start within seconds.
        """
        from sslcore.jobs.launch import ensure_worker

        queued = queue_missing(self.store)
        if queued or self.store.runs.list(status=("queued",)):
            ensure_worker(self.folder.parent, self.project)
        return queued

    def wake(self) -> bool:
        """Sees to a worker for work that waits, and marks runs as failed whose worker is gone.

        Returns:
            Whether there were such runs.
        """
        from sslcore.jobs.launch import tend

        return tend(self.store)

    def resume(self, run_id: int) -> None:
        """Queues a failed or cancelled run again; it goes on from what it has done where it can.

        Raises:
            StoreError: The run is neither, or there is none.
        """
        from sslcore.jobs.launch import ensure_worker

        run = self.store.runs.get(run_id)
        if run.status not in ("failed", "cancelled"):
            raise StoreError(f"Run {run_id} is {run.status}: only a failed or cancelled run can be resumed.")
        self.store.runs.requeue(run_id)
        ensure_worker(self.folder.parent, self.project)

    def wait_for_work(self, run_id: int | None = None, *, seconds: float = 3600.0) -> bool:
        """Blocks until no run is queued or running; False where ``seconds`` were not enough.

        Args:
            run_id: Only this run is waited for; all, where not given.
            seconds: The longest wait.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.wake()
            live = [run.id for run in self.store.runs.list(status=LIVE)]
            if not live if run_id is None else run_id not in live:
                return True
            time.sleep(0.25)
        return False

    def status(self) -> dict[str, Any]:
        """The project in figures, JSON-ready; see ``status --json`` in the architecture."""
        self.live.refresh()
        tasks = []
        for task in self.tasks():
            snapshot = self.snapshot(task)
            state = snapshot.state
            human_N = state.labelled_N & ~state.audit_N
            tasks.append(
                {
                    "name": task.name,
                    "kind": task.kind,
                    "classes": task.class_names,
                    "labelled": int(human_N.sum()),
                    "audit": {
                        "model": snapshot.follows.title,
                        **snapshot.figure.as_dict(),
                        "size": len(state.audit_row_A),
                        "evidence": snapshot.figure.size,
                    },
                    "head": snapshot.head_figure.as_dict(),
                    "key": None
                    if snapshot.key_accuracy is None
                    else {"accuracy": snapshot.key_accuracy, "head_accuracy": snapshot.key_head_accuracy},
                }
            )
        runs = [
            {
                "id": run.id,
                "method": run.recipe.get("method", run.recipe.get("encoder", run.kind)),
                "kind": run.kind,
                "status": run.status,
                "audit_accuracy": run.result.get("audit_accuracy"),
                "key_accuracy": run.result.get("key_accuracy"),
                "error": run.error,
            }
            for run in self.store.runs.list()
        ]
        return {
            "project": self.project,
            "modality": self.modality,
            "items": self.store.count(),
            "encoders": [
                {key: row[key] for key in ("name", "done", "total")} for row in self.encoder_progress()
            ],
            "tasks": tasks,
            "runs": runs,
        }
