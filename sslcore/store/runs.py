"""Background work: what was wished for, who works on it, what came of it."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sslcore.errors import StoreError
from sslcore.store.engine import reading, writing
from sslcore.store.facts import Metric, Run
from sslcore.store.schema import metric, run

MetricRow = tuple[int, str, float | None, str | None]  # step, name, value, task


class Runs:
    """The run and metric tables of one project."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(
        self,
        kind: str,
        recipe: Mapping[str, Any],
        *,
        labels_upto: int = 0,
        seed: int = 0,
        queue_limit: int = 20,
    ) -> int:
        """Queues a run and returns its id.

        Raises:
            StoreError: ``queue_limit`` runs of this project are waiting already.
        """
        with writing(self._engine) as connection:
            waiting = connection.execute(
                sa.select(sa.func.count()).select_from(run).where(run.c.status == "queued")
            ).scalar_one()
            if waiting >= queue_limit:
                raise StoreError(
                    f"{waiting} runs are waiting already, the most a project may have. "
                    "Cancel some or wait until they are done."
                )
            result = connection.execute(
                run.insert().values(
                    kind=kind,
                    recipe=json.dumps(recipe),
                    labels_upto=labels_upto,
                    seed=seed,
                    status="queued",
                    created=time.time(),
                )
            )
            return int(result.inserted_primary_key[0])  # type: ignore[index]

    def get(self, run_id: int) -> Run:
        """One run.

        Raises:
            StoreError: There is none of that number.
        """
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(run).where(run.c.id == run_id)).one_or_none()
        if row is None:
            raise StoreError(f"The project has no run {run_id}.")
        return _run(row)

    def list(self, *, kind: str | None = None, status: Sequence[str] | None = None) -> Sequence[Run]:
        """All runs, newest first."""
        query = sa.select(run).order_by(run.c.id.desc())
        if kind is not None:
            query = query.where(run.c.kind == kind)
        if status is not None:
            query = query.where(run.c.status.in_(status))
        with reading(self._engine) as connection:
            return [_run(row) for row in connection.execute(query)]

    def claim(self, among: Sequence[int] | None = None) -> Run | None:
        """Takes the oldest queued run for this process, or returns None. No two workers get the same.

        Args:
            among: Only one of these; any, where not given.
        """
        now = time.time()
        wanted = run.c.status == "queued"
        if among is not None:
            wanted = sa.and_(wanted, run.c.id.in_(among))
        with writing(self._engine) as connection:
            run_id = connection.execute(
                sa.select(run.c.id).where(wanted).order_by(run.c.id).limit(1)
            ).scalar()
            if run_id is None:
                return None
            connection.execute(
                run.update()
                .where(run.c.id == run_id)
                .values(
                    status="running", pid=os.getpid(), host=socket.gethostname(), heartbeat=now, started=now
                )
            )
        return self.get(run_id)

    def heartbeat(
        self, run_id: int, progress: Mapping[str, Any] | None = None, *, claimed: Run | None = None
    ) -> bool:
        """Says that the worker is alive (and how far it is); returns whether it should stop.

        Args:
            run_id: The run.
            progress: How far it is, JSON-ready.
            claimed: The run as :meth:`claim` gave it; a worker stops, too, where it has another one now.
        """
        values: dict[str, Any] = {"heartbeat": time.time()}
        if progress is not None:
            values["progress"] = json.dumps(progress)
        mine = _held(run_id, claimed)
        with writing(self._engine) as connection:
            connection.execute(run.update().where(*mine, run.c.status == "running").values(values))
            row = connection.execute(sa.select(run.c.cancel, run.c.status).where(*mine)).one_or_none()
            return row is None or bool(row.cancel) or row.status != "running"

    def request_cancel(self, run_id: int) -> None:
        """Asks for a stop: a waiting run is cancelled at once, a running one at its next check."""
        with writing(self._engine) as connection:
            connection.execute(
                run.update()
                .where(run.c.id == run_id, run.c.status == "queued")
                .values(status="cancelled", ended=time.time(), cancel=1)
            )
            connection.execute(
                run.update().where(run.c.id == run_id, run.c.status == "running").values(cancel=1)
            )

    def finish(
        self,
        run_id: int,
        status: str,
        *,
        error: str | None = None,
        result: Mapping[str, Any] | None = None,
        claimed: Run | None = None,
    ) -> bool:
        """Ends a running run; returns whether it did. One that waits, or has ended, stays as it is.

        Args:
            run_id: The run.
            status: ``done``, ``failed`` or ``cancelled``.
            error: What it failed of.
            result: What came of it, JSON-ready.
            claimed: The run as :meth:`claim` gave it to the worker that ends it. One that another worker has
                by now stays as it is. Work that is done counts also where its worker was taken for dead.
        """
        open_to = ("running", "failed") if claimed is not None and status == "done" else ("running",)
        with writing(self._engine) as connection:
            ended = connection.execute(
                run.update()
                .where(*_held(run_id, claimed), run.c.status.in_(open_to))
                .values(
                    status=status,
                    error=error,
                    result=None if result is None else json.dumps(result),
                    ended=time.time(),
                )
            )
            return ended.rowcount > 0

    def give_up(self, seen: Run, error: str) -> bool:
        """Marks a run as failed whose worker is gone; returns whether it did.

        Args:
            seen: The run as it was when its worker was found to be gone. It stays as it is where it has
                changed hands or given a sign of life since.
            error: What it failed of.
        """
        with writing(self._engine) as connection:
            ended = connection.execute(
                run.update()
                .where(
                    *_held(seen.id, seen),
                    run.c.status == "running",
                    run.c.heartbeat.is_not_distinct_from(seen.heartbeat),
                )
                .values(status="failed", error=error, ended=time.time())
            )
            return ended.rowcount > 0

    def requeue(self, run_id: int) -> None:
        """Puts a failed or cancelled run back into the queue, to go on from its checkpoint."""
        with writing(self._engine) as connection:
            connection.execute(
                run.update()
                .where(run.c.id == run_id, run.c.status.in_(("failed", "cancelled")))
                .values(status="queued", error=None, cancel=0, pid=None, heartbeat=None, ended=None)
            )

    def put_back(self, run_id: int, *, claimed: Run | None = None) -> bool:
        """Puts a running run, whose worker was told to end, back into the queue; a cancelled one ends.

        Args:
            run_id: The run.
            claimed: As in :meth:`finish`.

        Returns:
            Whether it did either.
        """
        mine = (*_held(run_id, claimed), run.c.status == "running")
        with writing(self._engine) as connection:
            cancelled = connection.execute(
                run.update().where(*mine, run.c.cancel != 0).values(status="cancelled", ended=time.time())
            )
            waits = connection.execute(
                run.update().where(*mine).values(status="queued", pid=None, host=None, heartbeat=None)
            )
            return cancelled.rowcount + waits.rowcount > 0

    def add_metrics(self, run_id: int, rows: Iterable[MetricRow]) -> None:
        """Appends figures of a run: ``(step, name, value, task)``; NaN and infinity are kept as null."""
        now = time.time()
        values = [
            {
                "run_id": run_id,
                "step": step,
                "name": name,
                "value": value if value is not None and math.isfinite(value) else None,
                "task": task,
                "time": now,
            }
            for step, name, value, task in rows
        ]
        if values:
            with writing(self._engine) as connection:
                connection.execute(metric.insert(), values)

    def metrics(self, run_id: int, *, after: int = 0) -> Sequence[Metric]:
        """The figures of a run with an id above ``after``, in order."""
        query = sa.select(metric).where(metric.c.run_id == run_id, metric.c.id > after).order_by(metric.c.id)
        with reading(self._engine) as connection:
            return [Metric(**row._mapping) for row in connection.execute(query)]


def _held(run_id: int, claimed: Run | None) -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions for one run; where ``claimed`` is given, as long as nobody has claimed it anew."""
    if claimed is None:
        return (run.c.id == run_id,)
    columns = (run.c.pid, run.c.host, run.c.started)
    return (
        run.c.id == run_id,
        *(column.is_not_distinct_from(getattr(claimed, column.name)) for column in columns),
    )


def _run(row: sa.Row[Any]) -> Run:
    values = dict(row._mapping)
    for name in ("recipe", "progress", "result"):
        values[name] = json.loads(values[name]) if values[name] else {}
    values["cancel"] = bool(values["cancel"])
    return Run(**values)
