"""The label card with its sample grid: mounts ``assets/card.js``.

Everything that a key press needs happens in the browser and over the routes of
``pages/routes/events.py``; Python only says which task it is, in which order, and with which keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pages.components.loader import component
from sslcore.store import Task
from sslcore.workbench.palette import class_colour, class_hotkeys

HTML = '<section class="loom" tabindex="-1" aria-label="Label" data-testid="label-card"></section>'


def task_data(task: Task) -> dict[str, Any]:
    """A task as the component reads it: its classes with colour and key."""
    count = len(task.classes)
    return {
        "id": task.id,
        "name": task.name,
        "kind": task.kind,
        "classes": [
            {
                "position": info.position,
                "name": info.name,
                "colour": class_colour(info, count),
                "key": key,
            }
            for info, key in zip(task.classes, class_hotkeys(task.classes))
        ],
    }


def label_card(
    task: Task,
    tasks: Sequence[Task],
    *,
    about: dict[str, str],
    on_task: Callable[[], None],
    turn: int,
    keys: dict[str, list[str]] | None = None,
) -> None:
    """Shows the card of a task.

    Args:
        task: The one to begin with.
        tasks: All tasks of the project; the card changes between them by itself.
        about: ``project`` (labels that wait in the browser are kept by it), ``token`` (from
            ``shell.token()``), ``order`` and ``sharing`` (of the desk's).
        on_task: Called when another task was chosen; the session state has, under :func:`card_key`, its
            ``name`` and the ``turn`` of the choice as ``task``.
        turn: Of the last choice that was heard of: the card keeps to a later one whatever it is told.
        keys: Keys other than the usual ones, by action, as in ``assets/keys.js``.
    """
    data = {
        **about,
        "task": task_data(task),
        "turn": turn,
        "tasks": [task_data(each) for each in tasks],
        "keys": keys or {},
    }
    component("card", HTML)(key=card_key(about["project"]), data=data, on_task_change=on_task)


def card_key(project: str) -> str:
    """The key of a project's card in the session state."""
    return f"label-card-{project}"


def turn_key(project: str) -> str:
    """Where the session state keeps the turn of the last choice of a task."""
    return f"task-turn:{project}"
