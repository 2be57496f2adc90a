"""Which work is done in seconds, and so need not wait for a training run of minutes.

An errand is taken by whichever of a project's two workers is free: the one for everything, or a second one
that is started only while the first is at long work, takes errands alone and ends when there is none. So no
two networks are ever trained at once, and nobody waits ten minutes for an ensemble.
"""

from __future__ import annotations

from sslcore.features.cache import FeatureCache
from sslcore.store import Run, Store

ALWAYS = ("ensemble",)
"""Kinds of runs that are errands whatever the set."""
FEW_ITEMS = 300
"""Items whose features, of any encoder, are computed in seconds."""
SMALL_MAP = 3_000
"""Items that are laid out in seconds."""


def is_errand(store: Store, run: Run) -> bool:
    """Whether a run is done in seconds.

    Args:
        store: The project.
        run: A run of it, in whatever state.
    """
    if run.kind in ALWAYS:
        return True
    if run.kind not in ("map", "features"):
        return False
    cache, count, encoder = FeatureCache(store.folder), store.count(), str(run.recipe["encoder"])
    if run.kind == "map":  # not before there is something to lay out: its features may be the long work
        return count <= SMALL_MAP and cache.is_complete(encoder, count)
    return count - cache.next_row(encoder) <= FEW_ITEMS


def waiting_errands(store: Store) -> list[int]:
    """Ids of the errands in the queue, the oldest first."""
    queued = store.runs.list(status=("queued",))
    return sorted(run.id for run in queued if is_errand(store, run))


def stuck_errands(store: Store) -> list[int]:
    """Those of them that would wait behind long work."""
    running = store.runs.list(status=("running",))
    return waiting_errands(store) if any(not is_errand(store, run) for run in running) else []
