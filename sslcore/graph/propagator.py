"""Label spreading that takes one label at a time, and knows what it would say without each of them.

``Z = (I − αS)⁻¹ Y`` (Zhou et al. 2004) is linear in Y, so it is kept as a sum of solved columns, one
sum a class: a new label is *one* solve, an undone one is subtracted, a thousand imported at once
are solved as a few blocks. Each label remembers the value its own block gives it, so the solution
that never saw that block, ``z_i − own_i``, is exact and costs nothing: leave-one-label-out for
labels that came singly, leave-one-fold-out for those that came in bulk.
Columns of one class are divided by the mass they spread, ``Z_c / Σ_n Z_nc``: class-mass normalisation
of the densities (Zhu et al. 2003), after which big and small classes speak with one voice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sslcore.graph.solve import diffuse
from sslcore.shapes import FloatArray, IntArray

BACKGROUND = 1e-3
"""Weight of the uniform density mixed into each class's: what an item no label reaches falls back to."""

_FOLDS = 5  # blocks a class's labels are solved in when many come at once
_WIDE = 16  # columns solved at once: bounds the memory of a solve
_SINGLY = 12  # up to so many new labels are solved column by column
_RECENT_BYTES = 32 << 20  # single columns kept so that an undo or a relabelling needs no solve


@dataclass(frozen=True, eq=False)
class Spread:
    """Class-conditional densities over the items, as logarithms; ``-log N`` is the background.

    Args:
        density_NC: log densities from all labels, float32, columns of the classes asked for.
        left_out_LC: The same for labelled rows, each without the block its own label came in.
        judged_L: Whether the left-out row means something: another label of its class remains.
    """

    density_NC: FloatArray
    left_out_LC: FloatArray
    judged_L: np.ndarray


