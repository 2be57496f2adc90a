"""Cases to settle by keyboard, one after the other: mounts ``assets/settle.js``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pages.components.loader import component
from sslcore.store import Task
from sslcore.workbench.map import class_list

HTML = '<section class="labelloom-settle" aria-label="Cases" data-testid="settle"></section>'
KEYED = 20
"""Classes that have a key; the others are found by name."""


@dataclass(frozen=True)
class About:
    """What the list is of.

    Attributes:
        list: Its name: what was settled in it stays with it.
        total: How many cases there are, also beyond those shown.
        empty: What stands there where there is none; ``finished`` where all were settled here.
    """

    list: str
    total: int
    empty: str
    finished: str


def settle_list(
    cases: Sequence[dict[str, Any]],
    about: About,
    *,
    project: str,
    task: Task,
    token: str,
    scale: dict[str, Any] | None = None,
) -> None:
    """Shows cases and takes an answer to each; the page runs again when answers are stored.

    Args:
        cases: From the quality desk, the most pressing first.
        about: What they are.
        project: The project's name; unsent answers are kept by it.
        task: What is asked.
        token: For the routes.
        scale: Of a numeric task, the numbers given so far.
    """
    classes = class_list(task)
    keyed = [row for row in classes if row["key"] is not None]
    data = {
        "project": project,
        "token": token,
        "task": {
            "id": task.id,
            "kind": task.kind,
            "name": task.name,
            "classes": classes if task.kind == "multiple" else [],  # a set is put together from all of them
        },
        "count": len(classes),
        "classes": keyed[:KEYED],
        "scale": scale,
        "cases": list(cases),
        **asdict(about),
    }
    key = f"settle-{about.list}-{project}-{task.id}"
    component("settle", HTML)(key=key, data=data, on_stored_change=lambda: None)
