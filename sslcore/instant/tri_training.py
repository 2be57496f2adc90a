"""Tri-training: three learners, and where two agree they teach the third.

Zhou & Li 2005. Learner i takes l pseudo-labels of error e only if ``m (1 − 2η)²`` grows, m = labels + l and
η = e l/m: the bound that the paper's ``e' l' < e l`` is derived from, and that also covers the first round.
Instead of bootstraps three kinds differ (head, Gaussians, graph), on different views where there are
several. e is counted on labels the learners have not seen, one fold more left out; the paper counts on
training labels. Teaching only where the third differs (Søgaard 2010) is a setting: it gained less.

When: several feature sets, or models that err on different items, and some tens of labels to count their
errors on. With fewer it teaches little, and costs three models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sslcore.config import Config, param
from sslcore.graph.solve import diffuse
from sslcore.instant import INSTANT
from sslcore.instant.logistic import logistic
from sslcore.instant.model import Guess, Known, log_softmax
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.refits import Refits
from sslcore.instant.ssgmm import m_step, principal
from sslcore.instant.view import View
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray

_FOLDS = 4  # nested, 1 + 4 + 6 fits
_DIMENSIONS = 32
_SHRINKAGE = 0.5
_ALPHA = 0.95
_FLOOR = 1e-3  # weight of "no idea" beside what spreads, as in graph/density.py
_KINDS = ("linear", "gaussian", "graph")

Taught = Callable[[IntArray, IntArray, IntArray], BoolArray]


@dataclass(frozen=True)
class TriTrainingConfig(Config):
    """Settings of tri-training."""

    taught: str = param(
        "agreement",
        choices=("agreement", "disagreement"),
        help="Two teach the third wherever they agree, or only where it differs.",
    )
    rounds: int = param(5, low=0, high=100, help="Rounds at most; 0 is a vote of the three.")
    most: int = param(500, low=1, high=100_000, help="Pseudo-labels a learner takes at most.")


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one learner is fitted on, in several fits: (item, class) pairs and their weight in each."""

    row_P: IntArray
    label_P: IntArray
    weight_FP: FloatArray
    classes: int

    @property
    def one_hot_PFC(self) -> FloatArray:
        """Weight of each pair at its class."""
        eye_PC = np.eye(self.classes, dtype=np.float32)[self.label_P]
        return np.asarray(self.weight_FP.T[:, :, None] * eye_PC[:, None, :], np.float32)


def worth(labels: int, taught: int, error: float) -> float:
    """``m (1 − 2η)²``, what m examples of noise rate η teach (Angluin & Laird 1988; Zhou & Li, eq. 3).

    Args:
        labels: Right ones.
        taught: Pseudo-labels beside them.
        error: Share of the pseudo-labels that is wrong.

    >>> worth(10, 0, 0.5), worth(10, 30, 0.0), worth(10, 10, 0.5)
    (10.0, 40.0, 5.0)
    """
    total = labels + taught
    noise = error * taught / max(total, 1)
    return float(total * max(1.0 - 2.0 * noise, 0.0) ** 2)


