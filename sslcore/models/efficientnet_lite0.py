"""EfficientNet-Lite0 with its packaged ImageNet weights, to be fine-tuned (Tan & Le 2019, arXiv:1905.11946).

The network and the weights of the encoder of the same name (:mod:`sslcore.features.efficientnet_lite0`), so a
run starts where its frozen features stand; pixels are scaled as there, (x - 127)/128. Batch norms keep their
running statistics.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from sslcore.models import BACKBONES, InputSpec
from sslcore.models.image_trunk import ImageTrunk, Normalisation


@BACKBONES.register(
    "efficientnet_lite0",
    title="EfficientNet-Lite0, pretrained",
    family="image",
    paper="Tan & Le 2019, arXiv:1905.11946",
)
class EfficientNetLite0(ImageTrunk):
    """3.4 million weights; features of length 1,280."""

    pretrained: ClassVar[bool] = True
    normalisation: ClassVar[Normalisation | None] = ((127 / 255,) * 3, (128 / 255,) * 3)

    def __init__(self, spec: InputSpec) -> None:
        network = _network(weights=spec.pretrained)
        blocks = list(network.blocks)
        stages = [
            nn.Sequential(network.conv_stem, network.bn1, *blocks[:2]),
            blocks[2],
            nn.Sequential(*blocks[3:5]),
            nn.Sequential(*blocks[5:]),
            nn.Sequential(network.conv_head, network.bn2, network.global_pool),
        ]
        super().__init__(spec, stages, int(network.num_features))


def _network(*, weights: bool) -> Any:
    if weights:
        from sslcore.features.efficientnet_lite0 import network_with_weights

        return network_with_weights()
    import timm

    return timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
