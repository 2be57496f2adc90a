"""From what labels spread to class-conditional densities over the items.

``log(Z_nc / Σ_n Z_nc + β/N)``: each class's column divided by its mass, class-mass normalisation (Zhu
et al. 2003) to equal masses. That assumes nothing of how many items a class has: it removes what the
*labels* of a class happen to reach (hubs spread more than outliers), and leaves the prior open. The
uniform density β/N is what an item that no label reaches falls back to: it then says "no idea".
"""

from __future__ import annotations

import numpy as np

from sslcore.graph.propagator import Sums
from sslcore.shapes import FloatArray, IntArray

BACKGROUND = 1e-3
"""β, the weight of the uniform density."""


def log_densities(sums: Sums) -> tuple[FloatArray, FloatArray]:
    """Log densities ``(all_NC, left_out_LC)``, float32; classes without a label have the background.

    >>> from sslcore.graph.propagator import Propagator
    >>> spread = Propagator(lambda right: right * 3, items=2).update(np.array([0]), np.array([0]), classes=1)
    >>> np.exp(log_densities(spread)[0]).round(2).ravel()
    array([1., 0.], dtype=float32)
    """
    n = len(sums.sum_NC)
    return (
        _log_density(sums.sum_NC, sums.mass_C, sums.size_C, n),
        _log_density(sums.left_LC, sums.left_mass_LC, sums.left_size_LC, n),
    )


def _log_density(sum_NC: FloatArray, mass: FloatArray, size: IntArray, n: int) -> FloatArray:
    spread = (size > 0) & (mass > 0)
    density_NC = sum_NC * np.where(spread, 1.0 / np.where(spread, mass, 1.0), 0.0).astype(np.float32)
    # conjugate gradients stop early, so far items may come out a hair below zero
    np.maximum(density_NC, 0.0, out=density_NC)
    density_NC += np.float32(BACKGROUND / max(n, 1))
    return np.asarray(np.log(density_NC, out=density_NC))
