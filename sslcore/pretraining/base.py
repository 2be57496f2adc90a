"""What every warm start is: a loss on views of items without labels, for a share of the run.

The loop gives it batches of all items but the audit split's and the excluded ones; what it puts on top of
the backbone for this (a decoder, a projector) is trained with it and left behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sslcore.config import Config, param
from sslcore.models.ground import Ground

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Backbone

READS = {
    "image": "images",
    "feature": "frozen features",
    "text": "rows of words",
    "tokens": "rows of word pieces",
}
"""What networks are fed, in words."""


@dataclass(frozen=True)
class WarmConfig(Config):
    """Settings that all warm starts share."""

    share: float = param(0.3, low=0.01, high=0.95, help="Share of the run's budget that it takes.")
    batch: int = param(128, low=4, high=4096, help="Items in a step of the warm start.")
    rate: float = param(1e-3, low=1e-6, high=1, help="Highest learning rate of the warm start (AdamW).")


class WarmStart(ABC):
    """Base of the warm starts.

    Args:
        config: The warm start's settings.

    Attributes:
        refuses: The reason for each kind of input ("image", "feature", "text", "tokens") that it cannot
            learn from.
        called: Its name at the beginning of such a message.
        views: Views of each item it wants: "plain", "weak" or "strong", with "_2" for a second one.
        own: Modules beside the backbone's, made by :meth:`build`; trained with it, and left behind.
        state: Tensors that survive a step, by name; saved in every checkpoint.
    """

    views: ClassVar[tuple[str, ...]] = ()
    refuses: ClassVar[Mapping[str, str]] = {}
    called: ClassVar[str] = ""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """Why it cannot teach this network, in plain words; "" where it can. Asks no torch."""
        reads = ground.traits.reads
        if reads not in cls.refuses:
            return ""
        return (
            f"{cls.called} cannot warm a network that reads {READS[reads]}: {cls.refuses[reads]} "
            "Choose warm start 'masked' or 'simclr', or none."
        )

    def __init__(self, config: Config) -> None:
        import torch

        self.config: Any = config
        self.state: dict[str, Tensor] = {}
        self.own = torch.nn.ModuleDict()

    def to(self, device: torch.device) -> None:
        """Moves the state and the own modules to a device."""
        self.state.update({name: tensor.to(device) for name, tensor in self.state.items()})
        self.own.to(device)

    def build(self, backbone: Backbone, plain_B: Tensor) -> None:  # noqa: B027 (not all need anything)
        """Fills :attr:`own`, its first weights drawn by torch.

        Args:
            backbone: The network that is warmed.
            plain_B: A few items as the network reads them, to take shapes from.

        Raises:
            RecipeError: It cannot learn from items of this kind.
        """

    @abstractmethod
    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """A scalar.

        Args:
            backbone: The network in training mode.
            views: The views asked for, by name.
            at: Where the warm start stands; ``teacher`` has averaged weights.
            rng: Randomness of this step, on the device.
        """

    def picture(self, rng: torch.Generator) -> dict[str, Tensor] | None:
        """Images to look at while it goes on, by name (uint8 ``KXHW``): reconstructions, samples."""
        return None
