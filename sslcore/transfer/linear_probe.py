"""Linear probe, then everything: the heads learn alone first (LP-FT, Kumar et al. 2022, arXiv:2202.10054).

Random heads send random gradients into a good backbone and distort it before they are of use. So the heads
learn alone for the first share of the run, and only then the rest is opened, at a lower rate: the backbone
then starts from gradients that mean something. While it is closed its batch norms stay as they came. What a
sharing brings learns with the heads. What differs: one cosine over both stages instead of two schedules.

When: a pretrained backbone and ten labels a class or more; steadier than fine-tuning at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslcore.config import Config, param
from sslcore.models.ground import Ground
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Transfer, known_weights, need_knowledge
from sslcore.transfer.falling import falling_rates

if TYPE_CHECKING:
    from sslcore.models.network import Network


@dataclass(frozen=True)
class LinearProbeConfig(Config):
    """Settings of LP-FT."""

    share: float = param(0.4, low=0, high=1, help="Share of the run in which only the heads learn.")
    scale: float = param(
        0.3, low=0.001, high=1, help="Rate of the backbone, once it is open, beside the heads'."
    )
    fall: float = param(0.6, low=0.01, high=1, help="Rate of a part beside that of the next one.")


@TRANSFERS.register(
    "linear_probe",
    title="Linear probe, then everything",
    family="transfer",
    paper="Kumar et al. 2022, arXiv:2202.10054",
    config=LinearProbeConfig,
)
class LinearProbe(Transfer):
    """The heads first, then the backbone too."""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It needs a network that knows something."""
        return need_knowledge(ground, "A linear probe", features_will_do=True)

    def prepare(self, network: Network) -> None:
        """Remembers what may learn later."""
        self._later = known_weights(network)
        self._open: bool | None = None

    def groups(self, network: Network, rate: float, decay: float) -> list[dict[str, Any]]:
        """Rates that fall by part; weights that are closed have no gradient and are left alone."""
        return falling_rates(network, decay, fall=self.config.fall, scale=self.config.scale)

    def at(self, network: Network, done: float) -> None:
        """Opens the backbone after its share: a function of ``done`` alone, so a resumed run knows it too."""
        wanted = done >= self.config.share
        if wanted != self._open:
            for weight in self._later:
                weight.requires_grad_(wanted)
            network.backbone.train(wanted)
            self._open = wanted