class Propagator:
    """Spreading on one graph with one α, warm from label to label.

    Args:
        graph: ``S``, from :func:`sslcore.graph.affinity.normalised`.
        alpha: How far labels spread, in [0, 1).

    >>> S = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32))
    >>> spread = Propagator(S, alpha=0.5).update(np.array([0, 2]), np.array([0, 1]), classes=2)
    >>> spread.density_NC.argmax(axis=1).tolist()  # row 1 hangs on row 0
    [0, 0, 1]
    """

    def __init__(self, graph: sparse.csr_matrix, *, alpha: float) -> None:
        self.graph, self.alpha = graph, alpha
        self._label_of: dict[int, int] = {}
        self._block_of: dict[int, int] = {}
        self._recent: dict[int, FloatArray] = {}
        self._sum_NC = np.zeros((graph.shape[0], 0), np.float32)
        self._own: dict[int, float] = {}  # value an item gets from the block its label is in
        self._block_mass: dict[int, float] = {}
        self._block_size: dict[int, int] = {}
        self._changes = 0
        self._next_block = 0
        self._kept = int(np.clip(_RECENT_BYTES // max(4 * graph.shape[0], 1), 2, 64))

    def update(self, row_L: IntArray, label_L: IntArray, *, classes: int) -> Spread:
        """The densities for these labels, solving only what changed since the last call.

        Args:
            row_L: Labelled rows, each once.
            label_L: Their classes, 0…classes − 1.
            classes: Columns of the answer.
        """
        wanted = dict(zip(row_L.tolist(), label_L.tolist()))
        gone = [row for row, label in self._label_of.items() if wanted.get(row) != label]
        if self._sum_NC.shape[1] != classes or 2 * len(gone) > len(self._label_of) or self._changes > 500:
            self._forget(classes)
            gone = []
        self._remove(gone)
        fresh = [row for row in wanted if row not in self._label_of]
        if len(fresh) <= _SINGLY or len(fresh) <= _FOLDS * len({wanted[row] for row in fresh}):
            self._add_singly(fresh, wanted)
        else:
            self._add_in_blocks(fresh, wanted)
        return self._spread(row_L, label_L)

    def _forget(self, classes: int) -> None:
        self._sum_NC = np.zeros((self.graph.shape[0], classes), np.float32)
        for held in (self._label_of, self._block_of, self._own, self._block_mass, self._block_size):
            held.clear()
        self._changes = 0

    def _solve(self, right_NC: FloatArray) -> FloatArray:
        return diffuse(self.graph, right_NC, alpha=self.alpha)

    def _columns(self, rows: list[int]) -> FloatArray:
        missing = [row for row in rows if row not in self._recent]
        for start in range(0, len(missing), _WIDE):
            part = missing[start : start + _WIDE]
            right = np.zeros((self.graph.shape[0], len(part)), np.float32)
            right[part, np.arange(len(part))] = 1.0
            solved = self._solve(right)
            for at, row in enumerate(part):
                self._recent[row] = np.ascontiguousarray(solved[:, at])
        found = np.stack([self._recent[row] for row in rows])
        for row in list(self._recent)[: max(0, len(self._recent) - self._kept)]:
            del self._recent[row]
        return found

    def _add_singly(self, rows: list[int], wanted: dict[int, int]) -> None:
        if not rows:
            return
        for row, column_N in zip(rows, self._columns(rows)):
            self._enter([row], wanted[row], column_N)

    def _add_in_blocks(self, rows: list[int], wanted: dict[int, int]) -> None:
        blocks: dict[tuple[int, int], list[int]] = {}
        turn: dict[int, int] = {}
        for row in rows:  # dealt in turn, so a class's folds differ by one at most
            label = wanted[row]
            turn[label] = turn.get(label, -1) + 1
            blocks.setdefault((label, turn[label] % _FOLDS), []).append(row)
        keys = list(blocks)
        for start in range(0, len(keys), _WIDE):
            part = keys[start : start + _WIDE]
            right = np.zeros((self.graph.shape[0], len(part)), np.float32)
            for at, key in enumerate(part):
                right[blocks[key], at] = 1.0
            solved = self._solve(right)
            for at, key in enumerate(part):
                self._enter(blocks[key], key[0], solved[:, at])

    def _enter(self, rows: list[int], label: int, column_N: FloatArray) -> None:
        self._sum_NC[:, label] += column_N
        block, self._next_block = self._next_block, self._next_block + 1
        self._block_mass[block], self._block_size[block] = float(column_N.sum()), len(rows)
        for row in rows:
            self._label_of[row], self._block_of[row] = label, block
            self._own[row] = float(column_N[row])

    def _remove(self, rows: list[int]) -> None:
        if not rows:
            return
        self._changes += len(rows)
        for start in range(0, len(rows), _WIDE):
            part = rows[start : start + _WIDE]
            for row, column_N in zip(part, self._columns(part)):
                label, block = self._label_of.pop(row), self._block_of.pop(row)
                del self._own[row]
                self._sum_NC[:, label] -= column_N
                self._block_mass[block] -= float(column_N.sum())
                self._block_size[block] -= 1
                for other, its_block in self._block_of.items():
                    if its_block == block:
                        self._own[other] -= float(column_N[other])

    def _spread(self, row_L: IntArray, label_L: IntArray) -> Spread:
        n, classes = self._sum_NC.shape
        block_L = [self._block_of[row] for row in row_L.tolist()]
        own_L = np.array([self._own[row] for row in row_L.tolist()], np.float32)
        own_mass_L = np.array([self._block_mass[block] for block in block_L])
        own_size_L = np.array([self._block_size[block] for block in block_L], dtype=np.int64)
        mass_C = self._sum_NC.sum(axis=0, dtype=np.float64)
        size_C = np.bincount(label_L, minlength=classes)
        at_L = np.arange(len(row_L))

        left_LC = self._sum_NC[row_L]
        left_LC[at_L, label_L] -= own_L
        left_mass_LC = np.repeat(mass_C[None], len(row_L), axis=0)
        left_mass_LC[at_L, label_L] -= own_mass_L
        left_size_LC = np.repeat(size_C[None], len(row_L), axis=0)
        left_size_LC[at_L, label_L] -= own_size_L
        return Spread(
            density_NC=_log_density(self._sum_NC, mass_C, size_C, n),
            left_out_LC=_log_density(left_LC, left_mass_LC, left_size_LC, n),
            judged_L=left_size_LC[at_L, label_L] > 0,
        )


def _log_density(sum_NC: FloatArray, mass: FloatArray, size: IntArray, n: int) -> FloatArray:
    """``log(Z_nc / mass_c + BACKGROUND / N)``; classes without a label have the background alone."""
    share = np.where((size > 0) & (mass > 0), 1.0 / np.where(mass > 0, mass, 1.0), 0.0).astype(np.float32)
    density_NC = sum_NC * share
    # conjugate gradients stop early, so far items may come out a hair below zero
    np.maximum(density_NC, 0.0, out=density_NC)
    density_NC += np.float32(BACKGROUND / max(n, 1))
    return np.asarray(np.log(density_NC, out=density_NC))
