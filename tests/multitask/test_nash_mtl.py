"""The bargain by its equation."""

import numpy as np
import pytest
import torch

from sslcore.multitask.balancing.nash_mtl import bargain
from tests.multitask import bench


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tasks", [2, 5])
def test_it_solves_the_papers_equation(tasks, seed):
    gradient_TD = np.random.default_rng(seed).normal(size=(tasks, 8))
    inner_TT = gradient_TD @ gradient_TD.T
    weight_T = bargain(inner_TT)
    assert (weight_T > 0).all()
    scaled_TT = inner_TT / (np.trace(inner_TT) / tasks)
    np.testing.assert_allclose(scaled_TT @ weight_T, 1 / weight_T, atol=2e-3 * weight_T.max())


def test_a_task_in_other_units_gains_the_same():
    """What each task gains, in proportion, does not change when a loss is multiplied."""
    gradient_TD = np.random.default_rng(0).normal(size=(2, 8))
    scaled_TD = gradient_TD * np.array([[7.0], [1.0]])
    steps = [bargain(part @ part.T) @ part for part in (gradient_TD, scaled_TD)]
    directions = [step / np.linalg.norm(step) for step in steps]
    np.testing.assert_allclose(*directions, atol=2e-3)


def test_equal_orthogonal_gradients_are_the_plain_sum():
    np.testing.assert_allclose(bargain(9 * np.eye(3)), 1, atol=1e-4)


def test_opposite_gradients_stay_finite():
    weight_T = bargain(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert np.isfinite(weight_T).all()
    assert weight_T[0] == pytest.approx(weight_T[1])


def test_the_step_is_cut():
    net, held = bench.network(), bench.balancing("nash_mtl", max_norm=0.01)
    held.backward(bench.losses(net, scale=[50.0, 1.0]), bench.nothing(), net)
    flat = torch.cat([weight.grad.flatten() for weight in net.backbone.parameters()])
    assert float(flat.norm()) == pytest.approx(0.01, rel=1e-3)
