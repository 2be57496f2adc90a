"""The project store: facts in SQLite, nothing derived, no torch."""

from sslcore.store.facts import LIVE, ClassInfo, Event, Item, NewItem, NewLabel, Run, Task
from sslcore.store.fold import LabelState
from sslcore.store.home import existing_project, home, project_folder, projects
from sslcore.store.project import Store

__all__ = [
    "LIVE",
    "ClassInfo",
    "Event",
    "Item",
    "LabelState",
    "NewItem",
    "NewLabel",
    "Run",
    "Store",
    "Task",
    "existing_project",
    "home",
    "project_folder",
    "projects",
]
