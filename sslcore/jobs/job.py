"""What a piece of work is given: its run, the store, a folder, and a way to tell how far it is."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslcore.errors import StoreBusyError, StoreError
from sslcore.jobs.progress import Progress
from sslcore.jobs.turn import Turn
from sslcore.store import Run, Store
from sslcore.store.runs import MetricRow

BEAT = 2.0
"""Seconds between heartbeats."""
LOOK = 0.4
"""Seconds between looks whether somebody wants the run to stop."""
NICE = 10
"""How far long work stands back behind the app, in the system's steps from 0 to 19."""
WAITING = "waiting for another project"
"""What a run is at while long work of another project goes on."""
PATIENCE = 6.0
"""Seconds after which work that does not heed a wish to stop is interrupted."""


class Stopped(BaseException):
    """The work shall stop now. No ``Exception``: code that shrugs off errors must not shrug it off."""


@dataclass
class Job:
    """One run, as the code that does it sees it.

    Args:
        run: The row: kind, recipe, labels, seed.
        store: The project.
        folder: Where the run's files go.
        progress: How far it is.
        errand: Whether it takes seconds, and so waits for no turn.
    """

    run: Run
    store: Store
    folder: Path
    progress: Progress = field(default_factory=Progress)
    errand: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _metrics: list[MetricRow] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _turn: Turn | None = None

    def report(self, stage: str, done: float, total: float, *, note: str = "") -> None:
        """Says how far the work is.

        Raises:
            Stopped: Somebody wants the run to stop.
        """
        self.tell(stage, done, total, note=note)
        if self._stop.is_set():
            raise Stopped

    def tell(self, stage: str, done: float, total: float, *, note: str = "") -> None:
        """As :meth:`report`, for work that asks :meth:`should_stop` itself."""
        with self._guard:
            self.progress.update(stage, done, total, note=note)

    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None:
        """Adds a figure; it is in the store within a second."""
        with self._guard:
            self._metrics.append((step, name, float(value), task))

    def should_stop(self) -> bool:
        """Whether somebody wants the run to stop; for work that has something to save first."""
        return self._stop.is_set()

    def give_way(self) -> None:
        """From now on the app and other programs go first; called by work that takes longer than seconds.

        The features that labelling waits for are not held back by it. Work of minutes calls
        :meth:`take_turn` instead.
        """
        if hasattr(os, "nice") and os.nice(0) < NICE:
            os.nice(NICE - os.nice(0))

    def take_turn(self) -> None:
        """Waits until no other project of the home folder does long work; called before such work begins.

        Its own work then gives way to the app, too. The turn ends with the run. An errand does not wait.

        Raises:
            Stopped: Somebody wants the run to stop.
        """
        self.give_way()
        if self.errand:
            return
        self._turn = turn = self._turn or Turn(self.store.folder.parent, self.store.folder.name)
        while not turn.take():
            other = turn.holder()
            self.report(WAITING, 0, 1, note=f"waiting for project {other}" if other else WAITING)
            self._stop.wait(LOOK)

    def end_turn(self) -> None:
        """Lets other projects work."""
        if self._turn is not None:
            self._turn.release()

    def stop(self) -> None:
        """Asks the work to stop."""
        self._stop.set()

    def flush(self) -> None:
        """Writes the figures that are not stored yet."""
        with self._guard:
            rows, self._metrics = self._metrics, []
        try:
            self.store.runs.add_metrics(self.run.id, rows)
        except StoreBusyError:
            with self._guard:
                self._metrics = rows + self._metrics
            raise


class Heart(threading.Thread):
    """Beats while a job works: heartbeat, progress, figures, and whether it shall stop.

    Args:
        job: The job.
        wanted: Whether there is still somebody to work for: False once the project was deleted.
        interrupt: Called when the job has not stopped :data:`PATIENCE` seconds after it was asked.
    """

    def __init__(self, job: Job, *, wanted: Callable[[], bool], interrupt: Callable[[], None]) -> None:
        super().__init__(name=f"heart of run {job.run.id}", daemon=True)
        self._job, self._wanted, self._interrupt = job, wanted, interrupt
        self._done = threading.Event()

    def run(self) -> None:
        """Until :meth:`end`."""
        job, last = self._job, 0.0
        told: dict[str, Any] = {}
        asked: float | None = None
        while not self._done.wait(LOOK):
            now = time.monotonic()
            try:
                job.flush()
                progress = job.progress.as_dict()
                if now - last >= (BEAT if progress == told else BEAT / 2):
                    if job.store.runs.heartbeat(job.run.id, progress, claimed=job.run):
                        job.stop()
                    last, told = now, progress
                elif job.store.runs.get(job.run.id).cancel:
                    job.stop()
            except StoreError:
                if self._wanted():
                    continue  # busy: the next beat tries again
            except Exception:  # a heart that stops would pass for a dead worker
                traceback.print_exc()
                continue
            if not self._wanted():
                job.stop()
            if job.should_stop():
                asked = asked or now
                if now - asked > PATIENCE:
                    self._interrupt()
                    asked = now

    def end(self) -> None:
        """Stops beating; returns when the thread is done."""
        self._done.set()
        self.join(timeout=30)
