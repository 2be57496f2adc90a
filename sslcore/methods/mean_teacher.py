"""Mean Teacher: agree with the average of your own past weights.

Tarvainen & Valpola 2017, arXiv:1703.01780. ``w(t) mean_u mean_c (p_student - p_teacher)^2``, the teacher's
weights a moving average of the student's, ``w`` an exponential ramp over the first 40 % of the run.
What differs: the student sees the strong view and the teacher the weak one (the paper had one kind of view).
The teacher is the averaged network that is reported at the end of every method's run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, MethodConfig, Moment, UnlabelledTerm

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MeanTeacherConfig(MethodConfig):
    """Settings of Mean Teacher."""

    unlabelled_weight: float = param(
        50.0, low=0, high=1000, help="Weight of the consistency loss once the ramp is over."
    )
    ramp: float = param(
        0.4, low=0, high=1, help="Share of the run over which the consistency weight is raised."
    )


@METHODS.register(
    "mean_teacher",
    title="Mean Teacher",
    family="deep",
    paper="Tarvainen & Valpola 2017, arXiv:1703.01780",
    config=MeanTeacherConfig,
)
class MeanTeacher(Method):
    """The student follows its own averaged weights."""

    learn_views = ("strong",)
    teacher_views = ("weak",)

    def unlabelled(self, task: int, logits: Mapping[str, Tensor], batch: Batch, at: Moment) -> UnlabelledTerm:
        """Squared difference between student and teacher, ramped up."""
        from sslcore.losses.consistency import mean_squared_difference, ramp_up

        target_UC = logits["teacher_weak"].softmax(1)
        loss = ramp_up(at.done, self.config.ramp) * mean_squared_difference(logits["strong"], target_UC)
        return UnlabelledTerm(loss, self.accept(task, target_UC), target_UC.argmax(1))

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """Every answer counts in full."""
        return proba_UC.new_ones(len(proba_UC))
