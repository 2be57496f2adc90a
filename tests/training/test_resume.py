"""A run killed in any phase and with any state goes on to the same weights, bit for bit."""

import dataclasses

import numpy as np
import pytest
import torch

from sslcore.multitask import BALANCINGS
from sslcore.pretraining import WARM_STARTS
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.data import TaskLabels
from sslcore.training.recipe import Recipe
from sslcore.training.run import CHECKPOINT, train
from sslcore.transfer import TRANSFERS
from tests.training.toys import Remember, blobs, digits, recipe


class KilledError(Exception):
    pass


class Killer(Remember):
    """Ends the run the hard way at the first figure of a name from a step on."""

    def __init__(self, at, name):
        super().__init__()
        self.at, self.name = at, name

    def metric(self, step, name, value, *, task=None):
        if name == self.name and step >= self.at:
            raise KilledError


def two_tasks():
    data = blobs(per_class=4)
    coarse_N = np.full(len(data), -1)
    coarse_N[:40] = (data.key_N["label"] > 0)[:40]
    return dataclasses.replace(data, tasks=[data.tasks[0], TaskLabels("coarse", "single", 2, coarse_N)])


def kill_and_go_on(settings, data, folder, *, at, figure="loss"):
    """Both final checkpoints, and the step and phase of the kill."""
    train(settings, data, Remember(), folder=folder / "whole")
    with pytest.raises(KilledError):
        train(settings, data, Killer(at, figure), folder=folder / "killed")
    killed = read_checkpoint(folder / "killed" / CHECKPOINT)[1]
    torch.rand(7)
    train(settings, data, Remember(), folder=folder / "killed", resume=True)
    whole, _ = read_checkpoint(folder / "whole" / CHECKPOINT)
    again, _ = read_checkpoint(folder / "killed" / CHECKPOINT)
    assert whole.keys() == again.keys()
    assert [name for name in whole if not torch.equal(whole[name], again[name])] == []
    return killed


def with_choice(method="fixmatch", *, steps=8, **choices):
    settings = recipe(method, steps=steps, evaluate_every_s=0.0, checkpoint_every_s=0.0, batch=4)
    return Recipe.parse(settings.as_dict() | choices)


@pytest.mark.parametrize("name", [name for name in BALANCINGS.names() if name != "fixed"])
def test_with_every_balancing(name, tmp_path):
    # the defaults of another balancing's settings are not this one's
    settings = with_choice().as_dict() | {"balancing": name, "balancing_config": {}}
    assert kill_and_go_on(Recipe.parse(settings), two_tasks(), tmp_path, at=5)["step"] == 4


@pytest.mark.parametrize("name", [name for name in TRANSFERS.names() if name in ("l2_sp", "contrastive")])
def test_with_a_transfer_mode_that_remembers(name, tmp_path):
    config = (
        {"warm_start": "denoising", "warm_start_config": {"share": 0.3, "batch": 8}}
        if name == "l2_sp"
        else {}
    )
    if config and "denoising" not in WARM_STARTS.names():
        pytest.skip("no warm start to begin from")
    settings = with_choice().as_dict() | {"transfer": name, "transfer_config": {}} | config
    assert kill_and_go_on(Recipe.parse(settings), digits(), tmp_path, at=5)["phase"] == "learn"


def test_with_a_teacher_that_listens(tmp_path):
    """Killed after the teacher spoke anew: what it said then is part of the checkpoint."""
    data = digits()
    asked = []

    def teacher(feature_ND):
        asked.append(feature_ND.sum())
        return {"label": np.eye(10)[np.random.default_rng(len(feature_ND)).integers(0, 10, len(feature_ND))]}

    soft_NC = np.eye(10)[np.random.default_rng(0).integers(0, 10, len(data))]
    data = dataclasses.replace(data, soft_target={"label": soft_NC}, teacher=teacher)
    wish = {"transfer": "distil", "transfer_config": {"rounds": 3, "batch": 8}}
    settings = Recipe.parse(with_choice("supervised", steps=9).as_dict() | wish)
    assert kill_and_go_on(settings, data, tmp_path, at=5)["step"] == 4
    assert asked[:2] == asked[2:]  # once whole, once in two sittings


WARM = [(name, "warm") for name in WARM_STARTS.names() if name != "none"]


@pytest.mark.parametrize(("name", "phase"), [*WARM, ("denoising", "learn")])
def test_in_a_warm_start_and_after_it(name, phase, tmp_path):
    warm = {"warm_start": name, "warm_start_config": {"share": 0.5, "batch": 8}}
    settings = Recipe.parse(with_choice("supervised", steps=6).as_dict() | warm)
    figure, at = ("warm_start_loss", 2) if phase == "warm" else ("loss", 4)
    found = kill_and_go_on(settings, digits(count=120), tmp_path, at=at, figure=figure)
    assert (found["phase"], found["step"]) == (phase, at - 1)
