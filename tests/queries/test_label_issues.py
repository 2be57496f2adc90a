import dataclasses

import numpy as np

from sslcore.queries.label_issues import vote_share
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_formula_one_sample_at_a_time():
    rng = np.random.default_rng(0)
    similarity_ML, label_L = rng.uniform(-1, 1, (20, 30)), rng.integers(3, size=30)
    class_M = rng.integers(3, size=20)
    found = vote_share(similarity_ML, label_L, class_M, neighbours=10)
    for m in range(20):
        near = np.argsort(-similarity_ML[m])[:10]
        weight = np.maximum(similarity_ML[m, near], 0)
        assert np.isclose(found[m], weight[label_L[near] == class_M[m]].sum() / weight.sum())


def test_a_confident_contradiction_comes_first():
    pool = blobs(labelled=30, warm=True)
    proba_NC = np.full((120, 3), 0.05)
    proba_NC[np.arange(120), np.arange(120) % 3] = 0.9  # right everywhere …
    proba_NC[50] = [0.95, 0.03, 0.02]  # … but here: the labels around say 2
    found = ask("label_issues", dataclasses.replace(pool, proba_NC=proba_NC), 1)
    assert found.row_Q[0] == 50
    assert found.score_Q[0] > 0.5


def test_labelled_rows_open_to_review_come_first_the_wrong_one_before_all():
    pool = blobs(labelled=30, warm=True)
    proba_NC = np.full((120, 3), 0.05)
    proba_NC[np.arange(120), np.arange(120) % 3] = 0.9
    label_N = pool.label_N.copy()
    label_N[7] = 0  # 7 % 3 is 1
    pool = dataclasses.replace(pool, proba_NC=proba_NC, label_N=label_N, candidate_U=np.arange(100))
    found = ask("label_issues", pool, 31)
    assert found.row_Q[0] == 7
    assert set(found.row_Q[:30].tolist()) == set(range(30))
    assert found.score_Q[29] >= 1
    assert found.score_Q[30] < 1
