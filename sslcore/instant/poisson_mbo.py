"""PoissonMBO: Poisson learning, then heat and cut in turn, so that class borders grow short.

Calder et al. 2020, algorithm 2 (after Merriman, Bence & Osher 1992): T times ``N_s`` steps of
``u ← u − dt (L u − μ Σ_j (y_j − ȳ) δ_j)``, dt = 1/max degree, then each item takes the class of largest
``s_c u_c`` with weights s solved so that classes have their volume (a convex problem in log s). The paper
is told the true volumes; here they lie between the label shares and the sizes Poisson learning finds, as
far to either side as left-out labels say. Heat by a Chebyshev series (``heat.py``), folds in one batch.

When: as for ``poisson``, where classes are compact and their borders run through thin places; the class sizes
it works towards are estimates. It takes longer after each label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sslcore.config import Config, param
from sslcore.graph.solve import conjugate_gradients
from sslcore.instant import INSTANT
from sslcore.instant.heat import apply_series, power_series, sum_series
from sslcore.instant.model import Guess, Known
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.refits import Refits, calibrated
from sslcore.instant.view import View
from sslcore.shapes import FloatArray, IntArray

_TRUSTS = (0.5, 1.0, 0.0)  # in the label shares, against the sizes found; the first where nothing is judged
_SETTLED = 5e-4  # share of items that may still change class when it stops
_FLOOR = 1e-3


@dataclass(frozen=True)
class PoissonMBOConfig(Config):
    """Settings of PoissonMBO."""

    heat: int = param(40, low=1, high=1000, help="Steps of heat between two cuts.", paper="N_s")
    cuts: int = param(20, low=0, high=1000, help="Cuts at most; 0 is Poisson learning.", paper="T")
    fidelity: float = param(1.0, low=0.0, high=100.0, help="Strength of the labels as sources.", paper="μ")
    share_trust: float | None = param(
        None,
        low=0.0,
        high=1.0,
        help="Class sizes: 1 the shares among the labels, 0 those found. Empty: as left-out labels say.",
    )


@INSTANT.register(
    "poisson_mbo",
    title="PoissonMBO",
    family="instant",
    paper="Calder et al. 2020, Poisson Learning (PoissonMBO)",
    config=PoissonMBOConfig,
)
class PoissonMBO:
    """PoissonMBO on the first view's broad graph."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, PoissonMBOConfig) else PoissonMBOConfig()

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """All fits side by side: the answer, and those for the labels left out."""
        view, refits = views[0], Refits.of(known)
        flow = _Flow(view, known, refits, self.config)
        trust = self._trust(flow, known, refits)
        label_NF = flow.start_NF
        heated_NFC = flow.heated(label_NF)
        weight_FC = np.ones(heated_NFC.shape[1:], np.float32)
        for cut in range(self.config.cuts):
            volume_FC = flow.volume(trust)
            next_NF = np.empty_like(label_NF)
            for f in range(label_NF.shape[1]):
                weight_FC[f] = volume_weights(heated_NFC[:, f], volume_FC[f], start_C=weight_FC[f])
                next_NF[:, f] = (heated_NFC[:, f] * weight_FC[f]).argmax(axis=1)
            settled = bool(((next_NF != label_NF).mean(axis=0) <= _SETTLED).all())
            label_NF = next_NF
            if settled or cut + 1 == self.config.cuts:
                break
            heated_NFC = flow.heated(label_NF)
        if self.config.cuts:
            log_NFC = _log(heated_NFC, weight_FC)
        else:
            log_NFC = flow.potential_NFC
        return calibrated(
            "poisson_mbo",
            np.ascontiguousarray(log_NFC[:, 0]),
            refits.left_out(log_NFC[known.row_L].transpose(1, 0, 2)),
            refits,
            known,
            f"PoissonMBO on the neighbour graph of {view.name}.",
        )

    def _trust(self, flow: _Flow, known: Known, refits: Refits) -> float:
        """Which volumes explain the left-out labels best after the first cut."""
        if self.config.share_trust is not None:
            return self.config.share_trust
        judged_L = refits.judged_L
        if not judged_L.any():
            return _TRUSTS[0]
        heated_NFC = flow.heated(flow.start_NF)
        label_J, value = known.label_L[judged_L], {}
        for trust in _TRUSTS:
            volume_FC = flow.volume(trust)
            weight_FC = np.stack(
                [volume_weights(heated_NFC[:, f], volume_FC[f]) for f in range(len(volume_FC))]
            )
            log_LFC = _log(heated_NFC[known.row_L], weight_FC)
            out_JC = refits.left_out(log_LFC.transpose(1, 0, 2))[judged_L]
            power_M = fit_pool([out_JC], label_J, np.ones(1))
            value[trust] = float(pooled([out_JC], power_M)[np.arange(len(label_J)), label_J].sum())
        return max(_TRUSTS, key=lambda trust: value[trust])


