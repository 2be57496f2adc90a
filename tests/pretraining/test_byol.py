import math

import pytest
import torch

from sslcore.methods.base import Moment
from sslcore.pretraining.byol import distance

from .bench import items, loss, network, warm


def test_the_distance_item_by_item():
    rng = torch.Generator().manual_seed(0)
    told_BD, slow_BD = torch.randn(4, 3, generator=rng), torch.randn(4, 3, generator=rng)
    total = 0.0
    for told, slow in zip(told_BD.tolist(), slow_BD.tolist(), strict=True):
        dot = sum(a * b for a, b in zip(told, slow, strict=True))
        total += 2 - 2 * dot / math.sqrt(sum(a * a for a in told) * sum(b * b for b in slow))
    assert distance(told_BD, slow_BD).item() == pytest.approx(total / 4, rel=1e-5)


def test_each_view_foretells_the_slow_copy_of_the_other():
    net = network("feature")
    made = warm("byol", net, "feature", decay=1 - 1e-4)
    first_BD, second_BD = items("feature", 4, seed=1), items("feature", 4, seed=2)
    teacher = network("feature", seed=9).eval()
    at = Moment(step=3, done=0.0, teacher=teacher)
    value = made.loss(net.backbone, {"strong": first_BD, "strong_2": second_BD}, at, torch.Generator()).item()
    with torch.no_grad():  # batch norms see both views at once, here as there
        told_BD = made.own["predictor"](made.own["projector"](net.backbone(torch.cat([first_BD, second_BD]))))
        slow_BD = made.own["slow"](teacher.backbone(torch.cat([second_BD, first_BD])))
    assert value == pytest.approx(distance(told_BD, slow_BD).item(), rel=1e-4)


def test_the_slow_copy_gets_no_gradient_and_follows():
    net = network()
    made = warm("byol", net, decay=0.9)
    with torch.no_grad():
        made.own["projector"][0].weight.add_(1.0)
    before, fast = made.own["slow"][0].weight.clone(), made.own["projector"][0].weight.detach().clone()
    loss(made, net, step=1000).backward()
    assert all(weight.grad is None for weight in made.own["slow"].parameters())
    assert torch.allclose(made.own["slow"][0].weight, 0.9 * before + 0.1 * fast, atol=1e-6)


def test_the_teacher_is_left_as_it_was():
    teacher = network(seed=9).eval()
    before = {
        name: value.clone() for name, value in teacher.state_dict().items() if value.is_floating_point()
    }
    net = network()
    made = warm("byol", net)
    views = {"strong": items(), "strong_2": items(seed=1)}
    made.loss(net.backbone, views, Moment(step=0, done=0.0, teacher=teacher), torch.Generator())
    now = teacher.state_dict()
    assert not any(module.training for module in teacher.backbone.modules())
    assert all(torch.equal(value, now[name]) for name, value in before.items())
