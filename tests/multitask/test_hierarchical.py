"""Hierarchical sharing by hand."""

import torch

from sslcore.models import InputSpec, TaskShape
from tests.multitask import bench

SPEC = InputSpec("image", channels=1, size=8)


def test_the_shallow_task_reads_the_first_part_and_the_deep_one_the_last():
    net = bench.network(backbone="small_cnn", spec=SPEC, share=bench.sharing("hierarchical")).eval()
    image_BXHW = torch.randn(2, 1, 8, 8)
    parts = net.backbone.first.parts()
    shallow = parts[1](parts[0](image_BXHW))
    feature_BD = net.features(image_BXHW)
    coarse, fine = net.slices
    torch.testing.assert_close(feature_BD[:, coarse], shallow.mean((2, 3)))
    torch.testing.assert_close(feature_BD[:, fine], net.backbone.first(image_BXHW))


def test_the_shallow_task_moves_no_deep_weight():
    net = bench.network(share=bench.sharing("hierarchical"))
    bench.losses(net)[0].backward()
    assert net.backbone.first.into.weight.grad is not None
    assert all(not weight.grad.any() for weight in net.backbone.upper.parameters())


def test_the_order_is_the_users():
    net = bench.network(share=bench.sharing("hierarchical", order="fine, coarse"))
    coarse, fine = net.slices
    assert fine.start == 0
    assert coarse.start == fine.stop
    assert "coarse, fine" in bench.obstacle("hierarchical", order="fine")
    assert bench.obstacle("hierarchical", order="fine, coarse") == ""


def test_a_network_with_too_few_parts_is_refused():
    many = [TaskShape(name, 2) for name in "abcd"]
    assert "small_cnn has 3 that can be parted, and there are 4 tasks" in bench.obstacle(
        "hierarchical", many, backbone="small_cnn"
    )
    assert bench.obstacle("hierarchical", many) == ""  # perceptrons are stacked
