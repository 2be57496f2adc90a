"""What every sharing must do, read off the registry."""

import copy

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from sslcore.models import BACKBONES, InputSpec, TaskShape
from sslcore.models.minilm import PIECES, Pooling
from sslcore.models.text_embedding import TextEmbedding
from sslcore.models.traits import TRAITS
from sslcore.multitask import SHARINGS
from sslcore.multitask.trunks import probe, stage_shapes
from tests.multitask import bench

NAMES = SHARINGS.names()
KINDS = {
    "small_cnn": InputSpec("image", channels=1, size=8),
    "feature_mlp": InputSpec("feature", dim=6),
    "text_embedding": InputSpec("text", size=5, dim=30),
}
EVERY = KINDS | {
    "wrn_16_2": InputSpec("image", channels=1, size=8),
    "wrn_28_2": InputSpec("image", channels=1, size=8),
    "efficientnet_lite0": InputSpec("image", channels=3, size=32),
    "minilm": InputSpec("tokens", size=5, dim=30),
}
THREE = [*bench.TASKS, TaskShape("price", 0, kind="numeric")]


def items(spec, count=4):
    rng = torch.Generator().manual_seed(1)
    if spec.kind in ("text", "tokens"):
        return torch.randint(1, spec.dim, (count, spec.size), generator=rng)
    return torch.randn(count, *probe(spec).shape[1:], generator=rng)


def built(name, backbone, tasks=bench.TASKS, **settings):
    share = bench.sharing(name, **settings)
    return share, bench.network(tasks, backbone=backbone, spec=EVERY[backbone], share=share)


@pytest.mark.parametrize("backbone", BACKBONES.names())
@pytest.mark.parametrize("name", NAMES)
def test_every_network_can_be_shared(name, backbone):
    _, net = built(name, backbone)
    net.eval()
    with torch.no_grad():
        logits_T = net(items(net.backbone.spec, 2))
    assert [tuple(logits.shape) for logits in logits_T] == [(2, 2), (2, 4)]
    assert all(torch.isfinite(logits).all() for logits in logits_T)


