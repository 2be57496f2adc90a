import numpy as np
from skactiveml.pool import uncertainty_scores

from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_formula_one_sample_at_a_time():
    pool = blobs(labelled=9, warm=True)
    found = ask("least_confidence", pool, 1000)
    for row, score in zip(found.row_Q, found.score_Q):
        assert np.isclose(score, 1 - max(pool.proba_NC[row]))


def test_scikit_activeml_agrees():
    pool = blobs(labelled=9, warm=True)
    found = ask("least_confidence", pool, 1000)
    oracle = uncertainty_scores(pool.proba_NC[pool.candidate_U], method="least_confident")
    np.testing.assert_array_equal(found.row_Q, pool.candidate_U[np.argsort(-oracle)])
