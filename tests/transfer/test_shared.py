"""Transfer modes on a network that several tasks share: what a sharing brings new learns as the heads do."""

import copy

import numpy as np
import pytest
import torch

from sslcore.multitask import SHARINGS
from sslcore.transfer import TRANSFERS
from sslcore.transfer.lora import targets
from tests.multitask import bench as tasks

from .bench import images, mode, source

BRINGS = {"cross_stitch": "stitches.", "mtan": "masks.", "mmoe": "gates.", "ple": "gates."}
CLOSING = {"frozen": 0.0, "linear_probe": 0.0, "lora": 0.0, "contrastive": 0.9}
"""Modes that close the backbone, and how far a run is when they do."""


def shared(sharing):
    """A warmed network of two tasks, and the names in its backbone of what the sharing brought."""
    spec = tasks.InputSpec("image", channels=1, size=8)
    net = tasks.network(backbone="wrn_16_2", spec=spec, share=tasks.sharing(sharing)).train()
    net.warm = True
    new = {id(weight) for weight in net.backbone.new_weights()}
    return net, {name for name, weight in net.backbone.named_parameters() if id(weight) in new}


def prepared(transfer, net, done=0.0, **settings):
    made = mode(transfer, **settings)
    made.meet(source(soft_NC=np.full((8, 3), 1 / 3, dtype=np.float32)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made.prepare(net)
    made.at(net, done)
    return made


def learn(made, net, decay=0.0):
    """One step on both tasks, as the loop does it."""
    held = [group for group in made.groups(net, 0.1, decay) if group["params"]]
    optimiser = torch.optim.SGD([{**group, "lr": 0.1 * group["scale"]} for group in held])
    loss = sum(logits_BC.square().sum() + logits_BC.sum() for logits_BC in net(images()))
    penalty = made.penalty(net)
    (loss if penalty is None else loss + penalty).backward()
    optimiser.step()


@pytest.mark.parametrize("sharing", SHARINGS.names())
def test_a_trunk_names_what_is_new(sharing):
    _, names = shared(sharing)
    assert bool(names) == (sharing in BRINGS)
    assert all(name.startswith(BRINGS[sharing]) for name in names)


@pytest.mark.parametrize("transfer", CLOSING)
@pytest.mark.parametrize("sharing", BRINGS)
def test_it_learns_where_the_backbone_is_closed(sharing, transfer):
    net, names = shared(sharing)
    made = prepared(transfer, net, CLOSING[transfer])
    weights = dict(net.backbone.named_parameters())
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    learn(made, net)
    moved = {name for name, was in before.items() if not torch.equal(weights[name], was)}
    assert moved & names
    assert all("lora_" in name for name in moved - names)
    assert all(weights[name].grad.any() for name in names)
    assert net.backbone.training == (transfer == "lora")


@pytest.mark.parametrize("sharing", SHARINGS.names())
def test_lora_puts_no_steps_beside_it_and_ends_in_a_plain_network(sharing):
    net, names = shared(sharing)
    plain = list(net.state_dict())
    assert not {f"{target}.weight" for target in targets(net.backbone)} & names
    made = prepared("lora", net, rank=2)
    learn(made, net)
    net.eval()
    with torch.no_grad():
        before_T = net(images())
        composed = net.backbone.embed(images())
        for part in net.backbone.parts():
            composed = part(composed)
        assert torch.equal(composed, net.features(images()))
        twin = copy.deepcopy(net)
        made.finish(twin)
        for before_BC, after_BC in zip(before_T, twin(images()), strict=True):
            torch.testing.assert_close(before_BC, after_BC, atol=1e-5, rtol=1e-4)
    assert list(twin.state_dict()) == plain


@pytest.mark.parametrize("transfer", TRANSFERS.names())
@pytest.mark.parametrize("sharing", BRINGS)
def test_no_decay_pulls_on_it_and_its_rate_is_the_heads(sharing, transfer, monkeypatch):
    net, names = shared(sharing)
    monkeypatch.setattr(type(net.backbone.first), "pretrained", True)
    groups = prepared(transfer, net).groups(net, 0.1, 0.5)
    of = {id(weight): group for group in groups for weight in group["params"]}
    held = [of[id(net.backbone.get_parameter(name))] for name in names]
    assert {(group["weight_decay"], group["scale"]) for group in held} == {(0.0, 1.0)}
    listed = [id(weight) for group in groups for weight in group["params"]]
    assert len(listed) == len(set(listed))
    assert set(listed) >= {id(weight) for weight in net.parameters() if weight.requires_grad}
    heads = [of[id(weight)]["weight_decay"] for weight in net.heads.parameters() if weight.ndim > 1]
    assert set(heads) == {0.0 if transfer == "l2_sp" else 0.5}


@pytest.mark.parametrize("sharing", BRINGS)
def test_l2_sp_does_not_hold_it_to_its_random_start(sharing):
    net, names = shared(sharing)
    made = prepared("l2_sp", net)
    assert not {f"start.{name}" for name in names} & set(made.state)
    with torch.no_grad():
        before = made.penalty(net)
        for weight in net.backbone.new_weights():
            weight += 1.0
        assert torch.equal(made.penalty(net), before)
