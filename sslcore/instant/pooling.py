"""Several opinions into one calibrated one: a logarithmic opinion pool with a prior on its weights.

``log p(c|x) = Σ_m b_m log p_m(c|x) + const`` (Genest & Zidek 1986; a product of experts with learned
powers, Hinton 2002). The powers are fitted by maximum a posteriori on answers that did not see the
label they are judged by: ``min Σ_i CE_i(b) + s Σ_m (log b_m − log b⁰_m)²``. With a handful of labels
the prior speaks, with many the labels do: no switch, no constant that suits some sets only. Choice
of model, blend and temperature are thus one small convex-like problem, solved in about a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslcore.instant.model import log_softmax
from sslcore.shapes import FloatArray, IntArray

STRENGTH = 1.0
"""Weight of the prior: log b has a standard deviation of 0.7 under it."""

_ENTRIES = 60_000  # answers the fit looks at; above that an even sample of them


def fit_pool(
    left_out_MLC: Sequence[FloatArray],
    label_L: IntArray,
    prior_M: FloatArray,
    *,
    strength: float = STRENGTH,
) -> FloatArray:
    """The power of each opinion.

    Args:
        left_out_MLC: For each opinion, log probabilities or densities of rows it did not see.
        label_L: What those rows are.
        prior_M: Powers where nothing is known; positive.
        strength: Of the prior.

    >>> sure = np.log(np.array([[0.9, 0.1], [0.1, 0.9]]))
    >>> wrong = sure[::-1]
    >>> b = fit_pool([sure, wrong], np.array([0, 1]), np.ones(2))
    >>> bool(b[0] > 1 > b[1])
    True
    """
    from scipy.optimize import minimize

    prior_M = np.asarray(prior_M, np.float64)
    if len(label_L) == 0:
        return prior_M
    step = max(1, int(np.ceil(left_out_MLC[0].size / _ENTRIES)))
    label_L = label_L[::step]
    stack_MLC = np.stack([np.asarray(part[::step], np.float64) for part in left_out_MLC])
    at_L = np.arange(len(label_L))
    given_ML = stack_MLC[:, at_L, label_L]
    prior_log_M = np.log(prior_M)

    def loss(log_M: FloatArray) -> tuple[float, FloatArray]:
        power_M = np.exp(log_M)
        log_LC = log_softmax(np.tensordot(power_M, stack_MLC, axes=1))
        expected_ML = np.einsum("lc,mlc->ml", np.exp(log_LC), stack_MLC)
        pull_M = log_M - prior_log_M
        value = -float(log_LC[at_L, label_L].sum()) + strength * float((pull_M**2).sum())
        gradient_M = power_M * (expected_ML - given_ML).sum(axis=1) + 2.0 * strength * pull_M
        return value, gradient_M

    bounds = [(low, low + 9.0) for low in prior_log_M - 4.5]
    best = minimize(loss, prior_log_M, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(np.exp(best.x))


def pooled(log_MNC: Sequence[FloatArray], power_M: FloatArray) -> FloatArray:
    """``log_softmax(Σ_m b_m log p_m)``, in the type of the first opinion.

    >>> np.exp(pooled([np.log(np.array([[0.8, 0.2]]))], np.array([2.0]))).round(3)
    array([[0.941, 0.059]])
    """
    total_NC = log_MNC[0] * log_MNC[0].dtype.type(power_M[0])
    for log_NC, power in zip(log_MNC[1:], power_M[1:]):
        total_NC += log_NC * total_NC.dtype.type(power)
    return log_softmax(total_NC)
