"""What every sharing and every balancing is.

A sharing builds the trunk that stands before the heads: one backbone for all tasks, a tower each, or
something between. Its features are those of all tasks side by side, and each task is told its slice, so
methods and heads need not know how a trunk is made. A balancing takes the losses of the tasks and fills the
gradients: most weigh the losses, some mend the gradients themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sslcore.config import Config
from sslcore.models import TaskShape
from sslcore.models.ground import Ground
from sslcore.models.traits import Traits

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Backbone, Network


class Sharing(ABC):
    """Base of the ways to share a network.

    Args:
        config: The sharing's settings.
    """

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """Why the tasks cannot share the network so, in plain words; "" where they can. Asks no torch."""
        return ""

    @classmethod
    def only_copies(cls, traits: Traits) -> bool:
        """Whether all that it adds are copies of the network that begin alike, and mixtures of what they say:
        as long as nothing moves them, each task reads what it would under hard sharing. Asks no torch."""
        return False

    def __init__(self, config: Config) -> None:
        self.config: Any = config

    @abstractmethod
    def trunk(self, make: Callable[[], Backbone], tasks: Sequence[TaskShape]) -> tuple[Backbone, list[slice]]:
        """What stands before the heads.

        Args:
            make: Makes a backbone with fresh weights.
            tasks: The tasks, in the order of the heads.

        Returns:
            The trunk, and the slice of its features that each task reads.
        """

    def penalty(self, trunk: Backbone) -> Tensor | None:
        """A loss on the trunk's weights; None where there is none."""
        return None


class Balancing(ABC):
    """Base of the ways to weigh tasks.

    Args:
        config: The balancing's settings.
        tasks: The tasks, in the order of their losses.

    Attributes:
        state: Tensors that survive a step, by name; saved in every checkpoint.
        own: Modules that are trained with the network (learned weights), saved and left behind.
        larger: What gradients are multiplied by on their way back (float16); None where they are as they are.
        one_device: Why it cannot balance on several devices at once, "" where it can.
    """

    one_device: ClassVar[str] = ""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """Why the tasks cannot be balanced so, in plain words; "" where they can. Asks no torch."""
        return ""

    def __init__(self, config: Config, tasks: Sequence[TaskShape]) -> None:
        import torch

        self.config: Any = config
        self.tasks = list(tasks)
        self.state: dict[str, Tensor] = {}
        self.own = torch.nn.ModuleDict()
        self.larger: Tensor | None = None

    def to(self, device: torch.device) -> None:
        """Moves the state and the own modules to a device."""
        self.state.update({name: tensor.to(device) for name, tensor in self.state.items()})
        self.own.to(device)

    @abstractmethod
    def backward(self, loss_T: Sequence[Tensor], beside: Tensor, network: Network) -> Tensor:
        """Fills the gradients of everything that is trained; they are None or zero before.

        Args:
            loss_T: The loss of each task, before the user's weights.
            beside: A loss that no balancing touches: its gradient is added as it is.
            network: The trained network; all tasks share ``network.backbone``.

        Returns:
            The weighted total, detached.
        """

    def weights(self) -> Tensor | None:
        """How each task weighs now, for the charts; None where that has no meaning."""
        return None

    def user_weighted(self, loss_T: Sequence[Tensor]) -> list[Tensor]:
        """The losses by the weights that the user gave the tasks."""
        return [task.weight * loss for task, loss in zip(self.tasks, loss_T, strict=True)]
