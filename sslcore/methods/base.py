"""What every deep method is: a supervised loss plus something learned from unlabelled views.

``loss = sum_tasks CE(labelled) + weight * unlabelled``. The views a method learns from go through the network
together with the labelled items (one set of batch-norm statistics); views that only give targets go through
without gradients, which saves their backward pass and changes no gradient; a teacher, where a method has
one, is the moving average of the weights. What is accepted is told as a weight and a label per item, from
which the loop measures utilisation and precision, the same way for all methods.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.models.ground import Ground

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.history import History
    from sslcore.models.network import Network, Norm


@dataclass(frozen=True)
class Batch:
    """One step's data on the device.

    Args:
        labelled_B: Weak views of labelled items.
        label_TB: Their labels, one row per task, ``-1`` where a task has none.
        views: Views of unlabelled items by name: "weak", "weak_2", "strong", "strong_2".
        row_U: Which items of the set the unlabelled ones are.
        valued: Items of tasks that are learned beside the method.
    """

    labelled_B: Tensor
    label_TB: Tensor
    views: Mapping[str, Tensor]
    row_U: Tensor
    valued: Any = None


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
class Seen:
    """What the network gave for the views of a step, as one task sees it.

    Args:
        logits: ``BC`` of "labelled" and ``UC`` of each view; the teacher's are named "teacher_weak".
        features: The features ``BD`` and ``UD`` behind them, by the same names.
        targets: Probabilities that a method has set as targets before the tasks are asked.
    """

    logits: Mapping[str, Tensor]
    features: Mapping[str, Tensor] = field(default_factory=dict)
    targets: Mapping[str, Tensor] = field(default_factory=dict)


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
    """What a step tells the loop, all tensors on the device: reading them here would stall it.

    What stands beside is what no task's own head pays, further losses of the tasks among it.
    """

    loss_labelled: Tensor
    loss_unlabelled: Tensor
    loss_beside: Tensor
    weight_TU: list[Tensor] = field(default_factory=list)
    label_TU: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class MethodConfig(Config):
    """Settings that all methods with unlabelled data share."""

    unlabelled_weight: float = param(
        1.0, low=0, high=1000, help="Weight of the loss on unlabelled items beside the labelled one."
    )


@dataclass(frozen=True)
class RampedConfig(MethodConfig):
    """Settings of the methods that learn answers of a network which starts from nothing.

    Published runs are a hundred thousand steps long, and their first few hundred do not tell; a laptop's
    whole run is no longer. There early answers, mostly wrong, are learned by heart unless the labelled items
    come first (mnist-5k, 40 labels, 500 steps, one draw: FreeMatch 40 % without a ramp, 89 with one).
    """

    ramp: float = param(
        0.4, low=0, high=1, help="Share of the run over which the weight of unlabelled items is raised."
    )


class Method(ABC):
    """Base of the methods: the common loss, and the state that survives a step.

    Args:
        config: The method's settings.
        tasks: The tasks in the order of the network's heads.
        items: Items of the set, for methods that remember something per item.

    Attributes:
        dealt: Items that come by without their label, all unless the loop says otherwise: audit answers and
            flagged items never do.
        learn_views: Views that get a gradient.
        target_views: Views that only give targets, by the network itself.
        teacher_views: Views that only give targets, by the averaged network.
        norm: How its networks normalise images inside, where they start from random weights.
        fastest: The highest rate that suits it, where a recipe names none.
        labels_first: Whether a run may begin with steps of labelled items alone; parts of its own would
            stand still.
        one_device: Why it cannot learn on several devices at once, "" where it can: its state is then the
            mean over them, which fits moving averages and no memory of single items.
        state: Tensors that survive a step, by name; saved in every checkpoint.
        own: Modules beside the network's, made by :meth:`build`; trained, saved and restored with them, and
            left behind when the run is over.
    """

    learn_views: ClassVar[tuple[str, ...]] = ()
    target_views: ClassVar[tuple[str, ...]] = ()
    teacher_views: ClassVar[tuple[str, ...]] = ()
    norm: ClassVar[Norm] = "batch"
    fastest: ClassVar[float] = math.inf
    labels_first: ClassVar[bool] = True
    one_device: ClassVar[str] = ""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """Why it cannot work there, in plain words; "" where it can. Asks no torch."""
        return ""

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        import torch

        self.config: Any = config
        self.tasks = list(tasks)
        self.items = self.dealt = items
        self.state: dict[str, Tensor] = {}
        self.own = torch.nn.ModuleDict()

    @property
    def views(self) -> list[str]:
        """All views the loop has to make, each once."""
        return list(dict.fromkeys([*self.learn_views, *self.target_views, *self.teacher_views]))

    @property
    def weight(self) -> float:
        """Weight of the unlabelled loss."""
        return float(self.config.unlabelled_weight)

    def raised(self, at: Moment) -> float:
        """How far the unlabelled loss is let in by now, up to 1: along the ramp, where there is one."""
        from sslcore.losses.consistency import ramp_up

        return ramp_up(at.done, self.config.ramp) if isinstance(self.config, RampedConfig) else 1.0

    def build(self, network: Network) -> None:  # noqa: B027 (most methods own nothing)
        """Fills :attr:`own` with what goes on top of this network, its first weights drawn by torch."""

    def groups(self, rate: float, decay: float) -> list[dict[str, Any]]:
        """Groups of the own modules' weights for the optimiser.

        Args:
            rate: The run's highest learning rate.
            decay: The run's weight decay.

        Returns:
            Groups with ``params``, ``weight_decay`` and ``scale``, the factor on the schedule's rate; and
            ``adaptive``, beta_1, where they are to move by Adam.
        """
        from sslcore.transfer.base import split_decay

        return split_decay([*self.own.parameters()], decay)

    def to(self, device: torch.device) -> None:
        """Moves the state and the own modules to a device."""
        self.state.update({name: tensor.to(device) for name, tensor in self.state.items()})
        self.own.to(device)

    def losses(
        self, model: Network, batch: Batch, at: Moment, rng: torch.Generator
    ) -> tuple[list[Tensor], Tensor, Diagnostics]:
        """The losses of one step: one a task, and what is learned beside all tasks.

        Args:
            model: The network in training mode.
            batch: Labelled items and the views this method asked for.
            at: Where the run stands.
            rng: Randomness of this step, on the device.

        Returns:
            A scalar a task (labelled, plus the unlabelled one, ramped and weighted, plus a further one), a
            scalar beside them, and what the step tells.
        """
        seen_T = self.look(model, batch, at, rng)
        zero = seen_T[0].logits["labelled"].new_zeros(())
        supervised, unlabelled = zero, zero
        per_task: list[Tensor] = []
        weights: list[Tensor] = []
        labels: list[Tensor] = []
        for task, seen in enumerate(seen_T):
            loss = self.supervised(task, seen, batch, at)
            loss = self._with_distance(task, loss, seen, batch)
            supervised = supervised + loss.detach()
            term = self.unlabelled(task, seen, batch, at)
            if term is not None:
                let_in = self.raised(at) * term.loss
                loss = loss + self.weight * let_in
                unlabelled = unlabelled + let_in.detach()
                weights.append(term.weight_U.detach())
                labels.append(term.label_U)
            per_task.append(loss)
        per_task, told = _with_further(per_task, self.further(model, seen_T, batch, at, rng), zero)
        beside = self.beside(model, seen_T, batch, at, rng)
        beside = zero if beside is None else beside
        told = told + beside.detach()
        return per_task, beside, Diagnostics(supervised, unlabelled, told, weights, labels)

    def labels_alone(
        self, model: Network, batch: Batch, rng: torch.Generator
    ) -> tuple[list[Tensor], Tensor, Diagnostics]:
        """The losses of a step whose batch has labelled items alone, as :meth:`losses` gives them.

        Labels are learned as they are, whatever the method makes of them once it has unlabelled items.
        """
        features: dict[str, Tensor] = {}
        logits: dict[str, list[Tensor]] = {}
        self._send(model, {"labelled": batch.labelled_B}, features, logits)
        seen_T = self._seen(logits, features)
        per_task = [
            self._with_distance(task, self.labels(task, seen, batch), seen, batch)
            for task, seen in enumerate(seen_T)
        ]
        zero = per_task[0].new_zeros(())
        supervised = sum((loss.detach() for loss in per_task), zero)
        per_task, told = _with_further(per_task, self.labels_further(model, seen_T, batch, rng), zero)
        beside = self.labels_beside(model, seen_T, batch, rng)
        beside = zero if beside is None else beside
        return per_task, beside, Diagnostics(supervised, zero, told + beside.detach())

    def labels_further(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, rng: torch.Generator
    ) -> Sequence[Tensor] | None:
        """As :meth:`further`, in a step of labels alone."""
        return None

    def labels_beside(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, rng: torch.Generator
    ) -> Tensor | None:
        """As :meth:`beside`, in a step of labels alone."""
        return None

    def loss(
        self, model: Network, batch: Batch, at: Moment, rng: torch.Generator
    ) -> tuple[Tensor, Diagnostics]:
        """All of :meth:`losses` in one sum, each task by its weight."""
        per_task, total, told = self.losses(model, batch, at, rng)
        for shape, loss in zip(self.tasks, per_task, strict=True):
            total = total + shape.weight * loss
        return total, told

    def picture(self, rng: torch.Generator) -> dict[str, Tensor] | None:
        """Images to look at while the run goes on, by name (uint8 ``KXHW``): samples, reconstructions."""
        return None

    def look(self, model: Network, batch: Batch, at: Moment, rng: torch.Generator) -> list[Seen]:
        """Sends the views through the network: labelled and learned ones at once, targets without gradient.

        Returns:
            One :class:`Seen` for each task.
        """
        import torch

        features: dict[str, Tensor] = {}
        logits: dict[str, list[Tensor]] = {}
        with torch.no_grad():
            self._send(model, {name: batch.views[name] for name in self.target_views}, features, logits)
            taught = {f"teacher_{name}": batch.views[name] for name in self.teacher_views}
            self._send(at.teacher, taught, features, logits)
        learned = {"labelled": batch.labelled_B} | {name: batch.views[name] for name in self.learn_views}
        self._send(model, learned, features, logits)
        return self._seen(logits, features)

    def _seen(self, logits: Mapping[str, list[Tensor]], features: dict[str, Tensor]) -> list[Seen]:
        """What passes gave, by task."""
        return [
            Seen({name: per_task[task] for name, per_task in logits.items()}, features)
            for task in range(len(self.tasks))
        ]

    def _send(
        self,
        model: Network,
        views: Mapping[str, Tensor],
        features: dict[str, Tensor],
        logits: dict[str, list[Tensor]],
    ) -> None:
        """One pass of several views; adds what comes out, by the views' names."""
        import torch

        if not views:
            return
        sizes = [len(view) for view in views.values()]
        parts = list(views.values())
        feature_BD = model.features(torch.cat(parts) if len(parts) > 1 else parts[0])
        per_task = [torch.split(logits_BC, sizes) for logits_BC in self.classify(model, feature_BD)]
        for place, (name, piece_BD) in enumerate(zip(views, torch.split(feature_BD, sizes), strict=True)):
            features[name] = piece_BD
            logits[name] = [pieces[place] for pieces in per_task]

    def classify(self, model: Network, feature_BD: Tensor) -> list[Tensor]:
        """Logits of each task: the network's, where no method has heads of its own for this."""
        return model.classify(feature_BD)

    def supervised(self, task: int, seen: Seen, batch: Batch, at: Moment) -> Tensor:
        """The loss of one task on labelled items: as they are, where no method says otherwise."""
        return self.labels(task, seen, batch)

    def labels(self, task: int, seen: Seen, batch: Batch) -> Tensor:
        """Cross-entropy on labelled items."""
        from sslcore.losses.supervised import masked_cross_entropy

        return masked_cross_entropy(seen.logits["labelled"], batch.label_TB[task])

    def _with_distance(self, task: int, loss: Tensor, seen: Seen, batch: Batch) -> Tensor:
        """Where classes have an order, a wrong one costs more the farther off it is."""
        from sslcore.losses.ordinal import masked_order_distance

        if self.tasks[task].kind != "ordinal":
            return loss
        return loss + masked_order_distance(seen.logits["labelled"], batch.label_TB[task])

    @abstractmethod
    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm | None:
        """What one task learns from the unlabelled views; None where the method has no such thing.

        Args:
            task: Index of the task.
            seen: What the network gave for the views.
            batch: The batch.
            at: Where the run stands.
        """

    def further(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Sequence[Tensor] | None:
        """A further loss of each task, of a second head or another view: it counts by the task's weight and
        is balanced with it. None where the method has none."""
        return None

    def beside(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Tensor | None:
        """A loss that is no task's and has its own weight: a rotation to tell, a generator's."""
        return None

    def accept(self, task: int, proba_UC: Tensor) -> Tensor | None:
        """How far the method trusts answers now, 0 to 1 a row; None where it gives none.

        The loop asks this of the audit split, whose items are never trained on. Reads the state, never
        changes it.
        """
        return None

    def history(self, task: int) -> History | None:
        """What became of the pseudo-label of each item; None where the method holds none."""
        return None

    def thresholds(self, task: int) -> Tensor | None:
        """The confidence ``C`` that an answer of each class needs now; None where there is no such bar."""
        return None


def _with_further(
    per_task: list[Tensor], further: Sequence[Tensor] | None, zero: Tensor
) -> tuple[list[Tensor], Tensor]:
    """Each task's loss with its further one, and the sum of those, detached."""
    if further is None:
        return per_task, zero
    both = [loss + more for loss, more in zip(per_task, further, strict=True)]
    return both, sum((more.detach() for more in further), zero)
