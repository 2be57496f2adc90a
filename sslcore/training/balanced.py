"""Labelled items dealt evenly over the classes (class-balanced sampling: Kang et al. 2020, arXiv:1910.09217).

In a long-tailed set a batch of 16 hardly ever holds the rarest class. Here each round deals one item of every
class, the classes in a shuffled order and the items of a class in shuffled rounds of their own; so a class
with two labels is seen as often as one with forty, and its two items far more often than any of the forty.
"""

from __future__ import annotations

import numpy as np

from sslcore.shapes import IntArray


class BalancedStream:
    """Deals as many items of each class as of any other.

    Args:
        row_N: Rows of the labelled items.
        label_N: Their classes.
        size: Items in a step.
        seed: Of the shuffling.

    >>> stream = BalancedStream(np.arange(5), np.array([0, 0, 0, 0, 1]), size=4, seed=0)
    >>> [int((stream.deal(step) == 4).sum()) for step in range(3)]
    [2, 2, 2]
    """

    def __init__(self, row_N: IntArray, label_N: IntArray, size: int, seed: int) -> None:
        self.row_N, self.size, self.seed = row_N, size, seed
        self._by_class = [row_N[label_N == label] for label in np.unique(label_N)]
        self._orders: dict[tuple[int, int], IntArray] = {}

    def deal(self, step: int) -> IntArray:
        """The rows of a step."""
        classes = len(self._by_class)
        place_B = np.arange(step * self.size, (step + 1) * self.size)
        dealt = np.empty(self.size, dtype=np.int64)
        for at, place in enumerate(place_B):
            turn, inside = divmod(int(place), classes)
            label = int(self._order(0, turn, classes)[inside])
            row_L = self._by_class[label]
            again, which = divmod(turn, len(row_L))
            dealt[at] = row_L[self._order(label + 1, again, len(row_L))[which]]
        return dealt

    def _order(self, stream: int, turn: int, count: int) -> IntArray:
        """A permutation that follows from the seed, the stream and its turn alone."""
        if (stream, turn) not in self._orders:
            if len(self._orders) > 4 * (len(self._by_class) + 1):
                self._orders.clear()
            draw = np.random.default_rng([self.seed, stream, turn])
            self._orders[stream, turn] = draw.permutation(count)
        return self._orders[stream, turn]
