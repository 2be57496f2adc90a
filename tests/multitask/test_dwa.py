"""Dynamic weight averaging by hand, and against TorchJD."""

import math

import torch
from torchjd.scalarization import DWA

from sslcore.multitask.balancing.dwa import descent_weights
from tests.multitask import bench


def test_dwa_by_hand():
    newer_T, older_T = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 3.0])
    first, second = math.exp(0.5 / 2), math.exp(1.0 / 2)
    expected = [2 * first / (first + second), 2 * second / (first + second)]
    torch.testing.assert_close(descent_weights(newer_T, older_T, temperature=2.0), torch.tensor(expected))


def test_dwa_over_periods_is_torchjds():
    loss_ST = torch.rand(9, 2, generator=torch.Generator().manual_seed(0)) + 0.5
    weights = bench.run(bench.balancing("dwa", period=3), loss_ST.tolist())
    rival = DWA()
    for step, loss_T in enumerate(loss_ST):
        asked_T = loss_T.clone().requires_grad_()
        rival(asked_T).backward()
        torch.testing.assert_close(weights[step], asked_T.grad)
        if step % 3 == 2:
            rival.step()
    assert not torch.allclose(weights[-1], torch.ones(2))
