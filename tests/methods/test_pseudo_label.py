import math

import torch

from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, at = bench.network(), bench.moment(done=0.1)
    given = bench.batch(["weak"])
    _, told = bench.loss(bench.method("pseudo_label", threshold=0.7), net, at=at, given=given)
    total = 0.0
    for weak_D in given.views["weak"]:
        proba_C = net(weak_D[None])[0][0].softmax(0)
        if proba_C.max() >= 0.7:
            total -= math.log(proba_C.max().item())
    ramp = math.exp(-5 * (1 - 0.1 / 0.4) ** 2)
    assert total > 0
    assert abs(told.loss_unlabelled.item() - ramp * total / 12) < 1e-6


def test_with_the_weak_view_as_strong_one_it_is_fixmatch():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    given.views["strong"].copy_(given.views["weak"])
    mine = bench.loss(bench.method("pseudo_label", threshold=0.7, ramp=0.0), net, given=given)[0]
    other = bench.loss(bench.method("fixmatch", threshold=0.7), net, given=given)[0]
    torch.testing.assert_close(mine, other)
