"""Every combination of choices: what the rules let through starts; a run refuses the rest in their words."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from sslcore.errors import RecipeError
from sslcore.methods import METHODS
from sslcore.models import BACKBONES, TaskShape
from sslcore.models.ground import Ground
from sslcore.models.traits import TRAITS, Traits
from sslcore.multitask import BALANCINGS, SHARINGS
from sslcore.pretraining import WARM_STARTS
from sslcore.training.data import TrainingData
from sslcore.training.fit import obstacle, refuse
from sslcore.training.looking import ground_of, look_up
from sslcore.training.recipe import Recipe
from sslcore.training.run import _Run, train
from sslcore.transfer import TRANSFERS
from tests.training.toys import Remember, blobs, digits, some_labels

QUICK = ("small_cnn", "wrn_16_2", "feature_mlp", "text_embedding")
SLOW = ("wrn_28_2", "efficientnet_lite0", "minilm")
MARKED = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
WORDS = ["goal", "match", "cup", "bank", "rate", "share", "film", "actor", "scene"]


def texts():
    """Two dozen texts of three kinds."""
    rng = np.random.default_rng(0)
    kind_N = np.arange(24) % 3
    said = [" ".join(rng.choice(WORDS[3 * kind : 3 * kind + 3], 4)) for kind in kind_N]
    return TrainingData("text", [some_labels(kind_N, 2, 3)], text_N=said)


def data_for(backbone, tasks=1):
    """A tiny set that the network reads, with a teacher, and as many tasks as wished for."""
    reads = TRAITS[backbone].source
    data = {"image": lambda: digits(count=40, per_class=1, audit=4), "text": texts, "feature": blobs}[reads]()
    label = data.tasks[0]
    more = [dataclasses.replace(label, name=f"label {place}") for place in range(1, tasks)]
    soft_NC = np.full((len(data), label.classes), 1 / label.classes, dtype=np.float32)
    soft = {task.name: soft_NC for task in [label, *more]}
    return dataclasses.replace(data, tasks=[label, *more], soft_target=soft)


def wish(backbone, method="supervised", *, share=0.5, **choices):
    sizes = {"batch": 4, "unlabelled_ratio": 1, "steps": 2, "device": "cpu", "evaluate_every_s": 100.0}
    size = {"image_size": 32 if backbone == "efficientnet_lite0" else 16} if "text" not in backbone else {}
    values = {"method": method, "train_config": sizes | size | {"backbone": backbone}, **choices}
    if values.get("warm_start", "none") != "none":
        values["warm_start_config"] = {"share": share, "batch": 4}
    return Recipe.parse(values)


def starts(recipe, data):
    """One step of the warm start, where there is one, and one of the method."""
    with torch.random.fork_rng(devices=[]):
        run = _Run(recipe, data, Remember(), Path())
        if run.warming is not None:
            run.warming.one_step()
            run.warming = None
            run._prepare()
        run._step()
        run._check_numbers()


def holds(recipe, data):
    """The rule and the run agree on a recipe."""
    told = obstacle(recipe, ground_of(recipe, data))
    if told:
        with pytest.raises(RecipeError) as refused:
            train(recipe, data, Remember(), folder=Path())
        assert str(refused.value) == told
    else:
        starts(recipe, data)
    return not told


@pytest.mark.parametrize("backbone", MARKED)
def test_every_warm_start_and_transfer_on_every_network(backbone):
    data = data_for(backbone)
    started = [
        holds(wish(backbone, warm_start=warm, transfer=transfer), data)
        for warm, transfer in itertools.product(WARM_STARTS.names(), TRANSFERS.names())
    ]
    assert any(started)


@pytest.mark.parametrize("backbone", MARKED)
def test_every_method_on_every_network(backbone):
    data = data_for(backbone)
    started = [holds(wish(backbone, method), data) for method in METHODS.names()]
    assert sum(started) >= len(started) - 3  # all but the generative ones, on words


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["small_cnn", "feature_mlp", "text_embedding"])
@pytest.mark.parametrize("warm", ["none", "simclr"])
def test_every_method_with_every_transfer(backbone, warm):
    data = data_for(backbone)
    for method, transfer in itertools.product(METHODS.names(), TRANSFERS.names()):
        holds(wish(backbone, method, warm_start=warm, transfer=transfer), data)


@pytest.mark.parametrize("backbone", MARKED)
def test_every_sharing_and_balancing_on_every_network(backbone):
    data = data_for(backbone, tasks=2)
    for sharing in SHARINGS.names():
        assert holds(wish(backbone, sharing=sharing), data)
    for balancing in BALANCINGS.names():
        assert holds(wish(backbone, balancing=balancing), data)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["wrn_16_2", "feature_mlp"])
def test_every_sharing_with_every_transfer_and_balancing(backbone):
    data = data_for(backbone, tasks=2)
    warm = {"warm_start": "simclr"}
    for sharing, transfer in itertools.product(SHARINGS.names(), TRANSFERS.names()):
        assert holds(wish(backbone, sharing=sharing, transfer=transfer, **warm), data)
    for balancing, transfer in itertools.product(BALANCINGS.names(), TRANSFERS.names()):
        assert holds(wish(backbone, balancing=balancing, transfer=transfer, **warm), data)


@pytest.mark.parametrize(
    ("backbone", "sharings"),
    [("minilm", ["soft", "mmoe", "ple"]), ("text_embedding", ["soft"]), ("feature_mlp", ["soft"])],
)
def test_copies_that_could_never_part_are_refused(backbone, sharings):
    tasks = (TaskShape("topic", 4), TaskShape("tone", 2))
    ground = Ground(backbone, TRAITS[backbone], tasks, (4, 2))
    warm = dataclasses.replace(ground, warm=True)
    refused = []
    for name in SHARINGS.names():
        frozen = wish(backbone, sharing=name, transfer="frozen")
        told = obstacle(frozen, ground)
        refused += [name] if "could never part" in told else []
        assert ("could never part" in told) == bool(told)
        assert obstacle(frozen, warm) == ""
        assert obstacle(wish(backbone, sharing=name, transfer="linear_probe"), ground) == ""
    assert sorted(refused) == sorted(sharings)


@pytest.mark.parametrize("backbone", ["small_cnn", "feature_mlp"])
def test_more_tasks_than_a_network_has_parts(backbone):
    data = data_for(backbone, tasks=4)
    assert holds(wish(backbone, sharing="hierarchical"), data) == (backbone == "feature_mlp")


@pytest.mark.parametrize(
    ("recipe", "data", "words"),
    [
        (wish("small_cnn"), blobs(), "reads images; this run would give it features. Choose the backbone"),
        (wish("feature_mlp"), digits(), "an encoder's features"),
        (wish("small_cnn", sharing="soft"), digits(), "The sharing 'soft' is for several tasks"),
        (wish("small_cnn", balancing="pcgrad"), digits(), "The balancing 'pcgrad' is for several tasks"),
    ],
)
def test_what_belongs_to_no_single_choice(recipe, data, words):
    assert not holds(recipe, data)
    assert words in obstacle(recipe, ground_of(recipe, data))


def test_weights_whose_package_is_not_installed():
    traits = dataclasses.replace(TRAITS["minilm"], package="no_such_package")
    told = obstacle(wish("minilm"), Ground("minilm", traits, (TaskShape("topic", 2),), (2,)))
    assert "'no-such-package', which is not installed" in told


def test_nothing_to_learn_is_left_to_the_run_to_say():
    refuse(wish("small_cnn", sharing="soft"), Ground("small_cnn", TRAITS["small_cnn"], ()))


def test_lora_after_a_warm_start_is_timed_and_starts(tmp_path):
    """The steps that measure what a size costs have no warm start of their own."""
    recipe = wish("wrn_16_2", transfer="lora", warm_start="rotation")
    timed = dataclasses.replace(
        recipe.train_config, steps=None, minutes=1.0, batch=0, unlabelled_ratio=0, image_size=0
    )
    from sslcore.training.sizing import settle

    settled = settle(dataclasses.replace(recipe, train_config=timed), digits(), tmp_path)
    assert settled.train_config.batch > 0


@pytest.mark.parametrize("name", BACKBONES.names())
def test_networks_of_this_package_are_known_without_asking(name, monkeypatch):
    monkeypatch.setattr("subprocess.run", None)
    assert look_up(name) == TRAITS[name]


def test_networks_of_libraries_are_asked_for_in_a_child():
    assert look_up("timm:resnet18?pretrained=false") == Traits(
        "image", steps=look_up("timm:resnet18?pretrained=false").steps, weighty=6
    )
    with pytest.raises(RecipeError, match="Did you mean"):
        look_up("timm:resnet19")
