"""Wrong sets and numbers: the formulas one answer at a time, and who is not doubted."""

import numpy as np
import pytest

from sslcore.quality.answer_issues import DOUBTED, FAR, usual_error, usual_errors_off, wrong_sets


def drawn(rng, *, items, classes, sure):
    """Calibrated probabilities, and sets drawn from them."""
    proba_LC = rng.beta(sure, 4 * sure, size=(items, classes))
    return proba_LC, rng.random((items, classes)) < proba_LC


def test_the_probability_of_a_wrong_set_is_bayes_rule_one_set_at_a_time():
    rng = np.random.default_rng(0)
    proba_LC, answer_LC = drawn(rng, items=40, classes=3, sure=0.2)
    answer_LC[:4, 0] ^= True
    judged_LC = rng.random(answer_LC.shape) < 0.9
    wrong_L, noise = wrong_sets(proba_LC, answer_LC, judged_LC=judged_LC)
    for said_C, given_C, judged_C, wrong in zip(proba_LC, answer_LC, judged_LC, wrong_L):
        odds = 0.0
        for p, given, judged in zip(said_C, given_C, judged_C):
            q = p if given else 1 - p
            right = min(max((q - noise / 3) / (1 - 2 * noise / 3), 0.01 * q, 1e-9), 1.0)
            odds += noise / (1 - noise) * (1 - right) / right / 3 * judged
        assert wrong == pytest.approx(odds / (1 + odds), abs=2e-3)
    assert noise == pytest.approx(np.clip(wrong_L.mean(), 0.033, 0.1), abs=1e-4)


@pytest.mark.parametrize("classes", [3, 30])
def test_sets_drawn_from_the_odds_are_not_doubted_however_many_classes(classes):
    rng = np.random.default_rng(1)
    proba_LC, answer_LC = drawn(rng, items=400, classes=classes, sure=1.0)
    everything_LC = np.ones(answer_LC.shape, dtype=bool)
    wrong_L, _ = wrong_sets(proba_LC, answer_LC, judged_LC=everything_LC)
    assert (wrong_L > DOUBTED).mean() < 0.1
    proba_LC, answer_LC = drawn(rng, items=400, classes=classes, sure=0.02)
    answer_LC[:20, 1] ^= True
    wrong_L, _ = wrong_sets(proba_LC, answer_LC, judged_LC=everything_LC)
    doubted = set(np.flatnonzero(wrong_L > DOUBTED).tolist())
    assert len(doubted & set(range(20))) >= 15
    assert len(doubted) <= 30


def test_a_model_that_knows_nothing_doubts_hardly_any_set():
    rng = np.random.default_rng(3)
    for rate in (0.1, 0.2, 0.5):
        answer_LC = rng.random((200, 14)) < rate
        proba_LC = np.clip(rate + rng.normal(0, 0.02, answer_LC.shape), 0.02, 0.98)
        wrong_L, _ = wrong_sets(proba_LC, answer_LC, judged_LC=np.ones(answer_LC.shape, dtype=bool))
        assert (wrong_L > DOUBTED).mean() < 0.1


def test_decisions_that_cannot_be_judged_are_not_held_against_a_set():
    proba_LC, answer_LC = np.full((20, 2), 0.05), np.zeros((20, 2), dtype=bool)
    proba_LC[3, 0], answer_LC[3, 0] = 0.001, True
    judged_LC = np.ones((20, 2), dtype=bool)
    assert wrong_sets(proba_LC, answer_LC, judged_LC=judged_LC)[0].argmax() == 3
    judged_LC[3, 0] = False
    assert wrong_sets(proba_LC, answer_LC, judged_LC=judged_LC)[0].argmax() != 3
    assert wrong_sets(proba_LC[:0], answer_LC[:0], judged_LC=judged_LC[:0])[1] == 0


def test_a_usual_error_is_a_standard_deviation_and_wrong_numbers_do_not_move_it():
    rng = np.random.default_rng(2)
    error_L = rng.normal(0.3, 2.0, 2000)
    assert usual_error(error_L) == pytest.approx(2.0, rel=0.1)
    error_L[:100] += 1000.0
    assert usual_error(error_L) == pytest.approx(2.0, rel=0.15)
    far_L = usual_errors_off(error_L) > FAR
    assert far_L[:100].all()
    assert far_L[100:].mean() < 0.01


def test_errors_that_are_all_the_same_doubt_nobody_and_one_unlike_them_is_far():
    assert usual_error(np.zeros(0)) == 0
    assert not usual_errors_off(np.full(30, 0.25)).any()
    error_L = np.zeros(30)
    error_L[4] = 3.0
    assert np.flatnonzero(usual_errors_off(error_L) > FAR).tolist() == [4]
