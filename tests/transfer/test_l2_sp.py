import pytest
import torch

from .bench import images, mode, network, obstacle, step


def test_the_penalty_is_half_the_squared_distance_weight_by_weight():
    made, net = mode("l2_sp", alpha=0.2, beta=0.04), network()
    made.prepare(net)
    start = {name: weight.detach().clone() for name, weight in net.backbone.named_parameters()}
    step(made, net, images(), torch.tensor([0, 1, 2, 0]), rate=1.0)
    by_hand = 0.0
    for name, weight in net.backbone.named_parameters():
        for one, was in zip(weight.detach().flatten().tolist(), start[name].flatten().tolist(), strict=True):
            by_hand += 0.1 * (one - was) ** 2
    for weight in net.heads.parameters():
        by_hand += 0.02 * float((weight.detach() ** 2).sum())
    assert made.penalty(net).item() == pytest.approx(by_hand, rel=1e-4)
    assert by_hand > 0.01


def test_at_the_start_the_backbone_is_not_pulled():
    made, net = mode("l2_sp", alpha=5.0, beta=0.0), network()
    made.prepare(net)
    penalty = made.penalty(net)
    penalty.backward()
    assert penalty.item() == 0.0
    assert all(float(weight.grad.abs().max()) == 0.0 for weight in net.backbone.parameters())


def test_a_random_start_is_refused():
    assert "L2-SP keeps" in obstacle("l2_sp", network(warm=False))
    assert obstacle("l2_sp", network()) == ""
