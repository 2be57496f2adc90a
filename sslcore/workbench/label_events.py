"""What a page sends when somebody labels, read with distrust.

A page sends ``{"seq", "verb", "task", "items", "value" | "values", "undoes", "audit", "shown", "seconds"}``.
Who did it and in which project comes from the signed token, never from here. Every field is checked
against the task, so that nothing enters the store that the fold could not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from sslcore.errors import DataError
from sslcore.store import Event, Task
from sslcore.store.facts import Verb

PAGE_VERBS: tuple[Verb, ...] = ("label", "accept", "reject", "skip", "flag", "unflag", "undo")
MOST_ITEMS = 10_000
"""Items of one event: more than any grid shows."""
_CLIENT = re.compile(r"[A-Za-z0-9_-]{8,64}")
_BATCH = re.compile(r"[A-Za-z0-9_-]{8,64}:[0-9]{1,15}")
_VALUED = ("label", "accept", "reject")


def read_client(raw: Any) -> str:
    """The name of a page load.

    Raises:
        DataError: It is no such name.

    >>> read_client("a1b2c3d4")
    'a1b2c3d4'
    """
    if not isinstance(raw, str) or not _CLIENT.fullmatch(raw):
        raise DataError(
            f"A client is named by 8 to 64 letters, digits, dashes and underscores. Received: {raw!r}."
        )
    return raw


def read_seq(raw: Any) -> int:
    """The number of an event within its client.

    Raises:
        DataError: No event, or no whole number from 1 on.
    """
    seq = raw.get("seq") if isinstance(raw, Mapping) else None
    if not _is_int(seq) or not 1 <= seq < 2**53:
        raise DataError(f"An event has a 'seq', a whole number from 1 on. Received: {seq!r}.")
    return seq


def read_event(
    raw: Mapping[str, Any], *, client: str, annotator: str, tasks: Mapping[int, Task], count: int
) -> Event:
    """One event as the store takes it.

    Args:
        raw: As sent.
        client: Who sends it; from :func:`read_client`.
        annotator: From the token.
        tasks: The project's tasks by id.
        count: How many items the project has.

    Raises:
        DataError: Something in it makes no sense; the message says what.

    >>> from sslcore.store import ClassInfo
    >>> task = Task(1, "topic", "single", (ClassInfo(0, "sport"),))
    >>> raw = {"seq": 1, "verb": "label", "task": 1, "items": [3], "value": 0}
    >>> read_event(raw, client="a1b2c3d4", annotator="me", tasks={1: task}, count=5).item_ids
    [3]
    """
    seq, verb = read_seq(raw), raw.get("verb")
    if verb not in PAGE_VERBS:
        raise DataError(f"An action is one of {', '.join(PAGE_VERBS)}. Received: {verb!r}.")
    if verb == "undo":
        undoes = raw.get("undoes")
        if not isinstance(undoes, str) or not _BATCH.fullmatch(undoes):
            raise DataError(f"An undo names the action it takes back, 'client:seq'. Received: {undoes!r}.")
        return Event(client=client, seq=seq, verb="undo", undoes=undoes, annotator=annotator)
    raw_task = raw.get("task")
    task = tasks.get(raw_task) if _is_int(raw_task) else None
    if task is None:
        raise DataError(f"The project has no task {raw_task!r}. Reload the page.")
    item_ids = _read_items(raw.get("items"), count)
    audit = raw.get("audit", False)
    if not isinstance(audit, bool):
        raise DataError(f"'audit' is true or false. Received: {audit!r}.")
    if audit and verb in ("accept", "reject"):
        raise DataError("An audit question is answered by hand: it has no suggestion to accept or reject.")
    if verb == "reject" and task.kind == "numeric":
        raise DataError(f"The task {task.name!r} asks for a number: there is no class to reject.")
    value, values = None, None
    if verb in _VALUED:
        if "values" in raw:
            sent = raw["values"]
            if not isinstance(sent, list) or len(sent) != len(item_ids):
                raise DataError(f"'values' holds one value for each of the {len(item_ids)} items.")
            values = [_read_value(task, one) for one in sent]
        else:
            value = _read_value(task, raw.get("value"))
    return Event(
        client=client,
        seq=seq,
        verb=verb,
        task_id=task.id,
        item_ids=item_ids,
        value=value,
        values=values,
        source="human" if len(item_ids) == 1 else "bulk",
        purpose="audit" if audit else "train",
        annotator=annotator,
        shown=_read_shown(task, raw.get("shown")),
        seconds=_read_seconds(raw.get("seconds")),
    )


def only(event: Event, kept: Sequence[int]) -> Event:
    """An event on some of its items alone, named by their places in it.

    >>> event = Event("a1b2c3d4", 1, "label", task_id=1, item_ids=[5, 6, 7], values=[0, 1, 2])
    >>> only(event, [0, 2]).item_ids, only(event, [0, 2]).values
    ([5, 7], [0, 2])
    """
    return replace(
        event,
        item_ids=[event.item_ids[k] for k in kept],
        values=None if event.values is None else [event.values[k] for k in kept],
    )


def _read_items(raw: Any, count: int) -> list[int]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MOST_ITEMS or not all(map(_is_int, raw)):
        raise DataError(f"'items' is a list of 1 to {MOST_ITEMS} item ids.")
    if len(set(raw)) != len(raw):
        raise DataError("'items' names an item twice.")
    wrong = [item_id for item_id in raw if not 1 <= item_id <= count]
    if wrong:
        raise DataError(f"The project has items 1 to {count}. Received: item {wrong[0]}.")
    return raw


def _read_value(task: Task, raw: Any) -> Any:
    classes = len(task.classes)
    if task.kind == "numeric":
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
            raise DataError(f"The task {task.name!r} takes a number. Received: {raw!r}.")
        return float(raw)
    if task.kind == "multiple":
        if not isinstance(raw, list) or not all(_is_int(c) and 0 <= c < classes for c in raw):
            raise DataError(
                f"The task {task.name!r} takes a list of classes 0 to {classes - 1}. Received: {raw!r}."
            )
        return sorted(set(raw))
    if not _is_int(raw) or not 0 <= raw < classes:
        raise DataError(f"The task {task.name!r} has classes 0 to {classes - 1}. Received: {raw!r}.")
    return raw


def _read_shown(task: Task, raw: Any) -> list[Any] | None:
    """What was suggested; a broken one is not worth a lost label.

    The class position and its probability; of several choices the positions and the probability that
    all are right; of a number the number and its interval.
    """
    if not isinstance(raw, list) or not 1 <= len(raw) <= 3:
        return None
    numbers = raw[1:] if task.kind != "numeric" else raw
    if not all(_is_number(part) for part in numbers):
        return None
    rounded = [round(float(part), 4) for part in numbers]
    if task.kind == "numeric":
        return rounded
    if len(raw) != 2:
        return None
    if task.kind == "multiple":
        listed = isinstance(raw[0], list) and len(raw[0]) <= len(task.classes) and all(map(_is_int, raw[0]))
        return [raw[0], *rounded] if listed else None
    return [raw[0], *rounded] if _is_int(raw[0]) else None


def _read_seconds(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw < 1e7:
        return None
    return round(float(raw), 3)


def _is_number(raw: Any) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)


def _is_int(raw: Any) -> TypeGuard[int]:
    return isinstance(raw, int) and not isinstance(raw, bool)
