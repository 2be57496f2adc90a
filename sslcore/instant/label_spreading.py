"""Label spreading: labels flow along the graph until they agree with their neighbours.

Zhou et al. 2004, ``Z = (I − αS)⁻¹ Y`` by conjugate gradients, one solve a new label (see
``graph/propagator.py``); then class-mass normalisation of the densities and one power that makes them
calibrated probabilities. Differs from scikit-learn's ``LabelSpreading``: sparse and incremental, a
self-tuning kNN graph, and answers that mean what they say; raw scores at α = .99 are near uniform.

When: few labels a class, and neighbours in the features that are mostly of one class; it follows a new label
at once. With tens of labels a class ``linear`` catches up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from sslcore.config import Config, param
from sslcore.graph.density import log_densities
from sslcore.graph.propagator import Propagator
from sslcore.graph.solve import diffuse
from sslcore.instant import INSTANT
from sslcore.instant.model import Guess, Known
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.view import View


@dataclass(frozen=True)
class SpreadingConfig(Config):
    """Settings of label spreading."""

    alpha: float = param(0.99, low=0.0, high=0.999, help="How far a label spreads; lower for small classes.")
    graph: str = param(
        "broad", choices=("broad", "sharp"), help="Self-tuning neighbours, or shared neighbours as well."
    )


@INSTANT.register(
    "label_spreading",
    title="Label spreading",
    family="instant",
    paper="Zhou et al. 2004, Learning with Local and Global Consistency",
    config=SpreadingConfig,
)
class LabelSpreading:
    """Spreading on one view's graph; ``raw`` gives log densities, ``fit`` calibrated probabilities."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, SpreadingConfig) else SpreadingConfig()
        self._propagator: Propagator | None = None
        self._graph: sparse.csr_matrix | None = None

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """Calibrated by one power, fitted on the left-out answers."""
        raw = self.raw(views[0], known)
        power_M = fit_pool([raw.left_out_LC[raw.judged_L]], known.label_L[raw.judged_L], np.array([1.5]))
        return Guess(
            log_NC=pooled([raw.log_NC], power_M),
            left_out_LC=pooled([raw.left_out_LC], power_M),
            judged_L=raw.judged_L,
            reason=f"Labels spread along the neighbour graph of {views[0].name}.",
            weights=(("label_spreading", float(power_M[0])),),
        )

    def raw(self, view: View, known: Known) -> Guess:
        """Log densities of the classes over the items; rows are not normalised."""
        graph = view.broad if self.config.graph == "broad" else view.sharp
        if self._propagator is None or self._graph is not graph:
            solve = partial(diffuse, graph, alpha=self.config.alpha)
            self._propagator, self._graph = Propagator(solve, items=len(view)), graph
        sums = self._propagator.update(
            known.row_L, known.label_L, classes=known.classes, group_L=known.group_L
        )
        density_NC, left_out_LC = log_densities(sums)
        return Guess(density_NC, left_out_LC, sums.judged_L)
