import torch

from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    given.label_TB[0, 0] = -1
    labelled_BC = net(given.labelled_B)[0].softmax(1)[1:]
    proba_UC = net(given.views["weak"])[0].softmax(1)
    labelled_C = 0.5 / 3 + 0.5 * labelled_BC.mean(0)
    unlabelled_C = 0.5 / 3 + 0.5 * proba_UC.mean(0)
    bar = 0.9 * labelled_BC.max(1).values.mean()
    total, kept = 0.0, 0
    for proba_C, strong_D in zip(proba_UC, given.views["strong"], strict=True):
        aligned_C = proba_C * labelled_C / unlabelled_C
        aligned_C = aligned_C / aligned_C.sum()
        if aligned_C.max() >= bar:
            kept += 1
            total -= net(strong_D[None])[0][0].log_softmax(0)[aligned_C.argmax()].item()
    _, told = bench.loss(bench.method("adamatch", momentum=0.5), net, given=given)
    assert 0 < kept < 12
    assert abs(told.loss_unlabelled.item() - total / 12) < 1e-4


def test_without_alignment_and_with_sure_labels_it_is_fixmatch():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    given.label_TB.fill_(-1)  # nothing labelled: the labelled confidence stays at 1
    made = bench.method("adamatch", momentum=1.0, threshold=0.7)
    fixmatch = bench.loss(bench.method("fixmatch", threshold=0.7), net, given=given)[0]
    torch.testing.assert_close(bench.loss(made, net, given=given)[0], fixmatch)
