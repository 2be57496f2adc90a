"""Three convolutions: the network for a laptop without a GPU.

32, 64 and 128 channels, each halved in size, then the mean over positions: 93 k weights. Pooling stands
before the batch norm of a stage (both are monotone in what they keep), so that norm and ReLU see a quarter
of the pixels; on one core this is a third of the step.

Its runs are short, a few hundred steps a minute, so its rate is three times the usual 0.03 and rises over the
first tenth (docs/adr/0009: mnist-5k, 40 labels, 500 steps, two draws: FixMatch 69 % at 0.03, 80 at 0.1).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from sslcore.models import BACKBONES, InputSpec
from sslcore.models.network import Backbone, MeanOverPositions


@BACKBONES.register("small_cnn", title="Small CNN", family="image")
class SmallCNN(Backbone):
    """Three convolution stages and global average pooling; features of length 128."""

    width = 128
    learning_rate, rising = 0.1, 0.1
    sizes: ClassVar[tuple[int, int]] = (8, 32)  # it sees 18 pixels at a time: of a larger image too little

    def __init__(self, spec: InputSpec) -> None:
        super().__init__(spec)
        stages: list[nn.Module] = []
        before = spec.channels
        for after, pool in ((32, True), (64, True), (self.width, False)):
            stages.append(nn.Conv2d(before, after, 3, padding=1, bias=False))
            if pool:
                stages.append(nn.MaxPool2d(2))
            stages += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
            before = after
        self.stages = nn.Sequential(*stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def encode(self, image_BXHW: Tensor) -> Tensor:
        """Features ``BD`` of normalised images."""
        out: Tensor = self.stages(image_BXHW).mean((2, 3))
        return out

    def parts(self) -> list[nn.Module]:
        """The three stages, and the mean."""
        return [self.stages[0:4], self.stages[4:8], self.stages[8:], MeanOverPositions()]
