"""Formulas of the balancings that weigh losses, by hand and against TorchJD."""

import math

import pytest
import torch
from torchjd.scalarization import DWA, FAMO, UW

from sslcore.multitask.balancing.dwa import descent_weights
from sslcore.multitask.balancing.famo import famo_slope, famo_weights
from sslcore.multitask.balancing.gradnorm import last_shared, moved_weights, pull_targets
from sslcore.multitask.balancing.uncertainty import uncertainty_weighted
from tests.multitask import bench


def run(held, loss_ST):
    """Weights after each of a row of losses."""
    net = bench.network()
    weights = []
    for loss_T in loss_ST:
        anchor = net.heads[0].bias.sum() * 0
        held.backward([anchor + value for value in loss_T], bench.nothing(), net)
        weights.append(held.weights().clone())
    return weights


def test_dwa_by_hand():
    newer_T, older_T = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 3.0])
    first, second = math.exp(0.5 / 2), math.exp(1.0 / 2)
    expected = [2 * first / (first + second), 2 * second / (first + second)]
    torch.testing.assert_close(descent_weights(newer_T, older_T, temperature=2.0), torch.tensor(expected))


def test_dwa_over_periods_is_torchjds():
    loss_ST = torch.rand(9, 2, generator=torch.Generator().manual_seed(0)) + 0.5
    weights = run(bench.balancing("dwa", period=3), loss_ST.tolist())
    rival = DWA()
    for step, loss_T in enumerate(loss_ST):
        asked_T = loss_T.clone().requires_grad_()
        rival(asked_T).backward()
        torch.testing.assert_close(weights[step], asked_T.grad)
        if step % 3 == 2:
            rival.step()
    assert not torch.allclose(weights[-1], torch.ones(2))


def test_uncertainty_by_hand_and_by_torchjd():
    loss_T, log_T = torch.tensor([0.7, 2.0]), torch.tensor([-0.5, 0.3])
    by_hand = 0.7 / (2 * math.exp(-0.5)) - 0.25 + 2.0 / (2 * math.exp(0.3)) + 0.15
    assert uncertainty_weighted(loss_T, log_T).item() == pytest.approx(by_hand, rel=1e-6)
    rival = UW(2)
    with torch.no_grad():
        rival.log_var.copy_(log_T)
    torch.testing.assert_close(uncertainty_weighted(loss_T, log_T), rival(loss_T).detach())


def test_uncertainty_rests_where_the_variance_is_the_loss():
    held = bench.balancing("uncertainty")
    net, optimiser = bench.network(), torch.optim.SGD(held.own.parameters(), lr=0.3)
    for _ in range(200):
        optimiser.zero_grad()
        anchor = net.heads[0].bias.sum() * 0
        held.backward([anchor + 0.5, anchor + 2.0], bench.nothing(), net)
        optimiser.step()
    torch.testing.assert_close(
        held.log_variance_T.detach().exp(), torch.tensor([0.5, 2.0]), atol=1e-3, rtol=0
    )


def test_famo_is_torchjds_with_the_next_losses_as_those_after_the_step():
    loss_ST = torch.rand(6, 2, generator=torch.Generator().manual_seed(0)) + 0.5
    weights = run(bench.balancing("famo", rate=0.1), loss_ST.tolist())
    rival = FAMO(2, lr=0.1, weight_decay=1e-3)
    for step, loss_T in enumerate(loss_ST):
        if step:
            rival.update(loss_T)
        asked_T = loss_T.clone().requires_grad_()
        rival(asked_T).backward()
        torch.testing.assert_close(weights[step], 2 * asked_T.grad, atol=1e-4, rtol=1e-4)


def test_famo_gives_weight_to_the_task_that_fell_less():
    slope_T = famo_slope(torch.zeros(2), torch.tensor([2.0, 2.0]), torch.tensor([1.0, 1.9]))
    assert slope_T[0] > 0 > slope_T[1]
    weight_T = famo_weights(torch.ones(2), -slope_T)
    assert weight_T[1] > weight_T[0]


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


def test_random_weights_average_1():
    held = bench.balancing("random_weights")
    torch.manual_seed(0)
    weights = torch.stack(run(held, [[1.0, 1.0]] * 400))
    torch.testing.assert_close(weights.sum(1), torch.full((400,), 2.0))
    assert abs(float(weights[:, 0].mean()) - 1) < 0.1
    assert float(weights[:, 0].std()) > 0.2
