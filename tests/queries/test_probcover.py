import numpy as np
import pytest

from sslcore.queries.geometry import kmeans, squared_distance
from sslcore.queries.probcover import ball_purity, greedy_cover, pure_radius
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_radius_is_the_largest_that_is_pure():
    point_MD = np.random.default_rng(0).normal(size=(200, 2))
    distance_MM = np.sqrt(squared_distance(point_MD, point_MD))
    cluster_M = kmeans(point_MD, 4, rng=np.random.default_rng(0)).cluster_M
    for purity in (0.9, 0.95, 1.0):
        radius = pure_radius(distance_MM, cluster_M, purity=purity)
        assert ball_purity(distance_MM, cluster_M, radius) >= purity
        assert ball_purity(distance_MM, cluster_M, radius * 1.05) < purity


def test_one_cluster_is_pure_everywhere():
    assert pure_radius(np.zeros((3, 3)), np.zeros(3, int), purity=0.95) == 2.0


def test_formula_one_pick_at_a_time():
    rng = np.random.default_rng(0)
    within_MM = rng.random((60, 60)) < 0.1
    within_MM |= within_MM.T | np.eye(60, dtype=bool)
    covered = set(range(10))
    at_Q, score_Q = greedy_cover(within_MM, np.arange(60) < 10, 12)
    for at, score in zip(at_Q, score_Q):
        new = {i: set(np.flatnonzero(within_MM[i])) - covered for i in range(60)}
        assert len(new[at]) == score
        assert score == max(len(v) for i, v in new.items()) or score == 0
        covered |= new[at]


def test_covers_more_than_random_does():
    pool = blobs(n=300, classes=6)
    gain = ask("probcover", pool, 6).score_Q
    assert gain[0] > gain[-1]
    assert (np.diff(gain) <= 0).all()
    assert gain.sum() == pytest.approx(min(gain.sum(), 1.0))
