"""Full fine-tuning: everything moves, what lies deeper moves less.

Layer-wise rates: with k parts from the output, a part's rate is ``rate * fall^k`` (Howard & Ruder 2018,
arXiv:1801.06146, who take 1/2.6). Networks that start from random weights know nothing worth keeping: all
their parts learn at one rate.

When: a network from scratch; or a pretrained one with tens of labels a class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslcore.config import Config, param
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Transfer
from sslcore.transfer.falling import falling_rates

if TYPE_CHECKING:
    from sslcore.models.network import Network


@dataclass(frozen=True)
class FinetuneConfig(Config):
    """Settings of full fine-tuning."""

    fall: float = param(
        0.6, low=0.01, high=1, help="Rate of a part beside that of the next one; for pretrained networks."
    )


@TRANSFERS.register(
    "finetune",
    title="Full fine-tuning",
    family="transfer",
    paper="Howard & Ruder 2018, arXiv:1801.06146",
    config=FinetuneConfig,
)
class Finetune(Transfer):
    """Everything is trained."""

    def groups(self, network: Network, rate: float, decay: float) -> list[dict[str, Any]]:
        """One pair of groups a part where the backbone is pretrained, else one pair."""
        if not network.backbone.pretrained:
            return super().groups(network, rate, decay)
        return falling_rates(network, decay, fall=self.config.fall)
