"""What every transfer mode keeps, in whole runs: from the registry, so a new one is tested by being there."""

import dataclasses

import numpy as np
import pytest
import torch

from sslcore.errors import RecipeError
from sslcore.models import BACKBONES
from sslcore.training.bundle import load_bundle, save_bundle
from sslcore.training.recipe import Recipe
from sslcore.training.run import _Run, train
from sslcore.transfer import TRANSFERS
from tests.training.toys import Remember, blobs, digits, recipe

NAMES = TRANSFERS.names()
NEEDS_KNOWLEDGE = ("frozen", "linear_probe", "lora", "l2_sp")
STEPS = 6


def images():
    """A few digits, and a teacher for the modes that want one."""
    data = digits(count=60, per_class=2, audit=10)
    soft_NC = np.eye(10, dtype=np.float32)[data.key_N["label"]] * 0.9 + 0.01
    return dataclasses.replace(data, soft_target={"label": soft_NC})


def wish(name, *, warm_start="rotation", backbone="wrn_16_2", method="supervised", **settings):
    """Two of the steps are a warm start's: most modes want a network that knows something."""
    sizes = {"batch": 4, "unlabelled_ratio": 1, "backbone": backbone, "image_size": 8, "steps": STEPS}
    values = recipe(method, **sizes, evaluate_every_s=100.0).as_dict()
    values |= {"transfer": name, "transfer_config": settings, "warm_start": warm_start}
    if warm_start != "none":
        values["warm_start_config"] = {"share": 0.34, "batch": 8}
    return Recipe.parse(values)


def weights(out):
    return out.predictor.network.state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_a_run_ends_in_a_plain_network_that_a_bundle_carries(name, tmp_path):
    out = train(wish(name), images(), Remember(), folder=tmp_path)
    plain = BACKBONES["wrn_16_2"].value(out.predictor.network.backbone.spec).state_dict()
    assert {key.removeprefix("backbone.") for key in weights(out) if key.startswith("backbone.")} == set(
        plain
    )
    save_bundle(tmp_path / "model", out.predictor, {"label": [str(c) for c in range(10)]}, {})
    read = load_bundle(tmp_path / "model").predict_proba(images().image_NXHW)["label"]
    assert np.allclose(read, out.proba["label"], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_killed_it_goes_on_to_the_same_weights(name, tmp_path):
    whole = train(wish(name), images(), Remember(), folder=tmp_path / "whole")
    with torch.random.fork_rng(devices=[]):
        run = _Run(wish(name), images(), Remember(), tmp_path / "parts")
        assert run._warm_up(run.warming)
        for _ in range(3):
            run._step()
        run.save()
    parts = train(wish(name), images(), Remember(), folder=tmp_path / "parts", resume=True)
    assert all(torch.equal(one, weights(parts)[key]) for key, one in weights(whole).items())


@pytest.mark.parametrize("name", NEEDS_KNOWLEDGE)
def test_from_random_weights_it_is_refused(name, tmp_path):
    with pytest.raises(RecipeError, match="starts from random weights"):
        train(wish(name, warm_start="none"), images(), Remember(), folder=tmp_path)


def test_lora_finds_no_layer_in_the_small_cnn(tmp_path):
    with pytest.raises(RecipeError, match="linear layers and 1x1 convolutions"):
        train(wish("lora", backbone="small_cnn"), images(), Remember(), folder=tmp_path)


def test_distillation_without_a_teacher_is_refused(tmp_path):
    data = dataclasses.replace(images(), soft_target=None)
    with pytest.raises(RecipeError, match="needs a teacher"):
        train(wish("distil"), data, Remember(), folder=tmp_path)


@pytest.mark.parametrize("name", ["frozen", "contrastive"])
def test_with_a_method_that_learns_from_unlabelled_items(name, tmp_path):
    values = recipe("fixmatch", steps=10).as_dict() | {"transfer": name, "transfer_config": {}}
    out = train(Recipe.parse(values), blobs(), Remember(), folder=tmp_path)
    assert np.isfinite(out.proba["label"]).all()
