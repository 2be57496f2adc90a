"""Harmonic functions: unlabelled items take the weighted mean of their neighbours, labels stay fixed.

Zhu, Ghahramani & Lafferty 2003: ``L_uu u = −L_ul y`` by conjugate gradients, then class-mass
normalisation, here to the label shares shrunk to uniform by one label a class. Sound from a few labels
a class on; with one on a large graph the solution is flat away from the labels (Nadler et al. 2009),
which is why ``auto`` does not use it. Left-out answers by five folds, each its own solve.

When: a few labels in every class, and classes that hang together in the features. Not with one label a class
on a large graph, where it goes flat: ``poisson``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.graph.solve import conjugate_gradients
from sslcore.instant import INSTANT
from sslcore.instant.model import Guess, Known
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.view import View
from sslcore.shapes import FloatArray, IntArray

_FOLDS = 5


@dataclass(frozen=True)
class HarmonicConfig(Config):
    """Settings of the harmonic function."""

    steps: int = param(200, low=1, high=5000, help="Conjugate-gradient steps at most.")
    mass: float = param(
        1.0, low=0.0, high=1.0, help="Strength of class-mass normalisation; 0 is the paper without it."
    )


@INSTANT.register(
    "harmonic",
    title="Harmonic function",
    family="instant",
    paper="Zhu et al. 2003, Gaussian Fields and Harmonic Functions",
    config=HarmonicConfig,
)
class Harmonic:
    """Harmonic extension of the labels on the first view's broad graph."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, HarmonicConfig) else HarmonicConfig()

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """One solve for the answer, five for the left-out ones."""
        view, at_L = views[0], np.arange(len(known.row_L))
        log_NC = self._log(view, known.row_L, known.label_L, known.classes)
        left_out_LC = np.zeros((len(at_L), known.classes), np.float32)
        judged_L = np.zeros(len(at_L), bool)
        fold_L = known.fold_L % _FOLDS
        for fold in np.unique(fold_L):
            out_L = fold_L == fold
            kept_C = np.bincount(known.label_L[~out_L], minlength=known.classes)
            judged_L[out_L] = kept_C[known.label_L[out_L]] > 0
            if (~out_L).any():
                part = self._log(view, known.row_L[~out_L], known.label_L[~out_L], known.classes)
                left_out_LC[out_L] = part[known.row_L[out_L]]
        power_M = fit_pool([left_out_LC[judged_L]], known.label_L[judged_L], np.ones(1))
        return Guess(
            log_NC=pooled([log_NC], power_M),
            left_out_LC=pooled([left_out_LC], power_M),
            judged_L=judged_L,
            reason=f"Harmonic function on the neighbour graph of {view.name}.",
            weights=(("harmonic", float(power_M[0])),),
        )

    def _log(self, view: View, row_L: IntArray, label_L: IntArray, classes: int) -> FloatArray:
        value_NC = harmonic(view, row_L, label_L, classes=classes, steps=self.config.steps)
        size_C = np.bincount(label_L, minlength=classes)
        share_C = (size_C + 1.0) / (len(label_L) + classes)
        mass_C = value_NC.mean(axis=0, dtype=np.float64)
        value_NC *= ((share_C / np.maximum(mass_C, 1e-6)) ** self.config.mass).astype(np.float32)
        return np.log(np.maximum(value_NC, 1e-6))


def harmonic(view: View, row_L: IntArray, label_L: IntArray, *, classes: int, steps: int = 200) -> FloatArray:
    """The harmonic extension ``u_NC`` of one-hot labels; items no label reaches are 0.

    >>> line = View.of("line", np.array([[0.0, 1.0], [0.5, 1.0], [1.0, 0.6], [1.0, 0.0]]), k=1)
    >>> harmonic(line, np.array([0, 3]), np.array([0, 1]), classes=2).argmax(axis=1)
    array([0, 0, 1, 1])
    """
    n = len(view)
    root_N = np.sqrt(np.maximum(np.asarray(view.weight.sum(axis=1), np.float64).ravel(), 1e-30))
    root_N1 = root_N.astype(np.float32)[:, None]
    free_N1 = np.ones((n, 1), np.float32)
    free_N1[row_L] = 0.0
    fixed_NC = np.zeros((n, classes), np.float32)
    fixed_NC[row_L, label_L] = 1.0
    graph = view.broad
    # in v = D^½ u the system is I − S on the unlabelled rows, which conjugate gradients like better
    right_NC = free_N1 * (graph @ (root_N1 * fixed_NC))
    solved_NC = conjugate_gradients(
        lambda x_NC: free_N1 * (x_NC - graph @ (free_N1 * x_NC)), right_NC, tolerance=1e-4, steps=steps
    )
    return np.maximum(solved_NC / root_N1, 0.0) * free_N1 + fixed_NC
