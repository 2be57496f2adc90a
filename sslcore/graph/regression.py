"""Values spread along the graph: a kernel regression whose kernel is the diffusion over all items.

``f(x) = Σ_i A_xi y_i / Σ_i A_xi`` with ``A = (I − αS)⁻¹`` (Zhou et al. 2004 spread classes so; with the
division it is Nadaraya-Watson with that kernel). It serves any number of columns y at once: one yes-or-no
column a class, or one of numbers. Kept as sums over labelled rows, so a new label is one solve and a rank-one
update; what is said of a labelled row leaves out the block its own label was solved in, and all rows of its
group (near-duplicates) are in that block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from sslcore.graph.groups import together
from sslcore.graph.solve import diffuse
from sslcore.shapes import FloatArray, IntArray

_SINGLY = 24  # up to so many new labels are solved one by one
_FOLDS = 5  # … beyond, in blocks: as many as this, and no more columns than that
_COLUMNS = 150
_WIDE = 32  # columns solved at once: bounds the memory of a solve


@dataclass(frozen=True, eq=False)
class Spread:
    """What reaches every item, and what reaches the labelled ones without their own label's block.

    Args:
        sum_NC: ``Σ_i A_xi y_ic``. Belongs to the smoother: copy before writing into it.
        mass_N: ``Σ_i A_xi``, how much of any label reaches an item.
        left_LC: ``sum_NC`` at the labelled rows, their own block taken out.
        left_mass_L: ``mass_N`` at the labelled rows, likewise.
    """

    sum_NC: FloatArray
    mass_N: FloatArray
    left_LC: FloatArray
    left_mass_L: FloatArray

    def mean_NC(self, prior_C: FloatArray) -> FloatArray:
        """The spread values, drawn towards ``prior_C`` where little reaches."""
        return _mean(self.sum_NC, self.mass_N, prior_C, self._grain)

    def left_mean_LC(self, prior_C: FloatArray) -> FloatArray:
        """The same for labelled rows, said without their own label."""
        return _mean(self.left_LC, self.left_mass_L, prior_C, self._grain)

    @property
    def _grain(self) -> float:
        """What the prior weighs: a twentieth of what usually reaches a labelled item from the others."""
        return 0.05 * float(np.median(self.left_mass_L)) + 1e-6 if len(self.left_mass_L) else 1e-6


class Smoother:
    """Spreads values over one graph, warm from label to label.

    Args:
        graph: S, the normalised affinity.
        alpha: How far a value spreads.

    >>> S = sparse.csr_matrix(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32))
    >>> spread = Smoother(S, alpha=0.5).update(np.array([0]), np.array([[4.0]]))
    >>> spread.mean_NC(np.array([0.0])).ravel().round(2)
    array([4., 4., 0.], dtype=float32)
    """

    def __init__(self, graph: sparse.csr_matrix, *, alpha: float) -> None:
        self.graph = graph
        self._solve = partial(diffuse, graph, alpha=alpha, tolerance=1e-3)
        self._value_of: dict[int, FloatArray] = {}
        self._block_of: dict[int, int] = {}
        self._beside: dict[int, tuple[int, ...]] = {}  # labelled rows of its group, where it is not alone
        self._own: dict[int, FloatArray] = {}  # what a row gets from its own block: values, then mass
        self._sum_NE = np.zeros((graph.shape[0], 0), np.float32)
        self._next = 0
        self._changes = 0

    def update(self, row_L: IntArray, value_LC: FloatArray, group_L: IntArray | None = None) -> Spread:
        """The sums for these values, solving only what changed since the last call.

        Args:
            row_L: Labelled rows, each once.
            value_LC: Their values, one column for each thing that is spread.
            group_L: Rows of one group are left out together.
        """
        value_LE = np.concatenate([value_LC, np.ones((len(row_L), 1))], axis=1).astype(np.float32)
        if self._sum_NE.shape[1] != value_LE.shape[1]:
            self._forget(value_LE.shape[1])
        wanted = dict(zip(row_L.tolist(), value_LE))
        beside = {
            row: tuple(rows)
            for held_GM in together(group_L)
            for rows in row_L[held_GM].tolist()
            for row in rows
        }
        stale = [
            row
            for row, held_E in self._value_of.items()
            if row not in wanted
            or self._beside.get(row) != beside.get(row)
            or not np.array_equal(held_E, wanted[row])
        ]  # with one of a group all of it is solved anew: it shares a block
        gone = list(dict.fromkeys(other for row in stale for other in self._beside.get(row, (row,))))
        if len(gone) > _SINGLY or 2 * len(gone) > len(self._value_of) or self._changes > 500:
            self._forget(value_LE.shape[1])
            gone = []
        self._singly(gone, sign=-1, value_of=dict(self._value_of))
        self._beside = beside
        fresh = [row for row in wanted if row not in self._value_of]
        blocks = int(np.clip(_COLUMNS // value_LE.shape[1], 2, _FOLDS))
        if len(fresh) <= max(_SINGLY, blocks * value_LE.shape[1] // 4):
            alone = [row for row in fresh if row not in beside]
            self._singly(alone, sign=1, value_of=wanted)
            for rows in dict.fromkeys(beside[row] for row in fresh if row in beside):
                self._in_block(list(rows), wanted)
        else:  # dealt in turn, in the order of the rows
            parts = list(dict.fromkeys(beside.get(row, (row,)) for row in fresh))
            for block in range(blocks):
                if dealt := [row for rows in parts[block::blocks] for row in rows]:
                    self._in_block(dealt, wanted)
        own_LE = np.stack([self._own[row] for row in row_L.tolist()]) if len(row_L) else value_LE
        left_LE = self._sum_NE[row_L] - own_LE
        return Spread(
            self._sum_NE[:, :-1],
            np.maximum(self._sum_NE[:, -1], 0.0),
            left_LE[:, :-1],
            np.maximum(left_LE[:, -1], 0.0),
        )

    def _forget(self, columns: int) -> None:
        self._sum_NE = np.zeros((self.graph.shape[0], columns), np.float32)
        for held in (self._value_of, self._block_of, self._own, self._beside):
            held.clear()
        self._changes = 0

    def _singly(self, rows: list[int], *, sign: int, value_of: dict[int, FloatArray]) -> None:
        for start in range(0, len(rows), _WIDE):
            part = rows[start : start + _WIDE]
            right_NB = np.zeros((self.graph.shape[0], len(part)), np.float32)
            right_NB[part, np.arange(len(part))] = 1.0
            solved_NB = self._solve(right_NB)
            value_BE = np.stack([value_of[row] for row in part])
            self._sum_NE += sign * (solved_NB @ value_BE)
            for at, row in enumerate(part):
                if sign > 0:
                    self._enter([row], value_of, solved_NB[[row], at][:, None] * value_BE[at])
                else:
                    self._leave(row, solved_NB[:, at], value_BE[at])

    def _in_block(self, rows: list[int], value_of: dict[int, FloatArray]) -> None:
        right_NE = np.zeros_like(self._sum_NE)
        right_NE[rows] = np.stack([value_of[row] for row in rows])
        solved_NE = np.empty_like(right_NE)
        for start in range(0, right_NE.shape[1], _WIDE):
            part = slice(start, start + _WIDE)
            solved_NE[:, part] = self._solve(np.ascontiguousarray(right_NE[:, part]))
        self._sum_NE += solved_NE
        self._enter(rows, value_of, solved_NE[rows])

    def _enter(self, rows: list[int], value_of: dict[int, FloatArray], own_BE: FloatArray) -> None:
        for row, own_E in zip(rows, own_BE):
            self._value_of[row], self._own[row], self._block_of[row] = value_of[row], own_E, self._next
        self._next += 1

    def _leave(self, row: int, column_N: FloatArray, value_E: FloatArray) -> None:
        self._changes += 1
        block = self._block_of.pop(row)
        del self._value_of[row], self._own[row]
        for other, its_block in self._block_of.items():
            if its_block == block:
                self._own[other] = self._own[other] - column_N[other] * value_E


def _mean(sum_MC: FloatArray, mass_M: FloatArray, prior_C: FloatArray, grain: float) -> FloatArray:
    prior_C = np.asarray(prior_C, np.float32)
    weight_M1 = mass_M[:, None] + np.float32(grain)
    return np.asarray((sum_MC + np.float32(grain) * prior_C) / weight_M1, np.float32)
