import torch

from sslcore.methods.label_correction import corrected
from tests.methods import bench


def prepared(**settings):
    made = bench.method("label_correction", **settings)
    torch.nn.init.normal_(made.own["judges"][0].weight, generator=torch.Generator().manual_seed(3))
    held_N = torch.randint(-1, 3, (bench.ITEMS,), generator=torch.Generator().manual_seed(4))
    made.state["0.held_N"].copy_(held_N)
    return made, held_N


def test_the_rule_one_item_at_a_time():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    made, held_N = prepared(threshold=0.8, keep=0.5, folds=2)
    _, told = bench.loss(made, net, given=given)
    judge = made.own["judges"][0]
    total, adopted, revoked, stayed = 0.0, 0, 0, 0
    for row, weak_D, strong_D in zip(given.row_U, given.views["weak"], given.views["strong"], strict=True):
        both_FC = judge(net.features(weak_D[None]))[0].reshape(2, 3)
        proba_C = both_FC[row % 2].softmax(0)
        before = int(held_N[row])
        if proba_C.max() >= 0.8:
            after, adopted = int(proba_C.argmax()), adopted + 1
        elif before >= 0 and proba_C[before] >= 0.5:
            after, stayed = before, stayed + 1
        else:
            after, revoked = -1, revoked + (before >= 0)
        assert made.state["0.held_N"][row] == after
        if after >= 0:
            total -= net(strong_D[None])[0][0].log_softmax(0)[after].item()
    assert min(adopted, revoked) > 0
    assert abs(told.loss_unlabelled.item() - total / 12) < 1e-5


def test_a_judge_learns_the_labels_of_the_other_folds_alone():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    given.label_TB.fill_(-1)
    made, _ = prepared(threshold=0.0, folds=2)
    given.row_U.copy_(torch.arange(12) * 2)  # all in fold 0
    bench.loss(made, net, given=given)[0].backward()
    gradient_FCD = made.own["judges"][0].weight.grad.reshape(2, 3, -1)
    assert gradient_FCD[0].abs().sum() == 0
    assert gradient_FCD[1].abs().sum() > 0


def test_the_judges_do_not_move_the_network():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    made, _ = prepared(unlabelled_weight=0.0)
    bench.loss(made, net, given=given)[0].backward()
    alone = bench.network()
    bench.loss(bench.method("supervised"), alone, given=given)[0].backward()
    for mine, theirs in zip(net.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_a_belief_that_falls_takes_the_label_back():
    held_U = torch.tensor([1])
    for sure, expected in ((0.9, 1), (0.71, 1), (0.69, -1), (0.9, -1)):
        proba_UC = torch.tensor([[1 - sure, sure]])
        held_U = corrected(held_U, proba_UC, adopt=0.95, keep=0.7)
        assert held_U.item() == expected


def test_the_judges_learn_the_labels_where_they_come_first_and_move_nothing_else():
    net, given = bench.network(), bench.batch([])
    made, _ = prepared(folds=4)
    rng = torch.Generator().manual_seed(0)
    _, beside, told = made.labels_alone(net, given, rng)
    judge = made.own["judges"][0]
    logits_BFC = judge(net.features(given.labelled_B)).reshape(-1, 4, 3)
    known_B = given.label_TB[0] >= 0
    expected = -sum(
        logits_BFC[known_B][:, fold].log_softmax(1).gather(1, given.label_TB[0][known_B, None]).mean()
        for fold in range(4)
    )
    assert abs(beside.item() - expected.item()) < 1e-5
    assert told.loss_beside == beside
    beside.backward()
    assert judge.weight.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in net.parameters())
