import numpy as np
from skactiveml.pool import CoreSet

from sslcore.queries.coreset import farthest_first
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def unit(pool):
    rows = np.concatenate([pool.candidate_U, pool.labelled_L])
    point = pool.feature_ND[rows] - pool.feature_ND[rows].mean(axis=0)
    unit_ND = np.full(pool.feature_ND.shape, np.nan)
    unit_ND[rows] = point / np.linalg.norm(point, axis=1, keepdims=True)
    return unit_ND


def test_formula_one_pick_at_a_time():
    pool = blobs(labelled=6)
    unit_ND = unit(pool)
    done = pool.labelled_L.tolist()
    found = ask("coreset", pool, 10)
    for row, score in zip(found.row_Q, found.score_Q):
        nearest = {c: min(np.linalg.norm(unit_ND[c] - unit_ND[d]) for d in done) for c in pool.candidate_U}
        assert np.isclose(nearest[row], max(nearest.values()), atol=1e-5)
        assert np.isclose(score, nearest[row], atol=1e-3)
        done.append(row)


def test_scikit_activeml_agrees():
    pool = blobs(labelled=6)
    unit_ND = np.nan_to_num(unit(pool))
    label_N = np.where(pool.label_N < 0, np.nan, pool.label_N)
    oracle = CoreSet(random_state=0).query(unit_ND, label_N, candidates=pool.candidate_U, batch_size=10)
    np.testing.assert_array_equal(ask("coreset", pool, 10).row_Q, oracle)


def test_duplicates_are_taken_once():
    at_Q, _ = farthest_first(np.ones((5, 2)), np.empty((0, 2)), 5, start=2)
    assert sorted(at_Q.tolist()) == [0, 1, 2, 3, 4]
