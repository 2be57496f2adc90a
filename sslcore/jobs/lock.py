"""One worker a project: a lock on a file, which the system itself lets go of when its holder dies.

A second lock of the same sort is that of the worker for errands (:mod:`sslcore.jobs.errands`).

The launcher takes the lock and hands its open file to the worker it starts, so there is no moment in
which two launchers could each start one, and no stale lock to clean up after a kill. Where files
cannot be handed on (Windows) the worker takes the lock itself, and a second one goes home.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

INHERITS = sys.platform != "win32"
EVERYTHING, ERRANDS = "worker.lock", "errands.lock"
"""The locks of a project: of the worker that takes every run, and of the one that takes short ones alone."""


class WorkerLock:
    """The lock of a project's worker, held while this object is open.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> lock = WorkerLock.take(folder)
    >>> WorkerLock.take(folder) is None, WorkerLock.holder(folder) == os.getpid()
    (True, True)
    >>> lock.release()
    >>> WorkerLock.holder(folder) is None
    True
    """

    def __init__(self, handle: int) -> None:
        self.handle = handle

    @classmethod
    def take(cls, project_folder: Path, *, sign: bool = True, file: str = EVERYTHING) -> WorkerLock | None:
        """Takes the lock; None where another process has it.

        Args:
            project_folder: The project's folder.
            file: Of which worker: :data:`EVERYTHING` or :data:`ERRANDS`.
            sign: Write this process down as the worker. A launcher does not: the last worker's number
                stays until the new one, which inherits the lock, writes its own.
        """
        handle = os.open(project_folder / file, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(handle):
            os.close(handle)
            return None
        lock = cls(handle)
        if sign:
            lock.sign()
        return lock

    @classmethod
    def holder(cls, project_folder: Path, *, file: str = EVERYTHING) -> int | None:
        """The process id of the living worker; None where there is none."""
        try:
            handle = os.open(project_folder / file, os.O_RDWR)
        except OSError:
            return None
        try:
            if try_lock(handle):  # closing lets go of it again
                return None
            os.lseek(handle, 0, os.SEEK_SET)
            text = os.read(handle, 32).strip()
            return int(text) if text.isdigit() else 0
        finally:
            os.close(handle)

    def sign(self) -> None:
        """Writes down this process as the one that holds the lock."""
        os.lseek(self.handle, 0, os.SEEK_SET)
        os.ftruncate(self.handle, 0)
        os.write(self.handle, str(os.getpid()).encode())

    def release(self) -> None:
        """Lets go."""
        os.close(self.handle)


def try_lock(handle: int) -> bool:
    """Locks an open file; False where another open file of it is locked."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, 64, os.SEEK_SET)  # beyond the signature, which must stay readable
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
