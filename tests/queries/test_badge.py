import dataclasses

import numpy as np

from sslcore.queries.badge import gradient_distance, residual
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_factored_distances_are_those_of_the_gradient_embeddings():
    rng = np.random.default_rng(0)
    proba_MC, point_MD = rng.dirichlet(np.ones(4), 30), rng.normal(size=(30, 6))
    embedding = []
    for m in range(30):
        a = proba_MC[m] - np.eye(4)[proba_MC[m].argmax()]
        embedding.append(np.outer(a, point_MD[m]).ravel())
    embedding = np.array(embedding)
    for at in (0, 7):
        expected = ((embedding - embedding[at]) ** 2).sum(axis=1)
        np.testing.assert_allclose(gradient_distance(residual(proba_MC), point_MD, at), expected, atol=1e-10)


def test_first_is_the_longest_gradient_and_equal_gradients_are_drawn_once():
    pool = blobs(n=40, labelled=9, warm=True)
    # all but three candidates are certain: their gradients are all zero, one place among four
    proba_NC = np.eye(3)[np.zeros(40, int)]
    proba_NC[[12, 20, 30]] = [[0.4, 0.3, 0.3], [0.6, 0.4, 0.0], [0.5, 0.0, 0.5]]
    pool = dataclasses.replace(pool, proba_NC=proba_NC)
    for seed in range(5):
        rows = ask("badge", pool, 4, seed).row_Q
        assert {12, 20, 30} < set(rows.tolist())
        assert rows[0] == 12


def test_second_draw_is_in_proportion_to_squared_distance():
    proba_NC = np.array([[0.5, 0.5], [0.6, 0.4], [0.75, 0.25], [1.0, 0.0]])
    feature_ND = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    from sslcore.queries import Pool

    pool = Pool(feature_ND, np.full(4, -1), np.arange(4), proba_NC)
    count = np.zeros(4)
    for seed in range(3000):
        count[ask("badge", pool, 2, seed).row_Q[1]] += 1
    distance = gradient_distance(residual(proba_NC), feature_ND, 0)
    np.testing.assert_allclose(count / 3000, distance / distance.sum(), atol=0.04)
    assert count[0] == 0
