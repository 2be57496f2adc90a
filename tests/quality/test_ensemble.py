"""Ensembles: the pool item by item, what it reduces to, and figures that the weights did not flatter."""

import itertools

import numpy as np
import pytest

from sslcore.errors import DataError
from sslcore.quality.calibration import apply_temperature
from sslcore.quality.ensemble import ENOUGH, Pool, fit_pool, held_out, mixture_weights, pooled


def member(rng, label_A, *, right, sure=0.8, classes=4):
    """A model that is right so often, and says ``sure`` of whatever it says."""
    said_A = np.where(rng.random(len(label_A)) < right, label_A, (label_A + 1) % classes)
    return np.where(np.eye(classes)[said_A] > 0, sure, (1 - sure) / (classes - 1))


def log_loss(proba_AC, label_A):
    return float(-np.log(proba_AC[np.arange(len(label_A)), label_A]).mean())


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_pool_is_the_papers_formula_item_by_item(rng):
    first_NC, second_NC = rng.dirichlet(np.ones(3), 5), rng.dirichlet(np.ones(3), 5)
    pool = Pool(np.array([0.7, 0.3]), np.array([2.0, 0.5]), 1.5, 40)
    said_NC = pooled([first_NC, second_NC], pool)
    for one_C, other_C, said_C in zip(first_NC, second_NC, said_NC):
        one_C, other_C = one_C ** (1 / 2.0), other_C ** (1 / 0.5)
        mixed_C = 0.7 * one_C / one_C.sum() + 0.3 * other_C / other_C.sum()
        sharp_C = mixed_C ** (1 / 1.5)
        assert said_C == pytest.approx(sharp_C / sharp_C.sum(), abs=1e-6)


def test_the_weights_are_the_best_of_a_grid(rng):
    """The prior's pull counted in: the log-posterior at the solution is that of no other point."""
    given_AM = rng.uniform(0.05, 1.0, (30, 3)) * np.array([1.0, 0.8, 0.4])
    weight_M = mixture_weights(given_AM, strength=6.0)

    def posterior(at_M):
        return np.log(given_AM @ at_M).sum() + 2.0 * np.log(at_M).sum()

    best = posterior(weight_M)
    for a, b in itertools.product(np.linspace(0.01, 0.98, 60), repeat=2):
        if a + b < 0.995:
            assert posterior(np.array([a, b, 1 - a - b])) <= best + 1e-9


def test_one_member_is_itself_calibrated(rng):
    label_A = rng.integers(0, 4, 100)
    proba_AC = member(rng, label_A, right=0.7, sure=0.99)
    pool = fit_pool([proba_AC], label_A)
    assert pool.weight_M.tolist() == [1.0]
    assert pool.temperature_M[0] > 1.5
    alone_AC = apply_temperature(apply_temperature(proba_AC, pool.temperature_M[0]), pool.temperature)
    assert pooled([proba_AC], pool) == pytest.approx(alone_AC, abs=1e-4)


def test_equal_members_weigh_the_same_and_order_means_nothing(rng):
    label_A = rng.integers(0, 4, 80)
    a_AC, b_AC = member(rng, label_A, right=0.9), member(rng, label_A, right=0.6)
    assert fit_pool([a_AC, a_AC], label_A).weight_M == pytest.approx([0.5, 0.5])
    there, back = fit_pool([a_AC, b_AC], label_A), fit_pool([b_AC, a_AC], label_A)
    assert there.weight_M == pytest.approx(back.weight_M[::-1], abs=1e-4)
    assert there.weight_M[0] > 0.7


def test_few_answers_weigh_all_alike_and_more_pull_away(rng):
    label_A = rng.integers(0, 4, 300)
    members = [member(rng, label_A, right=0.9), member(rng, label_A, right=0.4)]
    few = fit_pool([p[: ENOUGH - 1] for p in members], label_A[: ENOUGH - 1])
    assert few.weight_M.tolist() == [0.5, 0.5]
    assert (few.size, few.temperature) == (0, 1.0)
    weights = [fit_pool([p[:n] for p in members], label_A[:n]).weight_M[0] for n in (20, 60, 300)]
    assert 0.5 < weights[0] < weights[1] < weights[2]


