"""The 2-D map: a first picture at once, then UMAP on the neighbours that are there already.

McInnes, Healy & Melville 2018, "UMAP" (arXiv:1802.03426). From the k nearest neighbours, distance
d = 1 − cosine: ρᵢ the smallest positive distance of i, σᵢ such that Σⱼ exp(−(dᵢⱼ−ρᵢ)₊/σᵢ) = log₂(k+1)
(k + 1, for the authors' k counts i itself), then the fuzzy union W = A + Aᵀ − A∘Aᵀ. The layout
minimises cross-entropy between W and 1/(1 + a·d^{2b}) by edge sampling with five negative samples,
learning rate falling from 1 to 0; it begins at the first two principal components.

What differs: no second neighbour search and no spectral start, and the sampling loop is compiled
once per machine (numba, kept on the disk), where umap-learn compiles 30 to 60 s in every process.
Above 500,000 rows a random 200,000 (landmarks) are laid out, and the others go to the weighted mean of
their nearest landmarks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.shapes import FloatArray, IntArray

if TYPE_CHECKING:
    from sslcore.graph.knn import KnnGraph

FIRST_PICTURE, FINAL_MAP = "first picture", "umap"
LANDMARKS_ABOVE, LANDMARKS = 500_000, 200_000
_FIT = 10_000
_BLOCK = 16_384


def first_picture(feature_ND: FloatArray) -> FloatArray:
    """The first two principal components, within [−1, 1]: a map for the first minute.

    Args:
        feature_ND: Any float type, may be memory-mapped; fitted on at most 10,000 rows.

    Returns:
        float32, ``N×2``.

    >>> first_picture(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.5]])).shape
    (3, 2)
    """
    return boxed(_principal(feature_ND, 2))


def umap_map(
    feature_ND: FloatArray,
    knn: KnnGraph,
    *,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> FloatArray:
    """UMAP layout, within [−1, 1].

    Args:
        feature_ND: Where the layout begins (its two first principal components).
        knn: The neighbours of every row, by cosine.
        seed: Of the negative samples; the same seed gives the same map.
        report: Told ``(epochs done, epochs)``; may raise to stop.

    Returns:
        float32, ``N×2``.

    >>> from sslcore.graph.knn import knn_graph
    >>> feature_ND = np.random.default_rng(0).normal(size=(60, 8)) + np.repeat([[0], [9]], 30, axis=0)
    >>> umap_map(feature_ND, knn_graph(feature_ND, k=5)).shape
    (60, 2)
    """
    n = len(feature_ND)
    if n < 4 or knn.k == 0:
        return first_picture(feature_ND)
    if n > LANDMARKS_ABOVE:
        return _by_landmarks(feature_ND, seed=seed, report=report)
    start_N2 = _principal(feature_ND, 2)
    head_E, tail_E, weight_E = fuzzy_edges(knn.neighbour_NK, knn.similarity_NK)
    return boxed(layout(start_N2, (head_E, tail_E, weight_E), seed=seed, report=report))


def boxed(map_N2: FloatArray) -> FloatArray:
    """Coordinates centred and scaled alike so that all but the outermost 0.2 % lie in [−1, 1].

    The few beyond (far-off specks that would shrink all the rest) are set on a margin of 1.2.
    """
    low_2, high_2 = np.quantile(map_N2, [0.001, 0.999], axis=0)
    half = max(float((high_2 - low_2).max()) / 2, 1e-12)
    centred_N2 = (map_N2 - (low_2 + high_2) / 2) / half
    return np.asarray(np.clip(centred_N2, -1.2, 1.2), dtype=np.float32)


def fuzzy_edges(neighbour_NK: IntArray, similarity_NK: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """The fuzzy neighbour graph: edges ``i < j`` once, as heads, tails and weights in (0, 1].

    Args:
        neighbour_NK: Rows of the nearest other items.
        similarity_NK: Their cosines.
    """
    import scipy.sparse as sp

    n, k = neighbour_NK.shape
    distance_NK = np.maximum(1.0 - np.asarray(similarity_NK, dtype=np.float64), 0.0)
    positive_NK = np.where(distance_NK > 1e-9, distance_NK, np.inf)
    rho_N = positive_NK.min(axis=1)
    rho_N[~np.isfinite(rho_N)] = 0.0
    over_NK = np.maximum(distance_NK - rho_N[:, None], 0.0)
    sigma_N = _bandwidth(over_NK, target=float(np.log2(k + 1)))
    member_NK = np.exp(-over_NK / sigma_N[:, None])
    directed = sp.csr_matrix(
        (member_NK.ravel(), (np.repeat(np.arange(n), k), np.asarray(neighbour_NK).ravel())), shape=(n, n)
    )
    product = directed.multiply(directed.T)
    union = sp.triu(directed + directed.T - product, k=1).tocoo()
    keep_E = union.data > 0
    return (
        union.row[keep_E].astype(np.int32),
        union.col[keep_E].astype(np.int32),
        union.data[keep_E].astype(np.float32),
    )


def _bandwidth(over_NK: FloatArray, *, target: float) -> FloatArray:
    """σ by bisection, all rows at once: Σⱼ exp(−over/σ) = target."""
    mean_N = over_NK.mean(axis=1)
    low_N, high_N = np.zeros(len(over_NK)), np.full(len(over_NK), np.inf)
    sigma_N = np.where(mean_N > 0, mean_N, 1.0)
    for _ in range(40):
        total_N = np.exp(-over_NK / sigma_N[:, None]).sum(axis=1)
        high_N = np.where(total_N > target, sigma_N, high_N)
        low_N = np.where(total_N > target, low_N, sigma_N)
        sigma_N = np.where(np.isfinite(high_N), (low_N + np.minimum(high_N, 1e30)) / 2, sigma_N * 2)
    # Duplicates leave nothing to spread over: the floor of the paper's code, a thousandth of the mean.
    floor_N = 1e-3 * np.where(mean_N > 0, mean_N, max(float(over_NK.mean()), 1e-9))
    return np.maximum(sigma_N, floor_N)


def layout(
    start_N2: FloatArray,
    edges: tuple[IntArray, IntArray, FloatArray],
    *,
    seed: int = 0,
    epochs: int | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> FloatArray:
    """Moves points so that joined ones are near and others apart.

    Args:
        start_N2: Where the points begin, any scale.
        edges: Heads, tails and weights, each edge once.
        seed: Of the negative samples and of a small jitter of the start.
        epochs: By default 500 up to 5,000 rows, 200 up to 50,000, 100 above: on 10,000 and 100,000 rows
            half as many as in the paper's code kept neighbours as well (trustworthiness .992).
        report: Told ``(epochs done, epochs)``.

    Returns:
        float32, ``N×2``, not scaled.
    """
    head_E, tail_E, weight_E = edges
    n = len(start_N2)
    epochs = epochs or (500 if n <= 5_000 else 200 if n <= 50_000 else 100)
    rng = np.random.default_rng(seed)
    spread = max(float(np.abs(start_N2 - start_N2.mean(axis=0)).max()), 1e-12)
    place_N2 = (start_N2 - start_N2.mean(axis=0)) / spread * 10.0 + rng.normal(scale=1e-2, size=(n, 2))
    place_N2 = np.ascontiguousarray(place_N2, dtype=np.float32)
    # An edge is drawn in proportion to its weight: the heaviest in every epoch, the lightest never.
    period_E = weight_E.max(initial=1e-12) / np.maximum(weight_E, 1e-12)
    kept_E = period_E <= epochs
    head_E, tail_E = np.ascontiguousarray(head_E[kept_E]), np.ascontiguousarray(tail_E[kept_E])
    period_E = period_E[kept_E].astype(np.float32)
    due_E = period_E.copy()
    step, state = _kernel(), np.uint64(rng.integers(1, 2**63))
    for epoch in range(epochs):
        rate = np.float32(1.0 - epoch / epochs)
        state = np.uint64(step(place_N2, head_E, tail_E, period_E, due_E, np.float32(epoch + 1), rate, state))
        if epoch % 5 == 4 or epoch + 1 == epochs:
            report(epoch + 1, epochs)
    return place_N2


@cache
def _kernel() -> Callable[..., Any]:
    from sslcore.features.kernels.umap_epoch import epoch

    compiled: Callable[..., Any] = epoch
    return compiled


def _principal(feature_ND: FloatArray, k: int) -> FloatArray:
    """First ``k`` principal components, float32; axes fitted on at most 10,000 rows."""
    from sslcore.features.pixels import principal_axes

    n = len(feature_ND)
    rows = np.arange(n) if n <= _FIT else np.sort(np.random.default_rng(0).choice(n, _FIT, replace=False))
    mean_D, axes_KD = principal_axes(np.asarray(feature_ND[rows], dtype=np.float32), k)
    out_NK = np.zeros((n, k), dtype=np.float32)
    for first in range(0, n, _BLOCK):
        block_BD = np.asarray(feature_ND[first : first + _BLOCK], dtype=np.float32) - mean_D
        out_NK[first : first + _BLOCK, : len(axes_KD)] = block_BD @ axes_KD.T
    return out_NK


def _by_landmarks(feature_ND: FloatArray, *, seed: int, report: Callable[[int, int], None]) -> FloatArray:
    """The map of a random part, and every other row at the weighted mean of its nearest of them."""
    import faiss

    from sslcore.graph.knn import knn_graph

    n, rng = len(feature_ND), np.random.default_rng(seed)
    chosen_M = np.sort(rng.choice(n, LANDMARKS, replace=False))
    landmark_MD = np.asarray(feature_ND[chosen_M])
    place_M2 = umap_map(landmark_MD, knn_graph(landmark_MD, seed=seed), seed=seed, report=report)
    mean_D = landmark_MD.mean(axis=0, dtype=np.float32)

    def unit(rows_BD: FloatArray) -> FloatArray:
        centred_BD = rows_BD.astype(np.float32) - mean_D
        norm_B1 = np.linalg.norm(centred_BD, axis=1, keepdims=True)
        return np.asarray(centred_BD / np.maximum(norm_B1, 1e-12), dtype=np.float32)

    lists = max(1, min(1024, len(chosen_M) // 64))
    index: Any = faiss.index_factory(feature_ND.shape[1], f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    unit_MD = unit(landmark_MD)
    index.train(unit_MD[rng.permutation(len(unit_MD))[: 64 * lists]])
    index.add(unit_MD)
    index.nprobe = min(8, lists)
    map_N2 = np.empty((n, 2), dtype=np.float32)
    for first in range(0, n, _BLOCK):
        cosine_BK, near_BK = index.search(unit(np.asarray(feature_ND[first : first + _BLOCK])), 5)
        weight_BK = np.where(near_BK >= 0, np.maximum(cosine_BK, 1e-6) ** 8, 0.0)
        weight_BK /= np.maximum(weight_BK.sum(axis=1, keepdims=True), 1e-12)
        map_N2[first : first + _BLOCK] = (weight_BK[..., None] * place_M2[near_BK]).sum(axis=1)
        report(first, n)
    map_N2[chosen_M] = place_M2
    return boxed(map_N2)
