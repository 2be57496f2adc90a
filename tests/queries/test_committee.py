import dataclasses

import numpy as np
from skactiveml.pool import vote_entropy as oracle

from sslcore.queries.committee import vote_entropy
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_formula_one_sample_at_a_time():
    proba_MUC = np.random.default_rng(0).dirichlet(np.ones(3), (7, 25))
    found = vote_entropy(proba_MUC)
    for u in range(25):
        votes = [int(p.argmax()) for p in proba_MUC[:, u]]
        share = [votes.count(c) / 7 for c in range(3)]
        assert np.isclose(found[u], -sum(s * np.log(s) for s in share if s))


def test_scikit_activeml_agrees():
    proba_MUC = np.random.default_rng(0).dirichlet(np.ones(3), (7, 25))
    np.testing.assert_allclose(vote_entropy(proba_MUC), oracle(proba_MUC.argmax(axis=2).T, classes=[0, 1, 2]))


def test_a_split_vote_beats_any_unsure_but_united_one():
    pool = blobs(labelled=9, warm=True)
    one = np.tile([0.34, 0.33, 0.33], (120, 1))
    two = one.copy()
    two[40] = [0.0, 1.0, 0.0]
    pool = dataclasses.replace(pool, committee=(one, two))
    assert ask("committee", pool, 1).row_Q[0] == 40
