import dataclasses

import numpy as np
from scipy.stats import entropy
from skactiveml.pool import average_kl_divergence

from sslcore.queries.bald import mutual_information
from sslcore.queries.ensemble import linear_head, members, softmax
from sslcore.queries.geometry import unit_rows
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_formula_one_sample_at_a_time():
    proba_MUC = np.random.default_rng(0).dirichlet(np.ones(4), (5, 20))
    found = mutual_information(proba_MUC)
    for u in range(20):
        expected = entropy(proba_MUC[:, u].mean(axis=0)) - np.mean([entropy(p) for p in proba_MUC[:, u]])
        assert np.isclose(found[u], expected)


def test_is_the_mean_divergence_from_the_consensus():
    proba_MUC = np.random.default_rng(0).dirichlet(np.ones(4), (5, 20))
    np.testing.assert_allclose(mutual_information(proba_MUC), average_kl_divergence(proba_MUC), atol=1e-10)


def test_members_that_agree_have_nothing_to_tell():
    proba_UC = np.random.default_rng(0).dirichlet(np.ones(4), 20)
    np.testing.assert_allclose(mutual_information(np.stack([proba_UC] * 3)), 0, atol=1e-12)


def test_uses_the_pools_committee():
    pool = blobs(labelled=9, warm=True)
    found = ask("bald", pool, 10)
    score_N = mutual_information(np.stack(pool.committee))
    np.testing.assert_allclose(found.score_Q, np.sort(score_N[pool.candidate_U])[::-1][:10])


def test_its_own_members_are_a_good_head_seen_through_masks():
    pool = dataclasses.replace(blobs(n=400, labelled=30, warm=True, dims=32), committee=())
    row_U = pool.candidate_U
    proba_MUC = members(pool, row_U, rng=np.random.default_rng(0), count=20)
    assert proba_MUC.shape == (20, len(row_U), 3)
    np.testing.assert_allclose(proba_MUC.sum(axis=2), 1)
    assert (proba_MUC.mean(axis=0).argmax(axis=1) == row_U % 3).mean() > 0.9
    assert mutual_information(proba_MUC).max() > 0.01


def test_the_head_is_scikit_learns_for_two_and_for_three_classes():
    from sklearn.linear_model import LogisticRegression

    for classes in (2, 3):
        pool = blobs(classes=classes, labelled=12, warm=True)
        weight_DC, bias_C, mean_D = linear_head(pool)
        point_ND = unit_rows(pool.feature_ND, np.arange(120), mean_D=mean_D)
        model = LogisticRegression(C=10.0, max_iter=1000).fit(point_ND[:12], pool.label_N[:12])
        np.testing.assert_allclose(
            softmax(point_ND @ weight_DC + bias_C), model.predict_proba(point_ND), atol=1e-4
        )
