"""The sample wall: many items as tiles by class or as a table; choose some, one key for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pages.components.loader import component
from sslcore.store import Task
from sslcore.workbench.map import class_list

HTML = '<div class="labelloom-wall" data-testid="sample-wall"></div>'
KEYED = 20
"""Classes that have a key; the others are found by name."""


def sample_wall(
    cards: Sequence[dict[str, Any]],
    *,
    project: str,
    task: Task,
    token: str,
    version: int,
    view: Literal["wall", "table"] = "wall",
) -> None:
    """Shows items and takes actions on them; the page runs again when they are stored.

    Args:
        cards: From ``bench.review.cards``.
        project: Its name; unsent actions are kept by it.
        task: What is asked.
        token: For the routes.
        version: The newest annotation that ``cards`` has seen.
        view: Tiles under their class, or a table in the order of ``cards``.
    """
    keyed = [row for row in class_list(task) if row["key"] is not None]
    data = {
        "project": project,
        "task": {"id": task.id, "kind": task.kind, "classes": len(task.classes)},
        "token": token,
        "version": version,
        "view": view,
        "group": view == "wall",
        "classes": keyed[:KEYED],
        "cards": list(cards),
    }
    component("wall", HTML)(key=f"wall-{project}-{task.id}", data=data, on_stored_change=lambda: None)
