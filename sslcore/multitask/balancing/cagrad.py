"""CAGrad: near the mean gradient, the step whose worst-served task gains the most.

Liu et al. 2021, arXiv:2110.14048. ``d = g_0 + c |g_0| g_w / |g_w|`` with the mean ``g_0``, ``g_w = sum w_t
g_t`` and w on the simplex minimising ``g_w . g_0 + c |g_0| |g_w|``, a convex problem in T numbers, here by
SLSQP as in the authors' code (TorchJD's needs cvxpy). What differs: times T, so that c = 0 is the plain sum;
the user's weights come after.

When: the task that fares worst matters, not the sum. Each task needs a backward pass of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sslcore.config import Config, param
from sslcore.multitask import BALANCINGS
from sslcore.multitask.gradients import GradientBalancing

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.shapes import FloatArray


@dataclass(frozen=True)
class CAGradConfig(Config):
    """Settings of CAGrad."""

    radius: float = param(
        0.5, low=0, high=10, help="How far (c) the step may leave the mean gradient; 0: the plain sum."
    )


def conflict_averse(inner_TT: FloatArray, *, radius: float) -> FloatArray:
    """Weights ``T`` of the gradients in ``T d``.

    Args:
        inner_TT: Inner products of the tasks' gradients, float64.
        radius: ``c``.

    >>> conflict_averse(np.eye(2), radius=0.5).round(3)
    array([1.5, 1.5])
    """
    from scipy.optimize import minimize

    tasks = len(inner_TT)
    inner_TT = inner_TT / max(float(np.trace(inner_TT)), 1e-300)  # a positive factor changes no weight
    mean_T = np.full(tasks, 1.0 / tasks)
    toward_T = inner_TT @ mean_T
    reach = radius * float(np.sqrt(max(float(mean_T @ toward_T), 0.0)))
    if reach == 0.0:
        return np.ones(tasks)

    def length(share_T: FloatArray) -> float:
        return float(np.sqrt(max(float(share_T @ inner_TT @ share_T), 0.0) + 1e-16))

    def gain(share_T: FloatArray) -> float:
        return float(share_T @ toward_T + reach * length(share_T))

    def slope(share_T: FloatArray) -> FloatArray:
        return np.asarray(toward_T + reach * (inner_TT @ share_T) / length(share_T))

    found = minimize(
        gain,
        mean_T,
        jac=slope,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * tasks,
        constraints={"type": "eq", "fun": lambda share_T: share_T.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 200},
    )
    share_T = np.clip(found.x, 0.0, 1.0)
    share_T /= share_T.sum()
    if length(share_T) < 1e-6:  # gradients that cancel out: no step serves all tasks, the mean it is
        return np.ones(tasks)
    return np.asarray(1.0 + tasks * reach / length(share_T) * share_T)


@BALANCINGS.register(
    "cagrad",
    title="Conflict-averse gradient (CAGrad)",
    family="balancing",
    paper="Liu et al. 2021, arXiv:2110.14048",
    config=CAGradConfig,
)
class CAGrad(GradientBalancing):
    """Near the mean gradient, but best for the task that is served worst."""

    user_after: ClassVar[bool] = True

    def combine(self, inner_TT: Tensor) -> Tensor:
        """Weights of the conflict-averse step."""
        weight_T = conflict_averse(inner_TT.double().cpu().numpy(), radius=self.config.radius)
        return inner_TT.new_tensor(weight_T)
