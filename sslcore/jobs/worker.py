"""The worker process of a project: takes one queued run at a time until there is none for a while.

``python -m sslcore.jobs.worker --home HOME --project NAME``; started by
:func:`sslcore.jobs.launch.ensure_worker`, or by hand. A run ends ``done``, ``cancelled``, or ``failed``
with a reason in plain words (the traceback goes to ``runs/<id>/log.txt``). On SIGTERM the run saves its
checkpoint and goes back into the queue: the next worker goes on with it. A kill is noticed by the next
``reap``.
"""

from __future__ import annotations

import _thread
import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from sslcore.errors import LabelloomError, StoreBusyError, StoreError
from sslcore.jobs.errands import is_errand, waiting_errands
from sslcore.jobs.job import Heart, Job, Stopped
from sslcore.jobs.lock import ERRANDS, EVERYTHING, WorkerLock
from sslcore.store import Run, Store, existing_project

_LOOK = 0.5  # seconds between looks into an empty queue


class Worker:
    """Works off the queue of one project.

    Args:
        store: The project.
        idle: Seconds without work after which it ends; 0: as soon as the queue is empty.
        errands: Whether it takes short work alone (:mod:`sslcore.jobs.errands`).
    """

    def __init__(self, store: Store, *, idle: float, errands: bool = False) -> None:
        self.store, self.idle, self.errands = store, idle, errands
        self.job: Job | None = None
        self.terminated = False
        self._interruptible = False
        self._database = (store.folder / "project.db").stat().st_ino

    def work(self) -> int:
        """Until nothing is left to do; returns how many runs were worked on."""
        done, since = 0, time.monotonic()
        while not self.terminated and self._project_is_there():
            try:
                run = self.store.runs.claim(waiting_errands(self.store) if self.errands else None)
            except StoreBusyError:
                run = None
            except StoreError:
                if self._project_is_there():
                    raise
                break
            if run is not None:
                self._do(run)
                done, since = done + 1, time.monotonic()
            elif time.monotonic() - since >= self.idle:
                break
            else:
                time.sleep(_LOOK)
        return done

    def terminate(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """On SIGTERM: the run saves what it can and ends, then the worker does."""
        self.terminated = True
        if self.job is not None:
            self.job.stop()

    def interrupt(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Breaks into work that did not heed the wish to stop."""
        if self._interruptible:
            self._interruptible = False
            raise Stopped

    def _do(self, run: Run) -> None:
        folder = self.store.folder / "runs" / str(run.id)
        folder.mkdir(parents=True, exist_ok=True)
        self.job = job = Job(run, self.store, folder, errand=is_errand(self.store, run))
        heart = Heart(job, wanted=self._project_is_there, interrupt=_interrupt_main)
        heart.start()
        began = time.monotonic()
        print(f"{time.strftime('%H:%M:%S')} run {run.id} ({run.kind}) begins", flush=True)
        try:
            status, error, result = self._attempt(run, job, folder)
        finally:
            job.end_turn()
        heart.end()
        with contextlib.suppress(StoreError):
            job.flush()
            self.store.runs.heartbeat(run.id, job.progress.as_dict())
        self._end(run.id, status, error, result)
        self.job = None
        print(f"run {run.id} {status} after {time.monotonic() - began:.1f} s {error or ''}", flush=True)

    def _attempt(self, run: Run, job: Job, folder: Path) -> tuple[str, str | None, Mapping[str, Any] | None]:
        from sslcore.jobs.kinds import KINDS

        try:
            work = KINDS[run.kind].value
            self._interruptible = True
            try:
                result = work(job)
            finally:
                self._interruptible = False
            return "done", None, result
        except Stopped:
            return "queued" if self.terminated else "cancelled", None, None
        except BaseException as error:
            text = traceback.format_exc()
            with contextlib.suppress(OSError), (folder / "log.txt").open("a") as log:
                log.write(text)
            print(text, file=sys.stderr, flush=True)
            if isinstance(error, KeyboardInterrupt):
                self.terminated = True
                return "queued", None, None
            return "failed", reason(error), None

    def _end(self, run_id: int, status: str, error: str | None, result: Mapping[str, Any] | None) -> None:
        """Writes how the run ended; a lock held by others for a while must not lose hours of work."""
        for attempt in range(5):
            try:
                if status == "queued":
                    self.store.runs.put_back(run_id)
                else:
                    self.store.runs.finish(run_id, status, error=error, result=result)
                return
            except StoreBusyError:
                time.sleep(2.0**attempt)
            except StoreError:
                if self._project_is_there():
                    raise
                return

    def _project_is_there(self) -> bool:
        """False once it was deleted, also where another one was made under its name."""
        try:
            return (self.store.folder / "project.db").stat().st_ino == self._database
        except OSError:
            return False


def reason(error: BaseException) -> str:
    """What a run failed of, for a person who knows no Python.

    >>> reason(MemoryError())
    'The memory was not enough. Close other programs, or choose a smaller batch, image size or encoder.'
    >>> reason(ZeroDivisionError("division by zero"))
    'An error in the program: division by zero (ZeroDivisionError). The log of the run has the details.'
    """
    if isinstance(error, LabelloomError):
        return str(error)
    said = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
    if isinstance(error, MemoryError) or "out of memory" in said.lower() or "can't allocate" in said.lower():
        return (
            "The memory was not enough. Close other programs, or choose a smaller batch, image size "
            "or encoder."
        )
    if isinstance(error, OSError) and error.errno == 28:
        return "The disk is full. Make room, then start the run again: it goes on where it was."
    if isinstance(error, ImportError):
        return f"A package that this needs is missing: {said}. Run `make app` again to install it."
    return f"An error in the program: {said} ({type(error).__name__}). The log of the run has the details."


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and works; exit code 0 also where another worker is at it."""
    parser = argparse.ArgumentParser(prog="sslcore.jobs.worker", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of all projects")
    parser.add_argument("--project", required=True, help="the project's name")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds without work before it ends")
    parser.add_argument("--until-idle", action="store_true", help="end as soon as the queue is empty")
    parser.add_argument("--errands", action="store_true", help="take short work alone, beside the worker")
    parser.add_argument("--lock-handle", type=int, help=argparse.SUPPRESS)
    wish = parser.parse_args(argv)
    folder = existing_project(wish.project, wish.home)
    file = ERRANDS if wish.errands else EVERYTHING
    handed = wish.lock_handle is not None
    lock = WorkerLock(wish.lock_handle) if handed else WorkerLock.take(folder, file=file)
    if lock is None:
        holder = WorkerLock.holder(folder, file=file)
        print(f"Project {wish.project!r} has a worker already (process {holder}).")
        return 0
    for module in filter(None, os.environ.get("LABELLOOM_PLUGINS", "").split(",")):
        importlib.import_module(module.strip())
    store = Store(folder)
    worker = Worker(store, idle=0.0 if wish.until_idle else wish.idle, errands=wish.errands)
    held = {
        number: signal.signal(number, handler)
        for number, handler in (
            (signal.SIGTERM, worker.terminate),
            (signal.SIGINT, worker.terminate),
            (_INTERRUPT, worker.interrupt),
        )
    }
    try:
        from sslcore.jobs.launch import reap

        while lock is not None:
            lock.sign()
            reap(store)
            worker.work()
            lock.release()
            # A run may have been queued between the last look and the release, by somebody who saw the
            # lock held and so started no worker.
            queued = waiting_errands(store) if wish.errands else store.runs.list(status=("queued",))
            lock = WorkerLock.take(folder, file=file) if queued and not worker.terminated else None
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        store.close()
    return 0


_INTERRUPT = getattr(signal, "SIGUSR1", signal.SIGINT)


def _interrupt_main() -> None:
    """Runs the handler in the main thread, also where that sleeps or waits."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, _INTERRUPT)
    else:
        _thread.interrupt_main(_INTERRUPT)


if __name__ == "__main__":
    sys.exit(main())
