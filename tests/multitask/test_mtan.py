"""Attention masks by hand."""

import torch

from sslcore.models import InputSpec
from tests.multitask import bench

SPEC = InputSpec("image", channels=1, size=8)


def masks(net):
    return [mask for floor in net.backbone.masks for mask in floor]


def test_open_masks_are_hard_sharing():
    net = bench.network(backbone="small_cnn", spec=SPEC, share=bench.sharing("mtan")).eval()
    with torch.no_grad():
        for mask in masks(net):
            mask.out.weight.zero_()
            mask.out.bias.fill_(50.0)
    image_BXHW = torch.randn(2, 1, 8, 8)
    for feature_BD in net.features(image_BXHW).chunk(2, dim=1):
        torch.testing.assert_close(feature_BD, net.backbone.first(image_BXHW))


def test_two_floors_by_hand():
    net = bench.network(backbone="small_cnn", spec=SPEC, share=bench.sharing("mtan")).eval()
    held, below = torch.randn(2, 1, 8, 8), None
    image_BXHW = held
    for part, floor in zip(net.backbone.first.parts(), net.backbone.masks, strict=True):
        held = part(held)
        if below is None:
            seen = held.movedim(1, -1)
        else:
            size = held.shape[2:]
            fitted = (
                torch.nn.functional.adaptive_avg_pool2d(below, size) if held.ndim == 4 else below.mean((2, 3))
            )
            seen = torch.cat([held, fitted], 1)
            seen = seen.movedim(1, -1) if held.ndim == 4 else seen
        mask = torch.sigmoid(floor[1].out(torch.relu(floor[1].into(seen))))
        below = held * (mask.movedim(-1, 1) if held.ndim == 4 else mask)
    torch.testing.assert_close(net.features(image_BXHW)[:, net.slices[1]], below)


def test_a_task_moves_only_its_own_masks():
    net = bench.network(share=bench.sharing("mtan"))
    bench.losses(net)[0].backward()
    first, second = net.backbone.masks[0]
    assert first.into.weight.grad.any()
    assert not second.into.weight.grad.any()
