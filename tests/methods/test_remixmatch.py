import dataclasses

import torch

from sslcore.augment.geometry import quarter_turns
from sslcore.augment.mixup import mixing_share
from sslcore.methods import METHODS
from sslcore.methods.base import Batch
from sslcore.models import InputSpec, TaskShape
from sslcore.models.network import build_network
from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, given, at = bench.network(), bench.batch(["strong", "strong_2", "weak"]), bench.moment(done=0.9)
    made = bench.method("remixmatch")
    made.alignment.momentum = 0.5
    _, told = bench.loss(made, net, at=at, given=given)
    proba_UC = torch.cat([net(view_D[None])[0].softmax(1).detach() for view_D in given.views["weak"]])
    counted_C = torch.tensor([given.label_TB[0].tolist().count(label) / 4 for label in range(3)])
    ratio_C = (0.5 / 3 + 0.5 * counted_C) / (0.5 / 3 + 0.5 * proba_UC.mean(0))
    guess = []
    for proba_C in proba_UC:
        aligned_C = proba_C * ratio_C / (proba_C * ratio_C).sum()
        guess.append(aligned_C.square() / aligned_C.square().sum())
    items = [*given.labelled_B, *given.views["strong"], *given.views["strong_2"], *given.views["weak"]]
    targets = [*torch.eye(3)[given.label_TB[0]], *guess, *guess, *guess]
    rng = torch.Generator().manual_seed(0)
    partner = torch.randperm(40, generator=rng)
    share = mixing_share(40, 0.75, rng=rng)
    labelled, unlabelled, anchored = 0.0, 0.0, 0.0
    for row in range(40):
        mine, other = share[row], 1 - share[row]
        target_C = mine * targets[row] + other * targets[partner[row]]
        log_C = net((mine * items[row] + other * items[partner[row]])[None])[0][0].log_softmax(0)
        if row < 4:
            labelled -= (target_C * log_C).sum().item() / 4
        else:
            unlabelled -= (target_C * log_C).sum().item() / 36
    for target_C, strong_D in zip(guess, given.views["strong"], strict=True):
        anchored -= (target_C * net(strong_D[None])[0][0].log_softmax(0)).sum().item() / 12
    assert abs(told.loss_labelled.item() - labelled) < 1e-4
    assert abs(told.loss_unlabelled.item() - unlabelled) < 1e-4
    assert abs(told.loss_beside.item() - 0.15 * anchored) < 1e-4


def images():
    net = build_network("small_cnn", InputSpec("image", size=8), [bench.CLASSES]).train()
    entry = METHODS["remixmatch"]
    made = entry.value(entry.config(anchor_weight=0.0), [TaskShape("label", bench.CLASSES)], bench.ITEMS)
    made.build(net)
    rng = torch.Generator().manual_seed(0)
    views = {name: torch.randn(12, 1, 8, 8, generator=rng) for name in made.views}
    labelled_B = torch.randn(4, 1, 8, 8, generator=rng)
    return net, made, Batch(labelled_B, torch.tensor([[0, 1, 2, 0]]), views, torch.arange(12))


def test_images_are_turned_and_the_turn_is_learned():
    net, made, given = images()
    state = torch.Generator().manual_seed(0)
    loss, told = bench.loss(made, net, given=given)
    torch.randperm(40, generator=state), mixing_share(40, 0.75, rng=state)
    turn_U = torch.randint(0, 4, (12,), generator=state)
    turned = torch.stack(
        [torch.rot90(view, int(k), (1, 2)) for view, k in zip(given.views["strong"], turn_U, strict=True)]
    )
    assert torch.equal(turned, quarter_turns(given.views["strong"], turn_U))
    log_U4 = made.own["rotation"](net.features(turned)).log_softmax(1)
    expected = -sum(row[k].item() for row, k in zip(log_U4, turn_U, strict=True)) / 12
    assert abs(told.loss_beside.item() - 0.1 * expected) < 1e-4
    loss.backward()
    assert made.own["rotation"].weight.grad.abs().sum() > 0


def test_without_mixing_alignment_and_its_extras_it_is_the_supervised_network_plus_anchored_guesses():
    net, given = bench.network(), bench.batch(["strong", "strong_2", "weak"])
    given.views["strong"].copy_(given.views["weak"])
    given.views["strong_2"].copy_(given.views["weak"])
    made = bench.method("remixmatch", alpha=0.0, anchor_weight=0.0, temperature=1.0)
    made.alignment.momentum = 1.0
    _, told = bench.loss(made, net, at=bench.moment(done=1.0), given=given)
    proba_UC = net(given.views["weak"])[0].softmax(1)
    entropy = -(proba_UC * proba_UC.log()).sum(1).mean()  # each view is told its own answer
    torch.testing.assert_close(told.loss_unlabelled, entropy.detach())
    torch.testing.assert_close(
        told.loss_labelled, bench.loss(bench.method("supervised"), net, given=given)[0]
    )
    assert told.loss_beside == 0
    assert dataclasses.asdict(made.config)["rotation_weight"] == 0.1
