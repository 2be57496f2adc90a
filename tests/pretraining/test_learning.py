"""Every warm start teaches the small CNN something of digits that a linear head can read."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sslcore.models.network import build_network
from sslcore.pretraining import WARM_STARTS
from sslcore.training.data import TrainingData
from sslcore.training.pool import Pool
from sslcore.training.preprocess import plan
from sslcore.training.recipe import TrainConfig
from sslcore.training.schedule import Budget
from sslcore.training.warming import Warming
from tests.training.toys import some_labels

CPU = torch.device("cpu")
STEPS = 300
LEAST_GAIN = {"byol": 0.01, "rotation": 0.02}  # the others: 0.05


@pytest.fixture(scope="module")
def digits():
    image_NHW, key_N = load_digits(return_X_y=True)
    image_NXHW = (image_NHW.reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8)
    return TrainingData("image", [some_labels(key_N, 10, 0)], image_NXHW=image_NXHW), key_N


def fresh(data):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        preprocess = plan(data, TrainConfig(backbone="small_cnn", image_size=8, device="cpu"), CPU)
        network = build_network("small_cnn", preprocess.spec(), [10]).train()
    return network, Pool(data, data.tasks, preprocess, sizes=(16, 64), seed=0, device=CPU)


def probe(network, pool, key_N):
    """Accuracy of a linear head on ten labels a class, the mean over five draws of them."""
    network.eval()
    with torch.no_grad():
        feature_ND = network.backbone(pool.views.plain(pool.fetch(np.arange(len(key_N))))).numpy()
    feature_ND = (feature_ND - feature_ND.mean(0)) / (feature_ND.std(0) + 1e-6)
    right = []
    for seed in range(5):
        label_N = some_labels(key_N, 10, 0, seed=seed).label_N
        known_N = label_N >= 0
        head = LogisticRegression(C=0.1, max_iter=300).fit(feature_ND[known_N], label_N[known_N])
        right.append((head.predict(feature_ND[~known_N]) == key_N[~known_N]).mean())
    return float(np.mean(right))


@pytest.fixture(scope="module")
def untrained(digits):
    """The figure of a random network whose batch norms know the set."""
    data, key_N = digits
    network, pool = fresh(data)
    with torch.no_grad():
        for _ in range(60):
            network.backbone(pool.views.plain(pool.fetch(np.arange(256))))
    return probe(network, pool, key_N)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WARM_STARTS.names() if name != "none"])
def test_a_linear_head_reads_more_than_from_an_untrained_backbone(digits, untrained, name):
    data, key_N = digits
    network, pool = fresh(data)
    entry = WARM_STARTS[name]
    budget = Budget(total=STEPS, seconds=1.0, fixed=True)
    with torch.random.fork_rng(devices=[]):
        warming = Warming(entry.value(entry.config()), network, pool, budget, 0, 0.99, torch.float32)
        while not warming.over():
            warming.one_step()
    assert probe(warming.average.network, pool, key_N) > untrained + LEAST_GAIN.get(name, 0.05)
