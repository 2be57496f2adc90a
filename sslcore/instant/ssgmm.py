"""SSGMM: one Gaussian a class, of common shape, fitted on labelled and unlabelled items by EM.

Semi-supervised mixture (Miller & Uyar 1996; Nigam et al. 2000): labelled items belong to their class for
certain, the others with ``r_nc ∝ π_c N(z_n; m_c, Σ)``, and count λ times in ``m, π, Σ`` (EM-λ). On 32
principal directions; ``Σ = (1 − ρ) S/n + ρ σ² I`` (Friedman 1989), the M step under an inverse-Wishart prior,
so the penalised likelihood never falls. ρ and λ as left-out labels say. Every fit starts from the labelled
means and a sphere: a start that remembers earlier labels would not forget the ones taken back.

When: each class is one cloud in the features, as with strong encoders, and labels are few. Not where a class
falls into several clusters: one Gaussian cannot hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.instant import INSTANT
from sslcore.instant.model import Guess, Known, log_softmax
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.refits import Refits, calibrated
from sslcore.instant.view import View
from sslcore.shapes import BoolArray, FloatArray

_RHOS = (0.5, 0.1)  # the first of each where nothing is judged
_LAMBDAS = (0.1, 1.0)
_START = 0.3  # of the total variance: about what is left within classes
_NEVER = -1e4  # log probability of a class that no label of a fit speaks for
_SETTLED = 5e-4


@dataclass(frozen=True)
class SSGMMConfig(Config):
    """Settings of the mixture."""

    dimensions: int = param(32, low=1, high=512, help="Principal directions the Gaussians live in.")
    shrinkage: float | None = param(
        None, low=0.0, high=1.0, help="How round the Gaussians are made. Empty: as left-out labels say."
    )
    unlabelled: float | None = param(
        None, low=0.0, high=1.0, help="What an unlabelled item counts. Empty: as left-out labels say."
    )
    steps: int = param(50, low=1, high=1000, help="EM steps at most.")


@dataclass(frozen=True, eq=False)
class Mixture:
    """Gaussians of one fit or several: means, one covariance each, class shares as logarithms."""

    mean_FCD: FloatArray
    covariance_FDD: FloatArray
    log_share_FC: FloatArray

    def log_joint(self, z_ND: FloatArray) -> FloatArray:
        """``log π_c N(z_n; m_c, Σ)`` up to what all classes share, shape (items, fits, classes)."""
        pull_FDC = np.linalg.solve(self.covariance_FDD, self.mean_FCD.transpose(0, 2, 1))
        bias_FC = self.log_share_FC - 0.5 * np.einsum("fcd,fdc->fc", self.mean_FCD, pull_FDC)
        flat_DX = pull_FDC.transpose(1, 0, 2).reshape(z_ND.shape[1], -1).astype(z_ND.dtype)
        log_NFC = (z_ND @ flat_DX).reshape(len(z_ND), *bias_FC.shape)
        return np.asarray(log_NFC + bias_FC.astype(z_ND.dtype))


@INSTANT.register(
    "ssgmm",
    title="Gaussian mixture",
    family="instant",
    paper="Nigam et al. 2000, Text Classification from Labeled and Unlabeled Documents using EM",
    config=SSGMMConfig,
)
class SSGMM:
    """The mixture on the first view's head features."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, SSGMMConfig) else SSGMMConfig()
        self._view: View | None = None
        self._z_ND: FloatArray | None = None

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """Shrinkage and weight are chosen on the folds, then all labels are fitted."""
        view, refits = views[0], Refits.of(known)
        if self._z_ND is None or self._view is not view:
            self._view, self._z_ND = view, principal(view.head_ND, self.config.dimensions)
        z_ND = self._z_ND
        shrinkage, unlabelled, out_LC = self._chosen(z_ND, known, refits)
        mixture = fit_mixture(
            z_ND,
            known,
            refits.kept_FL[:1],
            shrinkage=shrinkage,
            unlabelled=unlabelled,
            steps=self.config.steps,
        )
        log_NC = log_softmax(mixture.log_joint(z_ND)[:, 0])
        reason = f"A Gaussian for each class on {view.name}, unlabelled items counting {unlabelled:g}."
        return calibrated("ssgmm", _bounded(log_NC), _bounded(out_LC), refits, known, reason)

    def _chosen(self, z_ND: FloatArray, known: Known, refits: Refits) -> tuple[float, float, FloatArray]:
        """ρ, then λ, by the likelihood of left-out labels after calibration; and the left-out answers."""
        config = self.config
        rhos = _RHOS if config.shrinkage is None else (config.shrinkage,)
        lambdas = _LAMBDAS if config.unlabelled is None else (config.unlabelled,)
        if len(refits.kept_FL) == 1:
            return rhos[0], lambdas[0], np.zeros((len(known.row_L), known.classes), np.float32)

        def tried(rho: float, weight: float) -> tuple[float, float, float, FloatArray]:
            out_LC = self._left_out(z_ND, known, refits, rho, weight)
            return _likelihood(out_LC, known, refits.judged_L), rho, weight, out_LC

        best = max((tried(rho, lambdas[0]) for rho in rhos), key=lambda one: one[0])
        rivals = [tried(best[1], weight) for weight in lambdas[1:]]
        return max([best, *rivals], key=lambda one: one[0])[1:]

    def _left_out(
        self, z_ND: FloatArray, known: Known, refits: Refits, rho: float, weight: float
    ) -> FloatArray:
        mixture = fit_mixture(
            z_ND, known, refits.kept_FL[1:], shrinkage=rho, unlabelled=weight, steps=self.config.steps
        )
        log_LFC = mixture.log_joint(z_ND[known.row_L])
        # the first fit is not made here: its place is never read
        log_FLC = np.concatenate([log_LFC[:, :1], log_LFC], axis=1).transpose(1, 0, 2)
        return log_softmax(refits.left_out(log_FLC))


