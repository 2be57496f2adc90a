"""Frozen backbone: only the heads learn.

The oldest transfer there is, and with few labels a hard one to beat (Kornblith et al. 2019,
arXiv:1805.08974, compare it with fine-tuning on twelve sets). The backbone stays in evaluation mode: its
batch norms use the statistics they came with, and nothing in it is drawn at random. No gradient is computed
for it, so a step costs a third of a fine-tuning step.

When: a pretrained or warm-started backbone, fewer than about ten labels a class, or little time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Transfer, need_knowledge

if TYPE_CHECKING:
    from sslcore.models.network import Network


@TRANSFERS.register(
    "frozen", title="Frozen backbone", family="transfer", paper="Kornblith et al. 2019, arXiv:1805.08974"
)
class Frozen(Transfer):
    """Heads on a backbone that does not move."""

    def prepare(self, network: Network) -> None:
        """Freezes the backbone.

        Raises:
            RecipeError: The backbone knows nothing yet.
        """
        need_knowledge(network, "A frozen backbone", features_will_do=True)
        network.backbone.requires_grad_(False).eval()
