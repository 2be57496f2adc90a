"""Soft sharing by hand."""

import pytest
import torch

from sslcore.multitask.sharing.soft import squared_distances, trace_norms
from tests.multitask import bench


def test_without_its_weight_towers_learn_alone():
    """Tower 0 trained beside tower 1 is the network trained on task 0 alone."""
    share = bench.sharing("soft", weight=0.0)
    net = bench.network(share=share)
    alone = bench.network(bench.TASKS[:1])
    alone.backbone.load_state_dict(net.backbone.first.state_dict())
    alone.heads[0].load_state_dict(net.heads[0].state_dict())
    assert share.penalty(net.backbone) is None
    for seed in range(3):
        for one, tasks in ((net, bench.TASKS), (alone, bench.TASKS[:1])):
            one.zero_grad()
            if tasks is bench.TASKS:
                sum(bench.losses(one, seed=seed)).backward()
            else:
                (loss,) = bench.losses(one, tasks, seed=seed)
                loss.backward()
            with torch.no_grad():
                for weight in one.parameters():
                    weight -= 0.1 * weight.grad
    for key, weight in alone.backbone.state_dict().items():
        assert torch.equal(weight, net.backbone.first.state_dict()[key])
    assert any(
        not torch.equal(mine, other)
        for mine, other in zip(net.backbone.first.parameters(), net.backbone.others.parameters(), strict=True)
    )


def test_squared_distances_by_hand():
    tied = [[torch.randn(3, 2) for _ in range(3)] for _ in range(2)]
    by_hand = sum(
        (held[i] - held[j]).square().sum() for held in tied for i in range(3) for j in range(i + 1, 3)
    )
    torch.testing.assert_close(squared_distances(tied), by_hand)


def test_trace_norm_is_the_sum_of_singular_values():
    tied = [[torch.randn(4, 2) for _ in range(3)]]
    stack_TP = torch.stack([weight.flatten() for weight in tied[0]])
    expected = torch.linalg.svdvals(stack_TP).sum()
    torch.testing.assert_close(trace_norms(tied), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("norm", "step"), [("l2", 0.3), ("trace", 3.0)])
def test_the_penalty_is_finite_at_equal_towers_and_pulls_unlike_ones_together(norm, step):
    share = bench.sharing("soft", norm=norm, weight=0.1)
    net = bench.network(share=share)
    share.penalty(net.backbone).backward()
    assert all(torch.isfinite(weight.grad).all() for weight in net.backbone.parameters())
    with torch.no_grad():
        for weight in net.backbone.others.parameters():
            weight += 0.3 * torch.randn_like(weight)
    apart = squared_distances(net.backbone.tied_weights()).item()
    for _ in range(12):
        net.zero_grad()
        share.penalty(net.backbone).backward()
        with torch.no_grad():
            for weight in net.backbone.parameters():
                weight -= step * weight.grad
    assert squared_distances(net.backbone.tied_weights()).item() < 0.75 * apart
