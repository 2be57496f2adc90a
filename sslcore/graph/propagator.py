"""A linear graph model that takes one label at a time, and knows what it says without each of them.

Label spreading (Zhou et al. 2004) and Poisson learning (Calder et al. 2020) are linear in the labels,
``Z = A Y``. So Z is kept as a sum of solved columns, one sum a class: a new label is *one* solve, an
undone one is subtracted, a thousand imported at once are solved as a few blocks. Each label remembers
the value its own block gives it, so the answer that never saw that block, ``z_i − own_i``, is exact and
costs nothing: leave-one-label-out for labels that came singly, leave-a-fold-out for those in bulk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sslcore.shapes import BoolArray, FloatArray, IntArray

Solve = Callable[[FloatArray], FloatArray]

_FOLDS = 5  # blocks a class's labels are solved in when many come at once …
_COLUMNS = 150  # … or fewer, down to two, so that many classes do not mean a long wait
_SINGLY = 12  # up to so many new labels are solved column by column
_WIDE = 16  # columns solved at once: bounds the memory of a solve
_RECENT_BYTES = 32 << 20  # single columns kept so that an undo or a relabelling needs no solve


@dataclass(frozen=True, eq=False)
class Sums:
    """``A Y`` and, for labelled rows, the same without the block their own label is in.

    Args:
        sum_NC: One column a class. Belongs to the propagator: copy before writing into it.
        mass_C: What each column sums to.
        size_C: Labels in it.
        left_LC: Rows of ``sum_NC`` at the labelled items, their own block taken out.
        left_mass_LC: What the columns then sum to.
        left_size_LC: Labels then in them.
    """

    sum_NC: FloatArray
    mass_C: FloatArray
    size_C: IntArray
    left_LC: FloatArray
    left_mass_LC: FloatArray
    left_size_LC: IntArray
    label_L: IntArray

    @property
    def judged_L(self) -> BoolArray:
        """Rows whose class has a label left, so that their left-out answer could be right."""
        return np.asarray(self.left_size_LC[np.arange(len(self.label_L)), self.label_L] > 0)


class Propagator:
    """``A Y`` for a fixed symmetric ``A``, warm from label to label.

    Args:
        solve: ``right_NB -> A right``, float32 in and out; also takes a single column.
        items: N.

    >>> half = Propagator(lambda right: right / 2, items=3)
    >>> sums = half.update(np.array([0, 2]), np.array([0, 1]), classes=2)
    >>> sums.sum_NC.tolist(), sums.left_LC.tolist()
    ([[0.5, 0.0], [0.0, 0.0], [0.0, 0.5]], [[0.0, 0.0], [0.0, 0.0]])
    """

    def __init__(self, solve: Solve, *, items: int) -> None:
        self._solve, self._items = solve, items
        self._kept = int(np.clip(_RECENT_BYTES // max(4 * items, 1), 2, 64))
        self._recent: dict[int, FloatArray] = {}
        self._label_of: dict[int, int] = {}
        self._block_of: dict[int, int] = {}
        self._own: dict[int, float] = {}  # the value an item gets from the block its label is in
        self._block_mass: dict[int, float] = {}
        self._block_size: dict[int, int] = {}
        self._sum_NC = np.zeros((items, 0), np.float32)
        self._changes = 0
        self._next_block = 0

    def update(
        self, row_L: IntArray, label_L: IntArray, *, classes: int, group_L: IntArray | None = None
    ) -> Sums:
        """The sums for these labels, solving only what changed since the last call.

        Args:
            row_L: Labelled rows, each once.
            label_L: Their classes, 0…classes − 1.
            classes: Columns of the answer.
            group_L: Rows of one group and class leave together.
        """
        wanted = dict(zip(row_L.tolist(), label_L.tolist()))
        group_of = {} if group_L is None else dict(zip(row_L.tolist(), group_L.tolist()))
        gone = [row for row, label in self._label_of.items() if wanted.get(row) != label]
        # rounding adds up over removals, and beyond half of the labels a fresh start is cheaper
        if 2 * len(gone) > len(self._label_of) or self._changes > 500:
            self._forget()
            gone = []
        self._resize(classes, gone)
        host = self._hosts(wanted, group_of)
        if host is None or sum(row not in self._label_of for row in host) > _COLUMNS:
            self._forget()
            self._resize(classes, [])
            host = self._hosts(wanted, group_of) or {}
        fresh = [row for row in wanted if row not in self._label_of and row not in host]
        if len(fresh) <= _SINGLY or len(fresh) <= min(_COLUMNS, _FOLDS * len({wanted[row] for row in fresh})):
            self._add_singly(fresh, wanted)
        else:
            seen: dict[int, int] = {}
            turn = {}
            for row in fresh:  # dealt in turn: a class's folds differ by one label at most
                turn[row] = seen[wanted[row]] = seen.get(wanted[row], -1) + 1
            together = {row: turn[of] for row, of in host.items() if of in turn}
            self._add_blocks([*fresh, *together], wanted, turn | together)
        self._add_beside({row: of for row, of in host.items() if row not in self._label_of}, wanted)
        return self._sums(row_L, label_L)

    def _hosts(self, wanted: dict[int, int], group_of: dict[int, int]) -> dict[int, int] | None:
        """New rows by the row of their group and class whose block they join.

        None where rows that have to leave together are in two blocks already.
        """
        first: dict[tuple[int, int], int] = {}
        for row in self._label_of:
            if row in group_of:
                host = first.setdefault((group_of[row], wanted[row]), row)
                if self._block_of[host] != self._block_of[row]:
                    return None
        joined = {}
        for row, group in group_of.items():
            if row not in self._label_of:
                host = first.setdefault((group, wanted[row]), row)
                if host != row:
                    joined[row] = host
        return joined

    def _forget(self) -> None:
        self._sum_NC = np.zeros((self._items, 0), np.float32)
        for held in (self._label_of, self._block_of, self._own, self._block_mass, self._block_size):
            held.clear()
        self._changes = 0

    def _resize(self, classes: int, gone: list[int]) -> None:
        self._remove(gone)
        have = self._sum_NC.shape[1]
        if classes > have:
            more_NC = np.zeros((self._items, classes - have), np.float32)
            self._sum_NC = np.concatenate([self._sum_NC, more_NC], axis=1)
        elif classes < have:  # their labels are gone by now
            self._sum_NC = np.ascontiguousarray(self._sum_NC[:, :classes])

    def _columns(self, rows: list[int]) -> list[FloatArray]:
        missing = [row for row in rows if row not in self._recent]
        if len(missing) == 1:
            right_N = np.zeros(self._items, np.float32)
            right_N[missing[0]] = 1.0
            self._recent[missing[0]] = self._solve(right_N)
        elif missing:
            right_NB = np.zeros((self._items, len(missing)), np.float32)
            right_NB[missing, np.arange(len(missing))] = 1.0
            solved_NB = self._solve(right_NB)
            for at, row in enumerate(missing):
                self._recent[row] = np.ascontiguousarray(solved_NB[:, at])
        found = [self._recent[row] for row in rows]
        for row in list(self._recent)[: max(0, len(self._recent) - self._kept)]:
            del self._recent[row]
        return found

    def _add_singly(self, rows: list[int], wanted: dict[int, int]) -> None:
        for start in range(0, len(rows), _WIDE):
            part = rows[start : start + _WIDE]
            for row, column_N in zip(part, self._columns(part)):
                self._enter([row], wanted[row], column_N)

    def _add_beside(self, host: dict[int, int], wanted: dict[int, int]) -> None:
        """Adds rows to the blocks of others: ``A`` is symmetric, so a column tells both directions."""
        rows = list(host)
        for start in range(0, len(rows), _WIDE):
            part = rows[start : start + _WIDE]
            for row, column_N in zip(part, self._columns(part)):
                block = self._block_of[host[row]]
                beside = [other for other, its in self._block_of.items() if its == block]
                self._sum_NC[:, wanted[row]] += column_N
                self._block_mass[block] += float(column_N.sum(dtype=np.float64))
                self._block_size[block] += 1
                self._own[row] = float(column_N[[row, *beside]].sum(dtype=np.float64))
                for other in beside:
                    self._own[other] += float(column_N[other])
                self._label_of[row], self._block_of[row] = wanted[row], block

    def _add_blocks(self, rows: list[int], wanted: dict[int, int], turn: dict[int, int]) -> None:
        folds = int(np.clip(_COLUMNS // len({wanted[row] for row in rows}), 2, _FOLDS))
        blocks: dict[tuple[int, int], list[int]] = {}
        for row in rows:
            blocks.setdefault((wanted[row], turn[row] % folds), []).append(row)
        keys = list(blocks)
        for start in range(0, len(keys), _WIDE):
            part = keys[start : start + _WIDE]
            right_NB = np.zeros((self._items, len(part)), np.float32)
            for at, key in enumerate(part):
                right_NB[blocks[key], at] = 1.0
            solved_NB = self._solve(right_NB)
            for at, key in enumerate(part):
                self._enter(blocks[key], key[0], solved_NB[:, at])

    def _enter(self, rows: list[int], label: int, column_N: FloatArray) -> None:
        self._sum_NC[:, label] += column_N
        block, self._next_block = self._next_block, self._next_block + 1
        self._block_mass[block], self._block_size[block] = float(column_N.sum(dtype=np.float64)), len(rows)
        for row in rows:
            self._label_of[row], self._block_of[row] = label, block
            self._own[row] = float(column_N[row])

    def _remove(self, rows: list[int]) -> None:
        self._changes += len(rows)
        for start in range(0, len(rows), _WIDE):
            part = rows[start : start + _WIDE]
            for row, column_N in zip(part, self._columns(part)):
                label, block = self._label_of.pop(row), self._block_of.pop(row)
                del self._own[row]
                self._sum_NC[:, label] -= column_N
                self._block_mass[block] -= float(column_N.sum(dtype=np.float64))
                self._block_size[block] -= 1
                if self._block_size[block] == 0:
                    del self._block_mass[block], self._block_size[block]
                    continue
                for other, its_block in self._block_of.items():
                    if its_block == block:
                        self._own[other] -= float(column_N[other])

    def _sums(self, row_L: IntArray, label_L: IntArray) -> Sums:
        classes = self._sum_NC.shape[1]
        block_L = [self._block_of[row] for row in row_L.tolist()]
        mass_C = self._sum_NC.sum(axis=0, dtype=np.float64)
        size_C = np.bincount(label_L, minlength=classes)
        own_LC = np.zeros((len(row_L), classes), bool)
        own_LC[np.arange(len(row_L)), label_L] = True
        left_LC = self._sum_NC[row_L]
        left_LC[own_LC] -= np.array([self._own[row] for row in row_L.tolist()], np.float32)
        left_mass_LC = np.tile(mass_C, (len(row_L), 1))
        left_mass_LC[own_LC] -= [self._block_mass[block] for block in block_L]
        left_size_LC = np.tile(size_C, (len(row_L), 1))
        left_size_LC[own_LC] -= np.array([self._block_size[block] for block in block_L], np.int64)
        return Sums(self._sum_NC, mass_C, size_C, left_LC, left_mass_LC, left_size_LC, label_L)
