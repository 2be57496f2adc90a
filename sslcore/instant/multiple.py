"""Multiple choice: for every class a yes or no, all classes fitted together after every answer.

Binary relevance (Read et al. 2011 survey it) with everything shared that can be: one graph solve and one
regression run serve all classes. Each view gives two opinions a class, the neighbour graph's and the linear
head's; their logits are added with powers fitted on left-out answers, with a prior, as in ``pooling.py``,
then each class is calibrated (Platt 1999) with scale and shift drawn towards none. Where the heads or the
graph alone explain the left-out answers better beyond the noise, they answer. An empty set is an answer:
a row that has it is none of the classes; a row without an answer is not asked yet.
Two cuts of the same probabilities: ½ where a person is asked (fewest classes to change), and the cut of
highest expected F1, half of what it reaches (Lipton et al. 2014), for label sets that are taken away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sslcore.errors import DataError
from sslcore.graph.groups import labelled_groups
from sslcore.graph.regression import Smoother
from sslcore.instant.sigmoid import expit, left_out_logits, logit, sigmoid_regression
from sslcore.instant.view import View, check_views
from sslcore.shapes import BoolArray, FloatArray, IntArray

MOST_ENTRIES = 200_000_000
"""Items × classes beyond which no table of probabilities is made."""
GRAPH_ENTRIES = 20_000_000
"""Items × classes above which the graph is left out: a solve would take seconds."""

_ALPHA = 0.9
_STRENGTHS = (10.0, 1.0, 100.0)  # the first is the choice to beat
_NOISE = 1.0  # standard errors by which one kind of opinion must beat the blend


@dataclass(frozen=True, eq=False)
class MultipleResult:
    """All that one fit says.

    Args:
        proba_NC: Of each class, the probability that it applies, float32; answered rows are certain.
        answer_LC: The answers it saw, True where a class applies.
        labelled_row_L: Which rows these are, ascending.
        out_of_fold_proba_LC: For them, said without their own answer.
        method: ``"committee"``, ``"linear"`` or ``"graph"``.
        reason: One sentence for the user.
        score: Share of left-out yes-or-no answers each candidate got right. Rough.
        head_proba_NC: The supervised linear heads' probabilities, for comparison.
        seconds: Time the fit took.
        threshold: The probability from which on a class is in the set, for the highest expected F1.
        weights: What was weighed against what.
    """

    proba_NC: FloatArray
    answer_LC: BoolArray
    labelled_row_L: IntArray
    out_of_fold_proba_LC: FloatArray
    method: str
    reason: str
    score: Mapping[str, float]
    head_proba_NC: FloatArray
    seconds: float
    threshold: float = 0.5
    weights: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def prediction_NC(self) -> BoolArray:
        """The set of each item, cut at :attr:`threshold`."""
        return np.asarray(self.proba_NC >= self.threshold)

    @cached_property
    def suggestion_NC(self) -> BoolArray:
        """The classes that more likely apply than not: the likeliest set."""
        return np.asarray(self.proba_NC >= 0.5)

    @cached_property
    def confidence_N(self) -> FloatArray:
        """Probability that the likeliest set is right in all classes at once, taken as independent."""
        return set_confidence(self.proba_NC)

    @cached_property
    def uncertainty_N(self) -> FloatArray:
        """How many classes are expected to be wrong."""
        return expected_errors(self.proba_NC)


def set_confidence(proba_NC: FloatArray) -> FloatArray:
    """``Π_c max(p_c, 1 − p_c)``: the probability of the likeliest set, classes taken as independent.

    >>> set_confidence(np.array([[0.9, 0.2]])).round(2)
    array([0.72])
    """
    return np.asarray(np.maximum(proba_NC, 1.0 - proba_NC).prod(axis=1))


def best_cut(proba_NC: FloatArray) -> float:
    """The cut of highest expected micro F1, ``max_t 2 Σ_{p≥t} p / (|p≥t| + Σ p)`` over 2; at most ½.

    >>> best_cut(np.array([[0.9, 0.3, 0.1]])) < best_cut(np.array([[1.0, 0.0, 0.0]]))
    True
    """
    if not proba_NC.size:
        return 0.5
    step = max(1, proba_NC.shape[0] * proba_NC.shape[1] // 1_000_000)
    bins = np.minimum((proba_NC[::step].ravel() * 1000).astype(np.int64), 999)
    count_B = np.bincount(bins, minlength=1000)[::-1].cumsum()
    mass_B = np.bincount(bins, weights=proba_NC[::step].ravel(), minlength=1000)[::-1].cumsum()
    if mass_B[-1] <= 0:
        return 0.5
    best = float((2 * mass_B / (count_B + mass_B[-1])).max()) / 2
    return float(np.clip(best, 0.05, 0.5))


def expected_errors(proba_NC: FloatArray) -> FloatArray:
    """``Σ_c min(p_c, 1 − p_c)``: classes expected to be wrong in the likeliest set.

    >>> expected_errors(np.array([[0.9, 0.2]])).round(2)
    array([0.3])
    """
    return np.asarray(np.minimum(proba_NC, 1.0 - proba_NC).sum(axis=1))


@dataclass(eq=False)
class _Opinion:
    """What one source says: logits of all rows and of the answered ones without their own answer."""

    name: str
    kind: str  # "graph" | "linear"
    logits_NC: FloatArray
    left_out_LC: FloatArray
    prior: float


class MultipleLoop:
    """Frozen features of a project, and yes-or-no models kept warm on them.

    Args:
        views: One or more feature views of the same items.
        classes: Number of classes of the task.
        seed: Reserved; nothing here is drawn.

    Raises:
        DataError: No view, views of different length, or a table too large to make.

    >>> rng = np.random.default_rng(0)
    >>> point_ND = rng.normal(size=(80, 4))
    >>> loop = MultipleLoop([View.of("toy", point_ND)], classes=2)
    >>> truth_NC = point_ND[:, :2] > 0
    >>> result = loop.fit({row: np.flatnonzero(truth_NC[row]).tolist() for row in range(40)})
    >>> bool((result.suggestion_NC[40:] == truth_NC[40:]).mean() > 0.8)
    True
    """

    def __init__(self, views: Sequence[View], *, classes: int, seed: int = 0) -> None:
        check_views("MultipleLoop", views, classes, most=MOST_ENTRIES)
        self.views, self.classes, self.seed = list(views), classes, seed
        self._smoothers: dict[str, Smoother] = {}
        self._start: dict[str, tuple[FloatArray, FloatArray]] = {}
        self._strength: dict[str, float] = {}
        self._asked_at: dict[str, int] = {}

    def fit(
        self,
        answers: Mapping[int, Sequence[int]],
        *,
        rejected: Sequence[tuple[int, int]] = (),
        echo_N: BoolArray | None = None,
    ) -> MultipleResult:
        """Fits on the answers at hand, warm from the previous fit.

        Args:
            answers: Row → all classes that apply; an empty list says that none does.
            rejected: (row, class) pairs that a person said it is not, of rows without an answer.
            echo_N: Answers that a model gave and a person merely accepted: learned from, but nothing is
                weighed or calibrated by them.

        Raises:
            DataError: A row or a class that there is not.
        """
        started = time.perf_counter()
        row_L, answer_LC = self._answers(answers)
        row_R, target_RC, known_RC = self._with_rejected(row_L, answer_LC, rejected)
        group_N = self.views[0].group_N
        opinions = self._opinions(row_R, target_RC, known_RC, labelled_groups(group_N, row_R))
        at_L = np.searchsorted(row_R, row_L)
        for opinion in opinions:
            opinion.left_out_LC = opinion.left_out_LC[at_L]
        judged_LC = judged_answers(answer_LC, labelled_groups(group_N, row_L))
        if echo_N is not None:
            judged_LC &= ~echo_N[row_L][:, None]
        rate_C = (answer_LC.sum(axis=0) + 1.0) / (len(row_L) + 2.0)
        chosen, powers, score = _choose(opinions, answer_LC, judged_LC)
        if opinions:
            logits_NC, left_out_LC = _blend(opinions, powers)
        else:
            logits_NC = np.zeros((len(self.views[0]), self.classes), np.float32)
            left_out_LC = logits_NC[:0]
        scale_C, shift_C = _calibration(left_out_LC, answer_LC, judged_LC)
        learnt_C = np.asarray(judged_LC.any(axis=0))
        proba_NC = _proba(logits_NC * scale_C + shift_C, learnt_C, rate_C)
        out_LC = _proba(left_out_LC * scale_C + shift_C, learnt_C, rate_C)
        head_NC = self._heads(opinions, answer_LC, judged_LC, rate_C)
        for held_NC in (proba_NC, head_NC):
            held_NC[row_R] = np.where(known_RC, target_RC, held_NC[row_R])
        return MultipleResult(
            proba_NC=proba_NC,
            answer_LC=answer_LC,
            labelled_row_L=row_L,
            out_of_fold_proba_LC=out_LC,
            method=chosen,
            reason=_reason(chosen, opinions, powers, int(judged_LC.any(axis=1).sum())),
            score=score,
            head_proba_NC=head_NC,
            seconds=time.perf_counter() - started,
            threshold=best_cut(np.delete(proba_NC, row_R, axis=0)),
            weights={opinion.name: float(power) for opinion, power in zip(opinions, powers)},
        )

    def _answers(self, answers: Mapping[int, Sequence[int]]) -> tuple[IntArray, BoolArray]:
        items = len(self.views[0])
        row_L = np.array(sorted(answers), dtype=np.int64)
        answer_LC = np.zeros((len(row_L), self.classes), dtype=bool)
        for at, row in enumerate(row_L.tolist()):
            named = list(answers[row])
            if not 0 <= row < items or any(not 0 <= c < self.classes for c in named):
                raise DataError(
                    f"answers must name rows below {items} and classes below {self.classes}. "
                    f"Received: row {row} with {named}."
                )
            answer_LC[at, named] = True
        return row_L, answer_LC

    def _with_rejected(
        self, row_L: IntArray, answer_LC: BoolArray, rejected: Sequence[tuple[int, int]]
    ) -> tuple[IntArray, BoolArray, BoolArray]:
        """Adds rows of which only some classes are known: those that they are not."""
        answered = set(row_L.tolist())
        partial = sorted({row for row, _ in rejected} - answered)
        row_R = np.concatenate([row_L, np.array(partial, dtype=np.int64)])
        known_RC = np.concatenate(
            [np.ones_like(answer_LC), np.zeros((len(partial), self.classes), dtype=bool)]
        )
        target_RC = np.concatenate([answer_LC, np.zeros((len(partial), self.classes), dtype=bool)])
        place = {row: at for at, row in enumerate(partial, start=len(row_L))}
        for row, c in rejected:
            if not (0 <= row < len(self.views[0]) and 0 <= c < self.classes):
                raise DataError(
                    f"rejected must name rows below {len(self.views[0])} and classes below {self.classes}. "
                    f"Received: ({row}, {c})."
                )
            if row in place:
                known_RC[place[row], c] = True
        order_R = np.argsort(row_R)
        return row_R[order_R], target_RC[order_R], known_RC[order_R]

    def _opinions(
        self, row_R: IntArray, target_RC: BoolArray, known_RC: BoolArray, group_R: IntArray | None
    ) -> list[_Opinion]:
        found: list[_Opinion] = []
        if not len(row_R):
            return found
        n = int(known_RC.all(axis=1).sum())
        rate_C = (target_RC.sum(axis=0) + 1.0) / (known_RC.sum(axis=0) + 2.0)
        for view in self.views:
            solved, left_out_RC = self._head(view, row_R, target_RC, known_RC, group_R)
            trust = 0.5 * n / (n + 20.0)  # a head on few labels errs more than it admits
            logits_NC = view.head_ND @ solved[0] + solved[1]
            found.append(
                _Opinion(f"linear on {view.name}", "linear", logits_NC, left_out_RC, trust / len(self.views))
            )
            if view.knn is None or view.knn.k == 0 or len(view) * self.classes > GRAPH_ENTRIES:
                continue
            smoother = self._smoothers.get(view.name)
            if smoother is None or smoother.graph is not view.broad:
                smoother = self._smoothers[view.name] = Smoother(view.broad, alpha=_ALPHA)
            value_RC = np.where(known_RC, target_RC, rate_C)
            spread = smoother.update(row_R, value_RC, group_R)
            found.append(
                _Opinion(
                    f"graph on {view.name}",
                    "graph",
                    logit(_within(spread.mean_NC(rate_C))),
                    logit(_within(spread.left_mean_LC(rate_C))),
                    0.5 / len(self.views),
                )
            )
        return found

    def _head(
        self,
        view: View,
        row_R: IntArray,
        target_RC: BoolArray,
        known_RC: BoolArray,
        group_R: IntArray | None,
    ) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
        feature_RD = view.head_ND[row_R]
        yes_RC, no_RC = target_RC & known_RC, ~target_RC & known_RC
        least = int(np.minimum(yes_RC.sum(axis=0), no_RC.sum(axis=0)).max(initial=0))
        kept = self._strength.get(view.name, _STRENGTHS[0])
        strengths: tuple[float, ...] = (kept,)
        if least < 3:
            strengths = _STRENGTHS[:1]
        elif len(row_R) >= 1.25 * self._asked_at.get(view.name, 0):
            strengths, self._asked_at[view.name] = _STRENGTHS, len(row_R)
        judged_RC = judged_answers(target_RC, group_R, known_RC)
        best: tuple[tuple[FloatArray, FloatArray], FloatArray] | None = None
        value_R = np.zeros(len(row_R))
        for strength in strengths:
            start = self._start.get(view.name)
            solved = sigmoid_regression(feature_RD, target_RC, known_RC, strength=strength, start=start)
            self._start[view.name] = solved
            left_RC = left_out_logits(
                feature_RD, target_RC, known_RC, solved, strength=strength, group_L=group_R
            )
            rival_R = (_log_likelihood(left_RC, target_RC) * judged_RC).sum(axis=1)
            gain_R = rival_R - value_R
            # among some dozen labels the best of three is luck: the plain choice stays unless clearly worse
            if best is None or gain_R.mean() > gain_R.std() / np.sqrt(len(gain_R)):
                best, value_R, self._strength[view.name] = (solved, left_RC), rival_R, strength
        assert best is not None
        self._start[view.name] = best[0]
        return best

    def _heads(
        self, opinions: Sequence[_Opinion], answer_LC: BoolArray, judged_LC: BoolArray, rate_C: FloatArray
    ) -> FloatArray:
        """The linear heads alone, calibrated like the rest."""
        heads = [opinion for opinion in opinions if opinion.kind == "linear"]
        if not heads:
            return np.full((len(self.views[0]), self.classes), 0.5, np.float32)
        powers = _powers(heads, answer_LC, judged_LC)
        logits_NC, left_out_LC = _sum(heads, powers)
        scale_C, shift_C = _calibration(left_out_LC, answer_LC, judged_LC)
        return _proba(logits_NC * scale_C + shift_C, np.asarray(judged_LC.any(axis=0)), rate_C)


def _within(share_NC: FloatArray) -> FloatArray:
    return np.clip(share_NC, 1e-4, 1.0 - 1e-4)


def judged_answers(
    answer_LC: BoolArray, group_L: IntArray | None = None, known_LC: BoolArray | None = None
) -> BoolArray:
    """Answers whose left-out prediction means something: another row, of another group, gave the same answer.

    Args:
        answer_LC: True where a class applies.
        group_L: Rows of one group count as one.
        known_LC: False where nobody said; all are known, where not given.

    >>> judged_answers(np.array([[True], [True], [False], [False]])).ravel().tolist()
    [True, True, True, True]
    >>> group_L = np.array([1, 1, 2, 3])
    >>> judged_answers(np.array([[True], [True], [False], [False]]), group_L).ravel().tolist()
    [False, False, True, True]
    """
    known_LC = np.ones_like(answer_LC) if known_LC is None else known_LC
    yes_GC, no_GC = answer_LC & known_LC, ~answer_LC & known_LC
    if group_L is not None:
        yes_GC, no_GC = _any_of_group(yes_GC, group_L), _any_of_group(no_GC, group_L)
    yes_C, no_C = yes_GC.sum(axis=0), no_GC.sum(axis=0)
    two_sided_C = (yes_C >= 1) & (no_C >= 1)
    return np.where(answer_LC, yes_C >= 2, no_C >= 2) & two_sided_C & known_LC


def _any_of_group(held_LC: BoolArray, group_L: IntArray) -> BoolArray:
    """Whether any row of each group holds each class, ``GC``."""
    place_L = np.unique(group_L, return_inverse=True)[1]
    held_GC = np.zeros((place_L.max() + 1, held_LC.shape[1]), dtype=bool)
    np.logical_or.at(held_GC, place_L, held_LC)
    return held_GC


def _log_likelihood(logits_LC: FloatArray, answer_LC: BoolArray) -> FloatArray:
    """``log σ(±z)`` of every answer."""
    return np.asarray(-np.logaddexp(0.0, np.where(answer_LC, -logits_LC, logits_LC)))


def _powers(opinions: Sequence[_Opinion], answer_LC: BoolArray, judged_LC: BoolArray) -> FloatArray:
    """The power of each opinion by maximum a posteriori on left-out answers, log-normal around its prior."""
    from scipy.optimize import minimize

    prior_M = np.log([opinion.prior + 1e-3 for opinion in opinions])
    if not judged_LC.any():
        return np.asarray(np.exp(prior_M))
    step = max(1, answer_LC.size // 60_000)
    at = np.flatnonzero(judged_LC.ravel())[::step]
    logit_MJ = np.stack([opinion.left_out_LC.ravel()[at] for opinion in opinions]).astype(np.float64)
    sign_J = np.where(answer_LC.ravel()[at], 1.0, -1.0)

    def loss(log_M: FloatArray) -> tuple[float, FloatArray]:
        power_M = np.exp(log_M)
        against_J = -sign_J * (power_M @ logit_MJ)
        slope_M = -(logit_MJ * (sign_J * expit(against_J))).sum(axis=1)
        pull_M = log_M - prior_M
        value = float(np.logaddexp(0.0, against_J).sum()) + float((pull_M**2).sum())
        return value, power_M * slope_M + 2.0 * pull_M

    bounds = [(low - 4.5, low + 4.5) for low in prior_M]
    return np.asarray(np.exp(minimize(loss, prior_M, jac=True, method="L-BFGS-B", bounds=bounds).x))


def _sum(opinions: Sequence[_Opinion], powers: FloatArray) -> tuple[FloatArray, FloatArray]:
    logits_NC = opinions[0].logits_NC * np.float32(powers[0])
    left_out_LC = opinions[0].left_out_LC * np.float32(powers[0])
    for opinion, power in zip(opinions[1:], powers[1:]):
        logits_NC += opinion.logits_NC * np.float32(power)
        left_out_LC += opinion.left_out_LC * np.float32(power)
    return logits_NC, left_out_LC


def _choose(
    opinions: Sequence[_Opinion], answer_LC: BoolArray, judged_LC: BoolArray
) -> tuple[str, FloatArray, dict[str, float]]:
    """The blend, unless one kind of opinion explains left-out answers better beyond the noise."""
    if not opinions:
        return "none", np.zeros(0), {}
    masks = {"committee": np.ones(len(opinions), dtype=bool)}
    for kind in ("linear", "graph"):
        of_kind = np.array([opinion.kind == kind for opinion in opinions])
        if of_kind.any() and not of_kind.all():
            masks[kind] = of_kind
    powers: dict[str, FloatArray] = {}
    value_L: dict[str, FloatArray] = {}
    score: dict[str, float] = {}
    for name, mask_M in masks.items():
        used = [opinion for opinion, taken in zip(opinions, mask_M) if taken]
        powers[name] = np.zeros(len(opinions))
        powers[name][mask_M] = _powers(used, answer_LC, judged_LC)
        left_LC = _sum(used, powers[name][mask_M])[1]
        scale_C, shift_C = _calibration(left_LC, answer_LC, judged_LC)
        left_LC = left_LC * scale_C + shift_C
        value_L[name] = (_log_likelihood(left_LC, answer_LC) * judged_LC).sum(axis=1)
        if judged_LC.any():
            score[name] = float(((left_LC >= 0) == answer_LC)[judged_LC].mean())
    best, best_gain = "committee", 0.0
    if judged_LC.any() and len(answer_LC) > 1:
        for name in masks:
            gain_L = value_L[name] - value_L["committee"]
            gain, noise = float(gain_L.mean()), float(gain_L.std(ddof=1) / np.sqrt(len(gain_L)))
            if gain > best_gain and gain > _NOISE * noise:
                best, best_gain = name, gain
    if len(masks) == 1 and opinions[0].kind == "linear":
        score = {"linear": score["committee"]} if score else {}
        return "linear", powers["committee"], score
    return best, powers[best], score


def _blend(opinions: Sequence[_Opinion], powers: FloatArray) -> tuple[FloatArray, FloatArray]:
    used = [(opinion, power) for opinion, power in zip(opinions, powers) if power > 0]
    return _sum([opinion for opinion, _ in used], np.array([power for _, power in used]))


def _calibration(
    left_out_LC: FloatArray, answer_LC: BoolArray, judged_LC: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Scale and shift of each class's logits: Newton's method, drawn towards 1 and 0.

    The priors (variance 1/4 of the scale, 1 of the shift) are worth a few answers: a class with some of
    each kind is calibrated by them, one with a single yes stays as it was.
    """
    classes = answer_LC.shape[1]
    scale_C, shift_C = np.ones(classes), np.zeros(classes)
    x_LC, weight_LC = left_out_LC.astype(np.float64), judged_LC.astype(np.float64)
    if not judged_LC.any():
        return scale_C.astype(np.float32), shift_C.astype(np.float32)
    for _ in range(8):
        proba_LC = expit(x_LC * scale_C + shift_C)
        slope_LC = (proba_LC - answer_LC) * weight_LC
        curve_LC = np.maximum(proba_LC * (1 - proba_LC), 1e-6) * weight_LC
        to_scale_C = (slope_LC * x_LC).sum(axis=0) + 4.0 * (scale_C - 1.0)
        to_shift_C = slope_LC.sum(axis=0) + shift_C
        aa_C = (curve_LC * x_LC**2).sum(axis=0) + 4.0
        ab_C = (curve_LC * x_LC).sum(axis=0)
        bb_C = curve_LC.sum(axis=0) + 1.0
        determinant_C = np.maximum(aa_C * bb_C - ab_C**2, 1e-9)
        # damped: a full step may jump over the bowl where few answers are close to the border
        scale_step_C = np.clip((bb_C * to_scale_C - ab_C * to_shift_C) / determinant_C, -1, 1)
        shift_step_C = np.clip((aa_C * to_shift_C - ab_C * to_scale_C) / determinant_C, -1, 1)
        scale_C = np.clip(scale_C - scale_step_C, 0.05, 20)
        shift_C = np.clip(shift_C - shift_step_C, -6, 6)
    return scale_C.astype(np.float32), shift_C.astype(np.float32)