@INSTANT.register(
    "tri_training",
    title="Tri-training",
    family="instant",
    paper="Zhou & Li 2005, Tri-Training: Exploiting Unlabeled Data Using Three Classifiers",
    config=TriTrainingConfig,
)
class TriTraining:
    """A head, Gaussians and a graph that teach one another; the i-th reads the i-th view, in turn."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, TriTrainingConfig) else TriTrainingConfig()
        self._principal: tuple[View, FloatArray] | None = None

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """All fits side by side, then the three are pooled by what they say of left-out labels."""
        refits = Refits.of(known, folds=_FOLDS)
        nest = _Nest(known, refits)
        chosen = [views[i % len(views)] for i in range(3)]
        pseudo_IFN = np.full((3, len(nest.kept_FL), len(views[0])), UNLABELLED)
        worth_IF = np.repeat(nest.kept_FL.sum(axis=1, dtype=np.float64)[None], 3, axis=0)
        log_INFC = [self._learn(i, chosen[i], nest, pseudo_IFN[i]) for i in range(3)]
        for _ in range(self.config.rounds):
            changed = self._teach(log_INFC, nest, worth_IF, pseudo_IFN)
            if not any(changed):
                break
            for i in np.flatnonzero(changed):
                log_INFC[i] = self._learn(int(i), chosen[i], nest, pseudo_IFN[i])
        return self._answer(chosen, log_INFC, known, refits, int((pseudo_IFN[:, 0] != UNLABELLED).sum()))

    def _learn(self, i: int, view: View, nest: _Nest, pseudo_FN: IntArray) -> FloatArray:
        lesson = nest.lesson(pseudo_FN)
        if _KINDS[i] == "linear":
            return _linear(view, lesson)
        if _KINDS[i] == "graph":
            return _graph(view, lesson)
        if self._principal is None or self._principal[0] is not view:
            self._principal = view, principal(view.head_ND, _DIMENSIONS)
        return _gaussian(self._principal[1], lesson)

    def _teach(
        self,
        log_INFC: list[FloatArray],
        nest: _Nest,
        worth_IF: FloatArray,
        pseudo_IFN: IntArray,
    ) -> list[bool]:
        """One round: every learner hears the other two, as they were before it."""
        said_INF = [log_NFC.argmax(axis=2) for log_NFC in log_INFC]
        changed = [False] * 3
        for i in range(3):
            j, k = (other for other in range(3) if other != i)
            for f in range(len(nest.kept_FL)):
                taught_N = self._taught(said_INF[i][:, f], said_INF[j][:, f], said_INF[k][:, f])
                taught_N[nest.known.row_L[nest.kept_FL[f]]] = False
                at = np.flatnonzero(taught_N)
                label = said_INF[j][at, f]
                if len(at) > self.config.most:
                    # evenly spaced, not the surest: the error counted holds for all alike
                    even = np.linspace(0, len(at) - 1, self.config.most).astype(int)
                    at, label = at[even], label[even]
                error = nest.error(f, self._taught, said_INF[i], said_INF[j], said_INF[k])
                gained = worth(int(nest.kept_FL[f].sum()), len(at), error)
                if gained <= worth_IF[i, f]:
                    continue
                pseudo_IFN[i, f] = UNLABELLED
                pseudo_IFN[i, f, at] = label
                worth_IF[i, f] = gained
                changed[i] = True
        return changed

    def _taught(self, own: IntArray, one: IntArray, other: IntArray) -> BoolArray:
        """Which items the other two teach."""
        agree = one == other
        return agree & (own != one) if self.config.taught == "disagreement" else agree

    def _answer(
        self, chosen: list[View], log_INFC: list[FloatArray], known: Known, refits: Refits, taught: int
    ) -> Guess:
        judged_L = refits.judged_L
        all_INC, out_ILC = [], []
        for log_NFC in log_INFC:
            unit = np.float32(3.0 / max(float(log_NFC[:, 0].std(axis=1).mean()), 1e-6))
            all_INC.append(log_softmax(np.ascontiguousarray(log_NFC[:, 0]) * unit))
            kept_FLC = log_NFC[known.row_L, : len(refits.kept_FL)].transpose(1, 0, 2)
            out_ILC.append(log_softmax(refits.left_out(kept_FLC) * unit))
        power_M = fit_pool([out_LC[judged_L] for out_LC in out_ILC], known.label_L[judged_L], np.full(3, 0.4))
        names = [f"{kind} on {view.name}" for kind, view in zip(_KINDS, chosen)]
        return Guess(
            log_NC=pooled(all_INC, power_M),
            left_out_LC=pooled(out_ILC, power_M),
            judged_L=judged_L,
            reason=f"Head, Gaussians and graph, which taught one another {taught:,} labels.",
            weights=tuple((name, float(power)) for name, power in zip(names, power_M)),
        )


class _Nest:
    """The fits of :class:`Refits`, and those with one fold more left out to count errors on."""

    def __init__(self, known: Known, refits: Refits) -> None:
        self.known = known
        single_FL = refits.kept_FL
        singles = len(single_FL)
        pairs = [(a, b) for a, b in combinations(range(1, singles), 2) if (single_FL[a] & single_FL[b]).any()]
        self.kept_FL: BoolArray = np.concatenate(
            [single_FL, *((single_FL[a] & single_FL[b])[None] for a, b in pairs)]
        )
        # for fit f: (a fit that leaves out more, the labels f has seen and that one has not)
        self._judges: list[list[tuple[int, IntArray]]] = [[] for _ in self.kept_FL]
        for one in range(1, singles):
            self._judges[0].append((one, np.flatnonzero(~single_FL[one])))
        for at, (a, b) in enumerate(pairs, start=singles):
            self._judges[a].append((at, np.flatnonzero(~single_FL[b])))
            self._judges[b].append((at, np.flatnonzero(~single_FL[a])))
            # nothing is left out further down: the paper's own estimate, on the labels learnt from
            self._judges[at].append((at, np.flatnonzero(self.kept_FL[at])))

    def error(
        self, fit: int, taught: Taught, own_NF: IntArray, one_NF: IntArray, other_NF: IntArray
    ) -> float:
        """Share wrong among what the two would teach the third, on labels none has seen; ½ without any."""
        wrong = count = 0
        for judge, at_L in self._judges[fit]:
            row = self.known.row_L[at_L]
            teach_L = taught(own_NF[row, judge], one_NF[row, judge], other_NF[row, judge])
            count += int(teach_L.sum())
            wrong += int((teach_L & (one_NF[row, judge] != self.known.label_L[at_L])).sum())
        return (wrong + 0.5) / (count + 1.0)

    def lesson(self, pseudo_FN: IntArray) -> Lesson:
        """Labels and pseudo-labels of all fits as common rows."""
        known, labels = self.known, len(self.known.row_L)
        at_F, at_N = np.nonzero(pseudo_FN != UNLABELLED)
        pair_P, place = np.unique(at_N * known.classes + pseudo_FN[at_F, at_N], return_inverse=True)
        weight_FP = np.zeros((len(self.kept_FL), labels + len(pair_P)), np.float32)
        weight_FP[:, :labels] = self.kept_FL
        weight_FP[at_F, labels + place] = 1.0
        row_P = np.concatenate([known.row_L, pair_P // known.classes])
        label_P = np.concatenate([known.label_L, pair_P % known.classes])
        return Lesson(row_P, label_P, weight_FP, known.classes)


def _linear(view: View, lesson: Lesson) -> FloatArray:
    """Logistic regression, log probabilities ``log_NFC``."""
    coef_FDC, bias_FC = logistic(
        view.head_ND[lesson.row_P], lesson.label_P, lesson.weight_FP, classes=lesson.classes
    )
    flat_DX = coef_FDC.transpose(1, 0, 2).reshape(coef_FDC.shape[1], -1)
    return _normalised((view.head_ND @ flat_DX).reshape(len(view), *bias_FC.shape) + bias_FC)


def _gaussian(z_ND: FloatArray, lesson: Lesson) -> FloatArray:
    """Class-conditional Gaussians of common covariance."""
    z_PD, weight_PF = z_ND[lesson.row_P], lesson.weight_FP.T
    one_hot_PFC = np.eye(lesson.classes, dtype=np.float32)[lesson.label_P][:, None, :]
    share_PFC = np.repeat(one_hot_PFC, weight_PF.shape[1], axis=1)
    second_FDD = np.stack([(z_PD * weight_P[:, None]).T @ z_PD for weight_P in lesson.weight_FP])
    variance = max(float(np.einsum("nd,nd->", z_ND, z_ND, dtype=np.float64)) / max(z_ND.size, 1), 1e-8)
    mixture = m_step(
        share_PFC, z_PD, weight_PF, second_FDD.astype(np.float64), shrinkage=_SHRINKAGE, variance=variance
    )
    return _normalised(np.maximum(mixture.log_joint(z_ND), -1e4))


def _graph(view: View, lesson: Lesson) -> FloatArray:
    """Label spreading, class columns over their masses."""
    source_NFC = np.zeros((len(view), *lesson.weight_FP.shape[:1], lesson.classes), np.float32)
    np.add.at(source_NFC, lesson.row_P, lesson.one_hot_PFC)
    flat_NX = source_NFC.reshape(len(view), -1)
    spread_NX = diffuse(view.broad, flat_NX, alpha=_ALPHA, tolerance=1e-2, steps=30)
    mass_X = spread_NX.sum(axis=0)
    density_NX = np.maximum(spread_NX, 0.0) / np.where(mass_X > 0, mass_X, 1.0)
    return _normalised(np.log(density_NX + np.float32(_FLOOR / len(view))).reshape(source_NFC.shape))


def _normalised(log_NFC: FloatArray) -> FloatArray:
    flat = log_softmax(log_NFC.reshape(-1, log_NFC.shape[-1]))
    return np.maximum(flat, -60.0).astype(np.float32).reshape(log_NFC.shape)
