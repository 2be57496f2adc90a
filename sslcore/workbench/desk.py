"""A desk is the part of the workbench that one page sits at: its use cases, one method each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslcore.store import Store, Task
from sslcore.workbench.snapshot import Snapshot

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench


class Desk:
    """Base of the desks; knows the workbench it belongs to."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench

    @property
    def store(self) -> Store:
        """The project's facts."""
        return self.bench.store

    def snapshot(self, task: Task | int) -> Snapshot:
        """What is known of a task right now."""
        return self.bench.live.snapshot(task if isinstance(task, int) else task.id)
