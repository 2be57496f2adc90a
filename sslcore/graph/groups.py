"""Rows that leave together: near-duplicates with an answer would vouch for each other, one left out alone."""

from __future__ import annotations

import numpy as np

from sslcore.shapes import IntArray


def together(group_L: IntArray | None) -> list[IntArray]:
    """Positions of groups of two and more, one array ``(groups, members)`` for each size.

    >>> [held_GM.tolist() for held_GM in together(np.array([7, 3, 7, 5, 3, 9, 9, 9]))]
    [[[1, 4], [0, 2]], [[5, 6, 7]]]
    >>> together(np.array([2, 1])), together(None)
    ([], [])
    """
    if group_L is None:
        return []
    order_L = np.argsort(group_L, kind="stable")
    _, start_G, size_G = np.unique(group_L[order_L], return_index=True, return_counts=True)
    return [
        order_L[start_G[size_G == size][:, None] + np.arange(size)]
        for size in np.unique(size_G[size_G > 1]).tolist()
    ]


def labelled_groups(group_N: IntArray | None, row_L: IntArray) -> IntArray | None:
    """The groups of labelled rows; None where each is alone in its own.

    >>> labelled_groups(np.array([0, 1, 0]), np.array([0, 1])), labelled_groups(None, np.array([0]))
    (None, None)
    >>> labelled_groups(np.array([0, 1, 0]), np.array([0, 2]))
    array([0, 0])
    """
    if group_N is None:
        return None
    group_L = group_N[row_L]
    return None if len(np.unique(group_L)) == len(row_L) else group_L
