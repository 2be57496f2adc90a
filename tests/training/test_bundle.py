import json

import numpy as np
import pytest
from safetensors import safe_open

from sslcore.errors import DataError
from sslcore.training.bundle import load_bundle, save_bundle
from sslcore.training.run import train
from tests.training.toys import Remember, blobs, digits, recipe

NAMES = ["zero <script>", "one|two", "naïve 日本", *"3456789"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    data = digits()
    return data, train(recipe(steps=3), data, Remember(), folder=tmp_path_factory.mktemp("run"))


def test_a_model_carried_away_predicts_the_same(trained, tmp_path):
    data, out = trained
    save_bundle(tmp_path, out.predictor, {"label": NAMES}, {"method": "fixmatch", "audit": {"accuracy": 0.5}})
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.safetensors", "labels.json", "preprocess.json", "card.md"
    }  # fmt: skip
    loaded = load_bundle(tmp_path)
    assert loaded.classes == {"label": NAMES}
    assert np.array_equal(loaded.predict_proba(data.image_NXHW)["label"], out.proba["label"])
    assert loaded.predict_proba(data.image_NXHW[:0])["label"].shape == (0, 10)
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "fixmatch" in card
    assert "<script>" not in card
    with safe_open(tmp_path / "model.safetensors", framework="np") as weights:
        assert any("heads.0" in name for name in weights.keys())  # noqa: SIM118


def test_a_model_without_batch_norm_is_built_so_again(tmp_path):
    data = digits()
    out = train(recipe("sgan", steps=3), data, Remember(), folder=tmp_path / "run")
    norms = {
        type(module).__name__ for module in out.predictor.network.modules() if "Norm" in type(module).__name__
    }
    assert norms == {"ActNorm2d"}
    save_bundle(tmp_path / "out", out.predictor, {"label": NAMES}, {"method": "sgan"})
    loaded = load_bundle(tmp_path / "out")
    assert np.array_equal(loaded.predict_proba(data.image_NXHW)["label"], out.proba["label"])


def test_class_names_that_do_not_fit_are_refused(trained, tmp_path):
    _, out = trained
    with pytest.raises(DataError, match="10 outputs"):
        save_bundle(tmp_path, out.predictor, {"label": ["a", "b"]}, {})


@pytest.mark.parametrize("damage", ["missing", "other weights", "no json", "other format"])
def test_a_bundle_that_is_not_whole_is_refused(trained, tmp_path, damage):
    _, out = trained
    save_bundle(tmp_path, out.predictor, {"label": NAMES}, {})
    if damage == "missing":
        (tmp_path / "model.safetensors").unlink()
    elif damage == "other weights":
        labels = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
        labels["tasks"][0]["classes"] = ["a", "b"]
        (tmp_path / "labels.json").write_text(json.dumps(labels))
    elif damage == "no json":
        (tmp_path / "preprocess.json").write_text("{")
    else:
        (tmp_path / "labels.json").write_text(json.dumps({"format": "x", "tasks": []}))
    with pytest.raises(DataError, match=r"whole model|Expected format"):
        load_bundle(tmp_path)


def test_a_model_on_features_says_which_it_needs(tmp_path):
    data = blobs()
    out = train(recipe(steps=2), data, Remember(), folder=tmp_path / "run")
    save_bundle(tmp_path / "model", out.predictor, {"label": list("abc")}, {})
    loaded = load_bundle(tmp_path / "model")
    assert np.array_equal(loaded.predict_proba(data.feature_ND)["label"], out.proba["label"])
    with pytest.raises(DataError, match="Encode the items first"):
        loaded.predict_proba(["a text"])
