"""What every warm start keeps, whichever it is: from the registry, so a new one is tested by being there."""

import dataclasses

import pytest
import torch

from sslcore.errors import RecipeError
from sslcore.models import TaskShape
from sslcore.models.ground import Ground
from sslcore.pretraining import WARM_STARTS
from sslcore.training.looking import traits_of
from sslcore.training.recipe import Recipe
from sslcore.training.run import train
from tests.training.toys import Remember, blobs, digits, recipe

from .bench import SPECS, loss, network, warm

NAMES = [name for name in WARM_STARTS.names() if name != "none"]
ONLY_IMAGES = {"autoencoder", "bigan", "rotation"}
NOT_TEXTS = ONLY_IMAGES | {"denoising"}


def refuses(name, kind):
    return (kind == "feature" and name in ONLY_IMAGES) or (kind == "text" and name in NOT_TEXTS)


CASES = [(name, kind) for name in NAMES for kind in SPECS]


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if not refuses(*case)])
def test_a_step_moves_the_backbone_and_repeats(name, kind):
    net = network(kind)
    made = warm(name, net, kind)
    value = loss(made, net, kind)
    assert value.ndim == 0
    assert torch.isfinite(value)
    value.backward()
    moved = [
        weight.grad is not None and float(weight.grad.abs().max()) > 0 for weight in net.backbone.parameters()
    ]
    assert sum(moved) >= len(moved) - 1  # padding words and the like
    twin = network(kind)
    again = loss(warm(name, twin, kind), twin, kind)
    assert again.item() == value.item()


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if refuses(*case)])
def test_what_it_cannot_learn_from_is_refused_with_the_reason(name, kind):
    traits = traits_of(network(kind).backbone)
    entry = WARM_STARTS[name]
    told = entry.value.obstacle(entry.config(), Ground("it", traits, (TaskShape("label", 2),)))
    assert "cannot warm a network that reads" in told


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_images(name):
    net = network()
    made = warm(name, net)
    assert made.picture(torch.Generator()) is None  # nothing was seen yet
    loss(made, net)
    for image_KXHW in (made.picture(torch.Generator()) or {}).values():
        assert image_KXHW.dtype == torch.uint8
        assert image_KXHW.shape[1:] == (1, 8, 8)


SETTINGS = {"backbone": "small_cnn", "image_size": 8, "steps": 8, "evaluate_every_s": 100.0}


def warmed(name, share=0.5, **choices):
    values = recipe("supervised", **SETTINGS).as_dict()
    values |= {"warm_start": name, "warm_start_config": {"share": share, "batch": 16}} | choices
    return Recipe.parse(values)


@pytest.mark.parametrize("name", NAMES)
def test_killed_in_the_warm_start_it_goes_on_to_the_same_weights(name, tmp_path):
    data, wish = digits(count=80, per_class=2, audit=10), warmed(name)
    whole = train(wish, data, Remember(), folder=tmp_path / "whole")
    run_parts(wish, data, tmp_path / "parts")
    parts = train(wish, data, Remember(), folder=tmp_path / "parts", resume=True)
    for one, other in zip(
        whole.predictor.network.state_dict().values(),
        parts.predictor.network.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(one, other)


def run_parts(wish, data, folder):
    """Three steps of the warm start, and a checkpoint, as a killed run leaves them."""
    from sslcore.training.run import _Run

    with torch.random.fork_rng(devices=[]):
        run = _Run(wish, data, Remember(), folder)
        for _ in range(3):
            run.warming.one_step()
        run.save()


def test_the_audit_split_is_never_seen(tmp_path):
    from sslcore.training.run import _Run

    data = digits(count=80, per_class=2, audit=30)
    with torch.random.fork_rng(devices=[]):
        run = _Run(warmed("rotation"), data, Remember(), tmp_path)
    dealt = {int(row) for step in range(20) for row in run.warming.stream.deal(step)}
    assert not dealt & set(data.tasks[0].audit_row_A.tolist())
    assert len(dealt) == 50


def test_frozen_features_are_warmed_too(tmp_path):
    values = recipe("supervised", steps=8).as_dict() | {"warm_start": "masked"}
    values["warm_start_config"] = {"share": 0.5, "batch": 16}
    told = Remember()
    out = train(Recipe.parse(values), blobs(), told, folder=tmp_path)
    assert "warm_start_loss" in told.names()
    assert len(out.proba["label"]) == 300


def test_a_warm_start_that_cannot_be_is_refused_by_the_run(tmp_path):
    values = recipe("supervised", steps=8).as_dict() | {"warm_start": "rotation"}
    with pytest.raises(RecipeError, match="Rotation cannot warm"):
        train(Recipe.parse(values | {"warm_start_config": {}}), blobs(), Remember(), folder=tmp_path)


def test_every_setting_has_its_range():
    for name in NAMES:
        for field in dataclasses.fields(WARM_STARTS[name].config):
            assert field.metadata["low"] is not None


def test_listing_what_there_is_needs_no_torch():
    """The app makes forms of the settings and must start in seconds."""
    import subprocess
    import sys

    code = (
        "import sys; from sslcore.pretraining import WARM_STARTS; from sslcore.transfer import TRANSFERS; "
        "WARM_STARTS.names(), TRANSFERS.names(); print('torch' in sys.modules or 'peft' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
