"""What CoMatch and SimMatch share: a projection of the features, and a memory of what came by.

``z = l2(W2 relu(W1 f))``, owned by the method and left behind after the run (Chen et al. 2020,
arXiv:2002.05709). A memory is a queue of fixed length in the method's state, one for each task: the newest
rows push the oldest out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sslcore.config import Config, param
from sslcore.methods.alignment import Alignment
from sslcore.methods.base import Method, RampedConfig
from sslcore.models import TaskShape

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.models.network import Network


@dataclass(frozen=True)
class EmbeddingConfig(RampedConfig):
    """Settings of the methods with a memory of embeddings."""

    threshold: float = param(0.95, low=0, high=1, help="Confidence a pseudo-label needs.")
    temperature: float = param(0.1, low=0.01, high=10, help="How much nearness counts; lower: the nearest.")
    smoothing: float = param(0.9, low=0, high=1, help="Share of an item's own answer, the rest neighbours'.")
    memory: int = param(2560, low=1, high=1_000_000, help="Embeddings that are remembered.")
    dimensions: int = param(64, low=2, high=1024, help="Length of an embedding.")


class EmbeddingMethod(Method):
    """Base of the methods with a memory of embeddings.

    Attributes:
        alignment: Moves answers to equal shares before they are used, as both papers do.
    """

    learn_views: ClassVar[tuple[str, ...]] = ("strong",)
    target_views: ClassVar[tuple[str, ...]] = ("weak",)
    one_device: ClassVar[str] = "it keeps a memory of the embeddings seen last"

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        self.alignment = Alignment(self.state, tasks, target="uniform")
        for task in range(len(tasks)):
            self.state[f"{task}.memory_MD"] = torch.zeros(self.config.memory, self.config.dimensions)

    def build(self, network: Network) -> None:
        """The projection: two layers, as wide as the features inside."""
        from torch import nn

        width = network.backbone.width
        self.own["projection"] = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, self.config.dimensions)
        )

    def embed(self, feature_BD: Tensor) -> Tensor:
        """Embeddings of unit length, float32."""
        import torch.nn.functional as F

        return F.normalize(self.own["projection"](feature_BD).float(), dim=1)

    def answers(self, task: int, logits_UC: Tensor, label_B: Tensor) -> Tensor:
        """Answers on the weak view, aligned."""
        proba_UC = logits_UC.softmax(1)
        self.alignment.watch(task, proba_UC, label_B)
        return self.alignment(task, proba_UC)

    def push(self, task: int, name: str, new: Tensor) -> None:
        """Puts the newest rows in front of a queue; the oldest fall out."""
        import torch

        queue = self.state[f"{task}.{name}"]
        self.state[f"{task}.{name}"] = torch.cat([new.to(queue.dtype), queue])[: len(queue)]

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the threshold up, of the aligned answers."""
        from sslcore.losses.adaptive import above

        return above(self.alignment(task, proba_UC), self.config.threshold)

    def thresholds(self, task: int) -> Tensor:
        """The same for every class."""
        import torch

        return torch.full((self.tasks[task].classes,), float(self.config.threshold))
