"""One set of frozen features, with what the instant models derive from it once.

Linear heads read ``l2(PCA128(X − mean))``, plain or smoothed along the graph; graph models read two
weightings of the kNN graph, the broad self-tuning one and the sharp one that also wants shared
neighbours (``graph/affinity.py``).
All of it is made on first use and held, because it does not change while labels come in; of large sets it
is mapped from the disk, where the worker has put it (``kept.py``), and read block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from sslcore.errors import DataError
from sslcore.graph.affinity import normalised, self_tuned, shared
from sslcore.graph.knn import KnnGraph, knn_graph
from sslcore.graph.solve import diffuse
from sslcore.instant.kept import Kept
from sslcore.shapes import FloatArray, IntArray

HEAD_DIMENSIONS = 128
REACHES = (0.9, 0.98)
"""How far features are smoothed: on average over 10 and over 50 steps along the graph."""

HELD_ROWS = 50_000
"""Rows up to which what heads read is held in float32; of more it stays on the disk, in float16."""
SMOOTHED_AT_ONCE = 20_000
"""Rows up to which features are smoothed when they are first asked for; of more the worker does it."""
BLOCK = 16_384
_COVARIANCE_ROWS = 50_000  # more rows do not move 128 components


@dataclass(frozen=True, eq=False)
class View:
    """Features of all items under one encoder.

    Args:
        name: The encoder's name, shown to the user.
        feature_ND: One row an item, any float type, may be memory-mapped.
        knn: Nearest neighbours; None while they are not computed, and then only heads work on it.
        kept: What is kept beside the features on the disk.
        ready_NH: What heads read of it, where that is made already.

    Raises:
        DataError: Features that are no table, or a graph of another length.
    """

    name: str
    feature_ND: FloatArray
    knn: KnnGraph | None
    kept: Kept | None = None
    ready_NH: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.feature_ND.ndim != 2:
            raise DataError(
                f"View {self.name!r} needs features of shape (items, dimensions). "
                f"Received: shape {self.feature_ND.shape}."
            )
        if self.knn is not None and len(self.knn) != len(self.feature_ND):
            raise DataError(
                f"View {self.name!r} has {len(self.feature_ND)} rows of features and a graph of "
                f"{len(self.knn)}. Compute the graph again."
            )

    @classmethod
    def of(cls, name: str, feature_ND: FloatArray, *, k: int = 15, seed: int = 0) -> View:
        """A view with its graph computed here.

        >>> View.of("toy", np.eye(4)).head_ND.shape
        (4, 4)
        """
        return cls(name, feature_ND, knn_graph(feature_ND, k=k, seed=seed))

    @classmethod
    def load(cls, folder: Path) -> View:
        """A view from the feature cache, memory-mapped: features.npy, knn_index.npy, knn_similarity.npy.

        Raises:
            DataError: No features there. A missing graph is no error: the view then has none.
        """
        folder = Path(folder)
        if not (folder / "features.npy").is_file():
            raise DataError("There are no features here yet: features.npy is missing.", file=folder)
        feature_ND = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
        knn = None
        if (folder / "knn_index.npy").is_file() and (folder / "knn_similarity.npy").is_file():
            knn = KnnGraph(
                np.load(folder / "knn_index.npy", mmap_mode="r", allow_pickle=False),
                np.load(folder / "knn_similarity.npy", mmap_mode="r", allow_pickle=False),
            )
        return cls(folder.name, feature_ND, knn, Kept(folder))

    def __len__(self) -> int:
        return len(self.feature_ND)

    @cached_property
    def mean_D(self) -> FloatArray:
        """Mean feature, float32."""
        total_D = np.zeros(self.feature_ND.shape[1])
        for start in range(0, len(self), BLOCK):
            total_D += self.feature_ND[start : start + BLOCK].sum(axis=0, dtype=np.float64)
        return np.asarray(total_D / max(len(self), 1), dtype=np.float32)

    @cached_property
    def components_DH(self) -> FloatArray | None:
        """The principal directions, None where the features are narrow enough already."""
        if self.feature_ND.shape[1] <= HEAD_DIMENSIONS:
            return None
        # evenly spaced rows instead of random ones: the same answer every time, without a seed
        at = np.unique(np.linspace(0, len(self) - 1, min(len(self), _COVARIANCE_ROWS)).astype(int))
        d = self.feature_ND.shape[1]
        covariance_DD = np.zeros((d, d), np.float32)
        for start in range(0, len(at), BLOCK):
            part = np.asarray(self.feature_ND[at[start : start + BLOCK]], np.float32) - self.mean_D
            covariance_DD += part.T @ part
        from scipy.linalg import eigh

        _, vector = eigh(covariance_DD.astype(np.float64), subset_by_index=(d - HEAD_DIMENSIONS, d - 1))
        return np.ascontiguousarray(vector[:, ::-1], dtype=np.float32)

    @cached_property
    def head_ND(self) -> FloatArray:
        """What linear heads read: centred, on the principal directions, rows of length 1; float32, whole."""
        if self.ready_NH is not None:
            return np.asarray(self.ready_NH, np.float32)
        return self._projected(np.float32)

    @cached_property
    def _head_NH(self) -> FloatArray:
        """The same as it is read block by block: float16 where the rows are many."""
        return self.head_ND if len(self) <= HELD_ROWS else self.half_head_NH()

    def half_head_NH(self) -> FloatArray:
        """What linear heads read, float16: mapped where it is kept, else made now."""
        if self.ready_NH is not None:
            return np.asarray(self.ready_NH, np.float16)
        kept_NH = None if self.kept is None else self.kept.head()
        return self._projected(np.float16) if kept_NH is None else kept_NH

    def _projected(self, dtype: type[np.floating[Any]]) -> FloatArray:
        h = self.feature_ND.shape[1] if self.components_DH is None else HEAD_DIMENSIONS
        out_NH = np.empty((len(self), h), dtype)
        for start in range(0, len(self), BLOCK):
            out_NH[start : start + BLOCK] = self.project(self.feature_ND[start : start + BLOCK])
        return out_NH

    def head_rows(self, row_L: IntArray) -> FloatArray:
        """Rows of :attr:`head_ND`, float32, without the others being made."""
        return np.asarray(self._head_NH[row_L], np.float32)

    def logits(self, coef_HC: FloatArray, bias_C: FloatArray) -> FloatArray:
        """``head_ND @ coef_HC + bias_C``, float32, block by block.

        >>> View("toy", np.array([[1.0, 0.0], [-1.0, 0.0]]), None).logits(np.eye(2), np.zeros(2))[:, 0]
        array([ 1., -1.], dtype=float32)
        """
        coef_HC, bias_C = np.asarray(coef_HC, np.float32), np.asarray(bias_C, np.float32)
        out_NC = np.empty((len(self), coef_HC.shape[1]), np.float32)
        for start in range(0, len(self), BLOCK):
            part = slice(start, start + BLOCK)
            np.matmul(np.asarray(self._head_NH[part], np.float32), coef_HC, out=out_NC[part])
        out_NC += bias_C
        return out_NC

    def project(self, feature_BD: FloatArray) -> FloatArray:
        """Features of new items, as :attr:`head_ND` has those of the known ones."""
        centred_BD = np.asarray(feature_BD, dtype=np.float32) - self.mean_D
        if self.components_DH is not None:
            centred_BD = centred_BD @ self.components_DH
        return unit_rows(centred_BD)

    @property
    def smoothed(self) -> tuple[View, ...]:
        """Views of ``(1 − α)(I − αS)⁻¹ F``, F what heads read, one for each of :data:`REACHES`.

        Personalised PageRank of features (Gasteiger et al. 2019): items take on what their part of the
        graph has in common, so a plain linear head on them is a semi-supervised model that looks further
        than its labels, and still one whose left-out answers are honest, for no label is in it.

        Of many rows there are none until the worker has made them; they are looked for again each time.
        """
        held: tuple[View, ...] = self.__dict__.get("_smoothed", ())
        if not held:
            name = f"{self.name}, smoothed"
            kept = () if self.kept is None else self.kept.smoothed(REACHES)
            if kept:
                held = tuple(View(name, smooth_NH, None, ready_NH=smooth_NH) for smooth_NH in kept)
            elif len(self) <= SMOOTHED_AT_ONCE:
                held = tuple(View(name, smooth(self.broad, self.head_ND, reach), None) for reach in REACHES)
            self.__dict__["_smoothed"] = held
        return held

    @cached_property
    def group_N(self) -> IntArray | None:
        """Near-duplicates by group, an item alone under a number of its own; None where none are alike."""
        if self.knn is None:
            return None
        from sslcore.quality.duplicates import duplicate_groups

        group_N = duplicate_groups(self.knn)
        alone_N = group_N < 0
        if alone_N.all():
            return None
        return np.where(alone_N, group_N.max() + 1 + np.arange(len(group_N)), group_N)

    @cached_property
    def weight(self) -> sparse.csr_matrix:
        """``W``, the self-tuning affinity."""
        if self.knn is None:
            raise DataError(
                f"View {self.name!r} has no neighbour graph yet. Compute it, or use the linear head."
            )
        return self_tuned(self.knn)

    @cached_property
    def broad(self) -> sparse.csr_matrix:
        """``S`` of the self-tuning affinity."""
        return normalised(self.weight) if self._graphs is None else self._graphs[0]

    @cached_property
    def sharp(self) -> sparse.csr_matrix:
        """``S`` of the shared-neighbour affinity."""
        if self.knn is None:
            return self.broad  # raises, saying why
        return normalised(shared(self.knn, self.weight)) if self._graphs is None else self._graphs[1]

    @cached_property
    def _graphs(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix] | None:
        """Both graphs, mapped, where they are kept."""
        return None if self.kept is None else self.kept.graphs()


def smooth(graph: sparse.csr_matrix, head_NH: FloatArray, reach: float) -> FloatArray:
    """``(1 − α)(I − αS)⁻¹ F`` with α = ``reach``."""
    # a hundredth is enough: what is left is far below what divides two items
    return np.float32(1.0 - reach) * diffuse(graph, head_NH, alpha=reach, tolerance=1e-2)


def unit_rows(feature_BD: FloatArray, mean_D: FloatArray | float = 0.0) -> FloatArray:
    """Rows less the mean, of length 1, float32."""
    centred_BD = np.asarray(feature_BD, np.float32) - np.asarray(mean_D, np.float32)
    return centred_BD / np.maximum(np.linalg.norm(centred_BD, axis=1, keepdims=True), 1e-12)


def check_views(loop: str, views: Sequence[View], classes: int, *, most: int) -> None:
    """Refuses what a loop cannot work on.

    Args:
        loop: Who asks, for the message.
        views: Its views.
        classes: How many classes there are.
        most: Items times classes that it can hold.

    Raises:
        DataError: No view or no class, views of different items, or more classes than a table can hold.

    >>> check_views("InstantLoop", [], 3, most=100)
    Traceback (most recent call last):
    sslcore.errors.DataError: InstantLoop needs at least one view and one class. Received: 0 views, 3 classes.
    """
    if not views or classes < 1:
        raise DataError(
            f"{loop} needs at least one view and one class. Received: {len(views)} views, {classes} classes."
        )
    if len({len(view) for view in views}) > 1:
        sizes = ", ".join(f"{view.name}: {len(view)}" for view in views)
        raise DataError(f"{loop} needs views of the same items. Received: {sizes}.")
    if len(views[0]) * classes > most:
        raise DataError(
            f"{len(views[0]):,} items × {classes:,} classes is more than this machine can hold in "
            f"one table ({most:,} entries). Is the label column a text or an identifier?"
        )
