"""Hard sharing: one backbone."""

import torch

from tests.multitask import bench


def test_it_is_the_network_without_any_sharing():
    shared, plain = bench.network(share=bench.sharing("hard")), bench.network()
    item_BD = torch.randn(3, 6)
    for one, other in zip(shared(item_BD), plain(item_BD), strict=True):
        assert torch.equal(one, other)
