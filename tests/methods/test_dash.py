import math

import torch

from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, made = bench.network(), bench.method("dash", warm_up=0.1, falls=40)
    given = bench.batch(["weak", "strong"])
    made.state["0.start"].fill_(0.5)
    made.state["0.bar"].fill_(0.5)
    _, told = bench.loss(made, net, given=given, at=bench.moment(done=0.2))
    bar = 1.0001 * 1.27 ** -int(40 * 0.1 / 0.9) * 0.5
    total, kept = 0.0, 0
    for weak_D, strong_D in zip(given.views["weak"], given.views["strong"], strict=True):
        proba_C = net(weak_D[None])[0][0].softmax(0)
        if -math.log(proba_C.max().item()) <= bar:
            kept += 1
            total -= net(strong_D[None])[0][0].log_softmax(0)[proba_C.argmax()].item()
    assert 0 < kept < 12
    assert told.weight_TU[0].sum() == kept
    ramp = math.exp(-5 * (1 - 0.2 / 0.4) ** 2)
    assert abs(told.loss_unlabelled.item() - ramp * total / 12) < 1e-5


def test_the_bar_never_rises_even_where_the_end_of_the_run_moves():
    made = bench.method("dash")
    bars = []
    for done in (0.0, 0.05, 0.2, 0.5, 0.15, 0.3, 0.9, 1.0, 0.2):
        bench.loss(made, at=bench.moment(done=done))
        bars.append(made.state["0.bar"].item())
    assert bars == sorted(bars, reverse=True)
    assert abs(bars[-1] - 0.05) < 1e-7


def test_the_warm_up_learns_labelled_items_alone_and_sets_the_start():
    net, made = bench.network(), bench.method("dash")
    before = made.state["0.start"].item()
    loss, told = bench.loss(made, net, at=bench.moment(done=0.05))
    assert told.weight_TU[0].sum() == 0
    torch.testing.assert_close(loss, told.loss_labelled)
    expected = 0.9 * before + 0.1 * told.loss_labelled.item()
    assert abs(made.state["0.start"].item() - expected) < 1e-6


def test_at_its_floor_it_is_fixmatch():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    made = bench.method("dash", floor=-math.log(0.7), gamma=10.0)
    fixmatch = bench.loss(bench.method("fixmatch", threshold=0.7), net, given=given)[0]
    made.state["0.start"].fill_(0.1)
    torch.testing.assert_close(bench.loss(made, net, given=given, at=bench.moment(done=1.0))[0], fixmatch)
