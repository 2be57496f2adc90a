"""Every use case of the app over one project; see :class:`sslcore.workbench.bench.Workbench`."""

from sslcore.workbench.bench import Workbench
from sslcore.workbench.desk import Desk
from sslcore.workbench.snapshot import Figure, Follow, Snapshot

__all__ = ["Desk", "Figure", "Follow", "Snapshot", "Workbench"]
