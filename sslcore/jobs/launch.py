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
import time
from pathlib import Path

from sslcore.jobs.errands import stuck_errands
from sslcore.jobs.lock import ERRANDS, EVERYTHING, INHERITS, WorkerLock
from sslcore.store import LIVE, Store, existing_project

WORD = (
    "the worker stopped without a word (killed or out of memory); "
    "start it again to resume from its checkpoint"
)
"""What a run is told to have failed of when its worker is gone."""
SILENCE = 30.0
"""Seconds without a heartbeat after which a worker elsewhere is taken for dead."""
SILENCE_WHILE_ALIVE = 600.0
"""The same for a worker on this machine whose process lives: it may sit in one long computation, or the
machine may have slept."""

_ROOT = Path(__file__).resolve().parents[2]
_children: list[subprocess.Popen[bytes]] = []


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
                cwd=_ROOT,
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
    path = os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return defaults | dict(os.environ) | {"PYTHONPATH": path}


def reap(store: Store) -> list[int]:
    """Marks runs as failed whose worker is gone; returns their ids.

    On this machine the workers' locks tell: nobody holds them, or other processes than the run's. Of a
    run elsewhere only its heartbeat tells.
    """
    _bury()
    running = store.runs.list(status=("running",))
    if not running:
        return []
    holders = [WorkerLock.holder(store.folder, file=file) for file in (EVERYTHING, ERRANDS)]
    now, here, dead = time.time(), socket.gethostname(), []
    for run in running:
        silent = now - (run.heartbeat or run.started or 0.0)
        if run.host == here:
            gone = run.pid not in holders or silent > SILENCE_WHILE_ALIVE
        else:
            gone = silent > SILENCE
        if gone:
            store.runs.finish(run.id, "failed", error=WORD)
            dead.append(run.id)
    return dead


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
