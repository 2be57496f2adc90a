"""Class masses move towards each other as far as the labels' counts say, and no further."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from sslcore.instant.balance import balancing_shift, evidence_of_balance, prior_shift
from sslcore.instant.loop import InstantLoop
from sslcore.instant.model import log_softmax
from sslcore.instant.view import View


def test_the_evidence_is_the_posterior_weight_of_large_concentrations():
    count_C = [3, 1, 2]
    total = 0.0
    alike = 0.0
    for alpha in (0.3, 1.0, 3.0, 10.0, 30.0, 100.0):
        log = gammaln(3 * alpha) - gammaln(6 + 3 * alpha)
        for count in count_C:
            log += gammaln(count + alpha) - gammaln(alpha)
        total += np.exp(log)
        alike += np.exp(log) if alpha >= 10 else 0.0
    assert evidence_of_balance(np.array(count_C)) == pytest.approx(max(0.0, 2 * alike / total - 1))


def test_more_even_labels_are_more_evidence():
    evidence = [evidence_of_balance(np.full(10, each)) for each in (1, 2, 4, 10, 25)]
    assert evidence == sorted(evidence)
    assert evidence[0] > 0.5
    assert evidence[-1] > 0.99


@pytest.mark.parametrize("ratio", [10, 100])
def test_a_long_tail_is_left_alone(ratio):
    count_C = np.maximum(1, np.round(40 * ratio ** (-np.arange(10) / 9))).astype(int)
    log_NC = log_softmax(np.random.default_rng(0).normal(size=(500, 10)).astype(np.float32))
    np.testing.assert_array_equal(balancing_shift(log_NC, count_C), 0.0)


def test_even_labels_bring_masses_nearer_to_equal_and_not_all_the_way():
    rng = np.random.default_rng(0)
    log_NC = log_softmax((rng.normal(size=(2000, 4)) + np.array([0.2, 0.0, 0.0, -0.2])).astype(np.float32))
    shifted_NC = log_softmax(log_NC + balancing_shift(log_NC, np.full(4, 10)))
    before_C, after_C = np.exp(log_NC).mean(axis=0), np.exp(shifted_NC).mean(axis=0)
    assert 0.2 < np.ptp(after_C) / np.ptp(before_C) < 0.8


def test_even_labels_of_a_pool_that_is_found_uneven_were_picked():
    rng = np.random.default_rng(0)
    log_NC = log_softmax(
        (3 * rng.normal(size=(2000, 4)) + np.array([3.0, 0.0, 0.0, -3.0])).astype(np.float32)
    )
    assert np.abs(balancing_shift(log_NC, np.full(4, 10))).max() < 1e-3


def test_found_masses_are_believed_where_labels_are_even_and_enough():
    rng = np.random.default_rng(0)
    uneven_NC = log_softmax((3 * rng.normal(size=(2000, 3)) + np.array([2.0, 0.0, -2.0])).astype(np.float32))
    shift_C = prior_shift(uneven_NC, np.full(3, 10))
    assert shift_C[0] > 0.3 > 0 > shift_C[2]
    found_C = np.exp(uneven_NC).mean(axis=0)
    np.testing.assert_allclose(
        np.diff(shift_C), np.diff(np.log(found_C)) * evidence_of_balance(np.full(3, 10)), atol=0.05
    )
    np.testing.assert_array_equal(prior_shift(uneven_NC, np.full(3, 3)), 0.0)  # too few to believe them
    np.testing.assert_array_equal(prior_shift(uneven_NC, np.array([40, 9, 4])), 0.0)  # labels know it already
    even_NC = log_softmax(rng.normal(size=(2000, 3)).astype(np.float32))
    assert np.abs(prior_shift(even_NC, np.full(3, 10))).max() < 1e-3


def test_ten_of_each_class_do_no_harm_to_a_long_tail():
    rng = np.random.default_rng(0)
    size_C = [400, 160, 60, 25]
    truth_N = np.repeat(np.arange(4), size_C)
    feature_ND = 1.5 * rng.normal(size=(4, 8))[truth_N] + rng.normal(size=(len(truth_N), 8))
    label_N = np.full(len(truth_N), -1)
    for c in range(4):
        label_N[np.flatnonzero(truth_N == c)[:10]] = c
    result = InstantLoop([View.of("tail", feature_ND)], classes=4).fit(label_N)
    free_N = label_N < 0
    right = float((result.prediction_N == truth_N)[free_N].mean())
    head = float((result.head_proba_NC.argmax(1) == truth_N)[free_N].mean())
    assert right > head - 0.01


def test_one_class_has_nothing_to_balance():
    np.testing.assert_array_equal(balancing_shift(np.zeros((5, 1), np.float32), np.array([7])), 0.0)
