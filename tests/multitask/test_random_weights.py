"""Random weights by hand."""

import torch

from tests.multitask import bench


def test_random_weights_average_1():
    held = bench.balancing("random_weights")
    torch.manual_seed(0)
    weights = torch.stack(bench.run(held, [[1.0, 1.0]] * 400))
    torch.testing.assert_close(weights.sum(1), torch.full((400,), 2.0))
    assert abs(float(weights[:, 0].mean()) - 1) < 0.1
    assert float(weights[:, 0].std()) > 0.2
