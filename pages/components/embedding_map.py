"""The embedding map: WebGL points, lasso, legend and selection panel; data comes over the routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pages.components.loader import component
from sslcore.store import Task
from sslcore.workbench.map import MapSource

HTML = '<div class="labelloom-map" data-testid="embedding-map"></div>'


def embedding_map(
    *, project: str, task: Task, token: str, sources: Sequence[MapSource], first: str | None, key: str = "map"
) -> None:
    """Shows the map of a project.

    Args:
        project: Its name; another one starts the map anew.
        task: Whose labels colour it.
        token: For the routes.
        sources: The maps there are to choose from; those without coordinates are left out.
        first: The encoder to show first.
        key: The component's key.
    """
    data: dict[str, Any] = {
        "project": project,
        "task": {"id": task.id, "name": task.name, "kind": task.kind},
        "token": token,
        "first": first,
        "sources": [
            {
                "encoder": source.encoder,
                "title": f"Map of {source.encoder}",
                "kind": source.kind,
                "version": source.version,
            }
            for source in sources
            if source.kind is not None
        ],
    }
    component("map", HTML)(key=key, data=data)
