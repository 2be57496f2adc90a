"""The connection to a project's database: one place for durability, locking and clear errors.

SQLite runs in write-ahead mode with ``synchronous=FULL``: a commit that has returned is on the disk,
so a label that was acknowledged survives a kill and a power cut. Writers take the write lock at the
start (``BEGIN IMMEDIATE``), so two of them wait for each other instead of failing half-way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from sslcore.errors import StoreBusyError, StoreError

BUSY_SECONDS = 20.0
"""How long a writer waits for another one before it gives up with a clear message."""


def connect(path: Path) -> sa.Engine:
    """An engine on the SQLite file ``path``, which is made where it is missing."""
    if not path.exists():
        path.touch()
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=8,
        max_overflow=16,
    )
    engine.update_execution_options(opened=_file_id(path))

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # this module begins transactions, not the driver
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-65536")  # 64 MB: large imports touch many pages of indices

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def replaced(engine: sa.Engine) -> bool:
    """Whether the file that the engine was made for is gone, or another one has taken its place.

    Open connections stay on the old file, and what they store goes with it. Where the file system gives
    files no numbers (``st_ino`` is 0, on some of Windows') another file looks the same; there one that
    is open cannot be deleted or replaced anyway.
    """
    return _file_id(Path(engine.url.database or "")) != engine.get_execution_options()["opened"]


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one state of the database and writes nothing."""
    with _clear_errors(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction: on leaving all is on the disk, on an exception nothing is.

    Raises:
        StoreBusyError: The database is locked or was replaced, the disk full or the folder read-only.
    """
    with _clear_errors(), engine.connect() as plain:
        connection = plain.execution_options(immediate=True)
        with connection.begin():
            _check_place(engine)
            yield connection
            _check_place(engine)


def insert_many(
    connection: sa.Connection, statement: sa.Insert, rows: Sequence[Mapping[str, Any]], *, chunk: int = 20_000
) -> None:
    """Inserts rows that all have the same columns, by the driver's own ``executemany``.

    Going through the statement for each row costs as much again as the insert itself. No column of the
    schema needs its values converted, so what the driver gets is the same.
    """
    if not rows:
        return
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(rows[0]))
    if not compiled.positional or compiled.positiontup is None:
        connection.execute(statement, list(rows))
        return
    pick = itemgetter(*compiled.positiontup)
    for start in range(0, len(rows), chunk):
        connection.exec_driver_sql(str(compiled), [pick(row) for row in rows[start : start + chunk]])


def _file_id(path: Path) -> tuple[int, int] | None:
    """Device and number of a file: what tells it from another one of the same name; None without one."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _check_place(engine: sa.Engine) -> None:
    if replaced(engine):
        raise StoreBusyError(
            "Nothing was stored. The project's database was deleted or replaced since it was opened. "
            "Try again in a moment: it is opened anew."
        )


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        text = str(getattr(error, "orig", error))
        if "full" in text:
            what = "The disk is full. Free some space and try again."
        elif "readonly" in text or "read-only" in text or "unable to open" in text:
            what = "The project folder cannot be written. Check its permissions."
        elif "locked" in text or "busy" in text:
            what = f"Another process has been writing for over {BUSY_SECONDS:.0f} s. Try again in a moment."
        else:
            raise StoreError(f"The project's database refused: {text}.") from error
        raise StoreBusyError(f"Nothing was stored. {what}") from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        text = str(getattr(error, "orig", error))
        if "malformed" in text or "not a database" in text:
            raise StoreError(
                f"The project's database is damaged ({text}). Close the app, delete project.db-wal and "
                "project.db-shm if they are there, and restore project.db from a backup; the media and the "
                "exports beside it are untouched."
            ) from error
        raise
