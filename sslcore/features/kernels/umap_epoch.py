"""One epoch of the UMAP layout, compiled by numba and kept on the disk.

McInnes, Healy & Melville 2018, sec. 4: every edge that is due pulls its ends together, and pushes its
head off five random points. One thread: the same seed gives the same map, and threads that write
each other's points gain little on the few cores a background run may use. Importing this module
imports numba; :mod:`sslcore.features.projection` does so only when a layout is wanted.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_A = np.float32(1.5769434602)  # the curve 1/(1 + a·d^2b) fitted to spread 1 and minimal distance .1
_B = np.float32(0.8950608781)
_NEGATIVES = 5
_CLIP = np.float32(4.0)


@numba.njit(cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def epoch(
    place_N2: Any, head_E: Any, tail_E: Any, period_E: Any, due_E: Any, now: Any, rate: Any, state: Any
) -> Any:
    """Moves ``place_N2`` in place by one epoch; returns the state of its random numbers.

    Args:
        place_N2: Coordinates, float32, changed.
        head_E: First end of every edge, int32.
        tail_E: Second end.
        period_E: Epochs between two draws of an edge.
        due_E: Epoch of its next draw, changed.
        now: This epoch, from 1.
        rate: Learning rate.
        state: Any 64-bit number but 0 (xorshift, Marsaglia 2003).
    """
    n = place_N2.shape[0]
    for e in range(head_E.shape[0]):
        if due_E[e] > now:
            continue
        due_E[e] += period_E[e]
        for turn in range(2):  # an edge stands for both directions
            i = head_E[e] if turn == 0 else tail_E[e]
            j = tail_E[e] if turn == 0 else head_E[e]
            dx = place_N2[i, 0] - place_N2[j, 0]
            dy = place_N2[i, 1] - place_N2[j, 1]
            square = dx * dx + dy * dy
            if square > 0.0:
                power = square**_B
                pull = np.float32(-2.0) * _A * _B * power / square / (_A * power + np.float32(1.0))
                gx = min(max(pull * dx, -_CLIP), _CLIP) * rate
                gy = min(max(pull * dy, -_CLIP), _CLIP) * rate
                place_N2[i, 0] += gx
                place_N2[i, 1] += gy
                place_N2[j, 0] -= gx
                place_N2[j, 1] -= gy
            for _ in range(_NEGATIVES):
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                other = np.int64(state % np.uint64(n))
                if other == i:
                    continue
                dx = place_N2[i, 0] - place_N2[other, 0]
                dy = place_N2[i, 1] - place_N2[other, 1]
                square = dx * dx + dy * dy
                if square > 0.0:
                    push = np.float32(2.0) * _B
                    push /= (np.float32(0.001) + square) * (_A * square**_B + np.float32(1.0))
                    place_N2[i, 0] += min(max(push * dx, -_CLIP), _CLIP) * rate
                    place_N2[i, 1] += min(max(push * dy, -_CLIP), _CLIP) * rate
                else:
                    place_N2[i, 0] += _CLIP * rate
                    place_N2[i, 1] += _CLIP * rate
    return state
