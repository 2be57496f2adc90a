import numpy as np

from sslcore.queries import Pool
from sslcore.queries.drop_query import DropQueryConfig, drop_query, inconsistent
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_formula_one_sample_at_a_time():
    rng = np.random.default_rng(0)
    plain_U, dropped_MU = rng.integers(3, size=30), rng.integers(3, size=(3, 30))
    found = inconsistent(plain_U, dropped_MU)
    for u in range(30):
        assert found[u] == (sum(d != plain_U[u] for d in dropped_MU[:, u]) > 1.5)


def test_items_between_classes_are_asked():
    rng = np.random.default_rng(0)
    one_D, two_D = rng.normal(size=(2, 40)) * 3
    share_N = np.concatenate([np.zeros(40), np.ones(40), np.full(20, 0.5)])
    feature_ND = (1 - share_N)[:, None] * one_D + share_N[:, None] * two_D + rng.normal(0, 0.3, (100, 40))
    label_N = np.full(100, -1)
    label_N[[0, 1, 2, 40, 41, 42]] = [0, 0, 0, 1, 1, 1]
    pool = Pool(feature_ND, label_N, np.flatnonzero(label_N < 0))
    assert (ask("drop_query", pool, 5).row_Q >= 80).all()


def test_nothing_dropped_nothing_unstable_so_the_least_certain_are_asked():
    pool = blobs(labelled=12)
    found = drop_query(pool, 5, rng=np.random.default_rng(0), config=DropQueryConfig(rate=0.0))
    from sslcore.queries.ensemble import linear_head
    from sslcore.queries.geometry import unit_rows

    weight_DC, bias_C, mean_D = linear_head(pool)
    logits = unit_rows(pool.feature_ND, pool.candidate_U, mean_D=mean_D) @ weight_DC + bias_C
    gap = np.sort(logits, axis=1)[:, -1] - np.sort(logits, axis=1)[:, -2]
    np.testing.assert_array_equal(found.row_Q, pool.candidate_U[np.argsort(gap)[:5]])
