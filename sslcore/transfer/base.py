"""What every transfer mode is: a say in which weights of a network move.

The loop asks it once before training, at every step, and once at the end, when the network must be a plain
one again, so that an exported model needs nothing of the mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sslcore.config import Config

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network


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

    def to(self, device: torch.device) -> None:
        """Moves the state to a device."""
        self.state.update({name: tensor.to(device) for name, tensor in self.state.items()})

    def prepare(self, network: Network) -> None:
        """Freezes, wraps or remembers weights, once before training.

        Raises:
            RecipeError: The mode does not fit this network.
        """

    def groups(self, network: Network, rate: float, decay: float) -> list[dict[str, Any]]:
        """Groups of weights for the optimiser.

        Args:
            network: The prepared network.
            rate: The run's highest learning rate.
            decay: The run's weight decay.

        Returns:
            Groups with ``params``, ``weight_decay`` and ``scale``, the factor on the schedule's rate.
        """
        return split_decay([weight for weight in network.parameters() if weight.requires_grad], decay)

    def at(self, network: Network, done: float) -> None:
        """Asked before each step; ``done`` is the share of the run that is over."""

    def penalty(self, network: Network) -> Tensor | None:
        """A loss on the weights; None where there is none."""
        return None

    def finish(self, network: Network) -> None:
        """Makes the network a plain one again, at the end of a run."""


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
