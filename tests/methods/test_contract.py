"""What every deep method must do, read off the registry."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from sslcore.losses.consistency import ramp_up
from sslcore.methods import METHODS
from sslcore.methods.balanced_head import BalancedConfig
from sslcore.methods.base import Moment, RampedConfig
from sslcore.models import TaskShape
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.run import CHECKPOINT, train
from tests.methods import bench
from tests.training import toys

NAMES = METHODS.names()
UNLABELLED = [name for name in NAMES if name != "supervised"]
UNMIXED = {"mixmatch": {"alpha": 0.0}, "remixmatch": {"alpha": 0.0}}  # else labelled items are mixtures


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_finite_and_reaches_every_weight(name):
    net = bench.network()
    made = bench.method(name)
    loss, told = bench.loss(made, net)
    assert loss.ndim == 0
    assert torch.isfinite(loss)
    loss.backward()
    for weight_name, weight in [*net.named_parameters(), *made.own.named_parameters()]:
        assert weight.grad is not None, weight_name
        assert torch.isfinite(weight.grad).all()
        assert weight.grad.abs().sum() > 0, weight_name
    assert not told.loss_labelled.requires_grad
    for weight_U, label_U in zip(told.weight_TU, told.label_TU, strict=True):
        assert ((weight_U >= 0) & (weight_U <= 1)).all()
        assert ((label_U >= 0) & (label_U < bench.CLASSES)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_batch_gives_the_same_loss(name):
    first, second = (bench.loss(bench.method(name))[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", UNLABELLED)
def test_without_the_unlabelled_weight_it_is_the_supervised_network(name):
    net, given = bench.network(), bench.batch(bench.method(name).views)
    made = bench.method(name, unlabelled_weight=0.0, **UNMIXED.get(name, {}))
    loss, told = bench.loss(made, net, given=given)
    supervised, _ = bench.loss(bench.method("supervised"), net, given=given)
    torch.testing.assert_close(loss - told.loss_beside, supervised)


RAMPED = [name for name in UNLABELLED if isinstance(METHODS[name].config(), RampedConfig)]


@pytest.mark.parametrize("name", RAMPED)
def test_early_in_a_run_answers_are_let_in_along_the_ramp(name):
    net, given, early = bench.network(), bench.batch(bench.method(name).views), bench.moment(done=0.15)
    whole = bench.loss(bench.method(name, ramp=0.0), net, given=given, at=early)[1].loss_unlabelled
    some = bench.loss(bench.method(name, ramp=0.4), net, given=given, at=early)[1].loss_unlabelled
    torch.testing.assert_close(some, ramp_up(0.15, 0.4) * whole)


HEADS = [(name, {}) for name in NAMES]
HEADS += [
    (entry.name, {"balanced_head": True}) for entry in METHODS if issubclass(entry.config, BalancedConfig)
]


@pytest.mark.parametrize("alone", [False, True], ids=["whole", "labels"])
@pytest.mark.parametrize(("name", "settings"), HEADS)
def test_the_weight_of_a_task_reaches_all_that_learns_to_answer_it(name, settings, alone):
    entry, net, teacher = METHODS[name], bench.network(classes=(3, 3)), bench.network(1, classes=(3, 3))
    made = entry.value(entry.config(**settings), [TaskShape("a", 3, weight=50.0), TaskShape("b", 3)], 50)
    made.build(net)
    given = bench.batch(made.views)
    given = dataclasses.replace(given, label_TB=given.label_TB.repeat(2, 1))
    rng = torch.Generator().manual_seed(0)
    if alone:
        loss_T, beside, _ = made.labels_alone(net, given, rng)
    else:
        loss_T, beside, _ = made.losses(net, given, Moment(10, 0.5, teacher.eval()), rng)
    heads = [net.heads[0], *([made.own["heads"][0]] if "heads" in made.own else [])]
    for weight in (weight for head in heads for weight in head.parameters()):
        of_task = torch.autograd.grad(loss_T[0], weight, retain_graph=True)[0]
        assert of_task.abs().sum() > 0
        for other in (loss_T[1], beside):
            if other.requires_grad:
                moved = torch.autograd.grad(other, weight, retain_graph=True, allow_unused=True)[0]
                assert moved is None or not moved.any()


def test_all_that_learn_answers_from_nothing_have_a_ramp():
    assert set(UNLABELLED) - set(RAMPED) == {"label_correction", "sgan", "ssvae", "virtual_samples"}


@pytest.mark.parametrize("name", UNLABELLED)
def test_unlabelled_views_change_the_loss_and_labels_of_no_task_do_not_break_it(name):
    made = bench.method(name)
    given = bench.batch(made.views)
    none = dataclasses.replace(given, label_TB=torch.full_like(given.label_TB, -1))
    # three steps, each with views of its own, let the methods that remember warm up
    for seed in range(3):
        none = dataclasses.replace(none, views=bench.batch(made.views, seed=seed).views)
        loss, told = bench.loss(made, given=none, at=bench.moment(done=0.9))
    assert told.loss_labelled == 0
    assert torch.isfinite(loss)
    assert abs(loss) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_asking_what_it_accepts_changes_nothing(name):
    made = bench.method(name)
    bench.loss(made)
    before = {key: tensor.clone() for key, tensor in made.state.items()}
    proba_UC = torch.softmax(torch.randn(6, bench.CLASSES), 1)
    trust_U = made.accept(0, proba_UC)
    assert trust_U is None or (trust_U.shape == (6,) and ((trust_U >= 0) & (trust_U <= 1)).all())
    assert before.keys() == made.state.keys()
    assert all(torch.equal(before[key], made.state[key]) for key in before)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_three_clouds(name, tmp_path):
    data = toys.blobs()
    out = train(toys.recipe(name, steps=60), data, toys.Remember(), folder=tmp_path)
    answer_N = out.proba["label"].argmax(1)
    assert (answer_N == data.key_N["label"]).mean() > 0.6
    again = train(toys.recipe(name, steps=60), data, toys.Remember(), folder=tmp_path / "again")
    assert np.array_equal(out.proba["label"], again.proba["label"])


class KilledError(Exception):
    pass


class Killer(toys.Remember):
    """Ends the run the hard way at the first figure from a step on."""

    def metric(self, step, name, value, *, task=None):
        if step >= 5:
            raise KilledError


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_goes_on_bit_for_bit(name, tmp_path):
    settings = toys.recipe(name, steps=8, evaluate_every_s=0.0, checkpoint_every_s=0.0)
    train(settings, toys.blobs(), toys.Remember(), folder=tmp_path / "whole")
    with pytest.raises(KilledError):
        train(settings, toys.blobs(), Killer(), folder=tmp_path / "killed")
    train(settings, toys.blobs(), toys.Remember(), folder=tmp_path / "killed", resume=True)
    whole, _ = read_checkpoint(tmp_path / "whole" / CHECKPOINT)
    again, _ = read_checkpoint(tmp_path / "killed" / CHECKPOINT)
    assert whole.keys() == again.keys()
    assert [key for key in whole if not torch.equal(whole[key], again[key])] == []


def test_forms_of_methods_need_no_torch():
    code = (
        "import sys; from sslcore.methods import METHODS; from sslcore.training.recipe import Recipe; "
        "[entry.schema() for entry in METHODS]; Recipe.parse({'method': 'fixmatch'}); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
