"""GradNorm by hand."""

import math

import torch

from sslcore.multitask.balancing.gradnorm import last_shared, moved_weights, pull_targets
from tests.multitask import bench


def test_gradnorm_by_hand():
    weight_T, norm_T, pace_T = torch.ones(2), torch.tensor([4.0, 2.0]), torch.tensor([0.5, 1.0])
    target_T = pull_targets(weight_T, norm_T, pace_T, alpha=2.0)
    torch.testing.assert_close(target_T, torch.tensor([3 * (0.5 / 0.75) ** 2, 3 * (1 / 0.75) ** 2]))
    moved_T = moved_weights(weight_T, norm_T, target_T, rate=0.1)
    raw = [math.exp(-0.1 * 4 / 3), math.exp(0.1 * 2 / 3)]  # the first pulls too much, the second too little
    torch.testing.assert_close(moved_T, torch.tensor([2 * part / sum(raw) for part in raw]))


def test_gradnorm_evens_out_a_loss_in_large_units():
    held, net = bench.balancing("gradnorm", alpha=0.0, rate=0.1), bench.network()
    for _ in range(80):
        net.zero_grad(set_to_none=True)
        held.backward(bench.losses(net, scale=[1.0, 20.0]), bench.nothing(), net)
    weights = last_shared(net)
    pulls = []
    for weight, loss in zip(held.weights(), bench.losses(net, scale=[1.0, 20.0]), strict=True):
        parts = torch.autograd.grad(weight * loss, weights, retain_graph=True)
        pulls.append(float(sum(part.square().sum() for part in parts).sqrt()))
    assert 0.5 < pulls[0] / pulls[1] < 2  # from about 1/20


def test_where_tasks_read_at_different_depths_the_pull_is_on_what_both_read():
    """On the deepest task's own part the other has none, and was taken to pull too little for ever."""
    net = bench.network(share=bench.sharing("hierarchical"))
    weights = last_shared(net)
    for loss in bench.losses(net):
        parts = torch.autograd.grad(loss, weights, retain_graph=True)
        assert any(part.any() for part in parts)
    held = bench.balancing("gradnorm", alpha=0.0, rate=0.1)
    for _ in range(60):
        net.zero_grad(set_to_none=True)
        held.backward(bench.losses(net), bench.nothing(), net)
    assert 0.2 < held.weights()[0] / held.weights()[1] < 5


def test_a_step_that_overflows_leaves_the_weights():
    held, net = bench.balancing("gradnorm"), bench.network()
    held.backward(bench.losses(net, scale=[1.0, 3.0]), bench.nothing(), net)
    before_T = held.weights().clone()
    net.zero_grad(set_to_none=True)
    held.backward(bench.losses(net, scale=[1e38, 1.0]), bench.nothing(), net)
    assert torch.equal(held.weights(), before_T)
    net.zero_grad(set_to_none=True)
    held.backward(bench.losses(net), bench.nothing(), net)
    assert not torch.equal(held.weights(), before_T)
    assert torch.isfinite(held.weights()).all()
