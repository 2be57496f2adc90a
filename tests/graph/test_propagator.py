"""Solves against dense algebra, scikit-learn, and refitting without each label."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from sslcore.graph.affinity import affinity, normalised, self_tuned
from sslcore.graph.density import BACKGROUND, log_densities
from sslcore.graph.knn import knn_graph
from sslcore.graph.propagator import Propagator
from sslcore.graph.solve import conjugate_gradients, diffuse

N, ALPHA = 60, 0.9


@pytest.fixture(scope="module")
def graph():
    return normalised(self_tuned(knn_graph(np.random.default_rng(0).normal(size=(N, 5)), k=6)))


@pytest.fixture(scope="module")
def dense(graph):
    return np.linalg.inv(np.eye(N) - ALPHA * graph.toarray().astype(np.float64))


def propagator(graph, alpha=ALPHA):
    return Propagator(lambda right: diffuse(graph, right, alpha=alpha, tolerance=1e-7, steps=300), items=N)


def labels(count, classes, seed=0):
    rng = np.random.default_rng(seed)
    row_L = np.sort(rng.choice(N, count, replace=False))
    return row_L, rng.integers(0, classes, count)


def close(sums, dense, row_L, label_L, classes):
    one_hot = np.zeros((N, classes))
    one_hot[row_L, label_L] = 1
    np.testing.assert_allclose(sums.sum_NC, dense @ one_hot, atol=2e-4)


def test_conjugate_gradients_solve_columns_of_different_difficulty():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(30, 30))
    matrix = root @ root.T + np.eye(30)
    right = np.concatenate([rng.normal(size=(30, 3)), np.zeros((30, 1))], axis=1)
    got = conjugate_gradients(lambda x: matrix @ x, right, tolerance=1e-10, steps=200)
    np.testing.assert_allclose(got, np.linalg.solve(matrix, right), atol=1e-6)


def test_diffusion_equals_the_dense_solve(graph, dense):
    right = np.random.default_rng(1).normal(size=(N, 3)).astype(np.float32)
    np.testing.assert_allclose(diffuse(graph, right, alpha=ALPHA, tolerance=1e-6), dense @ right, atol=1e-3)


def test_alpha_zero_gives_the_labels_back(graph):
    row_L, label_L = labels(10, 3)
    sums = propagator(graph, alpha=0.0).update(row_L, label_L, classes=3)
    want = np.zeros((N, 3), np.float32)
    want[row_L, label_L] = 1
    np.testing.assert_array_equal(sums.sum_NC, want)


def test_scikit_learn_spreads_the_same():
    from sklearn.semi_supervised import LabelSpreading

    knn = knn_graph(np.random.default_rng(0).normal(size=(N, 5)), k=6)
    weight = affinity(knn)
    row_L, label_L = labels(12, 3)
    y = np.full(N, -1)
    y[row_L] = label_L
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = LabelSpreading(
            kernel=lambda a, b: weight.toarray() if len(a) == len(b) else None,
            alpha=ALPHA,
            max_iter=2000,
            tol=1e-9,
        ).fit(np.zeros((N, 1)), y)
    sums = propagator(normalised(weight)).update(row_L, label_L, classes=3)
    ours = sums.sum_NC / sums.sum_NC.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ours, oracle.label_distributions_, atol=2e-3)


def test_left_out_equals_refitting_without_that_label(graph):
    row_L, label_L = labels(10, 3)
    sums = propagator(graph).update(row_L, label_L, classes=3)
    for i in range(len(row_L)):
        rest = np.arange(len(row_L)) != i
        alone = propagator(graph).update(row_L[rest], label_L[rest], classes=3)
        np.testing.assert_allclose(sums.left_LC[i], alone.sum_NC[row_L[i]], atol=1e-4)
        np.testing.assert_allclose(sums.left_mass_LC[i], alone.mass_C, atol=2e-3)
        np.testing.assert_array_equal(sums.left_size_LC[i], alone.size_C)
        np.testing.assert_allclose(log_densities(sums)[1][i], log_densities(alone)[0][row_L[i]], atol=2e-3)


def test_blocks_leave_whole_folds_out(graph):
    row_L, label_L = labels(40, 2)  # more than singly
    sums = propagator(graph).update(row_L, label_L, classes=2)
    own = np.bincount(label_L, minlength=2)
    left = own[label_L] - sums.left_size_LC[np.arange(40), label_L]
    assert left.min() >= 1
    assert left.max() <= np.ceil(own.max() / 5)


def test_any_history_ends_at_the_same_sums(graph, dense):
    warm, rng = propagator(graph), np.random.default_rng(4)
    held: dict[int, int] = {}
    for _ in range(25):
        for row in rng.choice(N, rng.integers(1, 8), replace=False).tolist():
            if rng.random() < 0.4:
                held.pop(row, None)
            else:
                held[row] = int(rng.integers(0, 4))
        row_L = np.array(sorted(held), dtype=np.int64)
        label_L = np.array([held[row] for row in sorted(held)], dtype=np.int64)
        sums = warm.update(row_L, label_L, classes=4)
        close(sums, dense, row_L, label_L, 4)
        cold = propagator(graph).update(row_L, label_L, classes=4)
        np.testing.assert_array_equal(sums.size_C, cold.size_C)
        assert (sums.left_size_LC >= 0).all()
        np.testing.assert_allclose(sums.mass_C, cold.mass_C, rtol=1e-3, atol=2e-2)


def test_own_values_stay_true_when_a_block_loses_a_member(graph, dense):
    row_L, label_L = labels(40, 2)
    warm = propagator(graph)
    warm.update(row_L, label_L, classes=2)
    row_L, label_L = row_L[1:], label_L[1:]
    sums = warm.update(row_L, label_L, classes=2)
    at_L = np.arange(39)
    for i in at_L:
        peers = [
            j
            for j in at_L
            if label_L[j] == label_L[i] and warm._block_of[row_L[j]] == warm._block_of[row_L[i]]
        ]
        own = dense[row_L[i], row_L[peers]].sum()
        full = dense[row_L[i], row_L[label_L == label_L[i]]].sum()
        assert sums.left_LC[i, label_L[i]] == pytest.approx(full - own, abs=1e-3)


def leave_together(sums, dense, row_L, label_L, group_L, classes):
    """Left-out answers know nothing of a row's group, where the row came singly."""
    close(sums, dense, row_L, label_L, classes)
    for i in range(len(row_L)):
        without = (label_L == label_L[i]) & (group_L != group_L[i])
        expected = dense[row_L[i], row_L[without]].sum()
        assert sums.left_LC[i, label_L[i]] == pytest.approx(expected, abs=1e-3)
        assert sums.left_size_LC[i, label_L[i]] == without.sum()


