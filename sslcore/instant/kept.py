"""What a view derives from its features, kept beside them, so that the app maps it instead of making it.

::

    features/<encoder>/  head.npy                            float16 N×H: what linear heads read
                         graph_start.npy  graph_index.npy    rows and columns of both graphs' entries
                         graph_broad.npy  graph_sharp.npy    float32: what the entries are
                         smoothed_0.9.npy  smoothed_0.98.npy float16 N×H: the same, smoothed
                         kept.json                           {of, parts}: written after each part

Written by the worker once features and neighbours are there (:func:`keep`): minutes at a million items,
which no label should wait for. Half precision is far below what divides two items. ``of`` names the
features by their file, so what was made from others is never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from sslcore.files import write_array, write_json
from sslcore.shapes import FloatArray

if TYPE_CHECKING:
    from sslcore.instant.view import View

KEEP_FROM = 2_000
"""Items from which on anything is kept: fewer are done in no time."""

Report = Callable[[str, int, int], None]


class Kept:
    """What is kept of the features that lie in ``folder`` now; of later ones nothing is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.of = _name_of(folder)

    def parts(self) -> list[str]:
        """Which parts are there: ``head``, ``graph``, ``smoothed``."""
        try:
            held = json.loads((self.folder / "kept.json").read_text())
        except (OSError, ValueError):
            return []
        return list(held["parts"]) if held.get("of") == self.of else []

    def array(self, name: str) -> Any:
        """An array, memory-mapped."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    def head(self) -> FloatArray | None:
        """What heads read, float16; None while it is not there."""
        return np.asarray(self.array("head")) if "head" in self.parts() else None

    def graphs(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix] | None:
        """The broad and the sharp graph; None while they are not there."""
        if "graph" not in self.parts():
            return None
        start, index = np.asarray(self.array("graph_start")), np.asarray(self.array("graph_index"))
        n = len(start) - 1
        broad, sharp = (
            sparse.csr_matrix((np.asarray(self.array(f"graph_{name}")), index, start), shape=(n, n))
            for name in ("broad", "sharp")
        )
        return broad, sharp

    def smoothed(self, reaches: tuple[float, ...]) -> tuple[FloatArray, ...]:
        """What heads read of smoothed features, float16, one a reach; none while they are not there."""
        if "smoothed" not in self.parts():
            return ()
        return tuple(np.asarray(self.array(f"smoothed_{reach:g}")) for reach in reaches)


def keep(folder: Path, *, report: Report = lambda stage, done, total: None) -> list[str]:
    """Makes what is missing of it; returns the parts that are there afterwards.

    Args:
        folder: Of an encoder's complete features.
        report: Told ``("smoothing", columns done, columns)``; may raise to stop.
    """
    from sslcore.instant.view import REACHES, View

    view = View.load(folder)
    if len(view) < KEEP_FROM or view.knn is None or view.knn.k == 0 or view.kept is None:
        return []
    parts = view.kept.parts()

    def note(part: str) -> None:
        parts.append(part)
        write_json(folder / "kept.json", {"of": view.kept.of if view.kept else None, "parts": parts})

    if "head" not in parts:
        write_array(folder / "head.npy", view.half_head_NH())
        note("head")
    if "graph" not in parts:
        broad, sharp = view.broad, aligned(view.sharp, view.broad)
        for name, array in (
            ("graph_start", broad.indptr),
            ("graph_index", broad.indices),
            ("graph_broad", broad.data),
            ("graph_sharp", sharp.data),
        ):
            write_array(folder / f"{name}.npy", array)
        note("graph")
    if "smoothed" not in parts:
        view = View.load(folder)  # maps what was just written: the rest needs the memory
        for at, reach in enumerate(REACHES):
            smooth_NH = smoothed_half(view, reach, tick=partial(_half, report, at))
            write_array(folder / f"smoothed_{reach:g}.npy", smooth_NH)
            del smooth_NH
        note("smoothed")
    return parts


def _half(report: Report, at: int, done: int, total: int) -> None:
    report("smoothing", at * total + done, 2 * total)


def smoothed_half(
    view: View, reach: float, *, tick: Callable[[int, int], None] = lambda done, total: None
) -> FloatArray:
    """What heads read of features smoothed by ``reach``, float16, made a few columns at a time."""
    from sslcore.instant.view import BLOCK, smooth, unit_rows

    head_NH = view.half_head_NH()
    columns = 16 if len(view) > 10 * BLOCK else head_NH.shape[1]
    out_NH = np.empty(head_NH.shape, np.float16)
    total_H = np.zeros(head_NH.shape[1])
    for start in range(0, head_NH.shape[1], columns):
        part = slice(start, start + columns)
        smooth_NB = smooth(view.broad, head_NH[:, part].astype(np.float32), reach)
        total_H[part] = smooth_NB.sum(axis=0, dtype=np.float64)
        out_NH[:, part] = smooth_NB
        tick(min(start + columns, head_NH.shape[1]), head_NH.shape[1])
    mean_H = (total_H / len(view)).astype(np.float32)
    for start in range(0, len(view), BLOCK):
        out_NH[start : start + BLOCK] = unit_rows(out_NH[start : start + BLOCK], mean_H)
    return out_NH


def aligned(graph: sparse.csr_matrix, pattern: sparse.csr_matrix) -> sparse.csr_matrix:
    """``graph`` with exactly the entries of ``pattern``, which holds them all; those it lacks are 0.

    >>> pattern = sparse.csr_matrix(np.array([[0.0, 1.0], [1.0, 1.0]]))
    >>> aligned(sparse.csr_matrix(np.array([[0.0, 5.0], [0.0, 0.0]])), pattern).data
    array([5., 0., 0.])
    """
    if np.array_equal(graph.indptr, pattern.indptr) and np.array_equal(graph.indices, pattern.indices):
        return graph
    n = np.int64(pattern.shape[1])

    def flat(matrix: sparse.csr_matrix) -> Any:
        row_E = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
        return row_E * n + matrix.indices

    graph.sort_indices()
    data_E = np.zeros(pattern.nnz, graph.dtype)
    data_E[np.searchsorted(flat(pattern), flat(graph))] = graph.data
    return sparse.csr_matrix((data_E, pattern.indices, pattern.indptr), shape=pattern.shape)


def _name_of(folder: Path) -> str:
    """Names the features by their file: replaced features have another name."""
    found = (folder / "features.npy").stat()
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"
