"""What people did, in order. Appended, never changed: undo is one more row."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from sslcore.errors import DataError
from sslcore.store.engine import insert_many, reading, writing
from sslcore.store.facts import SOURCES, VERBS, Event
from sslcore.store.schema import annotation, item

_CHUNK = 5000


class Annotations:
    """The annotation table of one project."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def append(self, events: Sequence[Event]) -> int:
        """Stores events and returns the id of the newest row, durable when this returns.

        An event whose ``(client, seq)`` is already there is left out, so sending again is safe.

        Raises:
            DataError: An unknown verb, an unknown item, or values that do not match the items; then
                none of the events is stored.
            StoreBusyError: Nothing was stored; try again.
        """
        rows = [row for event in events for row in event_rows(event)]
        with writing(self._engine) as connection:
            _check_items(connection, {row["item_id"] for row in rows if row["undoes"] is None})
            insert_many(connection, annotation.insert().prefix_with("OR IGNORE", dialect="sqlite"), rows)
            return int(connection.execute(sa.select(sa.func.max(annotation.c.id))).scalar() or 0)

    def newest(self) -> int:
        """The id of the newest row; 0 where there is none."""
        with reading(self._engine) as connection:
            return int(connection.execute(sa.select(sa.func.max(annotation.c.id))).scalar() or 0)

    def since(self, after: int = 0, *, upto: int | None = None) -> list[sa.Row[Any]]:
        """The rows with ``after < id <= upto`` in order, all columns."""
        query = sa.select(annotation).where(annotation.c.id > after).order_by(annotation.c.id)
        if upto is not None:
            query = query.where(annotation.c.id <= upto)
        with reading(self._engine) as connection:
            return list(connection.execute(query))

    def of_items(self, item_ids: Iterable[int], *, upto: int | None = None) -> list[sa.Row[Any]]:
        """All rows of some items in order: their history."""
        ids, rows = sorted(set(item_ids)), []
        with reading(self._engine) as connection:
            for start in range(0, len(ids), _CHUNK):
                query = sa.select(annotation).where(annotation.c.item_id.in_(ids[start : start + _CHUNK]))
                if upto is not None:
                    query = query.where(annotation.c.id <= upto)
                rows += list(connection.execute(query))
        return sorted(rows, key=lambda row: row.id)

    def of_several(self, task_id: int) -> list[sa.Row[Any]]:
        """Labels of the items that two or more named annotators answered: item, annotator, value, batch.

        In order, undone ones among them. Only what people said: their own labels and imported ones.
        """
        said = (
            (annotation.c.task_id == task_id)
            & annotation.c.verb.in_(("label", "accept"))
            & annotation.c.source.in_(("human", "imported"))
            & annotation.c.annotator.isnot(None)
        )
        several = (
            sa.select(annotation.c.item_id)
            .where(said)
            .group_by(annotation.c.item_id)
            .having(sa.func.count(annotation.c.annotator.distinct()) > 1)
        )
        query = (
            sa.select(annotation.c.item_id, annotation.c.annotator, annotation.c.value, annotation.c.batch)
            .where(said & annotation.c.item_id.in_(several))
            .order_by(annotation.c.id)
        )
        with reading(self._engine) as connection:
            return list(connection.execute(query))

    def items_of_batches(self, batches: Iterable[str]) -> set[int]:
        """The items that some actions touched."""
        names, ids = list(batches), set()
        with reading(self._engine) as connection:
            for start in range(0, len(names), _CHUNK):
                query = (
                    sa.select(annotation.c.item_id)
                    .where(annotation.c.batch.in_(names[start : start + _CHUNK]))
                    .distinct()
                )
                ids |= set(connection.execute(query).scalars())
        return ids - {0}

    def undos(self, *, upto: int | None = None) -> list[tuple[int, str, str]]:
        """Every undo as ``(id, its own batch, the batch it takes back)``, in order."""
        query = (
            sa.select(annotation.c.id, annotation.c.batch, annotation.c.undoes)
            .where(annotation.c.undoes.isnot(None))
            .order_by(annotation.c.id)
        )
        if upto is not None:
            query = query.where(annotation.c.id <= upto)
        with reading(self._engine) as connection:
            return [(row.id, row.batch, row.undoes) for row in connection.execute(query)]

    def recent_batches(
        self, n: int, *, annotator: str | None = None, source: str | None = None
    ) -> list[sa.Row[Any]]:
        """The last ``n`` actions, newest first; their values as the least and the highest."""
        query = (
            sa.select(
                annotation.c.batch,
                sa.func.min(annotation.c.verb).label("verb"),
                sa.func.min(annotation.c.source).label("source"),
                sa.func.count().label("size"),
                sa.func.max(annotation.c.time).label("time"),
                sa.func.min(annotation.c.undoes).label("undoes"),
                sa.func.min(annotation.c.task_id).label("task_id"),
                sa.func.min(annotation.c.value).label("value"),
                sa.func.max(annotation.c.value).label("value_high"),
                sa.func.max(annotation.c.id).label("last"),
            )
            .where(annotation.c.source != "imported")
            .group_by(annotation.c.batch)
            .order_by(sa.desc("last"))
            .limit(n)
        )
        if annotator is not None:
            query = query.where(annotation.c.annotator == annotator)
        if source is not None:
            query = query.where(annotation.c.source == source)
        with reading(self._engine) as connection:
            return list(connection.execute(query))


