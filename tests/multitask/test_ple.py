"""Own and shared experts by hand."""

import torch

from sslcore.models import InputSpec
from tests.multitask import bench


def test_a_single_shared_expert_is_hard_sharing():
    net = bench.network(share=bench.sharing("ple", levels=1, own=0, shared=1))
    item_BD = torch.randn(3, 6)
    for feature_BD in net.features(item_BD).chunk(2, dim=1):
        torch.testing.assert_close(feature_BD, net.backbone.first(item_BD))


def test_only_own_experts_are_towers_alone():
    net = bench.network(share=bench.sharing("ple", levels=2, own=1, shared=0))
    first = list(net.backbone.parameters())
    loss, _ = bench.losses(net)
    loss.backward()
    moved = [weight for weight in first if weight.grad is not None and weight.grad.any()]
    assert moved
    item_BD = torch.randn(3, 6)
    before = net(item_BD)[1].clone()
    with torch.no_grad():
        for weight in moved:
            weight += 1.0
    torch.testing.assert_close(net(item_BD)[1], before)


def test_two_levels_by_hand():
    net = bench.network(share=bench.sharing("ple", levels=2, own=1, shared=1))
    trunk, item_BD = net.backbone, torch.randn(4, 6)
    chains = [
        [trunk.first, *(chain[0] for chain in trunk.levels[0])],
        [chain[0] for chain in trunk.levels[1]],
    ]
    groups = [[0, 1], [0, 2], [0, 1, 2]]  # the first expert is shared
    streams = [item_BD] * 3
    for experts, gates in zip(chains, trunk.gates, strict=True):
        out = [experts[0](streams[2]), experts[1](streams[0]), experts[2](streams[1])]
        streams = [
            sum(gate(stream).softmax(1)[:, k, None] * out[e] for k, e in enumerate(group))
            for gate, group, stream in zip(gates, groups, streams, strict=False)
        ]
    torch.testing.assert_close(net.features(item_BD), torch.cat(streams, dim=1))


def test_levels_are_the_last_parts_of_a_deep_network():
    spec = InputSpec("image", channels=1, size=8)
    net = bench.network(backbone="small_cnn", spec=spec, share=bench.sharing("ple"))
    stem, first, second = net.backbone.parts()
    assert next(iter(stem.parameters())).shape[0] == 32
    assert len(first.chains) == len(second.chains) == 3


def test_no_expert_at_all_is_refused():
    assert "at least one expert" in bench.obstacle("ple", own=0, shared=0)
    assert bench.obstacle("ple", own=0, shared=1) == ""
