"""L2-SP: weight decay towards where the backbone started (Li et al. 2018, arXiv:1802.01483).

``alpha/2 |w - w_start|^2 + beta/2 |heads|^2`` in place of weight decay, which pulls to zero and so away from
what the network knows. Everything is trained, each part at the full rate: the pull does the holding. What a
sharing brings starts at random and is not pulled.

When: full fine-tuning of a pretrained or warm-started backbone that forgets too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslcore.config import Config, param
from sslcore.models.ground import Ground
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Transfer, known_weights, need_knowledge, split_decay

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class L2SPConfig(Config):
    """Settings of L2-SP; the paper's defaults."""

    alpha: float = param(0.1, low=0, high=100, help="Pull of the backbone to where it started.")
    beta: float = param(0.01, low=0, high=100, help="Pull of the heads to zero.")


@TRANSFERS.register(
    "l2_sp",
    title="Pulled to the start (L2-SP)",
    family="transfer",
    paper="Li et al. 2018, arXiv:1802.01483",
    config=L2SPConfig,
)
class L2SP(Transfer):
    """Everything is trained, and held by its start."""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It needs a network that knows something."""
        return need_knowledge(ground, "L2-SP")

    def prepare(self, network: Network) -> None:
        """Remembers the start."""
        held = {id(weight) for weight in known_weights(network)}
        self.state = {
            f"start.{name}": weight.detach().clone()
            for name, weight in network.backbone.named_parameters()
            if id(weight) in held
        }

    def groups(self, network: Network, rate: float, decay: float) -> list[dict[str, Any]]:
        """One rate; no weight decay beside the pull."""
        return split_decay([weight for weight in network.parameters() if weight.requires_grad], 0.0)

    def penalty(self, network: Network) -> Tensor:
        """Half the squared distances, weighed."""
        weights = dict(network.backbone.named_parameters())
        moved = [
            (weights[name.removeprefix("start.")] - start).square().sum()
            for name, start in self.state.items()
        ]
        size = [weight.square().sum() for weight in network.heads.parameters()]
        total: Tensor = self.config.alpha / 2 * sum(moved) + self.config.beta / 2 * sum(size)
        return total
