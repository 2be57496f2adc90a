"""Linear head: multinomial logistic regression on centred, L2-normalised features.

The linear probe of SetFit (Tunstall et al. 2022) and of every transfer-learning paper; the supervised
bar that each semi-supervised figure is shown beside. C = 10 until every class has three labels, from
then on 1 or 100 where cross-validated likelihood prefers it beyond the noise, asked again when a quarter
more labels have come. Left-out answers by ten folds (five above 400 labels), solved with the head itself.
Above :data:`PROTOTYPES` classes it is the nearest class mean, whose cost does not grow with folds.

When: tens of labels a class, or features whose neighbours mislead (several subjects in an item, fine
classes); and always as the bar for the models that use unlabelled items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.instant import INSTANT
from sslcore.instant.logistic import logistic
from sslcore.instant.model import Guess, Known, log_softmax
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.view import View
from sslcore.shapes import BoolArray, FloatArray, IntArray

PROTOTYPES = 300
"""More classes than this with labels: class means instead of regression."""

_STRENGTHS = (10.0, 1.0, 100.0)  # the first is the choice to beat
_PRIOR_POWER = 2.0  # a head on few labels is too modest: its power on sets of every kind is above 1


@dataclass(frozen=True)
class LinearConfig(Config):
    """Settings of the linear head."""

    strength: float | None = param(
        None, low=1e-4, high=1e6, help="C, the trust in the labels. Empty: 10, then cross-validated."
    )


@INSTANT.register(
    "linear",
    title="Linear head",
    family="instant",
    paper="Tunstall et al. 2022, SetFit (linear probe)",
    config=LinearConfig,
)
class LinearHead:
    """Warm-started logistic regression; ``raw`` gives its own probabilities, ``fit`` calibrated ones."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, LinearConfig) else LinearConfig()
        self._start: tuple[FloatArray, FloatArray] | None = None
        self._strength = 10.0
        self._asked_at = 0
        self.coef_DC: FloatArray | None = None
        self.bias_C: FloatArray | None = None

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """Calibrated by one power, fitted on the left-out answers."""
        raw = self.raw(views[0], known)
        power_M = fit_pool(
            [raw.left_out_LC[raw.judged_L]], known.label_L[raw.judged_L], np.array([_PRIOR_POWER])
        )
        return Guess(
            log_NC=pooled([raw.log_NC], power_M),
            left_out_LC=pooled([raw.left_out_LC], power_M),
            judged_L=raw.judged_L,
            reason=f"Linear head on {views[0].name}.",
            weights=(("linear", float(power_M[0])),),
        )

    def raw(self, view: View, known: Known) -> Guess:
        """The head's own probabilities, before calibration."""
        feature_LD = view.head_rows(known.row_L)
        fold_L, classes = known.fold_L, known.classes
        folds = int(fold_L.max()) + 1
        weight_FL = np.ones((folds + 1, len(fold_L)), np.float32)
        weight_FL[1:][fold_L, np.arange(len(fold_L))] = 0.0
        remaining_FC = weight_FL @ np.eye(classes, dtype=np.float32)[known.label_L]
        judged_L = remaining_FC[fold_L + 1, known.label_L] > 0
        # a fold that holds all labels leaves nothing to fit: its rows are not judged, its weights all one
        weight_FL[weight_FL.sum(axis=1) == 0] = 1.0
        if classes > PROTOTYPES:
            coef_FDC, bias_FC = _prototypes(feature_LD, known.label_L, classes)
            judged_L = np.zeros(len(fold_L), bool)
            fold_L = np.full(len(fold_L), -1)
        else:
            coef_FDC, bias_FC = self._solve(feature_LD, known, weight_FL, judged_L)
        self.coef_DC, self.bias_C = coef_FDC[0], bias_FC[0]
        log_NC = log_softmax(view.logits(coef_FDC[0], bias_FC[0]))
        return Guess(log_NC, _left_out((coef_FDC, bias_FC), feature_LD, fold_L), judged_L)

    def _solve(
        self, feature_LD: FloatArray, known: Known, weight_FL: FloatArray, judged_L: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        strengths: tuple[float, ...] = (self._strength,)
        if self.config.strength is not None:
            strengths = (self.config.strength,)
        elif known.count_C.min() >= 3 and judged_L.any() and len(known.row_L) >= 1.25 * self._asked_at:
            strengths, self._asked_at = _STRENGTHS, len(known.row_L)
        elif known.count_C.min() < 3:
            strengths = (10.0,)
        best = self._start = self._one(feature_LD, known, weight_FL, strengths[0])
        self._strength = strengths[0]
        if len(strengths) == 1:
            return best
        value_J = self._values(best, feature_LD, known, judged_L)
        for strength in strengths[1:]:
            rival = self._one(feature_LD, known, weight_FL, strength)
            gain_J = self._values(rival, feature_LD, known, judged_L) - value_J
            # among some dozen labels the best of three is luck: the plain choice stays unless clearly worse
            if gain_J.mean() > gain_J.std(ddof=1) / np.sqrt(len(gain_J)):
                best = self._start = rival
                self._strength, value_J = strength, value_J + gain_J
        return best

    def _one(
        self, feature_LD: FloatArray, known: Known, weight_FL: FloatArray, strength: float
    ) -> tuple[FloatArray, FloatArray]:
        return logistic(
            feature_LD,
            known.label_L,
            weight_FL,
            classes=known.classes,
            strength=strength,
            start=self._start,
        )

    def _values(
        self,
        solved: tuple[FloatArray, FloatArray],
        feature_LD: FloatArray,
        known: Known,
        judged_L: BoolArray,
    ) -> FloatArray:
        """Log-likelihood of the left-out labels, after calibration: that part is mended later anyhow."""
        left_out_LC = _left_out(solved, feature_LD, known.fold_L)[judged_L]
        label_J = known.label_L[judged_L]
        power_M = fit_pool([left_out_LC], label_J, np.array([_PRIOR_POWER]))
        return pooled([left_out_LC], power_M)[np.arange(len(label_J)), label_J].astype(np.float64)


def _left_out(solved: tuple[FloatArray, FloatArray], feature_LD: FloatArray, fold_L: IntArray) -> FloatArray:
    """Each row's log probabilities under the fit (1 + its fold) that did not see it."""
    coef_FDC, bias_FC = solved
    left_out_LC = np.empty((len(fold_L), coef_FDC.shape[2]), np.float32)
    for fold in np.unique(fold_L):
        in_L = fold_L == fold
        left_out_LC[in_L] = log_softmax(feature_LD[in_L] @ coef_FDC[fold + 1] + bias_FC[fold + 1])
    return left_out_LC


def _prototypes(feature_LD: FloatArray, label_L: IntArray, classes: int) -> tuple[FloatArray, FloatArray]:
    """Nearest class mean as a linear map: ``−½·s‖x − m_c‖²`` up to what all classes share."""
    order_L = np.argsort(label_L, kind="stable")
    first_C = np.searchsorted(label_L[order_L], np.arange(classes))
    mean_CD = np.add.reduceat(feature_LD[order_L], first_C, axis=0)
    mean_CD /= np.bincount(label_L, minlength=classes)[:, None]
    sharp = 10.0
    coef_DC = np.ascontiguousarray(mean_CD.T) * np.float32(sharp)
    bias_C = (-0.5 * sharp * (mean_CD**2).sum(axis=1)).astype(np.float32)
    return coef_DC[None], bias_C[None]