def test_members_with_different_mistakes_know_more_together(rng):
    label_A = rng.integers(0, 4, 300)
    members = [member(rng, label_A, right=0.75, sure=s) for s in (0.7, 0.75, 0.8)]
    said_AC = held_out(members, label_A, rng=rng)
    best = max((p.argmax(axis=1) == label_A).mean() for p in members)
    assert (said_AC.argmax(axis=1) == label_A).mean() > best + 0.03
    assert log_loss(said_AC, label_A) < min(log_loss(p, label_A) for p in members)


def test_held_out_figures_are_not_flattered(rng):
    """Members that guess: fitted on the very answers they seem better than held out, and are not."""
    apparent, honest = [], []
    for _ in range(12):
        label_A = rng.integers(0, 2, 24)
        members = [rng.dirichlet(np.ones(2), 24) for _ in range(5)]
        apparent.append(log_loss(pooled(members, fit_pool(members, label_A)), label_A))
        honest.append(log_loss(held_out(members, label_A, rng=rng), label_A))
    assert np.mean(honest) > np.mean(apparent) + 0.01
    assert np.mean(honest) > np.log(2) - 0.01


def test_an_items_own_answer_has_no_part_in_what_is_said_of_it(rng):
    label_A = rng.integers(0, 4, 40)
    members = [member(rng, label_A, right=0.9), member(rng, label_A, right=0.5)]
    first_AC = held_out(members, label_A, rng=np.random.default_rng(1))
    right_MA = [proba_AC.argmax(axis=1) == label_A for proba_AC in members]
    at = int(np.flatnonzero(right_MA[0] & ~right_MA[1])[0])
    turned_A = label_A.copy()
    turned_A[at] = members[1][at].argmax()
    second_AC = held_out(members, turned_A, rng=np.random.default_rng(1))
    assert second_AC[at] == pytest.approx(first_AC[at], abs=1e-7)
    assert not np.allclose(second_AC, first_AC)


def test_rows_that_a_member_does_not_know_are_the_others(rng):
    long_NC, short_NC = rng.dirichlet(np.ones(3), 6), rng.dirichlet(np.ones(3), 4)
    pool = Pool(np.array([0.2, 0.8]), np.ones(2), 1.0, 30)
    said_NC = pooled([long_NC, short_NC], pool)
    assert said_NC.shape == (6, 3)
    assert said_NC[4:] == pytest.approx(long_NC[4:], abs=1e-4)
    assert said_NC[:4] == pytest.approx(0.2 * long_NC[:4] + 0.8 * short_NC, abs=1e-4)


def test_pieces_do_not_show(rng, monkeypatch):
    members = [rng.dirichlet(np.ones(3), 50), rng.dirichlet(np.ones(3), 41)]
    pool = Pool(np.array([0.2, 0.8]), np.array([0.7, 1.4]), 0.9, 30)
    whole_NC = pooled(members, pool)
    monkeypatch.setattr("sslcore.quality.ensemble._ENTRIES", 21)
    assert (pooled(members, pool) == whole_NC).all()


def test_a_sure_and_wrong_member_is_no_veto(rng):
    """Float16 makes a network's small probabilities 0."""
    label_A = rng.integers(0, 3, 60)
    good_AC = member(rng, label_A, right=0.95, classes=3)
    wrong_AC = np.eye(3, dtype=np.float16)[(label_A + 1) % 3]
    pool = fit_pool([good_AC, wrong_AC], label_A)
    assert pool.weight_M[0] > 0.9
    said_AC = pooled([good_AC, wrong_AC], pool)
    assert (said_AC.argmax(axis=1) == label_A).mean() > 0.9
    assert np.isfinite(said_AC).all()


def test_members_of_different_items_or_classes_are_refused():
    with pytest.raises(DataError, match="same 3 items and the same classes"):
        fit_pool([np.full((3, 2), 0.5), np.full((3, 4), 0.25)], np.zeros(3, int))
    with pytest.raises(DataError, match="Received: none"):
        fit_pool([], np.zeros(3, int))
