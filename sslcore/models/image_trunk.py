"""Image networks made elsewhere as backbones: grey images, pieces to cut at, batch norms that stay put.

Batch norms of a pretrained network keep their running statistics, in training too: they were learned on a
million images, and batches of 8 to 64 with strong views would replace them by noise. Gains and offsets move.
A network is cut into pieces where its children, one after the other, give what the whole gives: that is
tried on random images, not assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from sslcore.errors import RecipeError
from sslcore.models import InputSpec
from sslcore.models.batch_norm import stand_still
from sslcore.models.network import Backbone

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel, pixels from 0 to 1."""
PRETRAINED_RATE = 0.01
MOST_PARTS = 6  # rates that fall by part would leave the first of twenty standing still


class ImageTrunk(Backbone):
    """A backbone around a network that takes ``B3HW`` and gives features ``BD``.

    Args:
        spec: What comes in; grey images are repeated to three channels.
        stages: The network in pieces, or in one.
        width: Length of the features.

    Attributes:
        normalisation: What its weights were trained under; None: the set's own statistics.
        sizes: Sides in pixels from the least that makes sense to the most that it gains by.
    """

    normalisation: ClassVar[Normalisation | None] = None
    sizes: ClassVar[tuple[int, int]] = (64, 224)

    def __init__(self, spec: InputSpec, stages: Sequence[nn.Module], width: int) -> None:
        super().__init__(spec)
        self.stages = nn.Sequential(*stages)
        self.width = width

    @property
    def learning_rate(self) -> float:  # type: ignore[override]
        """A third of the usual one for weights learned elsewhere.

        Their batch norms stand still, so nothing evens out what a step does. Sign language digits, 64 pixels,
        EfficientNet-Lite0, 4 labels a class, 8 of them a step, one draw: at 0.03 38.3 % after 150 steps and
        19.3 after 637, at 0.01 68.9 after 150 and 74.5 after 500; FixMatch 26.5 and 72.9 after 170.
        """
        return PRETRAINED_RATE if self.pretrained else super().learning_rate

    def embed(self, view_B: Tensor) -> Tensor:
        """Three channels, equal for grey images."""
        return view_B.expand(-1, 3, -1, -1) if view_B.shape[1] == 1 else view_B

    def encode(self, embedded_B: Tensor) -> Tensor:
        """Features ``BD`` of normalised images of three channels."""
        out: Tensor = self.stages(embedded_B)
        return out

    def parts(self) -> list[nn.Module]:
        """The pieces it was made of."""
        return list(self.stages)

    def train(self, mode: bool = True) -> ImageTrunk:
        """Training mode; the batch norms of a pretrained network stay in evaluation mode."""
        super().train(mode)
        if mode and self.pretrained:
            stand_still(self)
        return self


def cut(model: nn.Module, size: int, name: str) -> tuple[list[nn.Module], int]:
    """A network in pieces, and the length of its features.

    Args:
        model: Takes ``B3HW`` and gives ``BD``; its classifier is gone already.
        size: Side of the images it will get.
        name: For messages.

    Returns:
        At most :data:`MOST_PARTS` pieces whose composition is the network; one where it cannot be cut.

    Raises:
        RecipeError: It does not read such images, or gives no feature vector.
    """
    was_training = model.training
    probe_B = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    model.eval()
    try:
        with torch.no_grad():
            whole_BD = model(probe_B)
    except Exception as error:  # each library has its own ways to refuse a size
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecipeError(
            f"The network {name!r} does not read images of {size} x {size} pixels ({reason}). "
            "Choose another image size, or another network."
        ) from None
    if not isinstance(whole_BD, Tensor) or whole_BD.ndim != 2:
        given = tuple(whole_BD.shape) if isinstance(whole_BD, Tensor) else type(whole_BD).__name__
        raise RecipeError(
            f"The network {name!r} gives no vector of features for an image. Received: {given}. "
            "Choose a classification network such as resnet18."
        )
    pieces: list[nn.Module] = [*_steps(model), nn.Flatten(1)]
    try:
        with torch.no_grad():
            fits = torch.equal(nn.Sequential(*pieces)(probe_B), whole_BD)
    except Exception:  # the children are no chain
        fits = False
    model.train(was_training)
    return (_grouped(pieces) if fits else [model]), whole_BD.shape[1]


def _steps(model: nn.Module) -> list[nn.Module]:
    """The children in order, lists of blocks opened."""
    steps: list[nn.Module] = []
    for child in model.children():
        if type(child) is nn.Sequential and len(child) > 1:
            steps += list(child)
        else:
            steps.append(child)
    return steps


def _grouped(steps: Sequence[nn.Module]) -> list[nn.Module]:
    """Neighbours put together until few pieces are left, each with about as many convolutions and layers."""
    layers = [
        sum(1 for module in step.modules() if isinstance(module, nn.Conv2d | nn.Linear)) for step in steps
    ]
    whole, seen = sum(layers), 0
    groups: list[list[nn.Module]] = [[] for _ in range(MOST_PARTS)]
    for step, count in zip(steps, layers, strict=True):
        middle = seen + (count - 1) / 2 if count else seen - 1
        groups[min(MOST_PARTS - 1, int(MOST_PARTS * max(0.0, middle) / max(1, whole)))].append(step)
        seen += count
    return [nn.Sequential(*group) for group in groups if group]
