"""The label card with its sample grid: mounts ``assets/card.js``.

Everything that a key press needs happens in the browser and over the routes of
``pages/routes/events.py``; Python only says which task it is, in which order, and with which keys.
"""

from __future__ import annotations

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
    task: Task, *, project: str, token: str, order: str, keys: dict[str, list[str]] | None = None
) -> None:
    """Shows the card of a task.

    Args:
        task: Of kind single or ordinal.
        project: The project's name; labels that wait in the browser are kept by it.
        token: From ``shell.token()``.
        order: One of the desk's orders.
        keys: Keys other than the usual ones, by action, as in ``assets/keys.js``.
    """
    data = {
        "project": project,
        "token": token,
        "order": order,
        "task": task_data(task),
        "keys": keys or {},
    }
    component("card", HTML)(key=f"label-card-{project}-{task.id}", data=data)