def _proba(logits_MC: FloatArray, learnt_C: BoolArray, rate_C: FloatArray) -> FloatArray:
    """Probabilities; a class with one kind of answer only gets the share of Laplace's rule of succession."""
    return np.where(learnt_C, expit(logits_MC), rate_C).astype(np.float32)


def _reason(chosen: str, opinions: Sequence[_Opinion], powers: FloatArray, judged: int) -> str:
    if not opinions:
        return "No labels yet: every class is as likely to apply as not."
    if chosen == "linear" and all(opinion.kind == "linear" for opinion in opinions):
        return "The linear heads: there is no neighbour graph, or too many classes to spread over it."
    if chosen == "linear":
        return f"The linear heads alone: they explain the {judged} labels left out best."
    if chosen == "graph":
        return f"The neighbour graph alone: it explains the {judged} labels left out best."
    if judged == 0:
        return "Graph and linear heads by the rule for few labels: no class can be tested yet."
    pull = [float(power * opinion.left_out_LC.std()) for opinion, power in zip(opinions, powers)]
    head = sum(part for part, opinion in zip(pull, opinions) if opinion.kind == "linear") / max(
        sum(pull), 1e-12
    )
    return f"Graph {1 - head:.0%} and linear heads {head:.0%}, as the {judged} labels left out in turn say."
