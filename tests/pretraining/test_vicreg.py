import math

import pytest
import torch

from sslcore.pretraining.vicreg import covariance, variance

from .bench import loss, network, views, warm


def test_variance_and_covariance_feature_by_feature():
    feature_BD = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.2, 1.0, 3.0])
    rows = feature_BD.tolist()
    mean = [sum(row[d] for row in rows) / 5 for d in range(3)]
    cov = [
        [sum((row[d] - mean[d]) * (row[e] - mean[e]) for row in rows) / 4 for e in range(3)] for d in range(3)
    ]
    by_hand = sum(max(0.0, 1 - math.sqrt(cov[d][d] + 1e-4)) for d in range(3)) / 3
    assert variance(feature_BD).item() == pytest.approx(by_hand, rel=1e-4)
    by_hand = sum(cov[d][e] ** 2 for d in range(3) for e in range(3) if d != e) / 3
    assert covariance(feature_BD).item() == pytest.approx(by_hand, rel=1e-4)


def test_the_three_terms_are_weighed_and_added():
    def at(**weights):
        net = network("feature")
        made = warm("vicreg", net, "feature", **weights)
        return loss(made, net, "feature", given=views(made, "feature")).item()

    alone = {
        name: at(**({"invariance": 0, "variance": 0, "covariance": 0} | {name: 1}))
        for name in ("invariance", "variance", "covariance")
    }
    assert all(value > 0 for value in alone.values())
    by_hand = 25 * alone["invariance"] + 25 * alone["variance"] + alone["covariance"]
    assert at() == pytest.approx(by_hand, rel=1e-4)


def test_features_that_are_all_one_cost_their_missing_variance():
    one_BD = torch.ones(6, 4)
    assert variance(one_BD).item() == pytest.approx(0.99, abs=1e-3)
    assert covariance(one_BD).item() == 0.0
