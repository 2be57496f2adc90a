"""Wide residual networks, the yardstick of semi-supervised learning (Zagoruyko & Komodakis 2016).

WRN-d-k has (d - 4) / 6 pre-activation blocks in each of three stages of 16k, 32k and 64k channels. Batch
norm and leaky ReLU 0.1 come before each convolution; the first activation of a stage feeds its shortcut,
as in the FixMatch code. Batch-norm momentum is 0.1, torch's default, because short runs need fast statistics.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from sslcore.models import BACKBONES, InputSpec
from sslcore.models.network import Backbone, MeanOverPositions


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm_1 = nn.BatchNorm2d(before)
        self.conv_1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(after)
        self.conv_2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else None

    def forward(self, image_BXHW: Tensor) -> Tensor:
        active_BXHW = F.leaky_relu(self.norm_1(image_BXHW), 0.1)
        out_BXHW: Tensor = self.conv_2(F.leaky_relu(self.norm_2(self.conv_1(active_BXHW)), 0.1))
        return out_BXHW + (image_BXHW if self.shortcut is None else self.shortcut(active_BXHW))


class WideResNet(Backbone):
    """A WRN for images of about 32 pixels; features of length 64k."""

    depth = 16
    widen = 2
    sizes: ClassVar[tuple[int, int]] = (16, 64)

    def __init__(self, spec: InputSpec) -> None:
        super().__init__(spec)
        blocks = (self.depth - 4) // 6
        widths = [16, 16 * self.widen, 32 * self.widen, 64 * self.widen]
        layers: list[nn.Module] = [nn.Conv2d(spec.channels, 16, 3, padding=1, bias=False)]
        for stage in range(3):
            for block in range(blocks):
                before = widths[stage] if block == 0 else widths[stage + 1]
                layers.append(_Block(before, widths[stage + 1], 2 if block == 0 and stage > 0 else 1))
        self.width = widths[3]
        self.stages = nn.Sequential(*layers, nn.BatchNorm2d(self.width), nn.LeakyReLU(0.1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="leaky_relu")

    def encode(self, image_BXHW: Tensor) -> Tensor:
        """Features ``BD`` of normalised images."""
        out: Tensor = self.stages(image_BXHW).mean((2, 3))
        return out

    def parts(self) -> list[nn.Module]:
        """The three stages, the first with the convolution before it and the last with the norm after it."""
        blocks = (self.depth - 4) // 6
        cuts = [0, 1 + blocks, 1 + 2 * blocks, len(self.stages)]
        return [*(self.stages[cuts[i] : cuts[i + 1]] for i in range(3)), MeanOverPositions()]


@BACKBONES.register(
    "wrn_16_2",
    title="Wide ResNet 16-2",
    family="image",
    paper="Zagoruyko & Komodakis 2016, arXiv:1605.07146",
)
class WideResNet16x2(WideResNet):
    """0.7 million weights; for a GPU, or for an hour on two cores."""


@BACKBONES.register(
    "wrn_28_2",
    title="Wide ResNet 28-2",
    family="image",
    paper="Zagoruyko & Komodakis 2016, arXiv:1605.07146",
)
class WideResNet28x2(WideResNet):
    """1.5 million weights: the network of the published CIFAR-10 figures; needs a GPU."""

    depth = 28
    sizes = (16, 128)
