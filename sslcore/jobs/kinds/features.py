"""Features of an encoder for all items: recipe ``{"encoder": NAME}``. Goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslcore.jobs.job import Job
from sslcore.jobs.kinds import KINDS


@KINDS.register("features", title="Features", family="job")
def features(job: Job) -> Mapping[str, Any]:
    """Computes what is missing: features, neighbours, a first picture, and what the instant loop derives."""
    from sslcore.features import Items
    from sslcore.features.cache import FeatureCache
    from sslcore.features.compute import compute_features
    from sslcore.instant.kept import keep
    from sslcore.jobs.learned import encoder_of

    name = str(job.run.recipe["encoder"])
    store, encoder = job.store, encoder_of(name, job.store.folder)
    if not encoder.weights_free:
        job.take_turn()
    items = (
        Items.of_texts(store.texts()) if store.modality == "text" else Items.of_images(store.media_paths())
    )
    found = compute_features(store.folder, name, items, encoder=encoder, report=job.report)
    keep(FeatureCache(store.folder).folder(name), report=job.report)
    rows, dim = found.feature_ND.shape
    return {"encoder": name, "rows": rows, "dim": dim}
