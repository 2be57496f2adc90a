"""Label-correlation fusion: Bayes by hand, left-out counts, and where it keeps out."""

import numpy as np
import pytest

from sslcore.instant.fusion import OtherTask, co_occurrence, fuse, left_out_evidence, lifts
from sslcore.instant.loop import InstantLoop
from sslcore.instant.view import View

ITEMS = 400


def two_tasks(*, related: bool, poor: int = 48, rich: int = 200, seed: int = 0):
    """A fine task that is hard to tell and a coarse one that is easy; the fine class says the coarse."""
    rng = np.random.default_rng(seed)
    fine_N = rng.integers(6, size=ITEMS)
    coarse_N = fine_N // 2 if related else rng.integers(3, size=ITEMS)
    fine_view = View.of("fine", rng.normal(size=(ITEMS, 6)) + 1.5 * np.eye(6)[fine_N])
    coarse_view = View.of("coarse", rng.normal(size=(ITEMS, 3)) + 3.0 * np.eye(3)[coarse_N])
    labels = [np.full(ITEMS, -1), np.full(ITEMS, -1)]
    for label_N, truth_N, count in zip(labels, (fine_N, coarse_N), (poor, rich), strict=True):
        row_L = rng.permutation(ITEMS)[:count]
        label_N[row_L] = truth_N[row_L]
    fine = InstantLoop([fine_view], classes=6, model="linear").fit(labels[0])
    coarse = InstantLoop([coarse_view], classes=3, model="linear").fit(labels[1])
    return fine_N, fine, coarse


def accuracy(result, truth_N):
    free_N = result.label_N < 0
    return float((result.prediction_N == truth_N)[free_N].mean())


@pytest.mark.parametrize("seed", range(3))
def test_a_task_that_says_which_classes_can_be_is_listened_to(seed):
    truth_N, fine, coarse = two_tasks(related=True, seed=seed)
    fused = fuse(fine, [OtherTask.of("coarse", coarse)])
    assert accuracy(fused, truth_N) > accuracy(fine, truth_N) + 0.02
    assert "task coarse" in fused.weights
    assert "coarse" in fused.reason
    np.testing.assert_allclose(fused.proba_NC.sum(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_task_that_has_nothing_to_do_with_it_does_no_harm(seed):
    truth_N, fine, coarse = two_tasks(related=False, seed=seed)
    fused = fuse(fine, [OtherTask.of("coarse", coarse)])
    assert accuracy(fused, truth_N) > accuracy(fine, truth_N) - 0.02


def test_labels_and_what_a_person_ruled_out_stay():
    _, fine, coarse = two_tasks(related=True)
    row = int(np.flatnonzero(fine.label_N < 0)[0])
    fused = fuse(fine, [OtherTask.of("coarse", coarse)], rejected=[(row, 0)])
    np.testing.assert_array_equal(fused.proba_NC[row], fine.proba_NC[row])
    row_L = fine.labelled_row_L
    np.testing.assert_array_equal(fused.proba_NC[row_L], fine.proba_NC[row_L])
    changed_N = (fused.proba_NC != fine.proba_NC).any(axis=1)
    assert changed_N[fine.label_N < 0].mean() > 0.9


def test_few_labels_are_left_alone():
    _, fine, coarse = two_tasks(related=True, poor=7)
    assert fuse(fine, [OtherTask.of("coarse", coarse)]) is fine
    assert fuse(fine, []) is fine


def test_lifts_by_hand():
    count_CB = np.array([[2.0, 0.0], [1.0, 3.0]])
    prior_B = np.array([0.4, 0.6])
    expected = [
        [(2 + 0.4) / 3 / 0.4, (0 + 0.6) / 3 / 0.6],
        [(1 + 0.4) / 5 / 0.4, (3 + 0.6) / 5 / 0.6],
    ]
    np.testing.assert_allclose(lifts(count_CB, prior_B, 1.0), expected)


def test_evidence_of_a_certain_other_class_is_bayes_rule():
    """With no imagined items: p(a|b) from the counts, by way of p(a) times the lift."""
    label_L = np.array([0, 0, 0, 1])
    belief_LB = np.eye(2)[[0, 0, 1, 1]]
    count_CB = co_occurrence(label_L, belief_LB, 2)
    lift_CB = lifts(count_CB, belief_LB.mean(axis=0), 1e-9)
    posterior_C = np.array([3 / 4, 1 / 4]) * lift_CB[:, 1]
    np.testing.assert_allclose(posterior_C / posterior_C.sum(), [1 / 2, 1 / 2], atol=1e-6)


def test_each_item_is_left_out_of_its_own_counts():
    rng = np.random.default_rng(0)
    label_L, belief_LB = rng.integers(3, size=10), rng.dirichlet(np.ones(4), size=10)
    prior_B = rng.dirichlet(np.ones(4))
    asked_LB = rng.dirichlet(np.ones(4), size=10)
    found_LC = left_out_evidence(
        asked_LB,
        belief_LB,
        label_L,
        count_CB=co_occurrence(label_L, belief_LB, 3),
        prior_B=prior_B,
        imagined=0.7,
    )
    for row in range(10):
        rest = np.arange(10) != row
        lift_CB = lifts(co_occurrence(label_L[rest], belief_LB[rest], 3), prior_B, 0.7)
        by_hand = np.log(asked_LB[row] @ lift_CB[label_L[row]])
        assert found_LC[row, label_L[row]] == pytest.approx(by_hand)
        other = (label_L[row] + 1) % 3
        own = label_L == other
        fewer_CB = co_occurrence(label_L, belief_LB, 3)[[other]] * (own.sum() - 1) / own.sum()
        by_hand = np.log(asked_LB[row] @ lifts(fewer_CB, prior_B, 0.7)[0])
        assert found_LC[row, other] == pytest.approx(by_hand)
