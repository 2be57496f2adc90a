"""Uncertainty weighting by hand, and against TorchJD."""

import math

import pytest
import torch
from torchjd.scalarization import UW

from sslcore.multitask.balancing.uncertainty import uncertainty_weighted
from tests.multitask import bench


def test_uncertainty_by_hand_and_by_torchjd():
    loss_T, log_T = torch.tensor([0.7, 2.0]), torch.tensor([-0.5, 0.3])
    by_hand = 0.7 / (2 * math.exp(-0.5)) - 0.25 + 2.0 / (2 * math.exp(0.3)) + 0.15
    assert uncertainty_weighted(loss_T, log_T).sum().item() == pytest.approx(by_hand, rel=1e-6)
    rival = UW(2)
    with torch.no_grad():
        rival.log_var.copy_(log_T)
    torch.testing.assert_close(uncertainty_weighted(loss_T, log_T).sum(), rival(loss_T).detach())


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
