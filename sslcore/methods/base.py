"""What every deep method is: a supervised loss plus something learned from unlabelled views.

``loss = sum_tasks CE(labelled) + weight * unlabelled``. The views a method learns from go through the network
together with the labelled items (one set of batch-norm statistics); views that only give targets go through
without gradients, which saves their backward pass and changes no gradient; a teacher, where a method has
one, is the moving average of the weights. What is accepted is told as a weight and a label per item, from
which the loop measures utilisation and precision, the same way for all methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sslcore.config import Config, param

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class TaskShape:
    """A task as a method sees it."""

    name: str
    classes: int


@dataclass(frozen=True)
class Batch:
    """One step's data on the device.

    Args:
        labelled_B: Weak views of labelled items.
        label_TB: Their labels, one row per task, ``-1`` where a task has none.
        views: Views of unlabelled items by name: "weak", "weak_2", "strong", "strong_2".
        row_U: Which items of the set the unlabelled ones are.
    """

    labelled_B: Tensor
    label_TB: Tensor
    views: Mapping[str, Tensor]
    row_U: Tensor


@dataclass(frozen=True)
class Moment:
    """Where the run stands.

    Args:
        step: Steps done so far.
        done: Share of the run that is over, 0 to 1.
        teacher: The network with averaged weights.
    """

    step: int
    done: float
    teacher: Network


@dataclass(frozen=True)
class UnlabelledTerm:
    """What one task learns from the unlabelled views.

    Args:
        loss: A scalar, before the unlabelled weight.
        weight_U: How far each answer was trusted, 0 to 1.
        label_U: The answers.
    """

    loss: Tensor
    weight_U: Tensor
    label_U: Tensor


@dataclass(frozen=True)
class Diagnostics:
    """What a step tells the loop, all tensors on the device: reading them here would stall it."""

    loss_labelled: Tensor
    loss_unlabelled: Tensor
    weight_TU: list[Tensor] = field(default_factory=list)
    label_TU: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class MethodConfig(Config):
    """Settings that all methods with unlabelled data share."""

    unlabelled_weight: float = param(
        1.0, low=0, high=1000, help="Weight of the loss on unlabelled items beside the labelled one."
    )


class Method(ABC):
    """Base of the methods: the common loss, and the state that survives a step.

    Args:
        config: The method's settings.
        tasks: The tasks in the order of the network's heads.
        items: Items of the set, for methods that remember something per item.

    Attributes:
        learn_views: Views that get a gradient.
        target_views: Views that only give targets, by the network itself.
        teacher_views: Views that only give targets, by the averaged network.
        state: Tensors that survive a step, by name; saved in every checkpoint.
    """

    learn_views: ClassVar[tuple[str, ...]] = ()
    target_views: ClassVar[tuple[str, ...]] = ()
    teacher_views: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        self.config: Any = config
        self.tasks = list(tasks)
        self.items = items
        self.state: dict[str, Tensor] = {}

    @property
    def views(self) -> list[str]:
        """All views the loop has to make, each once."""
        return list(dict.fromkeys([*self.learn_views, *self.target_views, *self.teacher_views]))

    @property
    def weight(self) -> float:
        """Weight of the unlabelled loss."""
        return float(self.config.unlabelled_weight)

    def to(self, device: torch.device) -> None:
        """Moves the state to a device."""
        self.state = {name: tensor.to(device) for name, tensor in self.state.items()}

    def loss(
        self, model: Network, batch: Batch, at: Moment, rng: torch.Generator
    ) -> tuple[Tensor, Diagnostics]:
        """The loss of one step, and what it tells.

        Args:
            model: The network in training mode.
            batch: Labelled items and the views this method asked for.
            at: Where the run stands.
            rng: Randomness of this step, on the device.
        """
        import torch

        parts = [batch.labelled_B, *(batch.views[name] for name in self.learn_views)]
        sizes = [len(part) for part in parts]
        targets: dict[str, list[Tensor]] = {}
        with torch.no_grad():
            targets |= _forward(model, batch, self.target_views)
            targets |= _forward(at.teacher, batch, self.teacher_views, prefix="teacher_")
        logits = model(torch.cat(parts)) if len(parts) > 1 else model(parts[0])

        supervised = logits[0].new_zeros(())
        unlabelled = logits[0].new_zeros(())
        weights: list[Tensor] = []
        labels: list[Tensor] = []
        for index in range(len(self.tasks)):
            pieces = logits[index].split(sizes)
            label_B = batch.label_TB[index]
            supervised = supervised + self.supervised(index, pieces[0], label_B, at)
            seen = {"labelled": pieces[0]} | dict(zip(self.learn_views, pieces[1:], strict=True))
            seen |= {name: per_task[index] for name, per_task in targets.items()}
            term = self.unlabelled(index, seen, batch, at)
            if term is not None:
                unlabelled = unlabelled + term.loss
                weights.append(term.weight_U.detach())
                labels.append(term.label_U)
        total = supervised + self.weight * unlabelled if self.views else supervised
        return total, Diagnostics(supervised.detach(), unlabelled.detach(), weights, labels)

    def supervised(self, task: int, logits_BC: Tensor, label_B: Tensor, at: Moment) -> Tensor:
        """The loss of one task on labelled items: cross-entropy, where no method says otherwise."""
        from sslcore.losses.supervised import masked_cross_entropy

        return masked_cross_entropy(logits_BC, label_B)

    @abstractmethod
    def unlabelled(
        self, task: int, logits: Mapping[str, Tensor], batch: Batch, at: Moment
    ) -> UnlabelledTerm | None:
        """What one task learns from the unlabelled views; None where the method has no such thing.

        Args:
            task: Index of the task.
            logits: ``BC`` of "labelled" and ``UC`` of each view; the teacher's are named "teacher_weak".
            batch: The batch.
            at: Where the run stands.
        """

    def accept(self, task: int, proba_UC: Tensor) -> Tensor | None:
        """How far the method trusts answers now, 0 to 1 a row; None where it gives none.

        The loop asks this of the audit split, whose items are never trained on. Reads the state, never
        changes it.
        """
        return None


def _forward(
    model: Network, batch: Batch, names: Sequence[str], *, prefix: str = ""
) -> dict[str, list[Tensor]]:
    import torch

    if not names:
        return {}
    logits = model(torch.cat([batch.views[name] for name in names]))
    size = len(batch.row_U)
    split = [per_task.split(size) for per_task in logits]
    return {prefix + name: [pieces[i] for pieces in split] for i, name in enumerate(names)}
