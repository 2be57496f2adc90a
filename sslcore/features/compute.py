"""Computing the features of a set: blocks into the cache, then the neighbours, then a first picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sslcore.errors import DataError
from sslcore.features.cache import FeatureCache, FeatureSet
from sslcore.features.encoder import Encoder, Items, check_modality, find_encoder

NEIGHBOURS = 15

Report = Callable[[str, int, int], None]
"""``report(stage, done, total)``, called every second or so; may raise to stop the work."""


def compute_features(
    project_folder: Path,
    name: str,
    items: Items,
    *,
    report: Report = lambda stage, done, total: None,
    encoder: Encoder | None = None,
) -> FeatureSet:
    """Computes what is missing of an encoder's features and returns them all.

    Goes on where an earlier call was stopped or killed, and after new items computes those alone
    (network encoders) or everything anew (encoders that are fitted to the set).

    Args:
        project_folder: The project's folder.
        name: The encoder's name.
        items: All items, in row order.
        report: Told of stage and progress.
        encoder: The encoder itself, where it is not to be looked up by name.

    Raises:
        UnknownNameError: No encoder is named so.
        DataError: No items, or items of another modality.
        SourceUnavailableError: Weights that cannot be had here.

    >>> import tempfile
    >>> texts = ["good film", "bad film", "good food", "bad food", "good day"]
    >>> features = compute_features(Path(tempfile.mkdtemp()), "tfidf", Items.of_texts(texts))
    >>> len(features.feature_ND), features.feature_ND.dtype, features.neighbour_NK.shape
    (5, dtype('float16'), (5, 4))
    """
    encoder = encoder or find_encoder(name)
    check_modality(encoder, name, items)
    n, cache = len(items), FeatureCache(project_folder)
    if n == 0:
        raise DataError("There are no items to compute features of. Import some first.")
    if cache.is_complete(name, n):
        report("features", n, n)
        return cache.load(name)
    keep = not encoder.weights_free
    partial = cache.begin(name, n, keep=keep)
    if partial.done < n:
        if partial.plan is None:
            partial.plan = dict(encoder.plan(items))
        report("features", partial.done, n)
        blocks = encoder.blocks(
            items, plan=partial.plan, start=partial.done, tick=lambda done: report("features", done, n)
        )
        for block_BD in blocks:
            partial.append(block_BD)
            report("features", partial.done, n)
    report("neighbours", 0, n)
    from sslcore.graph.knn import knn_graph

    cache.finish(partial, knn_graph(partial.feature_ND, k=NEIGHBOURS))
    report("neighbours", n, n)
    from sslcore.features.projection import FIRST_PICTURE, first_picture

    features = cache.load(name)
    cache.save_map(name, first_picture(features.feature_ND), method=FIRST_PICTURE)
    return cache.load(name)


def compute_map(
    project_folder: Path, name: str, *, seed: int = 0, report: Report = lambda stage, done, total: None
) -> np.typing.NDArray[np.float32]:
    """Computes the 2-D map of an encoder's complete features and stores it; returns ``N×2``.

    Raises:
        StoreError: The features are not complete.
    """
    from sslcore.features.projection import FINAL_MAP, umap_map
    from sslcore.graph.knn import KnnGraph

    cache = FeatureCache(project_folder)
    features = cache.load(name)
    knn = KnnGraph(np.asarray(features.neighbour_NK), np.asarray(features.similarity_NK))
    map_N2 = umap_map(
        features.feature_ND, knn, seed=seed, report=lambda done, total: report("map", done, total)
    )
    cache.save_map(name, map_N2, method=FINAL_MAP)
    return map_N2
