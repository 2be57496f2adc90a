"""Logistic regressions of many yes-or-no questions about the same rows, with what each says left out.

For class c: ``C Σ_i m_ic log(1 + exp(−s_ic x_i·w_c)) + ½‖w_c‖²``, scikit-learn's objective; all classes
are solved in one L-BFGS run. What a row's class would be without the row's own answer is the approximate
leave-one-out of Rad & Maleki 2020: one Newton step away from the solution, ``z_i − h_i/(1 − h_i) · g_i/k_i``
with leverage ``h_i = k_i x_iᵀ H⁻¹ x_i``; exact for ridge, and no fold is fitted anew. Rows of a group leave
together by the same step: ``z_g + (I − R_g K_g)⁻¹ R_g (p_g − y_g)`` with ``R_g = X_g H⁻¹ X_gᵀ``.
"""

from __future__ import annotations

import numpy as np

from sslcore.graph.groups import together
from sslcore.shapes import BoolArray, FloatArray, IntArray

_MOST_LEVERAGE = 0.95
_HESSIAN_ROWS = 2000  # rows a curvature is measured on: leverages of more rows are small anyhow


def logit(proba: FloatArray) -> FloatArray:
    """``log p − log(1 − p)``, kept within ±16.

    >>> logit(np.array([0.5, 1.0]))
    array([ 0., 16.])
    """
    with np.errstate(divide="ignore"):
        return np.clip(np.log(proba) - np.log1p(-proba), -16.0, 16.0)


def expit(logits: FloatArray) -> FloatArray:
    """``1 / (1 + e^−z)`` without overflow, in the array's own type.

    >>> expit(np.array([0.0, -1000.0]))
    array([0.5, 0. ])
    """
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0, small) / (1.0 + small), dtype=logits.dtype)


