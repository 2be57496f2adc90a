from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from sslcore.queries.geometry import kmeans, sampled, squared_distance, unit_rows, view
from tests.queries.pools import blobs


def test_kmeans_is_as_tight_as_scikit_learn():
    point_MD = unit_rows(load_digits().data, np.arange(1797))
    for k in (10, 40):
        ours = np.mean([kmeans(point_MD, k, rng=np.random.default_rng(s)).distance_M.sum() for s in range(5)])
        peer = np.mean(
            [KMeans(k, n_init=1, random_state=s, max_iter=15).fit(point_MD).inertia_ for s in range(5)]
        )
        assert ours < peer * 1.02


def test_kmeans_distances_clusters_and_medoids_fit_the_centres():
    point_MD = np.random.default_rng(0).normal(size=(200, 5))
    found = kmeans(point_MD, 7, rng=np.random.default_rng(1))
    for m in range(200):
        distance_K = ((point_MD[m] - found.centre_KD) ** 2).sum(axis=1)
        # the last round may move centres after the last assignment: within its tolerance
        assert distance_K[found.cluster_M[m]] <= distance_K.min() + 0.2
    for medoid in found.medoids():
        mates = np.flatnonzero(found.cluster_M == found.cluster_M[medoid])
        assert found.distance_M[medoid] == found.distance_M[mates].min()


def test_more_restarts_are_never_looser():
    point_MD = np.random.default_rng(0).normal(size=(300, 4))
    one = kmeans(point_MD, 12, rng=np.random.default_rng(1), restarts=1).distance_M.sum()
    five = kmeans(point_MD, 12, rng=np.random.default_rng(1), restarts=5).distance_M.sum()
    assert five <= one


def test_duplicates_and_few_points_are_no_trouble():
    assert len(kmeans(np.ones((10, 3)), 4, rng=np.random.default_rng(0)).medoids()) >= 1
    assert len(kmeans(np.eye(3), 10, rng=np.random.default_rng(0)).medoids()) == 3


def test_squared_distance_one_pair_at_a_time():
    rng = np.random.default_rng(0)
    a_AD, b_BD = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    found_AB = squared_distance(a_AD, b_BD)
    for a in range(4):
        for b in range(5):
            assert found_AB[a, b] == pytest.approx(np.sum((a_AD[a] - b_BD[b]) ** 2))


def test_unit_rows_are_centred_and_of_length_one():
    row_BD = unit_rows(np.random.default_rng(0).normal(5, 1, size=(50, 6)).astype(np.float16), np.arange(50))
    np.testing.assert_allclose(np.linalg.norm(row_BD, axis=1), 1, rtol=1e-5)
    assert np.abs(row_BD.mean(axis=0)).max() < 0.3
    assert row_BD.dtype == np.float32


def test_a_sample_is_distinct_and_large_pools_are_cut():
    row_U = np.arange(100, 10_100)
    some = sampled(row_U, 10, rng=np.random.default_rng(0))
    assert len(some) == len(set(some.tolist())) == 3000
    assert len(sampled(row_U, 100, rng=np.random.default_rng(0))) == 4000
    np.testing.assert_array_equal(sampled(row_U[:50], 10, rng=np.random.default_rng(0)), row_U[:50])


def test_view_puts_both_parts_into_one_space():
    pool = blobs(labelled=6)
    seen = view(pool, 5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(seen.candidate_M, pool.candidate_U)
    np.testing.assert_array_equal(seen.labelled_L, np.arange(6))
    used = np.concatenate([pool.feature_ND[pool.candidate_U], pool.feature_ND[:6]])
    expected = pool.feature_ND[0] - used.mean(axis=0)
    np.testing.assert_allclose(seen.labelled_LD[0], expected / np.linalg.norm(expected), atol=1e-5)