@pytest.mark.parametrize("backbone", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_each_task_gets_its_logits_and_every_weight_learns(name, backbone):
    share, net = built(name, backbone, THREE)
    view_B = items(net.backbone.spec)
    feature_BD = net.features(view_B)
    assert feature_BD.shape == (4, net.backbone.width)
    logits_T = net.classify(feature_BD)
    assert [tuple(logits.shape) for logits in logits_T] == [(4, 2), (4, 4), (4, 1)]
    loss = sum(logits.square().sum() + logits.sum() for logits in logits_T)
    penalty = share.penalty(net.backbone)
    (loss if penalty is None else loss + penalty).backward()
    for key, weight in net.named_parameters():
        assert weight.grad is not None, key
        assert torch.isfinite(weight.grad).all(), key


@pytest.mark.parametrize("backbone", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_its_parts_compose_to_it_and_hold_all_weights_behind_the_embedding(name, backbone):
    _, net = built(name, backbone)
    trunk = net.backbone.eval()
    view_B = items(trunk.spec)
    held = trunk.embed(view_B)
    for part in trunk.parts():
        held = part(held)
    torch.testing.assert_close(held, trunk(view_B))
    inside = {id(weight) for part in trunk.parts() for weight in part.parameters()}
    outside = {key for key, weight in trunk.named_parameters() if id(weight) not in inside}
    assert all("words" in key for key in outside)


@pytest.mark.parametrize("backbone", ["small_cnn", "text_embedding"])
@pytest.mark.parametrize("name", NAMES)
def test_no_weight_is_kept_twice_and_a_copy_is_its_own(name, backbone):
    """Averaged weights move along the state: one that stands there twice would move twice as far."""
    _, net = built(name, backbone)
    state = net.state_dict()
    places = [tensor.data_ptr() for tensor in state.values() if tensor.numel()]
    assert len(places) == len(set(places))
    twin = copy.deepcopy(net).eval()
    view_B = items(net.backbone.spec)
    before = net.eval()(view_B)[0].clone()
    with torch.no_grad():
        for weight in twin.parameters():
            weight += 1
    torch.testing.assert_close(net(view_B)[0], before)
    assert not torch.allclose(twin(view_B)[0], before)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_made_again_from_its_weights(name):
    _, net = built(name, "small_cnn")
    _, again = built(name, "small_cnn")
    view_B = items(net.backbone.spec)
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.01 * torch.randn_like(weight)
    again.load_state_dict(net.state_dict())
    for one, other in zip(net.eval()(view_B), again.eval()(view_B), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_an_item_is_answered_alike_in_any_company(name):
    _, net = built(name, "text_embedding")
    view_B = items(net.backbone.spec, 6)
    net.eval()
    for whole, alone in zip(net(view_B), net(view_B[:2]), strict=True):
        torch.testing.assert_close(whole[:2], alone)


@pytest.mark.parametrize("name", NAMES)
def test_one_task_is_no_nonsense(name):
    share, net = built(name, "small_cnn", [TaskShape("only", 3)])
    (logits_BC,) = net(items(net.backbone.spec))
    assert logits_BC.shape == (4, 3)
    assert share.penalty(net.backbone) is None


@pytest.mark.parametrize("name", NAMES)
def test_norms_of_a_pretrained_network_stay_put_in_its_copies_and_others_learn(name):
    for backbone, still in (("efficientnet_lite0", True), ("small_cnn", False)):
        _, net = built(name, backbone)
        for mode in (True, False, True):
            net.train(mode)
        norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
        assert norms
        assert all(norm.training != still for norm in norms)


@pytest.mark.parametrize("name", NAMES)
def test_all_copies_begin_as_the_first_does(name):
    _, net = built(name, "minilm")
    net.backbone.begin(items(net.backbone.spec, 40).numpy(), seed=0)
    first, *others = [module for module in net.modules() if isinstance(module, Pooling)]
    assert first.mean_D.any()
    assert bool(others) == (name in ("soft", "cross_stitch", "mmoe", "ple"))
    for other in others:
        assert torch.equal(other.mean_D, first.mean_D)
        assert torch.equal(other.spread, first.spread)


@pytest.mark.parametrize("name", NAMES)
def test_word_vectors_of_the_set_are_taken_up(name):
    _, net = built(name, "text_embedding")
    words = next(module for module in net.modules() if isinstance(module, TextEmbedding)).words
    before = words.weight.detach().clone()
    net.backbone.begin(items(net.backbone.spec, 40).numpy(), seed=0)
    assert not torch.equal(words.weight, before)


@pytest.mark.parametrize(
    "backbone",
    ["efficientnet_lite0", "text_embedding", "small_cnn", pytest.param("minilm", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", ["soft", "cross_stitch", "mtan", "mmoe", "ple"])
def test_it_says_where_it_is_hard_sharing_until_copies_move(name, backbone):
    spec = EVERY[backbone] if backbone != "minilm" else InputSpec("tokens", size=5, dim=PIECES)
    net = bench.network(backbone=backbone, spec=spec, share=bench.sharing(name)).eval()
    view_B = items(spec)
    with torch.no_grad():
        for weight in net.backbone.new_weights():  # whatever they learn
            weight *= torch.rand_like(weight)
        hard_BD = net.backbone.first(view_B)
        feature_BD = net.features(view_B)
        alike = [torch.allclose(feature_BD[:, part], hard_BD, atol=1e-4, rtol=1e-3) for part in net.slices]
    assert all(alike) == SHARINGS[name].value.only_copies(TRAITS[backbone])


@pytest.mark.parametrize("name", NAMES)
def test_floors_are_made_once_and_a_copy_has_its_own(name):
    _, net = built(name, "wrn_16_2")
    named = list(net.state_dict())
    trunk, before = net.backbone, net.backbone.parts()
    net(items(trunk.spec))
    twin = copy.deepcopy(net)
    assert list(net.state_dict()) == named == list(twin.state_dict())
    if name != "hard":  # a backbone may give slices of itself anew
        assert all(one is other for one, other in zip(before, trunk.parts(), strict=True))
    mine = {id(weight) for part in trunk.parts() for weight in part.parameters()}
    theirs = {id(weight) for part in twin.backbone.parts() for weight in part.parameters()}
    assert mine == {id(weight) for weight in trunk.parameters()}
    assert theirs == {id(weight) for weight in twin.backbone.parameters()}


def test_reading_shapes_leaves_every_mode_as_it_was():
    _, net = built("hard", "efficientnet_lite0")
    first = net.train().backbone
    before = [module.training for module in first.modules()]
    assert len(set(before)) == 2
    stage_shapes(first.parts(), first)
    assert [module.training for module in first.modules()] == before


def test_pretrained_networks_fall_in_rate_by_floors():
    """A trunk says whether its backbone is pretrained; the transfer modes ask it."""
    _, net = built("cross_stitch", "small_cnn")
    assert net.backbone.pretrained is False
    type(net.backbone.first).pretrained = True
    try:
        assert net.backbone.pretrained is True
    finally:
        type(net.backbone.first).pretrained = False
