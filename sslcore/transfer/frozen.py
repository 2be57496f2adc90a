"""Frozen backbone: only the heads learn, and what a sharing brings (stitches, masks, gates).

The oldest transfer there is, and with few labels a hard one to beat (Kornblith et al. 2019,
arXiv:1805.08974, compare it with fine-tuning on twelve sets). The backbone stays in evaluation mode: its
batch norms use the statistics they came with, and nothing in it is drawn at random. No gradient is computed
for it, so a step costs a third of a fine-tuning step.

When: a pretrained or warm-started backbone, fewer than about ten labels a class, or little time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sslcore.models.ground import Ground
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Transfer, known_weights, need_knowledge

if TYPE_CHECKING:
    from sslcore.models.network import Network


@TRANSFERS.register(
    "frozen", title="Frozen backbone", family="transfer", paper="Kornblith et al. 2019, arXiv:1805.08974"
)
class Frozen(Transfer):
    """Heads on a backbone that does not move."""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It needs a network that knows something."""
        return need_knowledge(ground, "A frozen backbone", features_will_do=True)

    def prepare(self, network: Network) -> None:
        """Freezes the backbone."""
        for weight in known_weights(network):
            weight.requires_grad_(False)
        network.backbone.eval()
