"""Distillation: a small network learns what a large one says of the unlabelled items (Hinton et al. 2015).

arXiv:1503.02531. ``T^2 KL(p_teacher^(1/T) || p_student(T))`` on items that need no label, beside the method's
own loss. The teacher is an earlier run, or the instant loop as it stands: its probabilities are data of the
run (:attr:`~sslcore.training.data.TrainingData.soft_target`), so a teacher of any kind will do, and none is
kept in memory. Raising probabilities to 1/T and normalising is what dividing its logits by T would give.

The instant loop listens as well: after each of ``rounds`` parts of the run it is asked anew, with the
student's features of that moment among its views (Iscen et al. 2019, arXiv:1904.04717). Until the last part
the student learns from it alone: labels and method wait, or left-out labels could not say whether the student
sees more than the frozen features (:mod:`sslcore.instant.teacher`).

When: images of which no packaged network knows much, with few labels: the student sees shapes that frozen
features lack, and its teacher grows with it. Also where a good but slow model is to become one for a phone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.config import param
from sslcore.errors import RecipeError
from sslcore.models.ground import Ground
from sslcore.shapes import FloatArray, IntArray
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Source
from sslcore.transfer.finetune import Finetune, FinetuneConfig

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Network

SEED = 71  # this mode's stream of random numbers beside the loop's


@dataclass(frozen=True)
class DistilConfig(FinetuneConfig):
    """Settings of distillation."""

    teacher: int = param(0, low=0, help="The run that teaches; 0: the instant loop as it stands.")
    weight: float = param(1.0, low=0, high=1000, help="Weight of the teacher beside the labels.")
    temperature: float = param(2.0, low=0.1, high=20, help="Above 1, the teacher's doubts are heard better.")
    batch: int = param(64, low=1, high=4096, help="Items in a step that the teacher speaks on.")
    rounds: int = param(
        4,
        low=1,
        high=50,
        help="Parts of the run; after each the instant loop learns from the student's features and teaches "
        "anew, and labels join in the last. 1: it says the same throughout, as a run that teaches does.",
        paper="Iscen et al. 2019, arXiv:1904.04717",
    )


@TRANSFERS.register(
    "distil",
    title="Distillation from a teacher",
    family="transfer",
    paper="Hinton et al. 2015, arXiv:1503.02531",
    config=DistilConfig,
)
class Distil(Finetune):
    """The student also learns the teacher's probabilities."""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It needs a task that can be taught: one class an item."""
        if ground.classed:
            return ""
        return (
            "Distillation learns a teacher's probabilities of one class an item, and no task of this run has "
            "one class an item. Choose transfer 'finetune', or a task of the kind 'single' or 'ordinal' "
            "beside."
        )

    def meet(self, source: Source) -> None:
        """Takes the teacher's probabilities.

        Raises:
            RecipeError: There are none.
        """
        import torch

        self._source = source
        self._soft = {
            task: np.array(soft, dtype=np.float16)
            for task, soft in enumerate(source.soft_TNC)
            if soft is not None
        }
        if not self._soft:
            raise RecipeError(
                "Distillation needs a teacher, and there are no probabilities of one for these tasks. Name a "
                "finished run (teacher=ID), or label items until the instant loop has an answer."
            )
        self._rows = {task: taught_rows(soft, source.free_row_U) for task, soft in self._soft.items()}
        for task, row_U in self._rows.items():
            if not len(row_U):
                raise RecipeError(
                    f"The teacher says nothing of the items of task {source.tasks[task]!r} that may be "
                    "trained on. Choose another teacher."
                )
        if self._listens():
            self.state |= {_name(task): torch.from_numpy(soft) for task, soft in self._soft.items()}
            self.state["rounds"] = torch.zeros(1, dtype=torch.long)
            self._heard: int | None = None  # of the state, which a resumed run reads after this

    def prepare(self, network: Network) -> None:
        """Makes the stream of views."""
        from sslcore.augment.dice import Dice

        self._dice = Dice(self._source.seed + SEED, next(network.parameters()).device)

    def at(self, network: Network, done: float) -> None:
        """Asks the teacher anew when a part of the run is over: a function of ``done`` and the state."""
        if not self._listens():
            return
        if self._heard is None:
            self._heard = int(self.state["rounds"])
        part = min(int(done * self.config.rounds), self.config.rounds - 1)
        if part <= self._heard:
            return
        self._heard = part
        self.state["rounds"].fill_(part)
        assert self._source.teach is not None
        for task, soft_NC in enumerate(self._source.teach()):
            if soft_NC is not None and task in self._soft:
                held = self.state[_name(task)]
                held.copy_(held.new_tensor(np.asarray(soft_NC, dtype=np.float16)))

    def alone(self, done: float) -> bool:
        """While the teacher still listens, the student must not learn the labels it is judged by."""
        return self._listens() and done < 1 - 1 / self.config.rounds

    def _listens(self) -> bool:
        return self._source.teach is not None and self.config.rounds > 1

    def loss(self, network: Network, at: Moment) -> Tensor:
        """The distance to the teacher, summed over its tasks."""
        import torch

        source, total = self._source, None
        rng = np.random.default_rng([source.seed + SEED, at.step])
        self._dice.turn(at.step)
        for task, soft_NC in self._soft.items():
            row_U = rng.choice(self._rows[task], self.config.batch)
            logits_UC = network(source.view("weak", row_U, self._dice))[task]
            if self._listens():
                soft_UC = self.state[_name(task)][torch.from_numpy(row_U).to(logits_UC.device)]
            else:
                soft_UC = torch.from_numpy(soft_NC[row_U]).to(logits_UC.device, non_blocking=True)
            loss = self.config.weight * distillation(logits_UC, soft_UC, self.config.temperature)
            total = loss if total is None else total + loss
        assert total is not None
        return total


def _name(task: int) -> str:
    """Of a teacher's probabilities in the state."""
    return f"{task}.soft_NC"


def distillation(logits_UC: Tensor, soft_UC: Tensor, temperature: float) -> Tensor:
    """``T^2 mean_u KL(teacher || student)`` at temperature T.

    Args:
        logits_UC: The student's.
        soft_UC: The teacher's probabilities; rows need not sum to one.
        temperature: T.

    >>> import torch
    >>> logits_UC = torch.tensor([[1.0, -2.0, 0.5]])
    >>> abs(round(float(distillation(logits_UC, logits_UC.softmax(1), 3.0)), 6))
    0.0
    """
    import torch.nn.functional as F

    target_UC = (soft_UC.float().clamp(min=1e-8).log() / temperature).softmax(1)
    log_UC = F.log_softmax(logits_UC.float() / temperature, dim=1)
    return temperature**2 * F.kl_div(log_UC, target_UC, reduction="batchmean")


def taught_rows(soft_NC: FloatArray, free_row_U: IntArray) -> IntArray:
    """Rows that may be trained on and that the teacher speaks of: finite, not all zero.

    >>> taught_rows(np.array([[0.5, 0.5], [np.nan, np.nan], [0.0, 0.0], [1.0, 0.0]]), np.array([0, 1, 2]))
    array([0])
    """
    soft_UC = np.asarray(soft_NC[free_row_U], dtype=np.float32)
    speaks_U = np.isfinite(soft_UC).all(axis=1) & (soft_UC.sum(axis=1) > 0)
    rows: IntArray = free_row_U[speaks_U]
    return rows
