import math

import numpy as np
import torch

from sslcore.augment.mixup import mixing_share
from sslcore.models import InputSpec
from sslcore.models.network import build_network
from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, given, at = bench.network(), bench.batch(["weak", "weak_2"]), bench.moment(done=0.2)
    given.label_TB[0, 2] = -1
    loss, told = bench.loss(bench.method("mixmatch"), net, at=at, given=given)

    def sharpened(proba_C):
        return proba_C.square() / proba_C.square().sum()

    def answer(view_D):
        return net(view_D[None])[0][0].softmax(0).detach()

    items, targets = [], []
    for view_D, label in zip(given.labelled_B, given.label_TB[0], strict=True):
        items.append(view_D)
        targets.append(torch.eye(3)[label] if label >= 0 else sharpened(answer(view_D)))
    for name in ("weak", "weak_2"):
        for view_D, first_D, second_D in zip(given.views[name], *given.views.values(), strict=True):
            items.append(view_D)
            targets.append(sharpened((answer(first_D) + answer(second_D)) / 2))
    rng = torch.Generator().manual_seed(0)
    partner = torch.randperm(28, generator=rng)
    share = mixing_share(28, 0.75, rng=rng)
    labelled, unlabelled = 0.0, 0.0
    for row in range(28):
        mine, other = share[row], 1 - share[row]
        mixed_D = mine * items[row] + other * items[partner[row]]
        target_C = mine * targets[row] + other * targets[partner[row]]
        logits_C = net(mixed_D[None])[0][0]
        if row < 4 and row != 2:
            labelled -= (target_C * logits_C.log_softmax(0)).sum().item() / 3
        elif row >= 4:
            unlabelled += (logits_C.softmax(0) - target_C).square().mean().item() / 24
    ramp = math.exp(-5 * (1 - 0.2 / 0.4) ** 2)
    assert abs(told.loss_labelled.item() - labelled) < 1e-5
    assert abs(told.loss_unlabelled.item() - ramp * unlabelled) < 1e-6
    assert abs(loss.item() - labelled - 25 * ramp * unlabelled) < 1e-4


def test_as_alpha_falls_nothing_is_mixed():
    for alpha in (1e-3, 0.0):
        share_B = mixing_share(200, alpha, rng=torch.Generator().manual_seed(0))
        assert (share_B > 0.999).float().mean() > 0.98
    net, given = bench.network(), bench.batch(["weak", "weak_2"])
    _, told = bench.loss(bench.method("mixmatch", alpha=0.0), net, given=given)
    torch.testing.assert_close(
        told.loss_labelled, bench.loss(bench.method("supervised"), net, given=given)[0]
    )


def test_shares_are_those_of_the_larger_of_a_beta_draw():
    share = np.sort(mixing_share(4000, 0.75, rng=torch.Generator().manual_seed(0)).numpy())
    draw = np.random.default_rng(0).beta(0.75, 0.75, 4000)
    assert np.abs(share - np.sort(np.maximum(draw, 1 - draw))).max() < 0.02


def test_texts_are_mixed_by_their_mean_words():
    net = build_network("text_embedding", InputSpec("text", size=6, dim=50), [bench.CLASSES]).train()
    rng = torch.Generator().manual_seed(0)
    given = bench.batch(["weak", "weak_2"])
    for name in ("weak", "weak_2"):
        given.views[name] = torch.randint(1, 50, (12, 6), generator=rng)
    object.__setattr__(given, "labelled_B", torch.randint(1, 50, (4, 6), generator=rng))
    bench.loss(bench.method("mixmatch"), net, given=given)[0].backward()
    assert net.backbone.words.weight.grad.abs().sum() > 0
