"""FAMO by hand, and against TorchJD."""

import torch
from torchjd.scalarization import FAMO

from sslcore.multitask.balancing.famo import famo_slope, famo_weights
from tests.multitask import bench


def test_famo_is_torchjds_with_the_next_losses_as_those_after_the_step():
    loss_ST = torch.rand(6, 2, generator=torch.Generator().manual_seed(0)) + 0.5
    weights = bench.run(bench.balancing("famo", rate=0.1), loss_ST.tolist())
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
