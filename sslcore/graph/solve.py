"""Conjugate gradients on a graph, all right-hand sides at once, in float32.

Hestenes & Stiefel 1952, one step length per column: ``x += a p, r −= a A p, p = r + b p``. The
matrix is only ever multiplied, ``A p = p − α S p``, so a graph of a million items needs the graph
and five N×columns arrays. Columns that have converged keep step length 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from sslcore.shapes import FloatArray

Multiply = Callable[[FloatArray], FloatArray]


def conjugate_gradients(
    multiply: Multiply, right_NC: FloatArray, *, tolerance: float = 1e-4, steps: int = 60
) -> FloatArray:
    """Solves ``A X = right`` for symmetric positive (semi-)definite A, column by column in one go.

    Args:
        multiply: ``X_NC -> A X``.
        right_NC: Right-hand sides; one dimension is one column.
        tolerance: Stop when every residual is this small against its right-hand side.
        steps: Never more steps than this.

    >>> matrix = np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)
    >>> conjugate_gradients(lambda x: matrix @ x, np.array([[3.0], [4.0]], np.float32)).round(3).tolist()
    [[1.0], [1.0]]
    """
    solution_NC = np.zeros_like(right_NC)
    residual_NC = right_NC.copy()
    direction_NC = residual_NC.copy()
    size_C = _dots(residual_NC, residual_NC)
    enough_C = tolerance**2 * size_C
    for _ in range(steps):
        if (size_C <= enough_C).all():
            break
        image_NC = multiply(direction_NC)
        curve_C = _dots(direction_NC, image_NC)
        live_C = (size_C > enough_C) & (curve_C > 0)
        step_C = np.where(live_C, size_C / np.where(live_C, curve_C, 1.0), 0.0).astype(right_NC.dtype)
        solution_NC += step_C * direction_NC
        image_NC *= step_C
        residual_NC -= image_NC
        before_C, size_C = size_C, _dots(residual_NC, residual_NC)
        direction_NC *= (size_C / np.maximum(before_C, 1e-30)).astype(right_NC.dtype)
        direction_NC += residual_NC
    return solution_NC


def diffuse(
    graph: sparse.csr_matrix, right_NC: FloatArray, *, alpha: float, tolerance: float = 1e-4, steps: int = 60
) -> FloatArray:
    """``(I − αS)⁻¹ right``, the label spreading of Zhou et al. 2004; ``graph`` is S.

    >>> S = sparse.csr_matrix(np.array([[0.0, 1.0], [1.0, 0.0]], np.float32))
    >>> diffuse(S, np.array([1.0, 0.0], np.float32), alpha=0.5).round(3)
    array([1.333, 0.667], dtype=float32)
    """
    return conjugate_gradients(
        lambda x_NC: x_NC - np.float32(alpha) * (graph @ x_NC), right_NC, tolerance=tolerance, steps=steps
    )


def _dots(left_NC: FloatArray, right_NC: FloatArray) -> FloatArray:
    """Dot products column by column (a scalar for one column), without an N×C temporary."""
    if left_NC.ndim == 1:
        return np.asarray(np.dot(left_NC, right_NC))
    return np.asarray(np.einsum("nc,nc->c", left_NC, right_NC))
