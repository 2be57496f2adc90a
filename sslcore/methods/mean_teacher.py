"""Mean Teacher: agree with the average of your own past weights.

Tarvainen & Valpola 2017, arXiv:1703.01780. ``w(t) mean_u mean_c (p_student - p_teacher)^2``, the teacher's
weights a moving average of the student's, ``w`` an exponential ramp over the first 40 % of the run.
What differs: the student sees the strong view and the teacher the weak one (the paper had one kind of view).
The teacher is the averaged network that is reported at the end of every method's run.

When: of the methods by themselves, on a network that knows nothing yet, the one that gained most on images
in runs of minutes, with four and more labels a class: every item teaches, whatever its confidence, also where
answers are too unsure for thresholds to select much. A teacher, a warm start or pretrained weights may lead
by more; the advice for a project weighs them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Seen
from sslcore.methods.consistency import ConsistencyConfig, ConsistencyMethod

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MeanTeacherConfig(ConsistencyConfig):
    """Settings of Mean Teacher."""

    unlabelled_weight: float = param(
        50.0, low=0, high=1000, help="Weight of the consistency loss once the ramp is over."
    )


@METHODS.register(
    "mean_teacher",
    title="Mean Teacher",
    family="deep",
    paper="Tarvainen & Valpola 2017, arXiv:1703.01780",
    config=MeanTeacherConfig,
)
class MeanTeacher(ConsistencyMethod):
    """The student follows its own averaged weights."""

    teacher_views = ("weak",)

    def target(self, task: int, seen: Seen, batch: Batch) -> Tensor:
        """The averaged network's answer on the weak view."""
        return seen.logits["teacher_weak"].softmax(1)
