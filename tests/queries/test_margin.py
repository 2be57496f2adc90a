import numpy as np
from skactiveml.pool import uncertainty_scores

from sslcore.queries.uncertainty import least_confidence_score, margin_score
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_formula_one_sample_at_a_time():
    pool = blobs(labelled=9, warm=True)
    found = ask("margin", pool, 1000)
    for row, score in zip(found.row_Q, found.score_Q):
        best, second = sorted(pool.proba_NC[row], reverse=True)[:2]
        assert np.isclose(score, 1 - (best - second))


def test_scikit_activeml_agrees():
    pool = blobs(labelled=9, warm=True)
    found = ask("margin", pool, 1000)
    oracle = uncertainty_scores(pool.proba_NC[pool.candidate_U], method="margin_sampling")
    np.testing.assert_array_equal(found.row_Q, pool.candidate_U[np.argsort(-oracle)])


def test_two_classes_rank_as_least_confidence_does():
    proba_UC = np.random.default_rng(0).dirichlet([1, 1], 50)
    np.testing.assert_array_equal(
        np.argsort(margin_score(proba_UC)), np.argsort(least_confidence_score(proba_UC))
    )


def test_one_class_is_never_unsure():
    np.testing.assert_array_equal(margin_score(np.ones((3, 1))), 0)