def principal(feature_ND: FloatArray, dimensions: int) -> FloatArray:
    """Centred features on their first principal directions, float32.

    >>> principal(np.array([[0.0, 0.0], [0.0, 2.0]]), 1).round(3).tolist() in (
    ...     [[-1.0], [1.0]],
    ...     [[1.0], [-1.0]],
    ... )
    True
    """
    centred_ND = feature_ND - feature_ND.mean(axis=0, dtype=np.float64).astype(feature_ND.dtype)
    _, vector_DD = np.linalg.eigh((centred_ND.T @ centred_ND).astype(np.float64))
    kept_DD = vector_DD[:, ::-1][:, :dimensions].astype(np.float32)
    return np.ascontiguousarray(centred_ND.astype(np.float32) @ kept_DD)


def fit_mixture(
    z_ND: FloatArray,
    known: Known,
    kept_FL: BoolArray,
    *,
    shrinkage: float,
    unlabelled: float,
    steps: int = 50,
) -> Mixture:
    """EM for several sets of labels at once, each from its own labelled means.

    Args:
        z_ND: Features, centred.
        known: All labels.
        kept_FL: The labels each fit sees; the others count as unlabelled items.
        shrinkage: ρ.
        unlabelled: λ.
        steps: At most so many; it stops when fewer than one item in 2,000 changes class.
    """
    fixed_LFC = kept_FL.T[:, :, None] * np.eye(known.classes)[known.label_L][:, None, :]
    mixture = _start(z_ND, known, fixed_LFC)
    weight_NF = np.full((len(z_ND), len(kept_FL)), unlabelled, np.float32)
    weight_NF[known.row_L] = np.where(kept_FL.T, 1.0, unlabelled)
    second_FDD = np.stack([(z_ND * weight_N[:, None]).T @ z_ND for weight_N in weight_NF.T]).astype(
        np.float64
    )
    variance = max(float(np.einsum("nd,nd->", z_ND, z_ND, dtype=np.float64)) / max(z_ND.size, 1), 1e-8)
    before_NF = np.full(weight_NF.shape, -1)
    for _ in range(steps):
        share_NFC = responsibilities(mixture, z_ND, known, fixed_LFC)
        mixture = m_step(share_NFC, z_ND, weight_NF, second_FDD, shrinkage=shrinkage, variance=variance)
        if unlabelled == 0:
            break
        label_NF = share_NFC.argmax(axis=2)
        if (label_NF != before_NF).mean(axis=0).max(initial=0.0) <= _SETTLED:
            break
        before_NF = label_NF
    return mixture


