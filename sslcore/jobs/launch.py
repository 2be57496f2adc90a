"""Starting a worker, and noticing one that died. Imports no torch; the app calls it.

A worker is a process of its own (never a thread, which would take the app's time, and never
multiprocessing, which would run the page script again or copy the server's threads). It outlives the
app, and ends by itself a minute after its last run.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sslcore.jobs.errands import stuck_errands
from sslcore.jobs.lock import ERRANDS, EVERYTHING, INHERITS, WorkerLock
from sslcore.place import APP, python_path
from sslcore.store import LIVE, Run, Store, existing_project

WORD = (
    "the worker stopped without a word (killed or out of memory); "
    "start it again to resume from its checkpoint"
)
"""What a run is told to have failed of when its worker is gone."""
SILENCE = 30.0
"""Seconds without a heartbeat after which a worker elsewhere is taken for dead."""
SILENCE_WHILE_ALIVE = 600.0
"""The same for a worker on this machine whose process lives, and may sit in one long computation."""
LOOK_COUNTS = 10.0
"""Seconds of silence that one look at such a worker adds at most. Nobody looks while the machine sleeps, so
that hardly counts, whatever the clock does meanwhile."""

_children: list[subprocess.Popen[bytes]] = []
_hearts: dict[tuple[Path, int], _Heard] = {}
_guard = threading.Lock()


def ensure_worker(home: Path, project: str, *, idle: float = 60.0) -> int | None:
    """Sees to it that the project has a worker, and one for errands where these wait behind long work.

    Args:
        home: The folder of all projects.
        project: The project's name.
        idle: Seconds without work after which the worker ends.

    Returns:
        The process id of the worker that was started; None where one was there.

    Raises:
        ProjectNotFoundError: There is no such project.
    """
    _bury()
    folder = existing_project(project, Path(home))
    lock = WorkerLock.take(folder, sign=False)
    if lock is not None:
        return _launch(folder, lock, "--idle", str(idle))
    store = Store(folder)
    try:
        stuck = stuck_errands(store)
    finally:
        store.close()
    lock = WorkerLock.take(folder, sign=False, file=ERRANDS) if stuck else None
    return None if lock is None else _launch(folder, lock, "--errands", "--until-idle")


def _launch(folder: Path, lock: WorkerLock, *options: str) -> int:
    """Starts a worker, hands it its lock, and returns its process id."""
    command = [sys.executable, "-m", "sslcore.jobs.worker", "--home", str(folder.parent.resolve())]
    command += ["--project", folder.name, *options]
    if INHERITS:
        command += ["--lock-handle", str(lock.handle)]
    (folder / "runs").mkdir(exist_ok=True)
    try:
        if not INHERITS:
            lock.release()
        with (folder / "runs" / "worker.log").open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=APP,
                env=worker_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
                pass_fds=(lock.handle,) if INHERITS else (),
            )
    finally:
        if INHERITS:
            lock.release()  # the child's copy holds on
    _children.append(child)
    return child.pid


def worker_environment() -> dict[str, str]:
    """The environment of a worker: this one's, with threads capped and the library on the path.

    One core is left to the app where there are more than two. Threads that wait must sleep: with
    spinning ones, two threads on two busy cores were measured at a twentieth of the speed of one.
    """
    threads = str(max(min(2, _cores()), _cores() - 1))
    defaults = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "NUMBA_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return defaults | dict(os.environ) | {"PYTHONPATH": python_path()}


def reap(store: Store) -> list[int]:
    """Marks runs as failed whose worker is gone; returns their ids.

    On this machine the workers' locks tell: nobody holds them, or other processes than the run's. A
    process that holds one and is silent for long, while this one looks, is given up, too. Of a run
    elsewhere only its heartbeat tells.
    """
    _bury()
    running = store.runs.list(status=("running",))
    _forget(store.folder, [run.id for run in running])
    if not running:
        return []
    holders = [WorkerLock.holder(store.folder, file=file) for file in (EVERYTHING, ERRANDS)]
    now, here, dead = time.time(), socket.gethostname(), []
    for run in running:
        if run.host != here:
            gone = now - (run.heartbeat or run.started or 0.0) > SILENCE
        else:
            gone = run.pid not in holders or _silence(store.folder, run) > SILENCE_WHILE_ALIVE
        if gone and store.runs.give_up(run, WORD):
            dead.append(run.id)
    return dead


@dataclass
class _Heard:
    """What this process saw of a run's heart."""

    beat: float | None
    silent: float  # seconds
    look: float  # when it last looked, by a clock that nobody sets


def _silence(folder: Path, run: Run) -> float:
    """Seconds for which this process has looked and seen no new heartbeat of a run."""
    now = time.monotonic()
    with _guard:
        heard = _hearts.get((folder, run.id))
        if heard is None or heard.beat != run.heartbeat:
            heard = _hearts[folder, run.id] = _Heard(run.heartbeat, 0.0, now)
        heard.silent += min(now - heard.look, LOOK_COUNTS)
        heard.look = now
        return heard.silent


def _forget(folder: Path, running: Sequence[int]) -> None:
    """Drops what was seen of runs that have ended."""
    with _guard:
        for key in [key for key in _hearts if key[0] == folder and key[1] not in running]:
            del _hearts[key]


def tend(store: Store) -> bool:
    """Notices workers that died, and sees to one where runs wait; returns whether any had died.

    Whoever waits for background work, or shows it, calls this every few seconds.
    """
    died = bool(reap(store))
    live = store.runs.list(status=LIVE)
    if live and (not any(run.status == "running" for run in live) or stuck_errands(store)):
        ensure_worker(store.folder.parent, store.folder.name)
    return died


def _bury() -> None:
    """Collects the exit status of workers that this process started, which else stay as zombies."""
    _children[:] = [child for child in _children if child.poll() is None]


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
