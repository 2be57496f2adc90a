"""What every transfer mode is: a say in which weights of a network move.

The loop asks it once before training, at every step, and once at the end, when the network must be a plain
one again, so that an exported model needs nothing of the mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslcore.config import Config
from sslcore.models.ground import Ground
from sslcore.shapes import FloatArray, IntArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from sslcore.augment.dice import Dice
    from sslcore.methods.base import Moment
    from sslcore.models.network import Network


@dataclass(frozen=True)
class Source:
    """The set, for the modes that draw items of their own.

    Args:
        label_TN: Labels of each task that may be trained on, ``-1`` elsewhere.
        free_row_U: Rows that may be trained on without their labels: neither audited nor excluded.
        soft_TNC: A teacher's probabilities of each task, None where there are none.
        view: Makes the view of a name for some rows: ``view("weak", row_B, dice)``.
        seed: Everything random follows from it and the step.
        tasks: Names of the tasks.
        teach: Has the teacher look at what the averaged network makes of every item now, and gives what it
            says then, by task; None where it does not listen.
    """

    label_TN: IntArray
    free_row_U: IntArray
    soft_TNC: Sequence[FloatArray | None]
    view: Callable[[str, IntArray, Dice], Tensor]
    seed: int
    tasks: Sequence[str]
    teach: Callable[[], Sequence[FloatArray | None]] | None = None


class Transfer:
    """Base of the transfer modes.

    Args:
        config: The mode's settings.

    Attributes:
        state: Tensors that survive a step, by name; saved in every checkpoint.
    """

    def __init__(self, config: Config) -> None:
        self.config: Any = config
        self.state: dict[str, Tensor] = {}

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """Why the mode cannot work there, in plain words; "" where it can. Asks no torch."""
        return ""

    def meet(self, source: Source) -> None:
        """Told once, before :meth:`prepare`, where items come from.

        Raises:
            RecipeError: The set lacks what the mode learns from.
        """

    def to(self, device: torch.device) -> None:
        """Moves the state to a device."""
        self.state.update({name: tensor.to(device) for name, tensor in self.state.items()})

    def prepare(self, network: Network) -> None:
        """Freezes, wraps or remembers weights, once before training."""

    def groups(self, network: Network, rate: float, decay: float) -> list[dict[str, Any]]:
        """Groups of weights for the optimiser.

        Args:
            network: The prepared network.
            rate: The run's highest learning rate.
            decay: The run's weight decay.

        Returns:
            Groups with ``params``, ``weight_decay`` and ``scale``, the factor on the schedule's rate.
        """
        heads = [weight for weight in network.heads.parameters() if weight.requires_grad]
        return [
            *split_decay([*known_weights(network), *heads], decay),
            *split_decay(network.backbone.new_weights(), 0.0),
        ]

    def at(self, network: Network, done: float) -> None:
        """Asked before each step; ``done`` is the share of the run that is over."""

    def penalty(self, network: Network) -> Tensor | None:
        """A loss on the weights; None where there is none."""
        return None

    def loss(self, network: Network, at: Moment) -> Tensor | None:
        """A loss on items that the mode draws itself; None where it has none, or none any more."""
        return None

    def alone(self, done: float) -> bool:
        """Whether only :meth:`loss` is learned in this step, and nothing of the method."""
        return False

    def finish(self, network: Network) -> None:
        """Makes the network a plain one again, at the end of a run."""


def need_knowledge(ground: Ground, mode: str, *, features_will_do: bool = False) -> str:
    """Why a mode that keeps what the network knows cannot work; "" where the network knows something.

    Args:
        ground: What the recipe stands on.
        mode: What asks, for the message.
        features_will_do: Whether reading frozen features is knowledge enough.

    >>> from sslcore.models.traits import TRAITS
    >>> need_knowledge(Ground("small_cnn", TRAITS["small_cnn"], ()), "LoRA")[:49]
    'LoRA keeps what the network already knows, and th'
    >>> need_knowledge(Ground("small_cnn", TRAITS["small_cnn"], (), warm=True), "LoRA")
    ''
    """
    if ground.knows or (features_will_do and ground.traits.reads == "feature"):
        return ""
    other = {
        "image": "the backbone 'efficientnet_lite0', which is pretrained, a warm start such as 'simclr',",
    }.get(ground.traits.reads, "a warm start such as 'masked'")
    return (
        f"{mode} keeps what the network already knows, and this one ({ground.backbone}) starts from random "
        f"weights. Choose {other} or transfer 'finetune'."
    )


def known_weights(network: Network) -> list[nn.Parameter]:
    """The backbone's weights that are open, but for those that a sharing brought.

    Modes close, hold or slow these. What a sharing brought learns with the heads from the first step, and
    nothing pulls it to zero or to its start: neither means anything there.
    """
    new = {id(weight) for weight in network.backbone.new_weights()}
    return [w for w in network.backbone.parameters() if w.requires_grad and id(w) not in new]


def split_decay(weights: list[Any], decay: float, scale: float = 1.0) -> list[dict[str, Any]]:
    """Two groups: matrices, which decay, and gains and biases, which do not.

    >>> import torch
    >>> groups = split_decay(list(torch.nn.Linear(2, 3).parameters()), 0.1)
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(1, 0.1), (1, 0.0)]
    """
    return [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": decay, "scale": scale},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0, "scale": scale},
    ]