def sigmoid_regression(
    feature_LD: FloatArray,
    target_LC: BoolArray,
    known_LC: BoolArray,
    *,
    strength: float = 10.0,
    start: tuple[FloatArray, FloatArray] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Coefficients ``(coef_DC, bias_C)``, float32, of one regression a class.

    Args:
        feature_LD: Features of the rows.
        target_LC: Whether each class applies.
        known_LC: Whether that is known; the rest is left out of the class's sum.
        strength: C: larger trusts the labels more.
        start: A solution to start from, of the same shapes.

    >>> truth_L1 = np.array([[False], [True]])
    >>> coef_DC, bias_C = sigmoid_regression(np.array([[-1.0], [1.0]]), truth_L1, np.ones((2, 1), bool))
    >>> bool(coef_DC[0, 0] > 1)
    True
    """
    from scipy.optimize import minimize

    feature_LD, basis_DR = _reduced(feature_LD)
    rows, dims = feature_LD.shape
    classes = target_LC.shape[1]
    design_LE = np.concatenate([feature_LD, np.ones((rows, 1), np.float32)], axis=1)
    sign_LC = np.where(target_LC, 1.0, -1.0).astype(np.float32)
    count_C = np.maximum(known_LC.sum(axis=0), 1)
    share_LC = (known_LC / count_C).astype(np.float32)
    # divided by C·rows a class, so that one tolerance fits classes of every size
    ridge_EC = np.repeat((1.0 / (strength * count_C)).astype(np.float32)[None, :], dims + 1, axis=0)
    ridge_EC[-1] = 0.0

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        theta_EC = flat.reshape(dims + 1, classes).astype(np.float32)
        against_LC = -sign_LC * (design_LE @ theta_EC)
        pulled_EC = ridge_EC * theta_EC
        value = float((share_LC * np.logaddexp(0.0, against_LC)).sum(dtype=np.float64))
        value += 0.5 * float((pulled_EC * theta_EC).sum(dtype=np.float64))
        slope_LC = -sign_LC * share_LC * expit(against_LC)
        return value, (design_LE.T @ slope_LC + pulled_EC).ravel().astype(np.float64)

    first_EC = np.zeros((dims + 1, classes))
    positive_C = (target_LC & known_LC).sum(axis=0)
    first_EC[-1] = np.log((positive_C + 0.5) / (count_C - positive_C + 0.5))
    if start is not None and start[1].shape == (classes,):
        first_EC[:-1] = start[0] if basis_DR is None else basis_DR.T @ start[0]
        first_EC[-1] = start[1]
    best = minimize(
        loss,
        first_EC.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 150, "gtol": 1e-4, "ftol": 1e-7, "maxcor": 8},
    )
    theta_EC = best.x.reshape(dims + 1, classes).astype(np.float32)
    coef_DC = theta_EC[:-1] if basis_DR is None else basis_DR @ theta_EC[:-1]
    return np.ascontiguousarray(coef_DC), np.ascontiguousarray(theta_EC[-1])


def left_out_logits(
    feature_LD: FloatArray,
    target_LC: BoolArray,
    known_LC: BoolArray,
    solved: tuple[FloatArray, FloatArray],
    *,
    strength: float,
    group_L: IntArray | None = None,
) -> FloatArray:
    """What each regression says of each row without that row's own answer, as logits.

    Args:
        feature_LD: As given to :func:`sigmoid_regression`, and so ``target_LC`` and ``known_LC``.
        target_LC: See there.
        known_LC: See there; an unknown answer took no part, and its logit stays as it is.
        solved: What :func:`sigmoid_regression` gave.
        strength: What it was given.
        group_L: Rows of one group are left out together.

    >>> feature_LD = np.array([[-1.0], [-1.1], [1.0], [1.1]])
    >>> truth_L1, known_L1 = feature_LD > 0, np.ones((4, 1), bool)
    >>> solved = sigmoid_regression(feature_LD, truth_L1, known_L1, strength=1.0)
    >>> out_LC = left_out_logits(feature_LD, truth_L1, known_L1, solved, strength=1.0)
    >>> bool((out_LC[2:] < feature_LD[2:] @ solved[0] + solved[1]).all())
    True
    """
    coef_DC, bias_C = solved
    logits_LC = np.asarray(feature_LD, np.float32) @ coef_DC + bias_C
    feature_LD, _ = _reduced(feature_LD)
    rows, dims = feature_LD.shape
    design_LE = np.concatenate([feature_LD, np.ones((rows, 1), np.float32)], axis=1)
    proba_LC = expit(logits_LC)
    curve_LC = np.maximum(proba_LC * (1.0 - proba_LC), 1e-4)
    step = max(1, int(np.ceil(rows * target_LC.shape[1] / (20 * _HESSIAN_ROWS))))
    ridge_EE = np.diag(np.append(np.full(dims, 1.0 / strength, np.float32), np.float32(1e-4)))
    out_LC, groups = logits_LC.copy(), together(group_L)
    for c in range(target_LC.shape[1]):
        weighted_LE = design_LE[::step] * (curve_LC[::step, c] * known_LC[::step, c])[:, None]
        hessian_EE = step * (design_LE[::step].T @ weighted_LE) + ridge_EE
        towards_LE = design_LE @ np.linalg.inv(hessian_EE)
        reach_L = np.einsum("le,le->l", towards_LE, design_LE)
        leverage_L = np.minimum(curve_LC[:, c] * reach_L, _MOST_LEVERAGE)
        error_L = np.where(known_LC[:, c], proba_LC[:, c] - target_LC[:, c], 0.0)
        pull_L = error_L * reach_L / (1.0 - leverage_L)
        for row_GM in groups:
            reach_GMM = towards_LE[row_GM] @ design_LE[row_GM].transpose(0, 2, 1)
            pull_L[row_GM] = _pull_of_groups(
                reach_GMM, np.where(known_LC[row_GM, c], curve_LC[row_GM, c], 1e-6), error_L[row_GM]
            )
        out_LC[:, c] += np.where(known_LC[:, c], pull_L, 0.0)
    return out_LC


def _pull_of_groups(reach_GMM: FloatArray, curve_GM: FloatArray, error_GM: FloatArray) -> FloatArray:
    """``(I − R K)⁻¹ R e`` of every group, no leverage beyond what a single row may have."""
    root_GM = np.sqrt(curve_GM)
    inner_GMM = root_GM[:, :, None] * (reach_GMM + reach_GMM.transpose(0, 2, 1)) / 2 * root_GM[:, None, :]
    size_GM, basis_GMM = np.linalg.eigh(inner_GMM)
    size_GM = np.clip(size_GM, 0.0, _MOST_LEVERAGE)
    told_GM = np.einsum("gim,gi->gm", basis_GMM, error_GM / root_GM)
    return np.asarray(np.einsum("gim,gm->gi", basis_GMM, size_GM / (1.0 - size_GM) * told_GM) / root_GM)


def _reduced(feature_LD: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """With fewer rows than dimensions the solution lies in the span of the rows, and is sought there."""
    feature_LD = np.asarray(feature_LD, np.float32)
    if len(feature_LD) >= feature_LD.shape[1]:
        return feature_LD, None
    basis_DR = np.linalg.qr(feature_LD.T)[0].astype(np.float32)
    return feature_LD @ basis_DR, basis_DR
