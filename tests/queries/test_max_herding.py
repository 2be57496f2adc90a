import numpy as np

from sslcore.queries.max_herding import gaussian, greedy_coverage
from tests.queries.pools import blobs
from tests.queries.test_contract import ask
from tests.queries.test_coreset import unit


def coverage(unit_ND, chosen, rows):
    kernel = np.exp(-((unit_ND[rows][:, None] - unit_ND[chosen][None]) ** 2).sum(axis=2))
    return kernel.max(axis=1).mean()


def test_formula_one_pick_at_a_time():
    pool = blobs(n=60, labelled=4)
    unit_ND = unit(pool)
    done = pool.labelled_L.tolist()
    found = ask("max_herding", pool, 8)
    for row, score in zip(found.row_Q, found.score_Q):
        now = coverage(unit_ND, done, pool.candidate_U)
        gain = {c: coverage(unit_ND, [*done, c], pool.candidate_U) - now for c in pool.candidate_U}
        assert np.isclose(gain[row], max(gain.values()), atol=1e-6)
        assert np.isclose(score, gain[row], atol=1e-5)
        done.append(row)


def test_lazy_choice_is_the_plain_greedy_choice():
    point_MD = np.random.default_rng(0).normal(size=(150, 3))
    kernel_MM = gaussian(point_MD, point_MD, sigma=1.0)
    weight_M = np.random.default_rng(1).random(150)
    at_Q, _ = greedy_coverage(kernel_MM, np.zeros(150), weight_M, 40)
    covered_M = np.zeros(150)
    for at in at_Q:
        gain_M = np.maximum(kernel_MM - covered_M, 0) @ weight_M
        assert gain_M[at] >= gain_M.max() - 1e-6
        covered_M = np.maximum(covered_M, kernel_MM[at])


def test_a_tiny_kernel_counts_copies():
    # law: as σ → 0 coverage counts exact copies, so the most repeated item comes first
    point_MD = np.repeat(np.eye(3), [2, 5, 3], axis=0)
    kernel_MM = gaussian(point_MD, point_MD, sigma=0.01)
    at_Q, score_Q = greedy_coverage(kernel_MM, np.zeros(10), np.ones(10), 3)
    assert point_MD[at_Q].argmax(axis=1).tolist() == [1, 2, 0]
    np.testing.assert_allclose(score_Q, [5, 3, 2])