class _Flow:
    """Heat with sources on one graph, for several sets of labels at once."""

    def __init__(self, view: View, known: Known, refits: Refits, config: PoissonMBOConfig) -> None:
        weight, kept_FL = view.weight, refits.kept_FL
        items, fits, classes = len(view), len(kept_FL), known.classes
        degree_N = np.asarray(weight.sum(axis=1), np.float64).ravel()
        step = 1.0 / max(float(degree_N.max(initial=0.0)), 1e-12)
        walk = sparse.diags((1.0 - step * degree_N).astype(np.float32)) + weight * np.float32(step)
        self._walk = sparse.csr_matrix(walk, dtype=np.float32)
        size_FC = kept_FL.astype(np.float64) @ np.eye(classes)[known.label_L]
        self._size_FC = size_FC
        self.share_FC = size_FC / size_FC.sum(axis=1, keepdims=True)
        one_hot_LFC = kept_FL.T[:, :, None] * np.eye(classes)[known.label_L][:, None, :]
        source_LFC = one_hot_LFC - kept_FL.T[:, :, None] * self.share_FC[None]
        self.potential_NFC = self._potential(view, degree_N, known, refits)
        # labels are the start's facts; a class no label of a fit speaks for stays empty in it
        start_NF = np.where(size_FC[None] > 0, self.potential_NFC, -np.inf).argmax(axis=2)
        at_L, at_F = np.nonzero(kept_FL.T)
        start_NF[known.row_L[at_L], at_F] = known.label_L[at_L]
        self.start_NF: IntArray = start_NF
        self.found_FC = (
            np.stack([np.bincount(start_NF[:, f], minlength=classes) for f in range(fits)]) / items
        )
        source_NX = np.zeros((items, fits * classes), np.float32)
        source_NX[known.row_L] = (config.fidelity * step) * source_LFC.reshape(len(known.row_L), -1)
        self._power = power_series(config.heat)
        self._added_NX = apply_series(
            self._multiply, source_NX, sum_series(config.heat, tolerance=5e-4)
        )  # once, so exacter
        self._classes = classes

    def heated(self, label_NF: IntArray) -> FloatArray:
        """``u_NFC`` after the steps of heat, from these classes as the start."""
        start_NFC = np.zeros((*label_NF.shape, self._classes), np.float32)
        np.put_along_axis(start_NFC, label_NF[:, :, None], 1.0, axis=2)
        out_NX = apply_series(self._multiply, start_NFC.reshape(len(label_NF), -1), self._power)
        return (out_NX + self._added_NX).reshape(start_NFC.shape)

    def volume(self, trust: float) -> FloatArray:
        """Class sizes as shares, one row a fit: ``share^trust · found^(1 − trust)``, normalised."""
        floor = 1.0 / max(len(self.start_NF), 1)
        mixed_FC = self.share_FC**trust * np.maximum(self.found_FC, floor) ** (1.0 - trust)
        mixed_FC = np.where(self._size_FC > 0, mixed_FC, 0.0)
        return np.asarray(mixed_FC / mixed_FC.sum(axis=1, keepdims=True))

    def _multiply(self, x_NX: FloatArray) -> FloatArray:
        return np.asarray(self._walk @ x_NX)

    def _potential(self, view: View, degree_N: FloatArray, known: Known, refits: Refits) -> FloatArray:
        """Poisson learning, every fit: it is linear, so a class's labels of one fold are solved once."""
        items, fits, classes = len(view), len(refits.kept_FL), known.classes
        block_L = refits.fit_L * classes + known.label_L
        blocks, at_L = np.unique(block_L, return_inverse=True)
        root_N = np.sqrt(degree_N)
        safe_N = np.where(root_N > 0, root_N, 1.0)
        source_NB = np.zeros((items, len(blocks)))
        np.add.at(source_NB, (known.row_L, at_L), 1.0)
        # every source off the null vector, so that sums of blocks can be taken in any mixture
        source_NB = source_NB / safe_N[:, None]
        null_N = root_N / max(float(np.linalg.norm(root_N)), 1e-12)
        source_NB -= np.outer(null_N, null_N @ source_NB)
        graph = view.broad
        solved_NB = conjugate_gradients(
            lambda x: x - graph @ x, source_NB.astype(np.float32), tolerance=1e-3, steps=80
        )
        solved_NB /= safe_N.astype(np.float32)[:, None]
        label_B, left_B = blocks % classes, blocks // classes
        sum_NFC = np.zeros((items, fits, classes), np.float32)
        for b in range(len(blocks)):
            for f in range(fits):
                if f == 0 or left_B[b] != f:
                    sum_NFC[:, f, label_B[b]] += solved_NB[:, b]
        share_FC = self.share_FC.astype(np.float32)
        sum_NFC -= sum_NFC.sum(axis=2, keepdims=True) * share_FC
        return np.where(share_FC > 0, sum_NFC / np.where(share_FC > 0, share_FC, 1.0), 0.0)


