"""Full fine-tuning: everything moves, what lies deeper moves less.

Layer-wise rates: with k parts from the output, a part's rate is ``rate * fall^k`` (Howard & Ruder 2018,
arXiv:1801.06146, who take 1/2.6). Networks that start from random weights know nothing worth keeping: all
their parts learn at one rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslcore.config import Config, param
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Transfer, split_decay

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
        found, seen = split_decay(list(network.heads.parameters()), decay), set[int]()
        for depth, part in enumerate(reversed(network.backbone.parts())):
            fresh = [w for w in part.parameters() if w.requires_grad and id(w) not in seen]
            seen |= {id(weight) for weight in fresh}
            found += split_decay(fresh, decay, self.config.fall**depth)
        rest = [w for w in network.backbone.parameters() if w.requires_grad and id(w) not in seen]
        found += split_decay(rest, decay, self.config.fall ** len(network.backbone.parts()))
        return [group for group in found if group["params"]]
