import numpy as np
import pytest

from sslcore.errors import DataError
from sslcore.quality.conformal import conformal_threshold, prediction_sets
from tests.quality.test_calibration import draw


@pytest.mark.parametrize("bent", [1.0, 0.3])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_hold_the_truth_as_often_as_promised(bent, coverage):
    held = []
    for seed in range(60):
        proba_NC, label_N = draw(1100, temperature=bent, seed=seed)
        threshold = conformal_threshold(proba_NC[:100], label_N[:100], coverage=coverage)
        member_NC = prediction_sets(proba_NC[100:], threshold)
        held.append(member_NC[np.arange(1000), label_N[100:]].mean())
    assert coverage - 0.02 < np.mean(held) < coverage + 0.035


def test_rank_by_hand():
    right = np.array([0.05, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    proba_AC = np.stack([right, 1 - right], axis=1)
    # ⌈10 · 0.9⌉ = 9th highest of 9; ⌈10 · 0.8⌉ = 8th
    assert conformal_threshold(proba_AC, np.zeros(9, int), coverage=0.9) == 0.05
    assert conformal_threshold(proba_AC, np.zeros(9, int), coverage=0.8) == 0.2


def test_too_few_items_promise_nothing_less_than_everything():
    threshold = conformal_threshold(np.array([[0.9, 0.1]] * 8), np.zeros(8, int), coverage=0.9)
    assert threshold == 0.0
    assert prediction_sets(np.array([[1.0, 0.0]]), threshold).all()


def test_no_set_is_empty():
    assert prediction_sets(np.array([[0.4, 0.3, 0.3]]), 0.9).tolist() == [[True, False, False]]


def test_share_must_be_a_share():
    with pytest.raises(DataError, match="coverage"):
        conformal_threshold(np.eye(2), np.array([0, 1]), coverage=95)
