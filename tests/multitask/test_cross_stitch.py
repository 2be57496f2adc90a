"""Cross-stitch by hand."""

import torch

from tests.multitask import bench


def test_all_ones_own_is_towers_alone_and_none_is_the_others():
    item_BD = torch.randn(3, 6)
    net = bench.network(share=bench.sharing("cross_stitch", own=1.0))
    with torch.no_grad():
        for weight in net.backbone.others.parameters():
            weight += 0.5
    first_BD, second_BD = net.features(item_BD).chunk(2, dim=1)
    assert torch.equal(first_BD, net.backbone.first(item_BD))
    with torch.no_grad():
        net.backbone.stitches[0].copy_(torch.tensor([[0.0, 1.0], [0.25, 0.75]]))
    crossed_BD, mixed_BD = net.features(item_BD).chunk(2, dim=1)
    torch.testing.assert_close(crossed_BD, second_BD)
    torch.testing.assert_close(mixed_BD, 0.25 * first_BD + 0.75 * second_BD)


def test_shares_add_up_at_the_start_whatever_the_number_of_tasks():
    net = bench.network([*bench.TASKS, *bench.TASKS[:1]], share=bench.sharing("cross_stitch", own=0.8))
    (share_TT,) = net.backbone.stitches
    torch.testing.assert_close(share_TT.sum(1), torch.ones(3))
    torch.testing.assert_close(share_TT.diagonal(), torch.full((3,), 0.8))
