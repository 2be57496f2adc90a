"""Two models on the same items: what wins, losses and gains of any size say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslcore.quality.paired import probability_better, probability_gain


@given(st.integers(0, 40), st.integers(0, 40))
def test_probability_better_is_fair(wins, losses):
    better = probability_better(wins, losses)
    if wins + losses == 0:
        assert better is None
        return
    assert better + probability_better(losses, wins) == pytest.approx(1.0)
    assert (better > 0.5) == (wins > losses) or wins == losses
    assert probability_better(wins + 1, losses) >= better


@pytest.mark.parametrize(("wins", "losses"), [(1, 0), (3, 1), (12, 5), (4, 9)])
def test_gains_that_are_nearly_one_are_wins_and_losses(wins, losses):
    """The law: gains of one size are McNemar's, so gains of nearly one size are nearly that."""
    gain_A = np.array([1.0] * wins + [-1.0] * losses)
    exact = probability_gain(gain_A)
    assert exact == probability_better(wins, losses)
    rng = np.random.default_rng(1)
    jittered = probability_gain(np.append(gain_A * (1 + 1e-6 * rng.random(len(gain_A))), 1e-9))
    assert jittered == pytest.approx(exact, abs=0.06 if wins + losses < 5 else 0.03)


def test_an_item_that_both_have_alike_or_that_is_not_judged_says_nothing():
    assert probability_gain(np.array([0.0, np.nan])) is None
    assert probability_gain(np.zeros(0)) is None
    few = np.array([0.3, -0.1, 0.2])
    assert probability_gain(np.r_[few, 0.0, np.nan, 0.0]) == probability_gain(few)


def test_one_item_is_no_proof_and_many_are():
    assert 0.5 < probability_gain(np.array([0.4])) < 0.9
    rng = np.random.default_rng(0)
    assert probability_gain(rng.normal(0.5, 1.0, 60)) > 0.99
    assert probability_gain(-rng.normal(0.5, 1.0, 60)) < 0.01
    assert 0.05 < probability_gain(rng.normal(0.0, 1.0, 60)) < 0.95


def test_probabilities_are_as_often_right_as_they_say():
    """Two equal models: 'sure' nine times in ten by chance should come about one time in ten a side."""
    rng = np.random.default_rng(2)
    said = [probability_gain(rng.standard_t(3, 25), seed=seed) for seed in range(200)]
    assert 0.03 < np.mean(np.array(said) > 0.9) < 0.18
