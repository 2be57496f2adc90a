import torch

from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, made = bench.network(), bench.method("flexmatch", threshold=0.8)
    remembered = torch.tensor([0] * 20 + [1] * 10 + [2] * 4 + [-1] * 16)
    made.state["0.answer_N"].copy_(remembered)
    given = bench.batch(["weak", "strong"])
    _, told = bench.loss(made, net, given=given)
    total = 0.0
    for row, weak_D, strong_D in zip(given.row_U, given.views["weak"], given.views["strong"], strict=True):
        proba_C = net(weak_D[None])[0][0].softmax(0)
        label = int(proba_C.argmax())
        beta = [20, 10, 4][label] / 20
        if proba_C.max() >= 0.8 * beta / (2 - beta):
            total -= net(strong_D[None])[0][0].log_softmax(0)[label].item()
        expected = label if proba_C.max() >= 0.8 else remembered[row]
        assert made.state["0.answer_N"][row] == expected
    assert abs(told.loss_unlabelled.item() - total / 12) < 1e-5


def test_where_all_classes_are_learned_alike_it_is_fixmatch():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    made = bench.method("flexmatch", threshold=0.7)
    made.state["0.answer_N"].copy_(torch.tensor([*range(3)] * 16 + [-1, -1]))
    fixmatch = bench.loss(bench.method("fixmatch", threshold=0.7), net, given=given)[0]
    torch.testing.assert_close(bench.loss(made, net, given=given)[0], fixmatch)


def test_at_the_start_every_answer_counts():
    _, told = bench.loss(bench.method("flexmatch"))
    assert told.weight_TU[0].min() == 1


def test_items_that_never_come_by_are_not_late():
    made = bench.method("flexmatch", threshold=0.7)
    made.state["0.answer_N"].copy_(torch.tensor([*range(3)] * 6 + [-1] * 32))
    late = made.thresholds(0).clone()
    made.dealt = 18
    assert (late < 0.3).all()
    torch.testing.assert_close(made.thresholds(0), torch.full((3,), 0.7))
