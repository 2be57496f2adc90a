import torch

from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, made = bench.network(), bench.method("fixmatch", threshold=0.7, unlabelled_weight=2.0)
    given = bench.batch(["weak", "strong"])
    loss, told = bench.loss(made, net, given=given)
    total, kept = 0.0, 0
    for weak_D, strong_D in zip(given.views["weak"], given.views["strong"], strict=True):
        proba_C = net(weak_D[None])[0][0].softmax(0)
        if proba_C.max() >= 0.7:
            kept += 1
            total += -net(strong_D[None])[0][0].log_softmax(0)[proba_C.argmax()].item()
    assert 0 < kept < 12, "the batch must hold confident items and others"
    expected = total / 12  # over all items, not over the confident ones
    assert abs(told.loss_unlabelled.item() - expected) < 1e-5
    assert abs(loss.item() - (told.loss_labelled.item() + 2.0 * expected)) < 1e-5
    assert told.weight_TU[0].sum() == kept


def test_no_gradient_flows_through_the_weak_view():
    net, made = bench.network(), bench.method("fixmatch", threshold=0.0)
    given = bench.batch(["weak", "strong"])
    given.views["weak"].requires_grad_()
    given.views["strong"].requires_grad_()
    bench.loss(made, net, given=given)[0].backward()
    assert given.views["weak"].grad is None
    assert given.views["strong"].grad.abs().sum() > 0


def test_a_threshold_nobody_reaches_leaves_the_supervised_loss():
    net = bench.network()
    given = bench.batch(["weak", "strong"])
    given.views["weak"].mul_(1e-3)
    loss, told = bench.loss(bench.method("fixmatch", threshold=1.0), net, given=given)
    assert told.weight_TU[0].sum() == 0
    torch.testing.assert_close(loss, told.loss_labelled)