def responsibilities(mixture: Mixture, z_ND: FloatArray, known: Known, fixed_LFC: FloatArray) -> FloatArray:
    """The E step: ``r_NFC``, where a fit's own labels are certain."""
    share_NFC = mixture.log_joint(z_ND)
    share_NFC -= share_NFC.max(axis=2, keepdims=True)
    np.exp(share_NFC, out=share_NFC)
    share_NFC /= share_NFC.sum(axis=2, keepdims=True)
    certain_LF1 = fixed_LFC.sum(axis=2, keepdims=True) > 0
    share_NFC[known.row_L] = np.where(certain_LF1, fixed_LFC, share_NFC[known.row_L])
    return share_NFC


def m_step(
    share_NFC: FloatArray,
    z_ND: FloatArray,
    weight_NF: FloatArray,
    second_FDD: FloatArray,
    *,
    shrinkage: float,
    variance: float,
) -> Mixture:
    """Means, shares (one item a class added) and the common covariance.

    The scatter within classes is what the means leave of the weighted second moments,
    ``Σ_n w_n z_n z_nᵀ − Σ_c n_c m_c m_cᵀ``.
    """
    items, fits, classes = share_NFC.shape
    weighted_NX = (share_NFC * weight_NF[:, :, None]).reshape(items, -1)
    size_FC = weighted_NX.sum(axis=0, dtype=np.float64).reshape(fits, classes)
    sum_FCD = (weighted_NX.T @ z_ND).reshape(fits, classes, -1).astype(np.float64)
    mean_FCD = sum_FCD / np.maximum(size_FC, 1e-12)[:, :, None]
    within_FDD = second_FDD - np.einsum("fcd,fce->fde", sum_FCD, mean_FCD)
    total_F = size_FC.sum(axis=1)
    dims = z_ND.shape[1]
    round_DD = max(shrinkage, 1e-4) * variance * np.eye(dims)
    covariance_FDD = (1.0 - shrinkage) * within_FDD / total_F[:, None, None] + round_DD
    open_FC = size_FC > 1e-9
    log_share_FC = np.log((size_FC + 1.0) / (total_F[:, None] + classes))
    return Mixture(mean_FCD, covariance_FDD, np.where(open_FC, log_share_FC, _NEVER))


def _start(z_ND: FloatArray, known: Known, fixed_LFC: FloatArray) -> Mixture:
    """Means of the labels, a sphere, equal shares."""
    size_FC = fixed_LFC.sum(axis=0)
    sum_FCD = np.einsum("lfc,ld->fcd", fixed_LFC, z_ND[known.row_L].astype(np.float64))
    mean_FCD = sum_FCD / np.maximum(size_FC, 1.0)[:, :, None]
    variance = float((z_ND.astype(np.float64) ** 2).mean()) if z_ND.size else 1.0
    sphere_DD = max(_START * variance, 1e-8) * np.eye(z_ND.shape[1])
    covariance_FDD = np.repeat(sphere_DD[None], len(size_FC), axis=0)
    return Mixture(mean_FCD, covariance_FDD, np.where(size_FC > 0, 0.0, _NEVER))


def _bounded(log_NC: FloatArray) -> FloatArray:
    """A Gaussian in many dimensions is certain beyond reason; beyond e⁻⁶⁰ only the rank is kept."""
    return np.asarray(np.maximum(log_NC, -60.0), np.float32)


def _likelihood(out_LC: FloatArray, known: Known, judged_L: BoolArray) -> float:
    out_JC, label_J = _bounded(out_LC)[judged_L], known.label_L[judged_L]
    power_M = fit_pool([out_JC], label_J, np.array([0.3]))
    return float(pooled([out_JC], power_M)[np.arange(len(label_J)), label_J].sum())
