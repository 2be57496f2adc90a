"""The k nearest neighbours of every item by cosine, built once per encoder and shared by all.

Cosine after half the mean feature is taken off: all of it, as is usual, throws away the meaningful
zero of pixels and rectified units, none of it lets a common offset of an encoder hide the rest
(spreading on nine sets: half is within half a point of the better of the two on each). Exact up to
:data:`EXACT_ROWS` items (faiss flat index, Johnson et al. 2019); above that an inverted-file index
(IVF, half precision) whose number of probed lists is raised until the recall *measured* on a sample
of rows reaches :data:`RECALL`, so the promise does not hang on a constant. An item is never its own
neighbour; duplicates are neighbours at cosine 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sslcore.errors import DataError
from sslcore.shapes import FloatArray, IntArray

EXACT_ROWS = 30_000
"""Up to here every pair is compared: 30,000 × 384 takes some seconds."""
RECALL = 0.97
"""Share of true neighbours the approximate index must find on the sample (the promise is .95)."""

CENTRING = 0.5
"""Share of the mean that is taken off before the cosine."""

_BLOCK = 16_384  # rows converted to float32 at a time: a memory-mapped float16 set is never copied whole
_SAMPLE = 200


@dataclass(frozen=True, eq=False)
class KnnGraph:
    """Neighbours of every item, nearest first.

    Args:
        neighbour_NK: Rows of the K nearest other items, int32.
        similarity_NK: Their cosines, float32, in [−1, 1].
    """

    neighbour_NK: IntArray
    similarity_NK: FloatArray

    def __len__(self) -> int:
        return len(self.neighbour_NK)

    @property
    def k(self) -> int:
        """Neighbours an item has."""
        return int(self.neighbour_NK.shape[1])


def knn_graph(feature_ND: FloatArray, *, k: int = 15, seed: int = 0) -> KnnGraph:
    """The k nearest neighbours of every row by cosine of the half-centred features.

    Args:
        feature_ND: One row an item; any float type, may be memory-mapped.
        k: Neighbours a row; N − 1 where there are fewer rows.
        seed: Of the index's training sample, used above :data:`EXACT_ROWS` rows only.

    Raises:
        DataError: Not two-dimensional, or a feature that is no finite number.

    >>> ring_ND = np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0], [-0.9, -0.1]])
    >>> knn_graph(ring_ND, k=1).neighbour_NK.ravel().tolist()
    [1, 0, 3, 2]
    """
    if feature_ND.ndim != 2:
        raise DataError(
            f"knn_graph needs features of shape (items, dimensions). Received: shape {feature_ND.shape}."
        )
    if k < 1:
        raise DataError(f"knn_graph needs k of at least 1. Received: {k}.")
    n = len(feature_ND)
    k = min(k, n - 1)
    if k < 1:
        return KnnGraph(np.empty((n, 0), np.int32), np.empty((n, 0), np.float32))
    mean_D = np.float32(CENTRING) * _mean(feature_ND)
    if not np.isfinite(mean_D).all():
        raise DataError(
            "knn_graph needs finite features. Received: a value that is NaN or infinite. Encode again."
        )
    index = _exact(feature_ND, mean_D) if n <= EXACT_ROWS else _inverted(feature_ND, mean_D, k=k, seed=seed)
    neighbour_NK, similarity_NK = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        found_BK, cosine_BK = _search(index, feature_ND[start:stop], mean_D, k + 1)
        neighbour_NK[start:stop], similarity_NK[start:stop] = _without_self(found_BK, cosine_BK, start)
    return KnnGraph(neighbour_NK, np.clip(similarity_NK, -1.0, 1.0))


def nearest(feature_ND: FloatArray, query_MD: FloatArray, *, k: int) -> tuple[IntArray, FloatArray]:
    """The k rows of a set nearest to each of some new rows, exactly, and their cosines, nearest first.

    >>> rows, cosines = nearest(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[0.5, 0.1]]), k=1)
    >>> rows.tolist(), cosines.tolist() == [[1.0]]
    ([[0]], False)
    """
    mean_D = np.float32(CENTRING) * _mean(feature_ND)
    k = min(k, len(feature_ND))
    index = _exact(feature_ND, mean_D)
    cosine_MK, found_MK = index.search(_unit(query_MD, mean_D), k)
    return found_MK, np.clip(cosine_MK, -1.0, 1.0)


def _mean(feature_ND: FloatArray) -> FloatArray:
    total_D = np.zeros(feature_ND.shape[1])
    for start in range(0, len(feature_ND), _BLOCK):
        total_D += feature_ND[start : start + _BLOCK].sum(axis=0, dtype=np.float64)
    return np.asarray(total_D / max(len(feature_ND), 1), dtype=np.float32)


def _unit(feature_BD: FloatArray, mean_D: FloatArray) -> FloatArray:
    centred_BD = np.asarray(feature_BD, dtype=np.float32) - mean_D
    norm_B1 = np.linalg.norm(centred_BD, axis=1, keepdims=True)
    return np.ascontiguousarray(centred_BD / np.maximum(norm_B1, 1e-12))


def _exact(feature_ND: FloatArray, mean_D: FloatArray) -> Any:
    import faiss

    index = faiss.IndexFlatIP(feature_ND.shape[1])
    index.add(_unit(feature_ND, mean_D))
    return index


def _inverted(feature_ND: FloatArray, mean_D: FloatArray, *, k: int, seed: int) -> Any:
    import faiss

    rng, (n, d) = np.random.default_rng(seed), feature_ND.shape
    lists = int(2 * np.sqrt(n))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(d), d, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.own_fields = False
    index.cp.seed, index.cp.niter = seed + 1, 8
    kept_M = np.sort(rng.choice(n, min(n, 40 * lists), replace=False))
    index.train(_unit(feature_ND[kept_M], mean_D))
    for start in range(0, n, _BLOCK):
        index.add(_unit(feature_ND[start : start + _BLOCK], mean_D))
    asked_M = np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))
    query_MD = _unit(feature_ND[asked_M], mean_D)
    index.nprobe = lists
    _, true_MK = index.search(query_MD, k + 1)
    index.nprobe = 8
    while index.nprobe < lists and _recall(index, query_MD, true_MK) < RECALL:
        index.nprobe = min(lists, int(index.nprobe * 1.5))
    return index


def _recall(index: Any, query_MD: FloatArray, true_MK: IntArray) -> float:
    _, found_MK = index.search(query_MD, true_MK.shape[1])
    hits = sum(len(np.intersect1d(found_K, true_K)) for found_K, true_K in zip(found_MK, true_MK))
    return float(hits / true_MK.size)


def _search(index: Any, feature_BD: FloatArray, mean_D: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    query_BD = _unit(feature_BD, mean_D)
    cosine_BK, found_BK = index.search(query_BD, k)
    short_B = (found_BK < 0).any(axis=1)
    if short_B.any():  # lists too small to hold k items: ask all lists for these few rows
        probed, index.nprobe = index.nprobe, index.nlist
        cosine_BK[short_B], found_BK[short_B] = index.search(query_BD[short_B], k)
        index.nprobe = probed
    return found_BK, cosine_BK


def _without_self(found_BK: IntArray, cosine_BK: FloatArray, start: int) -> tuple[IntArray, FloatArray]:
    self_BK = found_BK == np.arange(start, start + len(found_BK))[:, None]
    # among many duplicates an item may not be listed at all: then the farthest of them goes
    self_BK[~self_BK.any(axis=1), -1] = True
    shape = (len(found_BK), found_BK.shape[1] - 1)
    return found_BK[~self_BK].reshape(shape), cosine_BK[~self_BK].reshape(shape)