def voided(undos: Sequence[tuple[int, str, str]]) -> set[str]:
    """The batches that do not count, given every undo in order.

    An undo can itself be undone (that is a redo), so they are settled newest first.

    >>> voided([(5, "a:2", "a:1")])
    {'a:1'}
    >>> sorted(voided([(5, "a:2", "a:1"), (6, "a:3", "a:2")]))
    ['a:2']
    """
    gone: set[str] = set()
    for _, batch, target in reversed(undos):
        if batch not in gone:
            gone.add(target)
    return gone


def event_rows(event: Event) -> list[dict[str, Any]]:
    """The rows of an action, one an item, as the table takes them.

    Raises:
        DataError: An unknown verb or source, no items, or values that do not match them.
    """
    if event.verb not in VERBS:
        raise DataError(f"An action is one of {', '.join(VERBS)}. Received: {event.verb!r}.")
    if event.source not in SOURCES:
        raise DataError(f"A source is one of {', '.join(SOURCES)}. Received: {event.source!r}.")
    if event.verb == "undo" and not event.undoes:
        raise DataError("An undo needs the name of the action that it takes back. Received: none.")
    if event.verb != "undo" and not event.item_ids:
        raise DataError(f"The action {event.verb!r} needs at least one item. Received: none.")
    ids = [0] if event.verb == "undo" else list(dict.fromkeys(event.item_ids))
    values = [event.value] * len(ids) if event.values is None else list(event.values)
    confidences = [None] * len(ids) if event.confidences is None else list(event.confidences)
    if len(values) != len(ids) or len(confidences) != len(ids):
        raise DataError(
            f"An action on {len(ids)} items needs as many values. Received: {len(values)} values and "
            f"{len(confidences)} confidences (an item named twice counts once)."
        )
    shared = {
        "task_id": 0 if event.verb == "undo" else event.task_id,
        "verb": event.verb,
        "source": event.source,
        "purpose": event.purpose,
        "annotator": event.annotator,
        "run_id": event.run_id,
        "shown": None if event.shown is None else json.dumps(event.shown),
        "seconds": event.seconds,
        "time": time.time(),
        "client": event.client,
        "seq": event.seq,
        "batch": event.batch,
        "undoes": event.undoes if event.verb == "undo" else None,
    }
    return [
        shared
        | {
            "item_id": int(item_id),
            "value": None if value is None else json.dumps(value),
            "confidence": None if confidence is None else float(confidence),
        }
        for item_id, value, confidence in zip(ids, values, confidences)
    ]


def _check_items(connection: sa.Connection, ids: set[int]) -> None:
    if not ids:
        return
    # Ids are given out without gaps (see Store.importing), so two bounds check them all.
    newest = connection.execute(sa.select(sa.func.max(item.c.id))).scalar() or 0
    wrong = [i for i in ids if not 1 <= i <= newest]
    if wrong:
        raise DataError(f"The project has items 1 to {newest}. Received: item {wrong[0]}.")
