"""Ordered classes: the single-choice machinery, and an opinion that knows the order.

The order-aware opinion regresses the class's place on the features (:class:`NumericLoop`) and cuts a normal
distribution around it at the thresholds between the places, a cumulative (ordered probit) model, McCullagh
1980: its probabilities have one peak. It joins the single-choice probabilities in a logarithmic pool whose
powers are fitted on left-out answers (``pooling.py``), and only where it explains those answers better than
the single choice alone does by more than the noise.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sslcore.instant.loop import InstantLoop, InstantResult
from sslcore.instant.numeric import NumericLoop
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.view import View
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray

_FEWEST = 6  # labels below which the order teaches nothing that could be tested
_SPREADS = (0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)  # of the normal, in classes


class OrdinalLoop:
    """An :class:`InstantLoop` that also knows the order of its classes.

    Args:
        views: One or more feature views of the same items.
        classes: Number of classes, in their order.
        seed: Passed on.

    Raises:
        DataError: As :class:`InstantLoop`.

    >>> point_ND = np.random.default_rng(0).normal(size=(120, 3))
    >>> truth_N = np.digitize(point_ND[:, 0], [-0.7, 0.0, 0.7])
    >>> label_N = np.where(np.arange(120) < 40, truth_N, -1)
    >>> result = OrdinalLoop([View.of("toy", point_ND)], classes=4).fit(label_N)
    >>> bool(np.abs(result.prediction_N - truth_N).mean() < 0.5)
    True
    """

    def __init__(self, views: Sequence[View], *, classes: int, seed: int = 0) -> None:
        self.single = InstantLoop(views, classes=classes, seed=seed)
        self._place = NumericLoop(views, seed=seed)
        self.views, self.classes = self.single.views, classes

    def fit(
        self,
        label_N: IntArray,
        *,
        rejected: Sequence[tuple[int, int]] = (),
        groups: IntArray | None = None,
        echo_N: BoolArray | None = None,
    ) -> InstantResult:
        """Fits on the labels at hand; see :meth:`InstantLoop.fit`."""
        started = time.perf_counter()
        result = self.single.fit(label_N, rejected=rejected, groups=groups, echo_N=echo_N)
        row_L, held_L = result.labelled_row_L, result.evidence_L
        seen = np.unique(result.label_N[row_L])
        if self.classes < 3 or held_L.sum() < _FEWEST or len(seen) < 3:
            return result
        label_L = result.label_N[row_L]
        place = self._place.fit(dict(zip(row_L.tolist(), label_L.astype(float).tolist())))
        single_LC = np.log(np.maximum(result.out_of_fold_proba_LC, 1e-7))
        ordered_LC = max(
            (cumulative(place.out_of_fold_L, spread, self.classes) for spread in _SPREADS),
            key=lambda log_LC: float(log_LC[np.arange(len(label_L)), label_L][held_L].mean()),
        )
        spread = next(
            spread
            for spread in _SPREADS
            if np.array_equal(cumulative(place.out_of_fold_L, spread, self.classes), ordered_LC)
        )
        # equal shares of an answer that is right already: two opinions of one thing must not count double
        power_M = fit_pool([single_LC[held_L], ordered_LC[held_L]], label_L[held_L], np.array([0.7, 0.5]))
        joint_LC = pooled([single_LC, ordered_LC], power_M)
        at_J, label_J = np.flatnonzero(held_L), label_L[held_L]
        gain_J = joint_LC[at_J, label_J] - single_LC[at_J, label_J]
        score = dict(result.score)
        score["single"] = float((single_LC[at_J].argmax(axis=1) == label_J).mean())
        score["ordered"] = float((joint_LC[at_J].argmax(axis=1) == label_J).mean())
        if gain_J.mean() <= gain_J.std(ddof=1) / np.sqrt(len(gain_J)):
            return replace(result, score=score, seconds=time.perf_counter() - started)
        single_NC = np.log(np.maximum(result.proba_NC, 1e-7))
        ordered_NC = cumulative(place.prediction_N, spread, self.classes)
        proba_NC = np.exp(pooled([single_NC, ordered_NC], power_M)).astype(np.float32)
        fixed_N = result.label_N != UNLABELLED
        fixed_N[[row for row, _ in rejected]] = True  # what a person ruled out stays ruled out
        proba_NC[fixed_N] = result.proba_NC[fixed_N]
        return replace(
            result,
            proba_NC=proba_NC,
            out_of_fold_proba_LC=np.exp(joint_LC).astype(np.float32),
            reason=f"{result.reason} The order of the classes counts: left-out labels are explained better.",
            score=score,
            seconds=time.perf_counter() - started,
            weights={**result.weights, "order": float(power_M[1])},
        )


def cumulative(place_N: FloatArray, spread: float, classes: int) -> FloatArray:
    """``log p(c) = log(Φ((c + ½ − m)/s) − Φ((c − ½ − m)/s))``, the ends open; float64.

    >>> np.exp(cumulative(np.array([1.0]), 0.5, 3)).round(2)
    array([[0.16, 0.68, 0.16]])
    """
    from scipy.special import ndtr

    edge_E = np.concatenate([[-np.inf], np.arange(classes - 1) + 0.5, [np.inf]])
    below_NE = ndtr((edge_E[None, :] - np.asarray(place_N, np.float64)[:, None]) / spread)
    return np.asarray(np.log(np.maximum(np.diff(below_NE, axis=1), 1e-7)))
