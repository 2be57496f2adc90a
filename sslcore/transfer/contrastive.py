"""Contrastive refinement: labels are learned in pairs first (SetFit, Tunstall et al. 2022, arXiv:2209.11055).

First the backbone alone learns from pairs: ``mean (cos(z_i, z_j) - [y_i = y_j])^2``; eight labels a class
give hundreds of pairs, so few labels move a whole network. Then the heads learn on what it gives. Pairs are
drawn at each step from the labels, half of them equal, and never listed; a class with one label is paired
with another view of the item. What differs: one run of one optimiser, any backbone, and the head is a layer
of the network, so that every semi-supervised method can follow.

When: texts with 4 to 50 labels a class on a pretrained backbone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.config import param
from sslcore.models.ground import Ground
from sslcore.shapes import BoolArray, IntArray
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Source, known_weights
from sslcore.transfer.finetune import Finetune, FinetuneConfig

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Network

SEED = 53  # this mode's stream of random numbers beside the loop's


@dataclass(frozen=True)
class ContrastiveConfig(FinetuneConfig):
    """Settings of contrastive refinement."""

    share: float = param(0.4, low=0.01, high=0.99, help="Share of the run that learns from pairs alone.")
    pairs: int = param(16, low=2, high=1024, help="Pairs in a step, half of them of one class.")
    then: str = param(
        "heads", choices=("heads", "all"), help="What learns after the pairs: the heads alone, or everything."
    )


@TRANSFERS.register(
    "contrastive",
    title="Contrastive refinement (SetFit)",
    family="transfer",
    paper="Tunstall et al. 2022, arXiv:2209.11055",
    config=ContrastiveConfig,
)
class Contrastive(Finetune):
    """Pairs of labels first, then the heads."""

    @classmethod
    def obstacle(cls, config: Any, ground: Ground) -> str:
        """It needs labels of two classes in a task with one class an item."""
        if not ground.classed:
            return (
                "Contrastive refinement pairs items of different classes, and no task of this run has one "
                "class an item. Choose another transfer mode, or a task of the kind 'single' or 'ordinal' "
                "beside."
            )
        if max(ground.labelled[place] for place in ground.classed) < 2:
            return (
                "Contrastive refinement pairs items of different classes, and all labels are of one class. "
                "Label items of a second class, or choose another transfer mode."
            )
        return ""

    def meet(self, source: Source) -> None:
        """Keeps the labels."""
        self._source = source
        self._tasks = [
            task for task, label_N in enumerate(source.label_TN) if len(np.unique(label_N[label_N >= 0])) > 1
        ]

    def prepare(self, network: Network) -> None:
        """Remembers what may learn from pairs."""
        from sslcore.augment.dice import Dice

        device = next(network.parameters()).device
        self._dice = Dice(self._source.seed + SEED, device)
        self._movable = known_weights(network)
        self._open: bool | None = None

    def at(self, network: Network, done: float) -> None:
        """Closes the backbone when the pairs are over, where only heads are to learn then."""
        wanted = self.alone(done) or self.config.then == "all"
        if wanted != self._open:
            for weight in self._movable:
                weight.requires_grad_(wanted)
            network.backbone.train(wanted)
            self._open = wanted

    def alone(self, done: float) -> bool:
        """In its share of the run nothing but pairs is learned."""
        return bool(done < self.config.share)

    def loss(self, network: Network, at: Moment) -> Tensor | None:
        """The pair loss of a step; None once its share is over."""
        import torch

        if not self.alone(at.done):
            return None
        source, step = self._source, at.step
        rng = np.random.default_rng([source.seed + SEED, step])
        label_N = source.label_TN[self._tasks[step % len(self._tasks)]]
        first_B, second_B, same_B = draw_pairs(label_N, self.config.pairs, rng)
        self._dice.turn(step)
        view_B = source.view("weak", np.concatenate([first_B, second_B]), self._dice)
        one_BD, other_BD = network.features(view_B).chunk(2)
        same = torch.from_numpy(same_B).to(one_BD.device, non_blocking=True)
        return pair_loss(one_BD, other_BD, same)


def pair_loss(one_BD: Tensor, other_BD: Tensor, same_B: Tensor) -> Tensor:
    """``mean (cos(z_i, z_j) - same)^2``.

    >>> import torch
    >>> one_BD, other_BD = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    >>> float(pair_loss(one_BD, other_BD, torch.tensor([False, True])))
    0.0
    """
    import torch.nn.functional as F

    cosine_B = F.cosine_similarity(one_BD.float(), other_BD.float(), dim=1)
    loss: Tensor = (cosine_B - same_B.float()).square().mean()
    return loss


def draw_pairs(
    label_N: IntArray, count: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray, BoolArray]:
    """Rows of pairs: the first half of one class, the rest of two; classes are drawn evenly.

    Args:
        label_N: Classes, ``-1`` where there is none; at least two classes have a label.
        count: Pairs.
        rng: Randomness.

    Returns:
        First rows, second rows, and whether they are of one class.

    >>> label_N = np.array([0, 0, 1, -1])
    >>> first_B, second_B, same_B = draw_pairs(label_N, 6, np.random.default_rng(0))
    >>> bool(((label_N[first_B] == label_N[second_B]) == same_B).all())
    True
    """
    classes = np.unique(label_N[label_N >= 0])
    rows = {label: np.flatnonzero(label_N == label) for label in classes}
    same_B = np.arange(count) < (count + 1) // 2
    first_B, second_B = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for place, same in enumerate(same_B):
        label, other = rng.choice(classes, 2, replace=False)
        first_B[place] = first = rng.choice(rows[label])
        pool = rows[label][rows[label] != first] if same and len(rows[label]) > 1 else rows[label]
        second_B[place] = rng.choice(pool if same else rows[other])
    return first_B, second_B, same_B
