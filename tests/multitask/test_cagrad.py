"""CAGrad by its definition."""

import numpy as np
import pytest

from sslcore.multitask.balancing.cagrad import conflict_averse


def drawn(tasks, seed):
    gradient_TD = np.random.default_rng(seed).normal(size=(tasks, 6))
    return gradient_TD, gradient_TD @ gradient_TD.T


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tasks", [2, 3])
def test_the_worst_served_task_gains_as_much_as_the_ball_allows(tasks, seed):
    gradient_TD, inner_TT = drawn(tasks, seed)
    step_D = conflict_averse(inner_TT, radius=0.5) @ gradient_TD / tasks
    mean_D = gradient_TD.mean(axis=0)
    reach = 0.5 * np.linalg.norm(mean_D)
    assert np.linalg.norm(step_D - mean_D) == pytest.approx(reach, rel=1e-4)
    worst = (gradient_TD @ step_D).min()
    rng = np.random.default_rng(0)
    for _ in range(300):  # no other step in the ball serves its worst task better
        away_D = rng.normal(size=6)
        other_D = mean_D + reach * rng.random() ** 0.2 * away_D / np.linalg.norm(away_D)
        assert (gradient_TD @ other_D).min() <= worst + 1e-4
    near_D = step_D + 1e-3 * rng.normal(size=6)
    near_D = mean_D + reach * (near_D - mean_D) / np.linalg.norm(near_D - mean_D)
    assert (gradient_TD @ near_D).min() <= worst + 1e-6


def test_radius_0_is_the_plain_sum():
    _, inner_TT = drawn(3, 0)
    assert conflict_averse(inner_TT, radius=0.0).tolist() == [1.0, 1.0, 1.0]


def test_gradients_that_cancel_out_are_left_alone():
    assert np.isfinite(conflict_averse(np.array([[1.0, -1.0], [-1.0, 1.0]]), radius=0.5)).all()


def test_the_scale_of_all_gradients_changes_no_weight():
    _, inner_TT = drawn(2, 1)
    np.testing.assert_allclose(
        conflict_averse(inner_TT, radius=0.5), conflict_averse(1e6 * inner_TT, radius=0.5), rtol=1e-6
    )
