import dataclasses

import numpy as np
import pytest

from sslcore.errors import ConfigError
from sslcore.queries import Pool
from sslcore.queries.auto import AutoConfig, auto, is_cold
from sslcore.queries.uncertainty import margin_score
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_cold_is_kmeans():
    for pool in (blobs(), blobs(labelled=3), dataclasses.replace(blobs(labelled=5, warm=True))):
        assert is_cold(pool, cold_per_class=2.0)
        np.testing.assert_array_equal(ask("auto", pool, 6).row_Q, ask("kmeans", pool, 6).row_Q)


def test_warm_asks_only_among_the_least_certain():
    pool = blobs(n=2000, labelled=30, warm=True)
    found = ask("auto", pool, 5)
    net = pool.candidate_U[np.argsort(-margin_score(pool.proba_NC[pool.candidate_U]))[:200]]
    assert set(found.row_Q.tolist()) <= set(net.tolist())
    np.testing.assert_allclose(found.score_Q, margin_score(pool.proba_NC[found.row_Q]))


def test_warm_spreads_over_the_uncertain_regions():
    # 100 copies of one uncertain item and 10 other uncertain places: margin asks the copies alone
    rng = np.random.default_rng(0)
    feature_ND = np.concatenate(
        [np.tile([10.0, 0, 0], (100, 1)), rng.normal(0, 5, (10, 3)), np.eye(3)[[0] * 300]]
    )
    feature_ND = feature_ND + rng.normal(0, 1e-3, feature_ND.shape)
    proba_NC = np.tile([0.99, 0.01], (410, 1))
    proba_NC[:100], proba_NC[100:110] = [0.5, 0.5], [0.51, 0.49]
    label_N = np.full(410, -1)
    label_N[-6:] = [0, 1, 0, 1, 0, 1]
    pool = Pool(feature_ND, label_N, np.arange(404), proba_NC)
    config = AutoConfig(net=22, least_net=110)
    chosen = auto(pool, 5, rng=np.random.default_rng(0), config=config).row_Q
    assert (chosen < 100).sum() <= 1
    assert (ask("margin", pool, 5).row_Q < 100).all()


def test_a_net_of_n_is_plain_margin():
    pool = blobs(n=400, labelled=30, warm=True)
    config = AutoConfig(net=1, least_net=1)
    found = auto(pool, 8, rng=np.random.default_rng(0), config=config)
    np.testing.assert_array_equal(found.row_Q, ask("margin", pool, 8).row_Q)


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"AutoConfig\.net"):
        AutoConfig(net=0)
