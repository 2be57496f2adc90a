import re

import pytest
import torch

from sslcore.methods import METHODS
from sslcore.methods.base import Batch
from sslcore.methods.generative import sheet_labels
from sslcore.models import InputSpec, TaskShape
from sslcore.models.ground import Ground
from sslcore.models.network import build_network
from sslcore.models.traits import TRAITS
from tests.methods import bench

NAMES = [entry.name for entry in METHODS if entry.family == "generative"]


def image_method(name, channels=1, classes=(3,), **settings):
    """A method on a small image network, and a batch of noise; pixels 0.5 wide around 0.1."""
    entry = METHODS[name]
    made = entry.value(
        entry.config(**settings), [TaskShape(str(n), count) for n, count in enumerate(classes)], 50
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build_network("small_cnn", InputSpec("image", channels=channels, size=8), list(classes)).train()
        made.build(net)
    rng = torch.Generator().manual_seed(0)
    labelled_B = torch.rand(4, channels, 8, 8, generator=rng) * 0.5 - 0.1
    view_U = torch.rand(6, channels, 8, 8, generator=rng) * 0.5 - 0.1
    label_TB = torch.stack([torch.arange(4) % count for count in classes])
    given = Batch(labelled_B, label_TB, {"weak": view_U}, torch.arange(6))
    return made, net, given


def teacher_of(net, done=0.5):
    from copy import deepcopy

    from sslcore.methods.base import Moment

    return Moment(step=10, done=done, teacher=deepcopy(net).eval().requires_grad_(False))


@pytest.mark.parametrize("name", NAMES)
def test_it_refuses_texts_and_says_what_to_do(name):
    entry = METHODS[name]
    tasks = (TaskShape("label", 3),)
    for network in ("text_embedding", "minilm"):
        told = entry.value.obstacle(entry.config(), Ground(network, TRAITS[network], tasks))
        assert re.search("words, and these cannot be drawn.*feature_mlp", told)
    number = Ground("small_cnn", TRAITS["small_cnn"], (TaskShape("price", 0, "numeric"),))
    assert "no task of this run has one class an item" in entry.value.obstacle(entry.config(), number)
    fits = Ground("small_cnn", TRAITS["small_cnn"], tasks)
    assert entry.value.obstacle(entry.config(), fits) == ""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels", "classes"), [(1, (3,)), (3, (3, 2))])
def test_images_of_both_kinds_one_and_two_tasks(name, channels, classes):
    made, net, given = image_method(name, channels, classes)
    loss, told = made.loss(net, given, teacher_of(net), torch.Generator().manual_seed(0))
    assert torch.isfinite(loss)
    assert len(told.weight_TU) == len(classes)
    loss.backward()
    assert all(weight.grad is not None for weight in made.own.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_drawn_items_leave_no_trace_in_the_statistics_of_batch_norm(name):
    made, net, given = image_method(name)
    _, clean, _ = image_method(name)
    made.loss(net, given, teacher_of(net), torch.Generator().manual_seed(0))
    for view in made.target_views:
        clean(given.views[view])
    clean(torch.cat([given.labelled_B, *(given.views[view] for view in made.learn_views)]))
    for mine, theirs in zip(net.buffers(), clean.buffers(), strict=True):
        if mine.is_floating_point():
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_its_pictures_are_images_and_drawing_them_changes_nothing(name):
    made, net, given = image_method(name)
    made.loss(net, given, teacher_of(net), torch.Generator().manual_seed(0))
    before = {key: tensor.clone() for key, tensor in [*made.own.state_dict().items(), *made.state.items()]}
    sheets = made.picture(torch.Generator().manual_seed(0))
    assert sheets["samples"].shape == (36, 1, 8, 8)
    assert all(images.dtype == torch.uint8 for images in sheets.values())
    assert sheets["samples"].float().std() > 0
    again = made.picture(torch.Generator().manual_seed(0))
    assert all(torch.equal(sheets[key], again[key]) for key in sheets)
    assert all(module.training for module in made.own.modules())
    after = {**made.own.state_dict(), **made.state}
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", NAMES)
def test_features_have_no_pictures(name):
    made = bench.method(name)
    bench.loss(made)
    assert made.picture(torch.Generator()) is None


def test_values_and_views_are_each_others_way_back():
    made, _, given = image_method("ssvae", channels=3)
    made.watch(given.views["weak"])
    value_U = made.values(given.views["weak"])
    assert value_U.min() >= 0
    assert value_U.max() == 1
    torch.testing.assert_close(made.view(value_U), given.views["weak"])


def test_own_modules_move_by_adam_at_their_own_rate():
    made = bench.method("sgan")
    (group,) = made.groups(rate=0.05, decay=1.0)
    assert group["scale"] * 0.05 == pytest.approx(made.rate)
    assert group["adaptive"] == made.momentum
    assert group["weight_decay"] == 0
    assert len(group["params"]) == len([*made.own.parameters()])


@pytest.mark.parametrize("classes", [1, 2, 3, 7, 10, 150])
def test_a_sheet_is_square_and_has_whole_rows_of_a_class(classes):
    label_K = sheet_labels(classes)
    side = round(len(label_K) ** 0.5)
    assert side * side == len(label_K)
    assert 6 <= side <= 10
    assert (label_K.view(side, side) == label_K.view(side, side)[:, :1]).all()
    assert len(label_K.unique()) == min(classes, 10)
