import numpy as np

from sslcore.queries import Pool
from sslcore.queries.typiclust import typicality
from tests.queries.test_contract import ask
from tests.queries.test_kmeans import islands


def test_formula_one_sample_at_a_time():
    point_MD = np.random.default_rng(0).normal(size=(40, 3))
    found = typicality(point_MD, neighbours=20)
    for m in range(40):
        distance = sorted(np.linalg.norm(point_MD - point_MD[m], axis=1))
        assert np.isclose(found[m], 1 / np.mean(distance[1:21]))


def test_few_points_use_all_the_others():
    point_MD = np.array([[0.0], [1.0], [3.0]])
    np.testing.assert_allclose(typicality(point_MD), [1 / 2, 1 / 1.5, 1 / 2.5])


def test_a_large_cluster_is_measured_on_a_part_of_itself():
    point_MD = np.random.default_rng(0).normal(size=(2500, 3))
    found = typicality(point_MD)
    reference = point_MD[::3]
    for m in (0, 1, 2, 3, 2499):
        distance = sorted(np.linalg.norm(reference - point_MD[m], axis=1))
        mine = distance[1:21] if m % 3 == 0 else distance[:20]
        assert np.isclose(found[m], 1 / np.mean(mine), rtol=1e-4)


def test_least_labelled_then_largest_islands_first():
    feature_ND, group_N = islands([30, 50, 20, 40])
    pool = Pool(feature_ND, np.full(140, -1), np.arange(140))
    assert group_N[ask("typiclust", pool, 4).row_Q].tolist() == [1, 3, 0, 2]
    label_N = np.full(140, -1)
    label_N[np.flatnonzero(group_N == 1)[0]] = 0
    pool = Pool(feature_ND, label_N, np.flatnonzero(label_N < 0))
    # five clusters of four islands: an island may be cut, the labelled part of it comes last
    assert group_N[ask("typiclust", pool, 4).row_Q[0]] in (0, 1, 3)


def test_asks_the_most_typical_of_its_cluster():
    feature_ND, group_N = islands([30, 50])
    pool = Pool(feature_ND, np.full(80, -1), np.arange(80))
    unit_ND = feature_ND - feature_ND.mean(axis=0)
    unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
    row = ask("typiclust", pool, 2).row_Q[0]
    mates = np.flatnonzero(group_N == 1)
    typical = typicality(unit_ND[mates])
    assert typical[mates.tolist().index(row)] >= typical.max() * 0.99  # single precision
