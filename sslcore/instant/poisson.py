"""Poisson learning: labels as point sources of a potential, for very few labels on large graphs.

Calder, Cook, Thorpe & Slepčev 2020: ``L u = Σ_j (y_j − ȳ) δ_j``, here on the normalised Laplacian ``I − S``
by conjugate gradients, all sources off its null vector √d. Where harmonic functions go flat away from
the labels, the potential keeps its slope. The decision corrects for the label shares, ``u_c / ȳ_c``, and
never asks for the true class sizes. Linear in the labels, so one solve a new label and exact left-outs;
potentials become probabilities by one fitted power, which the paper, deciding by argmax, does not need.

When: one to three labels a class on a large graph, where label spreading and harmonic functions go flat. What
it gains there fades as labels come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from sslcore.config import Config, param
from sslcore.graph.propagator import Propagator
from sslcore.graph.solve import conjugate_gradients
from sslcore.instant import INSTANT
from sslcore.instant.model import Guess, Known
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.view import View
from sslcore.shapes import FloatArray, IntArray

_NEARLY = np.float32(1.0 - 1e-4)
"""S is damped by this much, so that a part of the graph without a way to the rest has an answer too."""


@dataclass(frozen=True)
class PoissonConfig(Config):
    """Settings of Poisson learning."""

    steps: int = param(150, low=1, high=5000, help="Conjugate-gradient steps at most.")
    tolerance: float = param(1e-3, low=1e-8, high=0.1, help="Relative residual at which a solve stops.")


@INSTANT.register(
    "poisson",
    title="Poisson learning",
    family="instant",
    paper="Calder et al. 2020, Poisson Learning",
    config=PoissonConfig,
)
class Poisson:
    """Poisson learning on the first view's broad graph."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, PoissonConfig) else PoissonConfig()
        self._propagator: Propagator | None = None
        self._graph: sparse.csr_matrix | None = None

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """The potential of all labels, calibrated on those left out."""
        view = views[0]
        if self._propagator is None or self._graph is not view.broad:
            self._graph = view.broad
            root_N = np.sqrt(np.asarray(view.weight.sum(axis=1), np.float64).ravel())
            null_N = (root_N / max(float(np.linalg.norm(root_N)), 1e-12)).astype(np.float32)
            solve = partial(_solve, self._graph, null_N, self.config)
            self._propagator = Propagator(solve, items=len(view))
        sums = self._propagator.update(
            known.row_L, known.label_L, classes=known.classes, group_L=known.group_L
        )
        potential_NC = _corrected(sums.sum_NC, sums.size_C)
        left_out_LC = _corrected(sums.left_LC, sums.left_size_LC)
        # in units of its own spread the potential needs no prior that knows the graph's size
        unit = np.float32(3.0 / max(float(potential_NC.std(axis=1).mean()), 1e-12))
        judged_L = sums.judged_L
        power_M = fit_pool([left_out_LC[judged_L] * unit], known.label_L[judged_L], np.ones(1))
        return Guess(
            log_NC=pooled([potential_NC * unit], power_M),
            left_out_LC=pooled([left_out_LC * unit], power_M),
            judged_L=judged_L,
            reason=f"Poisson learning on the neighbour graph of {view.name}.",
            weights=(("poisson", float(power_M[0])),),
        )


def _solve(
    graph: sparse.csr_matrix, null_N: FloatArray, config: PoissonConfig, right: FloatArray
) -> FloatArray:
    """``D^-½ (I − S)⁺ D^-½ right`` up to scale, each column taken off the null vector first."""
    root_N = np.maximum(null_N, 1e-6 * null_N.max())
    scaled = (right.T / root_N).T * root_N.max()
    along = null_N @ scaled  # a number, or one a column
    scaled -= null_N * along if right.ndim == 1 else np.outer(null_N, along)
    solved = conjugate_gradients(
        lambda x: x - _NEARLY * (graph @ x), scaled, tolerance=config.tolerance, steps=config.steps
    )
    return np.asarray((solved.T / root_N).T)


def _corrected(sum_NC: FloatArray, size: IntArray) -> FloatArray:
    """``u_c / ȳ_c`` with ``u = Σ_j g_j (y_j − ȳ)ᵀ`` and g_j the solved source of label j."""
    total = np.maximum(size.sum(axis=-1, keepdims=True), 1)
    share = (size / total).astype(np.float32)
    all_N1 = sum_NC.sum(axis=1, keepdims=True)
    potential_NC = sum_NC - all_N1 * share
    return np.where(share > 0, potential_NC / np.where(share > 0, share, 1), 0.0).astype(np.float32)
