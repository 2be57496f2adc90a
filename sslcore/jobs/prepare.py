"""What every project gets by itself: features that are ready at once, stronger ones, and their maps."""

from __future__ import annotations

from sslcore.store import LIVE, Store

PREFERRED = {"image": ("efficientnet_lite0", "pixels"), "text": ("minilm", "tfidf")}
"""Encoders of each modality: the stronger first. The last needs no weights and is ready at once."""


def queue_missing(store: Store) -> list[int]:
    """Queues the features and the maps that a project lacks; returns the new runs' ids.

    Encoders that need no weights come first, so that labelling can start within seconds; then the
    stronger encoder; then the maps, the stronger one's first; then what was asked for beside them.
    """
    from sslcore.features.cache import FeatureCache

    total, cache = store.count(), FeatureCache(store.folder)
    if total == 0:
        return []
    strong, simple = PREFERRED[store.modality]
    live = store.runs.list(status=LIVE)
    waiting = {(run.kind, run.recipe.get("encoder")) for run in live}
    there = {"features": cache.is_complete, "map": cache.has_map}
    wanted = [("features", simple), ("features", strong), ("map", strong), ("map", simple)]
    further = [name for name in cache.available() if name not in (strong, simple)]
    wanted += [(kind, name) for kind in ("features", "map") for name in further]
    return [
        store.runs.add(kind, {"encoder": name})
        for kind, name in dict.fromkeys(wanted)
        if (kind, name) not in waiting and not there[kind](name, total)
    ]
