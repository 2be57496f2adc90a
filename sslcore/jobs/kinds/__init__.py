"""The kinds of background work, one a file: each a function of a job that returns what came of it.

>>> sorted(KINDS.names())
['ensemble', 'features', 'import', 'map', 'simulation', 'train']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sslcore.jobs.job import Job
from sslcore.registry import Registry

Work = Callable[[Job], Mapping[str, Any]]
"""Does a run. Returns its result, JSON-ready; raises ``Stopped`` when it was asked to stop."""

KINDS: Registry[Work] = Registry("kind of background work", "sslcore.jobs.kinds")
"""An own kind, encoder or method: name its module in the environment variable LABELLOOM_PLUGINS."""

__all__ = ["KINDS", "Job", "Work"]
