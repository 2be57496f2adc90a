import numpy as np
import pytest

from sslcore.queries.dcom import DcomConfig, competence, dcom, pure_balls
from sslcore.queries.uncertainty import margin_score
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_competence_is_the_logistic_of_the_paper():
    for c in (0.0, 0.5, 0.8, 1.0):
        expected = (1 + np.exp(-30 * (1 - 0.9))) / (1 + np.exp(-30 * (c - 0.9)))
        assert competence(c, centre=0.9, slope=30) == pytest.approx(expected)
    assert competence(1.0, centre=0.3, slope=10) == 1.0


def test_balls_one_centre_at_a_time():
    rng = np.random.default_rng(0)
    distance_LM, label_L, predicted_M = (
        rng.random((12, 40)),
        rng.integers(3, size=12),
        rng.integers(3, size=40),
    )
    found = pure_balls(distance_LM, label_L, predicted_M, purity=0.4, widest=0.8)
    for i in range(12):
        good = [0.0]
        for d in distance_LM[i]:
            inside = distance_LM[i] <= d
            if d <= 0.8 and (predicted_M[inside] == label_L[i]).mean() >= 0.4:
                good.append(d)
        assert found[i] == max(good) or found[i] == 0.8


def test_without_a_model_it_is_probcover():
    pool = blobs(labelled=6)
    np.testing.assert_array_equal(ask("dcom", pool, 8).row_Q, ask("probcover", pool, 8).row_Q)


def test_full_competence_is_margin():
    pool = blobs(labelled=9, warm=True)
    found = dcom(pool, 8, rng=np.random.default_rng(0), config=DcomConfig(centre=0.0, slope=0.0))
    order = np.argsort(-margin_score(pool.proba_NC[pool.candidate_U]))
    np.testing.assert_array_equal(found.row_Q, pool.candidate_U[order[:8]])


def test_no_competence_never_asks_what_is_covered_while_something_is_not():
    pool = blobs(n=300, classes=6, labelled=1, warm=True)
    found = dcom(pool, 3, rng=np.random.default_rng(0), config=DcomConfig(centre=1.0, slope=500))
    assert len({int(row) % 6 for row in found.row_Q}) >= 2
