"""The expected gain on curves whose truth is known: does the interval hold it?"""

import numpy as np
import pytest
from scipy.stats import norm

from sslcore.errors import DataError
from sslcore.quality.expected_gain import expected_gain, paired_errors
from sslcore.workbench.learning_curve import ladder

MORE = 20


def replay(rng, *, n, classes, items, floor, exponent, jitter):
    """A curve as the audit split sees it: items differ, training has luck; its gain, and the expected one."""
    labels_S = np.array(ladder(n, classes))
    scale = (0.9 - floor) * classes**exponent * 0.7

    def error(at):
        return floor + scale * np.asarray(at, dtype=float) ** -exponent

    lucky_S = error(labels_S) + jitter * rng.normal(size=len(labels_S)) * (error(labels_S) - floor)
    difficulty_A = rng.normal(size=items)
    shown_SA = np.sqrt(0.8) * difficulty_A + np.sqrt(0.2) * rng.normal(size=(len(labels_S), items))
    wrong_SA = shown_SA < norm.ppf(np.clip(lucky_S, 1e-3, 0.999))[:, None]
    luck = jitter * rng.normal() * (error(n + MORE) - floor)
    return labels_S, wrong_SA, float(lucky_S[-1] - error(n + MORE) - luck), float(error(n) - error(n + MORE))


def told(labels_S, wrong_SA, classes, seed=0):
    rng = np.random.default_rng(seed)
    error_DS = paired_errors(wrong_SA, labels_S, classes=classes, rng=rng, draws=120)
    return expected_gain(labels_S, error_DS, more=MORE, rng=rng).accuracy


def test_interval_holds_the_true_gain_nine_times_in_ten():
    rng = np.random.default_rng(0)
    held, errors, widths, trues = [], [], [], []
    for _ in range(15):
        for floor in (0.0, 0.08):
            for exponent in (0.3, 0.5, 1.0):
                for n, classes, items in ((30, 4, 20), (120, 4, 60), (120, 10, 150), (500, 10, 40)):
                    how = {"floor": floor, "exponent": exponent, "jitter": 0.1}
                    labels_S, wrong_SA, real, true = replay(rng, n=n, classes=classes, items=items, **how)
                    said = told(labels_S, wrong_SA, classes)
                    held.append(said.low <= real <= said.high)
                    errors.append(abs(said.value - true))
                    widths.append(said.high - said.low)
                    trues.append(true)
    assert 0.86 <= np.mean(held) <= 0.96, np.mean(held)  # 360 replays: 0.90 ± 0.03
    assert np.mean(errors) < 0.4 * np.mean(trues)  # a guess of nothing would be wrong by all of it
    assert np.mean(widths) < 6 * np.mean(trues)  # and an interval of everything would be no advice


def test_steep_curves_promise_more_than_flat_ones():
    labels_S = np.array([4, 8, 16, 32, 64])
    steep_SA = np.arange(100) < (100 * 0.8 * (labels_S / 4.0) ** -0.8)[:, None]
    flat_SA = np.tile(np.arange(100) < 20, (5, 1))
    steep, flat = told(labels_S, steep_SA, 4), told(labels_S, flat_SA, 4)
    assert steep.low > flat.value
    assert flat.value < 0.004
    assert flat.low <= flat.value <= flat.high
    assert flat.value >= 0


def test_no_miss_does_not_mean_nothing_is_left_to_gain():
    labels_S = np.array([4, 8, 16, 32, 64])
    few = told(labels_S, np.zeros((5, 20), bool), 4)
    many = told(labels_S, np.zeros((5, 300), bool), 4)
    assert few.high > many.high > 0


def test_items_that_a_point_is_not_judged_on_say_nothing_of_it():
    """With the same errors on half of the items, the draws are those of that half alone."""
    labels_S = np.array([4, 8, 16, 32, 64])
    wrong_SA = np.arange(60) < (60 * 0.8 * (labels_S / 4.0) ** -0.5)[:, None]
    apart_SA = np.concatenate([wrong_SA, ~wrong_SA], axis=1)
    judged_SA = np.tile(np.arange(120) < 60, (5, 1))
    how = {"classes": 4, "draws": 2000}
    half_DS = paired_errors(apart_SA, labels_S, judged_SA=judged_SA, rng=np.random.default_rng(0), **how)
    alone_DS = paired_errors(wrong_SA, labels_S, rng=np.random.default_rng(1), **how)
    assert np.allclose(half_DS.mean(axis=0), alone_DS.mean(axis=0), atol=0.01)
    assert np.allclose(half_DS.std(axis=0), alone_DS.std(axis=0), atol=0.01)


def test_nobody_gains_more_than_is_left():
    """Points that scatter leave much to luck (3 points here); the range ends where all would be right."""
    labels_S = np.array([4, 8, 16, 32, 64])
    error_DS = np.tile([0.3, 0.0, 0.02, 0.02, 0.004], (300, 1))
    gain = expected_gain(labels_S, error_DS, more=1000, rng=np.random.default_rng(0)).accuracy
    assert 0 < gain.value <= gain.high <= 0.004


def test_a_curve_that_ends_without_a_miss_promises_no_more_than_its_last_point_leaves():
    """The fitted curve lies above a last point without a miss; what it has left is not there to gain."""
    labels_S = np.array([4, 6, 8, 12, 16, 24])
    wrong_SA = np.arange(32) < np.array([20, 14, 9, 4, 1, 0])[:, None]
    error_DS = paired_errors(wrong_SA, labels_S, classes=4, rng=np.random.default_rng(0))
    gain = told(labels_S, wrong_SA, 4)
    assert gain.value <= error_DS[:, -1].mean()
    assert gain.high <= np.quantile(error_DS[:, -1], 0.95) + 0.005


def test_same_seed_same_answer_and_wrong_input_is_refused():
    labels_S, wrong_SA = np.array([4, 8, 12, 16, 20]), np.zeros((5, 20), bool)
    assert told(labels_S, wrong_SA, 4) == told(labels_S, wrong_SA, 4)
    rng = np.random.default_rng(0)
    assert expected_gain(np.array([4, 8, 12, 16]), np.zeros((9, 4)), rng=rng) is None
    with pytest.raises(DataError, match="ascend"):
        expected_gain(np.array([4, 4, 8]), np.zeros((9, 3)), rng=rng)
    with pytest.raises(DataError, match="each of the 3 points"):
        expected_gain(np.array([4, 6, 8]), np.zeros((9, 2)), rng=rng)
