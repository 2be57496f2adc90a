"""Tasks whose answer is no single class, beside the method: several choices, and numbers.

Methods learn what has one class an item. The other tasks have a head on the same network, items of their own
in every step, and one way to learn from unlabelled items, whatever the method: several choices take what the
weak view is sure of, class by class, as labels of the strong one; numbers shall be the same in both
(:mod:`sslcore.losses.multiple`, :mod:`sslcore.losses.numeric`). Their losses go to the balancing with those
of the other tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sslcore.augment.dice import Dice
from sslcore.losses.consistency import ramp_up
from sslcore.losses.multiple import binary_pseudo_label, masked_binary_cross_entropy
from sslcore.losses.numeric import masked_huber, same_number, scale_of
from sslcore.models import TaskShape
from sslcore.models.batch_norm import still_statistics
from sslcore.models.network import Network
from sslcore.shapes import FloatArray, IntArray
from sslcore.training.data import TaskLabels
from sslcore.training.pool import Pool, Stream

SURE = 0.95  # FixMatch's threshold, for a yes and for a no
RAMP = 0.4  # share of the run over which the loss on unlabelled items grows to its weight
MOST_WEIGHT = 1.0  # a method's weight is meant for its own loss; these never weigh more than the labels


@dataclass(frozen=True)
class ValuedBatch:
    """A step's items of these tasks.

    Args:
        view_B: Weak views of labelled items.
        target_T: What they should get, NaN where that is unknown: ``BC`` or ``B``.
        weak_U: Weak views of unlabelled items; None where the method has none.
        strong_U: Strong views of the same.
    """

    view_B: Tensor
    target_T: list[Tensor]
    weak_U: Tensor | None = None
    strong_U: Tensor | None = None


class Valued:
    """The tasks of a run that are no single choice.

    Args:
        tasks: These tasks, in the order of their heads, which come last.
        free_row_N: Rows that may be trained on.
        share: Labelled items of each task in a step.
        seed: Of the streams.
    """

    def __init__(self, tasks: Sequence[TaskLabels], free_row_N: IntArray, *, share: int, seed: int) -> None:
        self.tasks = list(tasks)
        self.shapes = [task.shape for task in self.tasks]
        self.target_T: list[Tensor] = []
        self.scales: list[tuple[float, float] | None] = []
        self.streams: list[Stream] = []
        for place, task in enumerate(self.tasks):
            assert task.value_N is not None
            free_N = np.zeros(len(task.value_N), dtype=bool)
            free_N[free_row_N] = True
            target = torch.from_numpy(np.array(task.value_N, dtype=np.float64))
            target[torch.from_numpy(~free_N)] = float("nan")
            scale = scale_of(target) if task.kind == "numeric" else None
            self.scales.append(scale)
            if scale is not None:  # before the cast: of a time in seconds float32 keeps the last two minutes
                target = (target - scale[0]) / scale[1]
            self.target_T.append(target.float())
            known_N = ~(target.isnan() if target.ndim == 1 else target.isnan().all(1)).numpy()
            self.streams.append(Stream(np.flatnonzero(known_N), share, seed * 1009 + 501 + place))

    def __len__(self) -> int:
        return len(self.tasks)

    def resize(self, share: int) -> None:
        """Sets how many labelled items of each task a step has."""
        for stream in self.streams:
            stream.size = share

    def batch(self, step: int, pool: Pool, dice: Dice, row_U: IntArray) -> ValuedBatch:
        """The items of a step.

        Args:
            step: The step.
            pool: Fetches items and makes their views.
            dice: Randomness of the views.
            row_U: Unlabelled items to learn from; none where the method learns from none.
        """
        row_B = np.concatenate([stream.deal(step) for stream in self.streams])
        view_B = pool.view("weak", pool.fetch(row_B), dice)
        target_T = [target[torch.from_numpy(row_B)].to(view_B.device) for target in self.target_T]
        if not len(row_U):
            return ValuedBatch(view_B, target_T)
        item_U = pool.fetch(row_U)
        return ValuedBatch(
            view_B, target_T, pool.view("weak", item_U, dice), pool.view("strong", item_U, dice)
        )

    def losses(
        self, network: Network, batch: ValuedBatch, *, done: float, weight: float
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """The loss of each of these tasks.

        Args:
            network: The network in training mode.
            batch: The step's items.
            done: Share of the run that is over.
            weight: The method's weight of unlabelled items; more than 1 counts as 1.

        Returns:
            A scalar a task; what of them came from labels, and what from unlabelled items, detached.
        """
        views = [batch.view_B] if batch.strong_U is None else [batch.view_B, batch.strong_U]
        seen = network.classify(network.features(torch.cat(views)))[-len(self.tasks) :]
        weak = None
        if batch.weak_U is not None:
            with torch.no_grad(), still_statistics(network):
                weak = network.classify(network.features(batch.weak_U))[-len(self.tasks) :]
        weight = min(weight, MOST_WEIGHT) * ramp_up(done, RAMP)
        labelled, unlabelled = batch.view_B.new_zeros((), dtype=torch.float32), torch.zeros(())
        loss_T, count = [], len(batch.view_B)
        unlabelled = unlabelled.to(labelled.device)
        for place, (shape, target) in enumerate(zip(self.shapes, batch.target_T, strict=True)):
            loss = supervised_loss(shape, seen[place][:count], target)
            labelled = labelled + loss.detach()
            if weak is not None:
                term = unlabelled_loss(shape, seen[place][count:], weak[place])
                unlabelled = unlabelled + term.detach()
                loss = loss + weight * term
            loss_T.append(loss)
        return loss_T, labelled, unlabelled


def supervised_loss(shape: TaskShape, logits_BC: Tensor, target: Tensor) -> Tensor:
    """The loss of a task on labelled items.

    >>> shape = TaskShape("price", 0, kind="numeric")
    >>> supervised_loss(shape, torch.tensor([[1.0], [5.0]]), torch.tensor([0.0, float("nan")])).item()
    0.5
    """
    if shape.kind == "multiple":
        return masked_binary_cross_entropy(logits_BC, target)
    return masked_huber(logits_BC[:, 0], target)


def unlabelled_loss(shape: TaskShape, strong_UC: Tensor, weak_UC: Tensor) -> Tensor:
    """The loss of a task on unlabelled items."""
    if shape.kind == "multiple":
        return binary_pseudo_label(strong_UC, weak_UC.sigmoid(), threshold=SURE)
    return same_number(strong_UC[:, 0], weak_UC[:, 0])


def audit_figures(task: TaskLabels, said_AC: FloatArray) -> list[tuple[str, float]]:
    """Figures of the audit split, each with the ends of its 90 % interval.

    Args:
        task: The task with its audit answers; what is unknown of them counts for nothing.
        said_AC: Probabilities of the classes, or numbers ``A1``.

    >>> task = TaskLabels(
    ...     "t",
    ...     "numeric",
    ...     0,
    ...     np.zeros(2, int),
    ...     np.array([0, 1]),
    ...     np.zeros(2, int),
    ...     value_N=np.zeros(2),
    ...     audit_value_A=np.array([1.0, 3.0]),
    ... )
    >>> [name for name, _ in audit_figures(task, np.array([[1.0], [2.0]]))][::3]
    ['audit_mae', 'audit_rmse', 'audit_r2', 'audit_size']
    """
    from sslcore.task_metrics import multiple_report, numeric_figures

    answer_A = task.audit_value_A
    if answer_A is None or not len(answer_A):
        return []
    if task.kind == "multiple":
        names = [str(place) for place in range(task.classes)]
        report = multiple_report(answer_A > 0.5, said_AC, names, known_AC=~np.isnan(answer_A))
        found, size = report.figures, report.size
    else:
        known_A = ~np.isnan(answer_A)
        found, size = numeric_figures(answer_A[known_A], said_AC[known_A, 0]), int(known_A.sum())
    figures: list[tuple[str, float]] = []
    for name, held in found.items():
        for end, value in (("", "value"), ("_low", "low"), ("_high", "high")):
            figures.append((f"audit_{name}{end}", float(getattr(held, value))))
    return [*figures, ("audit_size", float(size))]
