import torch

from tests.methods import bench


def test_one_labelled_item_at_a_time():
    net, given = bench.network(), bench.batch([])
    given.label_TB[0, 1] = -1
    loss, told = bench.loss(bench.method("supervised"), net, given=given)
    terms = []
    for view_D, label in zip(given.labelled_B, given.label_TB[0], strict=True):
        if label >= 0:
            logits_C = net(view_D[None])[0][0]
            terms.append(-(logits_C[label] - logits_C.exp().sum().log()))
    torch.testing.assert_close(loss, torch.stack(terms).mean())
    assert told.loss_unlabelled == 0


def test_it_wants_no_views_and_trusts_no_answer():
    made = bench.method("supervised")
    assert made.views == []
    assert made.accept(0, torch.ones(2, 3) / 3) is None
