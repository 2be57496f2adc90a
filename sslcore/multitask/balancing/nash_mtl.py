"""Nash-MTL: the step that bargaining tasks would agree on, whatever the scale of their losses.

Navon et al. 2022, arXiv:2202.01017. Weights solve ``M a = 1 / a`` with the Gramian M: each task gains alike
in proportion. That is where the strictly convex ``a' M a / 2 - sum log a`` has its minimum, so Newton's
method finds it, and the paper's sequence of convex problems (cvxpy in TorchJD) is not needed. M is divided
by the mean squared length, which makes equal, orthogonal gradients the plain sum; the step is cut at
``max_norm`` as in the authors' code, before the user's weights.

When: losses on scales that cannot be compared, and no task may be given up. The dearest rule: a backward pass
a task and a problem to solve at every step.
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

RIDGE = 1e-4  # of the mean squared length: bounds the weight of a task without gradient at 100


@dataclass(frozen=True)
class NashMTLConfig(Config):
    """Settings of Nash-MTL."""

    max_norm: float = param(
        1.0, low=0, high=1000, help="Longest gradient of the shared weights; 0: any length."
    )


def bargain(inner_TT: FloatArray) -> FloatArray:
    """The positive solution of ``M a = 1 / a``, with M divided by its mean diagonal.

    Args:
        inner_TT: Inner products of the tasks' gradients, float64, not all zero.

    >>> bargain(np.diag([1.0, 1.0])).round(2), (bargain(np.diag([4.0, 1.0])) * np.sqrt([4, 1])).round(2)
    (array([1., 1.]), array([1.58, 1.58]))
    """
    tasks = len(inner_TT)
    scaled_TT = inner_TT / (np.trace(inner_TT) / tasks) + RIDGE * np.eye(tasks)
    weight_T = 1.0 / np.sqrt(np.diag(scaled_TT))

    def height(weight_T: FloatArray) -> float:
        return float(0.5 * weight_T @ scaled_TT @ weight_T - np.log(weight_T).sum())

    for _ in range(100):
        slope_T = scaled_TT @ weight_T - 1.0 / weight_T
        step_T = np.linalg.solve(scaled_TT + np.diag(weight_T**-2), slope_T)
        fall = float(slope_T @ step_T)
        if fall < 1e-14:
            break
        length = 1.0
        while length > 1e-12 and (
            (weight_T <= length * step_T).any()
            or height(weight_T - length * step_T) > height(weight_T) - 0.25 * length * fall
        ):
            length /= 2
        weight_T = weight_T - length * step_T
    return np.asarray(weight_T)


@BALANCINGS.register(
    "nash_mtl",
    title="Bargaining tasks (Nash-MTL)",
    family="balancing",
    paper="Navon et al. 2022, arXiv:2202.01017",
    config=NashMTLConfig,
)
class NashMTL(GradientBalancing):
    """Each task gains alike in proportion."""

    user_after: ClassVar[bool] = True

    def combine(self, inner_TT: Tensor) -> Tensor:
        """Weights of the bargain, cut so that the step is no longer than ``max_norm``."""
        held_TT = inner_TT.double().cpu().numpy()
        weight_T = bargain(held_TT)
        length = float(np.sqrt(max(weight_T @ held_TT @ weight_T, 0.0)))
        if self.config.max_norm > 0 and length > self.config.max_norm:
            weight_T = weight_T * (self.config.max_norm / length)
        return inner_TT.new_tensor(weight_T)
