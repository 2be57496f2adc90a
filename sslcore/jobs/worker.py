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
import itertools
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
from sslcore.files import make_folder
from sslcore.jobs.errands import is_errand, waiting_errands
from sslcore.jobs.job import Heart, Job, Stopped
from sslcore.jobs.lock import ERRANDS, EVERYTHING, WorkerLock
from sslcore.store import Run, Store, existing_project

_LOOK = 0.5  # seconds between looks into an empty queue
LONGEST_WAIT = 30.0
"""Seconds between two tries to store how a run ended, at most."""
TRIES_WHEN_TOLD_TO_END = 5
"""How often a worker that was told to end tries it."""
STORING = "storing the result"
"""What a run is at whose end could not be stored yet."""


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
        try:
            folder = make_folder(self.store.folder, "runs", str(run.id))
        except FileNotFoundError:  # the project was deleted at this moment: its folder shall not come back
            return
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
            self.store.runs.heartbeat(run.id, job.progress.as_dict(), claimed=run)
        self._end(job, status, error, result)
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

    def _end(self, job: Job, status: str, error: str | None, result: Mapping[str, Any] | None) -> None:
        """Writes how the run ended, as soon as that can be written.

        A lock held by others or a full disk must not lose hours of work: it is tried until it succeeds, the
        project is gone, or the worker was told to end and has tried a few times.
        """
        run, runs = job.run, self.store.runs
        for attempt in itertools.count(1):
            try:
                if status == "queued":
                    written = runs.put_back(run.id, claimed=run)
                else:
                    written = runs.finish(run.id, status, error=error, result=result, claimed=run)
                if not written:
                    print(f"run {run.id} has changed hands: its end as {status} is not stored", flush=True)
                return
            except StoreBusyError as busy:
                if not self._project_is_there():
                    return
                if self.terminated and attempt >= TRIES_WHEN_TOLD_TO_END:
                    print(f"run {run.id}: its end as {status} could not be stored. {busy}", flush=True)
                    return
                self._wait_to_end(job, min(2.0 ** min(attempt - 1, 10), LONGEST_WAIT), str(busy))
            except StoreError:
                if self._project_is_there():
                    raise
                return

    def _wait_to_end(self, job: Job, seconds: float, why: str) -> None:
        """Says, where it can, that the end of a run waits to be stored, and waits."""
        job.tell(STORING, 1, 1, note=f"finished, and waiting to store that: {why}")
        print(f"run {job.run.id} waits to store how it ended: {why}", flush=True)
        with contextlib.suppress(StoreError):
            job.flush()
            self.store.runs.heartbeat(job.run.id, job.progress.as_dict(), claimed=job.run)
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._project_is_there():
            time.sleep(_LOOK)

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