@pytest.mark.parametrize("order", ["together", "one by one", "twins last"])
def test_groups_leave_together_however_they_came(graph, dense, order):
    row_L, label_L = labels(12, 2)
    group_L = np.arange(12) // 3
    held = propagator(graph)
    if order == "one by one":
        for end in range(1, 12):
            held.update(row_L[:end], label_L[:end], classes=2, group_L=group_L[:end])
    elif order == "twins last":
        first = np.arange(12) % 3 == 0
        held.update(row_L[first], label_L[first], classes=2)
    sums = held.update(row_L, label_L, classes=2, group_L=group_L)
    leave_together(sums, dense, row_L, label_L, group_L, 2)


def test_a_group_is_left_and_joined_again(graph, dense):
    row_L, label_L = labels(12, 2)
    label_L[:] = np.arange(12) // 3 % 2
    group_L = np.arange(12) // 3
    held = propagator(graph)
    held.update(row_L, label_L, classes=2, group_L=group_L)
    left = np.arange(12) != 1
    sums = held.update(row_L[left], label_L[left], classes=2, group_L=group_L[left])
    leave_together(sums, dense, row_L[left], label_L[left], group_L[left], 2)
    sums = held.update(row_L, label_L, classes=2, group_L=group_L)
    leave_together(sums, dense, row_L, label_L, group_L, 2)


def test_rows_in_two_blocks_that_turn_out_alike_are_solved_anew(graph, dense):
    row_L, label_L = labels(6, 1)
    held = propagator(graph)
    held.update(row_L, label_L, classes=1)
    group_L = np.array([0, 0, 1, 2, 3, 4])
    leave_together(held.update(row_L, label_L, classes=1, group_L=group_L), dense, row_L, label_L, group_L, 1)


def test_twins_of_many_labels_at_once_are_in_their_block(graph, dense):
    row_L, label_L = labels(40, 2)
    group_L = np.arange(40) // 2
    sums = propagator(graph).update(row_L, label_L, classes=2, group_L=group_L)
    close(sums, dense, row_L, label_L, 2)
    for i in range(0, 40, 2):
        if label_L[i] == label_L[i + 1]:
            assert sums.left_size_LC[i, label_L[i]] == sums.left_size_LC[i + 1, label_L[i]]
            assert (
                sums.left_LC[i, label_L[i]]
                < sums.sum_NC[row_L[i], label_L[i]]
                - dense[row_L[i], row_L[i + 1]]
                - dense[row_L[i], row_L[i]]
                + 1e-3
            )


def test_columns_come_and_go_with_their_classes(graph, dense):
    warm = propagator(graph)
    close(warm.update(np.array([1, 2]), np.array([0, 1]), classes=2), dense, [1, 2], [0, 1], 2)
    close(warm.update(np.array([1, 2, 3]), np.array([0, 1, 2]), classes=3), dense, [1, 2, 3], [0, 1, 2], 3)
    close(warm.update(np.array([1]), np.array([0]), classes=1), dense, [1], [0], 1)


def test_densities_sum_to_one_and_fall_back_to_the_background(graph):
    row_L, label_L = np.arange(6), np.arange(6) % 2
    all_NC, _ = log_densities(propagator(graph).update(row_L, label_L, classes=3))
    np.testing.assert_allclose(np.exp(all_NC[:, :2]).sum(axis=0), 1 + BACKGROUND, rtol=1e-3)
    np.testing.assert_allclose(np.exp(all_NC[:, 2]), BACKGROUND / N, rtol=1e-3)
