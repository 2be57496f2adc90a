"""Numbers: a prediction for every item, and an interval that holds the truth as often as it says.

Three opinions a view, each with exact left-out answers: ridge regression on the head's features (hat
matrix), kernel ridge on landmarks (a Gaussian kernel, likewise), and values spread over the neighbour graph
(``graph/regression.py``). Near-duplicates are left out together. A non-negative blend minimises the left-out
squared error, drawn towards equal parts (stacking, Breiman 1996). A number that is far from what the others
say of it is pulled in, to twice the usual distance, and all is fitted anew (pseudo-values, Huber 1981; Oh,
Nychka & Lee 2007, "The role of pseudo data for robust smoothing"), where the left-out absolute error is
clearly smaller so: a misplaced comma no longer bends the rest. The interval is normalised split conformal
(Papadopoulos et al. 2002; Lei et al. 2018): ``f(x) ± q s(x)`` with q from the audit split, or from left-out
residuals, of the numbers as they were given, while that is small, and s a fit of how far residuals reach
where opinions differ and labels are far.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Protocol

import numpy as np

from sslcore.errors import DataError
from sslcore.graph.groups import labelled_groups, together
from sslcore.graph.regression import Smoother
from sslcore.instant.view import View
from sslcore.shapes import FloatArray, IntArray

COVERAGE = 0.9
"""Share of items whose interval holds their number."""
ENOUGH_AUDIT = 20
"""Audit answers from which on the interval is measured on them."""

_ALPHA = 0.9
_LANDMARKS = 300
_KERNEL_ENTRIES = 40_000_000  # items × landmarks above which the kernel is left out
_STRENGTHS = tuple(10.0**k for k in np.arange(-3.0, 3.1, 0.5))
_WIDTHS = (0.35, 0.7)  # of the kernel, on rows of length 1
_ENOUGH = 20  # labels from which on one opinion may be taken alone: among fewer the best one is luck
_TOWARDS_EQUAL = 3.0  # labels that the prior on equal parts is worth
_FAR, _REACH, _ROUNDS = 4.0, 2.0, 5  # usual distances at which a number is far off, and it is pulled in to


@dataclass(frozen=True, eq=False)
class NumericResult:
    """All that one fit says.

    Args:
        prediction_N: The number of every item, float64; labelled rows have their label's.
        low_N: Lower end of the interval; nan while there is too little to promise anything.
        high_N: Upper end.
        value_L: The labels it saw.
        labelled_row_L: Their rows, ascending.
        out_of_fold_L: What it says of them without their own label.
        head_prediction_N: The supervised ridge regression alone, for comparison.
        head_out_of_fold_L: The same for the ridge regression.
        method: ``"blend"``, or the only opinion there was.
        reason: One sentence for the user.
        score: Mean absolute left-out error of each opinion. Rough.
        coverage: Share of items whose interval shall hold the truth.
        interval_source: ``"audit"``, ``"left-out"`` (rough) or ``"none"``.
        seconds: Time the fit took.
        weights: What was weighed against what.
    """

    prediction_N: FloatArray
    low_N: FloatArray
    high_N: FloatArray
    value_L: FloatArray
    labelled_row_L: IntArray
    out_of_fold_L: FloatArray
    head_prediction_N: FloatArray
    head_out_of_fold_L: FloatArray
    method: str
    reason: str
    score: Mapping[str, float]
    coverage: float
    interval_source: str
    uncertainty_N: FloatArray
    seconds: float
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Opinion:
    name: str
    kind: str  # "ridge" | "kernel" | "graph"
    left_L: FloatArray
    predict: Callable[[], FloatArray]

    @cached_property
    def all_N(self) -> FloatArray:
        """Of every item; only what is told is worked out."""
        return self.predict()


@dataclass(frozen=True, eq=False)
class _Blend:
    opinions: list[_Opinion]
    weight_M: FloatArray
    mean: float
    left_L: FloatArray
    pulled: int  # numbers that were pulled in

    @cached_property
    def all_N(self) -> FloatArray:
        return self.mean + sum(w * (held.all_N - self.mean) for w, held in zip(self.weight_M, self.opinions))


class NumericLoop:
    """Frozen features of a project, and regressions on them.

    Args:
        views: One or more feature views of the same items.
        seed: Reserved; nothing here is drawn.

    Raises:
        DataError: No view, or views of different length.

    >>> point_ND = np.random.default_rng(0).normal(size=(200, 3))
    >>> loop = NumericLoop([View.of("toy", point_ND)])
    >>> truth_N = point_ND[:, 0] / np.linalg.norm(point_ND - point_ND.mean(0), axis=1)
    >>> result = loop.fit({row: float(truth_N[row]) for row in range(60)})
    >>> bool(np.abs(result.prediction_N[60:] - truth_N[60:]).mean() < 0.1)
    True
    """

    def __init__(self, views: Sequence[View], *, seed: int = 0) -> None:
        if not views:
            raise DataError("NumericLoop needs at least one view. Received: none.")
        if len({len(view) for view in views}) > 1:
            sizes = ", ".join(f"{view.name}: {len(view)}" for view in views)
            raise DataError(f"NumericLoop needs views of the same items. Received: {sizes}.")
        self.views, self.seed = list(views), seed
        self._smoothers: dict[str, Smoother] = {}

    def fit(
        self,
        answers: Mapping[int, float],
        *,
        audit: Mapping[int, float] | None = None,
        coverage: float = COVERAGE,
    ) -> NumericResult:
        """Fits on the numbers at hand.

        Args:
            answers: Row → number.
            audit: Row → number of the audit split; the interval is measured on them, nothing is learnt.
            coverage: Share of items whose interval shall hold the truth.

        Raises:
            DataError: A row that there is not, or a number that is none.
        """
        started = time.perf_counter()
        row_L, value_L = self._checked(answers)
        items = len(self.views[0])
        if not len(row_L):
            nothing_N = np.full(items, np.nan)
            return self._result(row_L, value_L, nothing_N, nothing_N, [], [], started, coverage, None)
        group_L = labelled_groups(self.views[0].group_N, row_L)
        readers = self._readers(row_L, group_L)
        plain = _blend(readers, value_L, group_L)
        blend = _pulled_in(plain, readers, value_L, group_L)
        opinions, all_N, left_L = blend.opinions, blend.all_N, blend.left_L
        spread_N, spread_L = self._spread(opinions, value_L - left_L, row_L, group_L)
        held_rows = np.array(sorted(audit or {}), dtype=np.int64)
        quantile, source = math.inf, "none"
        if audit and len(held_rows) >= ENOUGH_AUDIT:
            held_value_A = np.array([audit[row] for row in held_rows.tolist()])
            score_A = np.abs(held_value_A - all_N[held_rows]) / spread_N[held_rows]
            quantile, source = conformal_quantile(score_A, coverage), "audit"
        if not math.isfinite(quantile):
            # the weights were fitted on these residuals: as many degrees of freedom are gone
            loss = math.sqrt(len(row_L) / max(len(row_L) - len(opinions), 1))
            score_L = loss * np.abs(value_L - left_L) / spread_L
            quantile, source = conformal_quantile(score_L, coverage), "left-out"
        if not math.isfinite(quantile):
            source = "none"
        told = _Told(blend.weight_M, left_L, quantile, source, blend.pulled)
        head = [held for held in plain.opinions if held.kind == "ridge"]  # the usual one, to compare with
        return self._result(row_L, value_L, all_N, spread_N, opinions, head, started, coverage, told)

    def _checked(self, answers: Mapping[int, float]) -> tuple[IntArray, FloatArray]:
        row_L = np.array(sorted(answers), dtype=np.int64)
        value_L = np.array([answers[row] for row in row_L.tolist()], dtype=np.float64)
        items = len(self.views[0])
        if len(row_L) and (row_L[0] < 0 or row_L[-1] >= items or not np.isfinite(value_L).all()):
            raise DataError(
                f"answers must give finite numbers for rows below {items}. "
                f"Received: rows {row_L[0]}…{row_L[-1]}, values {value_L.min()}…{value_L.max()}."
            )
        return row_L, value_L

    def _readers(self, row_L: IntArray, group_L: IntArray | None) -> list[_Reader]:
        """What turns numbers of these rows into opinions, the dear part done once for all numbers tried."""
        found: list[_Reader] = []
        for view in self.views:
            head = _Ridge(view.head_ND[row_L], group_L)
            found.append(partial(_ridge_opinion, f"ridge on {view.name}", view.head_ND, head))
            if len(row_L) >= 5 and len(view) * min(len(row_L), _LANDMARKS) <= _KERNEL_ENTRIES:
                kernel = _Kernel(view.head_ND, row_L, group_L)
                found.append(partial(_kernel_opinion, f"kernel on {view.name}", kernel))
            if view.knn is not None and view.knn.k:
                found.append(partial(self._graph_opinion, view, row_L, group_L))
        return found

    def _graph_opinion(
        self, view: View, row_L: IntArray, group_L: IntArray | None, value_L: FloatArray, *, given: bool
    ) -> _Opinion:
        smoother = self._smoothers.get(view.name)
        if smoother is None or smoother.graph is not view.broad:
            smoother = self._smoothers[view.name] = Smoother(view.broad, alpha=_ALPHA)
        if not given:  # numbers tried once are not kept for the next label
            smoother = Smoother(view.broad, alpha=_ALPHA)
        spread = smoother.update(row_L, value_L[:, None], group_L)
        prior_1 = np.array([value_L.mean()])
        left_L = spread.left_mean_LC(prior_1)[:, 0].astype(np.float64)
        return _Opinion(
            f"graph on {view.name}",
            "graph",
            left_L,
            lambda: spread.mean_NC(prior_1)[:, 0].astype(np.float64),
        )

    def _spread(
        self,
        opinions: Sequence[_Opinion],
        residual_L: FloatArray,
        row_L: IntArray,
        group_L: IntArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """How far residuals reach, for all items and for labelled ones left out: positive numbers.

        ``log s = b · (how much the opinions differ, how far the labels are)``, ridge-fitted to
        ``log |residual|``; with few labels the ridge keeps b near 0 and the interval the same for all.
        """
        scale = float(np.abs(residual_L).mean()) + 1e-9 * (float(np.abs(residual_L).max(initial=0)) + 1)
        scale = max(scale, 1e-12)
        view = self.views[0]
        near_N, near_L = _nearness(view.head_ND, row_L, group_L)
        all_NF = np.stack([_differ([held.all_N for held in opinions], scale), 1.0 - near_N], axis=1)
        left_LF = np.stack([_differ([held.left_L for held in opinions], scale), 1.0 - near_L], axis=1)
        centre_F = left_LF.mean(axis=0)
        width_F = np.maximum(left_LF.std(axis=0), 1e-6)
        z_LF, z_NF = (left_LF - centre_F) / width_F, (all_NF - centre_F) / width_F
        target_L = np.log(np.abs(residual_L) / scale + 0.1)
        z_LF = np.clip(z_LF, -3, 3)
        gram_FF = z_LF.T @ z_LF + 20.0 * np.eye(2)
        slope_F = np.clip(np.linalg.solve(gram_FF, z_LF.T @ (target_L - target_L.mean())), 0.0, 1.0)
        return (
            scale * np.exp(np.clip(z_NF, -3, 3) @ slope_F),
            scale * np.exp(z_LF @ slope_F),
        )

    def _result(
        self,
        row_L: IntArray,
        value_L: FloatArray,
        all_N: FloatArray,
        spread_N: FloatArray,
        opinions: Sequence[_Opinion],
        head: Sequence[_Opinion],
        started: float,
        coverage: float,
        told: _Told | None,
    ) -> NumericResult:
        prediction_N = all_N.copy()
        prediction_N[row_L] = value_L
        reach_N = np.full(len(all_N), np.nan)
        if told is not None and math.isfinite(told.quantile):
            reach_N = told.quantile * spread_N
        low_N, high_N = all_N - reach_N, all_N + reach_N
        low_N[row_L] = high_N[row_L] = value_L
        uncertainty_N = np.zeros(len(all_N)) if told is None else spread_N.copy()
        uncertainty_N[row_L] = 0.0
        return NumericResult(
            prediction_N=prediction_N,
            low_N=low_N,
            high_N=high_N,
            value_L=value_L,
            labelled_row_L=row_L,
            out_of_fold_L=np.zeros(0) if told is None else told.left_L,
            head_prediction_N=np.mean([held.all_N for held in head], axis=0) if head else all_N,
            head_out_of_fold_L=np.mean([held.left_L for held in head], axis=0) if head else np.zeros(0),
            method="none" if told is None else ("blend" if len(opinions) > 1 else opinions[0].kind),
            reason=_reason(opinions, told),
            score={held.name: float(np.abs(held.left_L - value_L).mean()) for held in opinions},
            coverage=coverage,
            interval_source="none" if told is None else told.source,
            uncertainty_N=uncertainty_N,
            seconds=time.perf_counter() - started,
            weights={} if told is None else {held.name: float(w) for held, w in zip(opinions, told.weight_M)},
        )


@dataclass(frozen=True, eq=False)
class _Told:
    weight_M: FloatArray
    left_L: FloatArray
    quantile: float
    source: str
    pulled: int


def conformal_quantile(score_A: FloatArray, coverage: float) -> float:
    """The ``⌈(n + 1) · coverage⌉``-th smallest score; infinite where n is too small for the promise.

    >>> conformal_quantile(np.arange(1.0, 20.0), 0.9), conformal_quantile(np.arange(3.0), 0.9)
    (18.0, inf)
    """
    rank = math.ceil(round((len(score_A) + 1) * coverage, 9))  # 20 · 0.9 = 18.000000000000004
    return float(np.sort(score_A)[rank - 1]) if rank <= len(score_A) else math.inf


def _usual(residual_L: FloatArray) -> float:
    """The usual distance: the median one, as a standard deviation of normal errors; 0 of nothing.

    >>> round(_usual(np.array([-1.0, 2.0, 0.5, -100.0, 1.5])), 3)
    2.224
    """
    return 1.4826 * float(np.median(np.abs(residual_L)))


class _Ridge:
    """Ridge regression on the same rows for any numbers, of the strength of least left-out squared error.

    Left-out answers are exact; rows of a group leave together: ``(I − H_gg)⁻¹ r_g``.
    """

    def __init__(
        self,
        feature_LD: FloatArray,
        group_L: IntArray | None,
        *,
        strengths: Sequence[float] = _STRENGTHS,
    ) -> None:
        self.centre_D = feature_LD.mean(axis=0, dtype=np.float64)
        self.left_LR, self.size_R, self.right_RD = np.linalg.svd(
            np.asarray(feature_LD, np.float64) - self.centre_D, full_matrices=False
        )
        self.groups = together(group_L)
        scale = float((self.size_R**2).mean()) + 1e-12
        self.shrinks = [self.size_R**2 / (self.size_R**2 + strength * scale) for strength in strengths]

    def fit(self, value_L: FloatArray) -> _Fit:
        """The regression on these numbers."""
        n, mean = len(value_L), float(value_L.mean())
        told_R = self.left_LR.T @ (value_L - mean)
        best, best_error = (self.shrinks[0], np.zeros(n)), math.inf
        for shrink_R in self.shrinks:
            hat_L = np.minimum((self.left_LR**2) @ shrink_R + 1.0 / n, 1.0 - 1e-9)
            inside_L = value_L - mean - self.left_LR @ (shrink_R * told_R)
            residual_L = inside_L / (1.0 - hat_L)
            for row_GM in self.groups:
                of_group = self.left_LR[row_GM]
                hat_GMM = (of_group * shrink_R) @ of_group.transpose(0, 2, 1) + 1.0 / n
                rest_GMM = (1.0 + 1e-9) * np.eye(row_GM.shape[1]) - hat_GMM
                residual_L[row_GM] = np.linalg.solve(rest_GMM, inside_L[row_GM][:, :, None])[:, :, 0]
            error = float((residual_L**2).mean())
            if error < best_error:
                best, best_error = (shrink_R, residual_L), error
        shrink_R, residual_L = best
        coef_D = self.right_RD.T @ (shrink_R * told_R / np.maximum(self.size_R, 1e-12))
        left_L = value_L - residual_L if n > 1 else np.full(n, mean)
        return _Fit(coef_D, mean - float(self.centre_D @ coef_D), left_L)


@dataclass(frozen=True, eq=False)
class _Fit:
    coef_D: FloatArray
    offset: float
    left_L: FloatArray

    def predict(self, feature_ND: FloatArray) -> FloatArray:
        """Of every row of these features."""
        return self.offset + (feature_ND @ self.coef_D.astype(np.float32)).astype(np.float64)


class _Kernel:
    """Ridge regression on Gaussian kernels around landmarks, the width chosen by left-out error."""

    def __init__(self, feature_ND: FloatArray, row_L: IntArray, group_L: IntArray | None) -> None:
        at = np.unique(np.linspace(0, len(row_L) - 1, min(len(row_L), _LANDMARKS)).astype(int))
        self.feature_ND, self.landmark_MD = feature_ND, feature_ND[row_L[at]]
        cosine_LM = feature_ND[row_L] @ self.landmark_MD.T
        self.widths: list[tuple[float, FloatArray, _Ridge]] = []
        for width in _WIDTHS:
            kernel_LM = _gaussian(cosine_LM, width)
            kernel_MM = kernel_LM[at].astype(np.float64)
            size_M, basis_MM = np.linalg.eigh((kernel_MM + kernel_MM.T) / 2)
            kept_M = size_M > 1e-6 * size_M.max()
            whiten_MK = (basis_MM[:, kept_M] / np.sqrt(size_M[kept_M])).astype(np.float32)
            self.widths.append((width, whiten_MK, _Ridge(kernel_LM @ whiten_MK, group_L)))

    def fit(self, value_L: FloatArray) -> tuple[FloatArray, Callable[[], FloatArray]]:
        """Left-out answers, and what gives those of all rows."""
        fits = [(width, whiten_MK, ridge.fit(value_L)) for width, whiten_MK, ridge in self.widths]
        width, whiten_MK, fit = min(fits, key=lambda held: float(((held[2].left_L - value_L) ** 2).mean()))

        def predict() -> FloatArray:
            kernel_NM = _gaussian(self.feature_ND @ self.landmark_MD.T, width)
            coef_M = whiten_MK.astype(np.float64) @ fit.coef_D
            return fit.offset + (kernel_NM @ coef_M.astype(np.float32)).astype(np.float64)

        return fit.left_L, predict


def _gaussian(cosine_XM: FloatArray, width: float) -> FloatArray:
    return np.asarray(np.exp((cosine_XM - 1.0) / np.float32(width**2)))


def _ridge_opinion(
    name: str, feature_ND: FloatArray, ridge: _Ridge, value_L: FloatArray, *, given: bool
) -> _Opinion:
    fit = ridge.fit(value_L)
    return _Opinion(name, "ridge", fit.left_L, partial(fit.predict, feature_ND))


def _kernel_opinion(name: str, kernel: _Kernel, value_L: FloatArray, *, given: bool) -> _Opinion:
    left_L, predict = kernel.fit(value_L)
    return _Opinion(name, "kernel", left_L, predict)


class _Reader(Protocol):
    """Turns numbers into an opinion; ``given``: whether they are those of the labels, not ones tried."""

    def __call__(self, value_L: FloatArray, *, given: bool) -> _Opinion: ...


def _blend(
    readers: Sequence[_Reader], value_L: FloatArray, group_L: IntArray | None, *, pulled: int = 0
) -> _Blend:
    opinions = [read(value_L, given=not pulled) for read in readers]
    weight_M, mean, mean_left_L = _stack(opinions, value_L, group_L)
    left_L = mean_left_L + sum(w * (held.left_L - mean_left_L) for w, held in zip(weight_M, opinions))
    return _Blend(opinions, weight_M, mean, left_L, pulled)


def _pulled_in(
    plain: _Blend, readers: Sequence[_Reader], value_L: FloatArray, group_L: IntArray | None
) -> _Blend:
    """The blend of numbers that were pulled in, where some are far off and it clearly says more so.

    "Clearly": the mean left-out error of the numbers as they were given is smaller by its part 1/√n.
    """
    residual_L = value_L - plain.left_L
    if np.abs(residual_L).max() <= _FAR * _usual(residual_L):
        return plain
    best, newest = plain, plain
    least = float(np.abs(residual_L).mean()) * (1.0 - 1.0 / math.sqrt(len(value_L)))
    for _ in range(_ROUNDS):
        residual_L = value_L - newest.left_L
        reach = _REACH * _usual(residual_L)
        pulled = int((np.abs(residual_L) > reach).sum())
        if not pulled:
            break
        told_L = newest.left_L + np.clip(residual_L, -reach, reach)
        newest = _blend(readers, told_L, group_L, pulled=pulled)
        error = float(np.abs(value_L - newest.left_L).mean())
        if error < least:
            best, least = newest, error
    return best


def _stack(
    opinions: Sequence[_Opinion], value_L: FloatArray, group_L: IntArray | None
) -> tuple[FloatArray, float, FloatArray]:
    """Non-negative weights of least left-out squared error; what they leave goes to the mean."""
    from scipy.optimize import nnls

    n, count = len(value_L), len(opinions)
    mean = float(value_L.mean())
    mean_left_L = _mean_without(value_L, group_L)
    x_LM = np.stack([held.left_L - mean_left_L for held in opinions], axis=1)
    # in units of what is left unexplained: where one opinion is nearly right, few labels are enough for it
    least = min(float(np.sqrt(((held.left_L - value_L) ** 2).mean())) for held in opinions)
    pull = math.sqrt(_TOWARDS_EQUAL) * (least + 1e-12)
    equal_M = np.full(count, 1.0 / count)
    a = np.concatenate([x_LM, pull * np.eye(count)])
    b = np.concatenate([value_L - mean_left_L, pull * equal_M])
    weight_M = np.asarray(nnls(a, b)[0])
    if weight_M.sum() > 1.0:  # an average, then: the same problem with weights that add up to one
        heavy = 1e4 * (float(np.abs(a).max()) + 1e-12)
        weight_M = np.asarray(nnls(np.vstack([a, np.full(count, heavy)]), np.append(b, heavy))[0])
        weight_M /= max(float(weight_M.sum()), 1e-12)
    error_M = ((x_LM - (value_L - mean_left_L)[:, None]) ** 2).mean(axis=0)
    blended = float(((x_LM @ weight_M - (value_L - mean_left_L)) ** 2).mean())
    best = int(error_M.argmin())
    if n >= _ENOUGH and error_M[best] < blended:  # one alone says it better than the blend
        weight_M = np.eye(count)[best]
    return weight_M, mean, mean_left_L


def _mean_without(value_L: FloatArray, group_L: IntArray | None) -> FloatArray:
    """The mean of the other groups' values; of all where there is no other.

    >>> value_L = np.array([1.0, 2.0, 6.0])
    >>> _mean_without(value_L, None), _mean_without(value_L, np.array([3, 5, 3]))
    (array([4. , 3.5, 1.5]), array([2. , 3.5, 2. ]))
    """
    n = len(value_L)
    group_L = np.arange(n) if group_L is None else np.unique(group_L, return_inverse=True)[1]
    size_L = np.bincount(group_L)[group_L]
    rest_L = value_L.sum() - np.bincount(group_L, weights=value_L)[group_L]
    return np.where(size_L < n, rest_L / np.maximum(n - size_L, 1), value_L.mean())


def _differ(value_MN: Sequence[FloatArray], scale: float) -> FloatArray:
    """``log`` of how far the opinions are apart, in units of the usual residual."""
    if len(value_MN) < 2:
        return np.zeros(len(value_MN[0]))
    return np.asarray(np.log(np.std(np.stack(value_MN), axis=0) / scale + 0.05))


def _nearness(
    feature_ND: FloatArray, row_L: IntArray, group_L: IntArray | None
) -> tuple[FloatArray, FloatArray]:
    """Cosine to the nearest labelled row, of all items and of labelled rows to one of another group."""
    group_L = row_L if group_L is None else group_L
    step = max(1, len(row_L) // _LANDMARKS)
    at_M = row_L[::step]
    near_N = np.full(len(feature_ND), -1.0)
    cosine_LM = feature_ND[row_L] @ feature_ND[at_M].T
    cosine_LM[group_L[:, None] == group_L[None, ::step]] = -1.0
    for start in range(0, len(feature_ND), 16_384):
        part = slice(start, start + 16_384)
        near_N[part] = (feature_ND[part] @ feature_ND[at_M].T).max(axis=1)
    return near_N, cosine_LM.max(axis=1)


def _reason(opinions: Sequence[_Opinion], told: _Told | None) -> str:
    if told is None:
        return "No labels yet: nothing to go by."
    if len(opinions) == 1:
        return f"{opinions[0].kind.capitalize()} regression alone: there is no neighbour graph yet."
    parts: dict[str, float] = {}
    for held, weight in zip(opinions, told.weight_M):
        parts[held.kind] = parts.get(held.kind, 0.0) + float(weight)
    total = max(sum(parts.values()), 1e-12)
    named = ", ".join(f"{kind} {share / total:.0%}" for kind, share in parts.items())
    text = f"{named[:1].upper()}{named[1:]}, as the {len(told.left_L)} numbers left out in turn say"
    return text + (f"; {told.pulled} that lie far off count for less." if told.pulled else ".")
