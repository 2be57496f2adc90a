import math

import torch

from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    proba_UC = torch.stack([net(view_D[None])[0][0].softmax(0) for view_D in given.views["weak"]])
    mean_C = 0.5 / 3 + 0.5 * proba_UC.mean(0)
    aligned_UC = torch.stack([proba_C / mean_C / (proba_C / mean_C).sum() for proba_C in proba_UC])
    top = aligned_UC.max(1).values.tolist()
    mean = 0.5 / 3 + 0.5 * sum(top) / 12
    variance = 0.5 + 0.5 * sum((value - sum(top) / 12) ** 2 for value in top) / 11
    total = 0.0
    for value, proba_C, strong_D in zip(top, proba_UC, given.views["strong"], strict=True):
        weight = math.exp(-(min(value - mean, 0) ** 2) * 4 / (2 * variance))
        total -= weight * net(strong_D[None])[0][0].log_softmax(0)[proba_C.argmax()].item()
    _, told = bench.loss(bench.method("softmatch", momentum=0.5), net, given=given)
    assert abs(told.loss_unlabelled.item() - total / 12) < 1e-4


def test_a_wide_gaussian_trusts_all_answers_alike():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    made = bench.method("softmatch", momentum=1.0)
    made.state["0.variance"].fill_(1e6)
    every = bench.loss(bench.method("fixmatch", threshold=0.0), net, given=given)[0]
    torch.testing.assert_close(bench.loss(made, net, given=given)[0], every, atol=1e-4, rtol=0)
