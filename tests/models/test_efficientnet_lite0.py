import numpy as np
import torch

from sslcore.features.efficientnet_lite0 import features_of, folded, network_with_weights
from sslcore.models import BACKBONES, InputSpec
from sslcore.models.network import build_network
from sslcore.training.bundle import load_bundle, save_bundle
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.predictor import Predictor
from sslcore.training.preprocess import plan
from sslcore.training.recipe import TrainConfig


def some_images(count=6, size=64, channels=3):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, channels, 8, 8), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, 1, size // 8, size // 8), dtype=np.uint8))


def planned(image_NXHW, size=64):
    label = TaskLabels("t", "single", 2, np.array([0, 1] + [-1] * (len(image_NXHW) - 2)))
    data = TrainingData("image", [label], image_NXHW=image_NXHW)
    return plan(data, TrainConfig(backbone="efficientnet_lite0", image_size=size), torch.device("cpu"))


def test_raw_images_give_the_features_of_the_encoder():
    image_NXHW = some_images()
    made = planned(image_NXHW)
    network = BACKBONES[made.backbone].value(made.spec()).eval()
    with torch.no_grad():
        view = made.views(torch.device("cpu")).plain(torch.from_numpy(made.prepare(image_NXHW)))
        mine = network(view).numpy()
    theirs = features_of(folded(network_with_weights()), image_NXHW)
    assert mine.shape == theirs.shape == (6, 1280)
    np.testing.assert_allclose(mine, theirs, atol=2e-4)


def test_grey_images_get_the_same_scaling():
    image_NXHW = some_images(channels=1)
    made = planned(image_NXHW)
    assert made.channels == 1
    assert np.allclose([made.mean[0] * 255, made.std[0] * 255], [127, 128])


def test_without_weights_it_is_the_same_network_at_random():
    spec = InputSpec("image", channels=3, size=64, pretrained=False)
    torch.manual_seed(0)
    bare = BACKBONES["efficientnet_lite0"].value(spec)
    full = BACKBONES["efficientnet_lite0"].value(InputSpec("image", channels=3, size=64))
    assert bare.state_dict().keys() == full.state_dict().keys()
    assert not torch.equal(bare.stages[0][0].weight, full.stages[0][0].weight)
    bare.load_state_dict(full.state_dict())


def test_a_bundle_is_whole_without_the_packaged_weights(tmp_path, monkeypatch):
    image_NXHW = some_images()
    made = planned(image_NXHW)
    network = build_network(made.backbone, made.spec(), [2]).eval()
    predictor = Predictor(network, made, ["t"])
    save_bundle(tmp_path, predictor, {"t": ["a", "b"]}, {})

    def gone():
        raise AssertionError("a bundle must not ask for them")

    monkeypatch.setattr("sslcore.features.efficientnet_lite0.packaged_weights", gone)
    again = load_bundle(tmp_path).predict_proba(image_NXHW)["t"]
    np.testing.assert_allclose(again, predictor.predict_proba(image_NXHW)["t"], atol=1e-6)


def test_weights_learned_elsewhere_move_slowly():
    """At the usual rate a step of eight labels threw them about: 19 % after 637 steps of sign digits."""
    spec = InputSpec("image", channels=3, size=64, pretrained=False)
    assert build_network("efficientnet_lite0", spec, [3]).backbone.learning_rate == 0.01
    assert build_network("wrn_16_2", spec, [3]).backbone.learning_rate == 0.03
