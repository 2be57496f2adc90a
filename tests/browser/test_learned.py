"""What a model of one project learned is asked for in the next, on its Data page."""

from __future__ import annotations

from typing import Any

import pytest

from sslcore.features.cache import FeatureCache
from tests.browser.harness import make_image_project, wait_idle, wait_until

pytestmark = pytest.mark.browser


def test_a_model_of_another_project_is_asked_for_its_features(shared_server: Any, page: Any) -> None:
    teacher = make_image_project(shared_server.home, "learned-there", n=12)
    pupil = make_image_project(shared_server.home, "learned-here", n=30, labelled=6)
    _save_model(teacher)
    name = "run:learned-there:1"
    page.goto(shared_server.address("", "learned-here"))
    wait_idle(page)
    page.get_by_text("Features that a model learned").click()
    chosen = page.get_by_role("combobox", name="Model")
    wait_until(lambda: chosen.input_value() == "Run 1 of learned-there (small_cnn)", what="it is offered")
    page.get_by_role("button", name="Compute its features").click()
    wait_until(lambda: FeatureCache(pupil.folder).is_complete(name, 30), what="the features", seconds=120)
    assert FeatureCache(pupil.folder).load(name).feature_ND.shape == (30, 128)
    teacher.close()
    pupil.close()


def _save_model(store: Any) -> None:
    """What a finished run leaves: a small network as a bundle."""
    from sslcore.files import make_folder
    from sslcore.models.network import build_network
    from sslcore.training.bundle import save_bundle
    from sslcore.training.predictor import Predictor
    from sslcore.training.preprocess import Preprocess

    preprocess = Preprocess("image", "small_cnn", size=16, channels=1, mean=(0.5,), std=(0.25,))
    network = build_network("small_cnn", preprocess.spec(), [3]).eval().requires_grad_(False)
    predictor = Predictor(network, preprocess, ["shape"])
    classes = {"shape": store.tasks()[0].class_names}
    save_bundle(make_folder(store.folder, "runs", "1", "model"), predictor, classes, {})