def volume_weights(
    heat_NC: FloatArray, volume_C: FloatArray, *, start_C: FloatArray | None = None, rounds: int = 60
) -> FloatArray:
    """Weights s so that ``argmax_c s_c u_c`` gives each class its share of the items.

    Minimises ``Σ_n max_c (log u_nc + a_c) − N Σ_c volume_c a_c`` over a = log s, which is convex with the
    gradient "items a class has minus items it should have"; a class's step halves when its sign turns.

    Args:
        heat_NC: Scores u; values below .001 count as .001.
        volume_C: Wanted shares, summing to 1; a class of share 0 gets none.
        start_C: Weights to start from.
        rounds: Steps at most. Ties (equal rows) can make a volume unreachable: the nearest is kept.

    >>> volume_weights(np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]]), np.array([0.75, 0.25]))[
    ...     1
    ... ] > 1
    np.True_
    """
    items, classes = heat_NC.shape
    log_CN = np.log(np.maximum(np.ascontiguousarray(heat_NC.T), _FLOOR), dtype=np.float64)
    open_C = volume_C > 0
    shift_C = np.zeros(classes) if start_C is None else np.log(np.maximum(start_C, 1e-30), dtype=np.float64)
    shift_C = np.where(open_C, shift_C, -60.0)
    step_C, turn_C = np.full(classes, 0.5), np.zeros(classes)
    best, best_C = np.inf, shift_C
    wanted_C = np.log(volume_C + 0.5 / items)
    for _ in range(rounds):
        size_C = _sizes(log_CN, shift_C) / items
        gap = float(np.abs(size_C - volume_C).max())
        if gap < best:
            best, best_C = gap, shift_C
        if gap <= 0.6 / items or gap <= 5e-4:
            break
        slope_C = wanted_C - np.log(size_C + 0.5 / items)
        turned_C = np.sign(slope_C) * turn_C
        step_C = np.clip(np.where(turned_C < 0, 0.5, np.where(turned_C > 0, 1.2, 1.0)) * step_C, 1e-4, 2.0)
        turn_C = np.sign(slope_C)
        shift_C = np.where(open_C, shift_C + step_C * np.clip(slope_C, -2.0, 2.0), -60.0)
    best_C = best_C - best_C[open_C].mean()
    return np.exp(np.maximum(best_C, -60.0)).astype(np.float32)


def _sizes(log_CN: FloatArray, shift_C: FloatArray) -> FloatArray:
    """How many items each class would get; ties go to the first, as argmax has it."""
    best_N, label_N = log_CN[0] + shift_C[0], np.zeros(log_CN.shape[1], np.int64)
    for c in range(1, len(log_CN)):
        score_N = log_CN[c] + shift_C[c]
        better_N = score_N > best_N
        np.copyto(best_N, score_N, where=better_N)
        label_N[better_N] = c
    return np.bincount(label_N, minlength=len(log_CN)).astype(np.float64)


def _log(heat_NFC: FloatArray, weight_FC: FloatArray) -> FloatArray:
    floor = np.float32(_FLOOR)
    return np.asarray(np.log(np.maximum(heat_NFC, floor)) + np.log(np.maximum(weight_FC, 1e-26)))
