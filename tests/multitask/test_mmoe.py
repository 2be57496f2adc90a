"""The mixture of experts by hand."""

import torch

from sslcore.models import InputSpec
from tests.multitask import bench


def test_one_expert_is_hard_sharing():
    net = bench.network(share=bench.sharing("mmoe", experts=1))
    item_BD = torch.randn(3, 6)
    for feature_BD in net.features(item_BD).chunk(2, dim=1):
        torch.testing.assert_close(feature_BD, net.backbone.first(item_BD))


def test_by_hand():
    net = bench.network(share=bench.sharing("mmoe", experts=3))
    trunk, item_BD = net.backbone, torch.randn(4, 6)
    experts = [trunk.first, *(chain[0] for chain in trunk.levels[0])]
    for task, part in enumerate(net.slices):
        share_BE = trunk.gates[0][task](item_BD).softmax(1)
        expected = sum(share_BE[:, e, None] * expert(item_BD) for e, expert in enumerate(experts))
        torch.testing.assert_close(net.features(item_BD)[:, part], expected)


def test_a_deep_network_shares_its_stem():
    spec = InputSpec("image", channels=1, size=8)
    net = bench.network(backbone="small_cnn", spec=spec, share=bench.sharing("mmoe", experts=2))
    stem, stem_2, mixture = net.backbone.parts()
    assert [next(iter(part.parameters())).shape[0] for part in (stem, stem_2)] == [32, 64]
    assert len(mixture.chains) == 2
