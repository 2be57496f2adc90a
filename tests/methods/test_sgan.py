import pytest
import torch

from sslcore.methods.sgan import held_features
from sslcore.models import InputSpec
from sslcore.models.network import build_network
from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, given = bench.network(), bench.batch(["weak"])
    made = bench.method("sgan", latent=3, drawn=6)
    _, told = bench.loss(made, net, given=given)
    code_BD = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    drawn_BD = made.own["generator"](code_BD)
    total, real_D, drawn_D = 0.0, torch.zeros(5), torch.zeros(5)
    with torch.no_grad():
        for item_D in given.views["weak"][:6]:
            mass = net(item_D[None])[0][0].exp().sum()
            total -= (mass / (mass + 1)).log() / 6
            real_D += net.features(item_D[None])[0] / 6
        for item_D in drawn_BD:
            mass = net(item_D[None])[0][0].exp().sum()
            total -= (1 / (mass + 1)).log() / 6
            drawn_D += net.features(item_D[None])[0] / 6
    torch.testing.assert_close(told.loss_unlabelled, total)
    torch.testing.assert_close(told.loss_beside, (real_D - drawn_D).square().sum())


def test_the_generator_is_judged_by_a_network_whose_weights_are_held():
    net = build_network("small_cnn", InputSpec("image", size=8), [3]).train()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    item_B = torch.randn(4, 1, 8, 8, requires_grad=True)
    held_features(net.backbone, item_B).square().sum().backward()
    assert item_B.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in net.parameters())
    assert all(torch.equal(before[name], buffer) for name, buffer in net.named_buffers())
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize("norm", ["act", "group"])
def test_packaged_weights_keep_their_batch_norm(norm):
    made = [
        build_network(name, InputSpec("image", channels=3, size=32, pretrained=False), [3], norm=norm)
        for name in ("small_cnn", "wrn_16_2", "efficientnet_lite0")
    ]
    batch = [any(isinstance(part, torch.nn.BatchNorm2d) for part in net.modules()) for net in made]
    assert batch == [False, False, True]


def test_it_draws_no_more_items_than_come_by():
    made = bench.method("sgan", drawn=48)
    assert made.look(bench.network(), bench.batch(["weak"]), bench.moment(), torch.Generator())[0].targets[
        "drawn"
    ].shape == (12, 5)


def test_the_classifier_moves_no_generator():
    """Without its own loss the generator gets no gradient: it cannot learn to fool."""
    net, made = bench.network(), bench.method("sgan")
    per_task, _, _ = made.losses(net, bench.batch(["weak"]), bench.moment(), torch.Generator().manual_seed(0))
    per_task[0].backward()
    assert all(weight.grad is None for weight in made.own.parameters())


def test_a_generator_alone_learns_the_mean_of_the_features():
    net, given = bench.network(), bench.batch(["weak"], unlabelled=64)
    for weight in net.parameters():
        weight.requires_grad_(False)
    made = bench.method("sgan", drawn=64)
    optimiser = torch.optim.Adam(made.own.parameters(), lr=5e-3)
    seen = []
    for step in range(60):
        _, beside, _ = made.losses(net, given, bench.moment(), torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        beside.backward()
        optimiser.step()
        seen.append(beside.item())
    assert seen[-1] < 0.1 * seen[0]
