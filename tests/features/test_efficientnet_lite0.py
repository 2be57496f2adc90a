"""The network against the published one, written out op by op from the weights' own names."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sslcore.errors import SourceUnavailableError
from sslcore.features import Items
from sslcore.features.efficientnet_lite0 import (
    EfficientNetLite0,
    features_of,
    folded,
    network_with_weights,
    packaged_weights,
    renamed,
)
from tests.features.sets import colour_files, encode

# Tan & Le 2019, table 1, lite variant: expansion, channels, repeats, stride, kernel of every stage.
STAGES = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
]


def published(weights, x):
    """EfficientNet-Lite0 in plain functions: "same" padding, batch norm with ε = 1e-3, ReLU6."""

    def conv(x, name, stride=1, groups=1):
        w = weights[f"{name}.weight"]
        size, kernel = x.shape[-1], w.shape[-1]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        x = F.pad(x, (total // 2, total - total // 2) * 2)
        return F.conv2d(x, w, stride=stride, groups=groups)

    def norm(x, name, act=True):
        mean, var, w, b = (
            weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.batch_norm(x, mean, var, w, b, training=False, eps=1e-3)
        return x.clamp(0, 6) if act else x

    x = norm(conv(x, "_conv_stem", stride=2), "_bn0")
    block = 0
    for expansion, channels, repeats, stage_stride, _kernel in STAGES:
        for repeat in range(repeats):
            name, before = f"_blocks.{block}", x
            stride = stage_stride if repeat == 0 else 1
            if expansion > 1:
                x = norm(conv(x, f"{name}._expand_conv"), f"{name}._bn0")
            x = norm(conv(x, f"{name}._depthwise_conv", stride, groups=x.shape[1]), f"{name}._bn1")
            x = norm(conv(x, f"{name}._project_conv"), f"{name}._bn2", act=False)
            assert x.shape[1] == channels
            if stride == 1 and before.shape == x.shape:
                x = x + before
            block += 1
    return norm(conv(x, "_conv_head"), "_bn1").mean((2, 3))


@pytest.fixture(scope="module")
def images_NXHW():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(3, 3, 64, 64), dtype=np.uint8)


def test_network_and_folded_network_are_the_published_one(images_NXHW):
    with torch.inference_mode():
        wanted = published(packaged_weights(), (torch.from_numpy(images_NXHW).float() - 127) / 128).numpy()
    network = network_with_weights()
    assert np.abs(features_of(network, images_NXHW) - wanted).max() < 1e-4
    assert np.abs(features_of(folded(network), images_NXHW) - wanted).max() < 1e-4
    assert wanted.shape == (3, 1280)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


def test_other_weights_are_refused():
    weights = packaged_weights()
    weights.pop("_fc.bias")
    with pytest.raises(SourceUnavailableError, match="not those of EfficientNet-Lite0"):
        renamed(weights, network_with_weights().state_dict())


@pytest.mark.parametrize(("side", "size"), [(8, 64), (64, 64), (100, 128), (300, 224)])
def test_input_size_follows_the_images(tmp_path, side, size):
    items = Items.of_images(colour_files(tmp_path, 2, side))
    assert EfficientNetLite0().plan(items) == {"size": size}


def test_going_on_gives_the_same_rows(tmp_path):
    items = Items.of_images(colour_files(tmp_path, 6, 32))
    whole, ticks = encode(EfficientNetLite0(), items)
    rest, _ = encode(EfficientNetLite0(), items, start=4)
    assert whole.shape == (6, 1280)
    assert ticks[-1] == 6
    assert np.abs(rest - whole[4:]).max() < 1e-4
