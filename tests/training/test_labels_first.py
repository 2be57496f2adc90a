"""The first steps of a run learn labelled items alone."""

import numpy as np
import pytest
import torch

from sslcore.errors import TrainingError
from sslcore.methods import METHODS
from sslcore.methods.fixmatch import FixMatch
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.pool import Pool
from sslcore.training.run import CHECKPOINT, TIMED, train
from tests.training.test_run import KilledError, Killer
from tests.training.toys import Remember, blobs, digits, recipe

EACH = {"evaluate_every_s": 0.0, "checkpoint_every_s": 0.0}


@pytest.fixture
def dealt(monkeypatch):
    """How many unlabelled items each step had."""
    seen, honest = {}, Pool.batch

    def batch(self, step, names, dice):
        made = honest(self, step, names, dice)
        seen[step] = len(made.row_U)
        return made

    monkeypatch.setattr(Pool, "batch", batch)
    return seen


def test_a_fifth_of_the_steps_by_default(dealt, tmp_path):
    train(recipe(steps=20), blobs(), Remember(), folder=tmp_path)
    assert [dealt[step] for step in range(20)] == [0] * 4 + [32] * 16


@pytest.mark.parametrize("name", METHODS.names())
def test_it_moves_a_network_as_the_supervised_one(name, tmp_path):
    """Whatever a method makes of labels later; those with parts of their own do not wait."""
    data = digits()
    kind = METHODS[name].value
    end = {}
    for method in ("supervised", name):
        settings = recipe(method, steps=10, labels_first=0.9, learning_rate=0.03, **EACH)
        with pytest.raises(KilledError):
            train(settings, data, Killer(at=4), folder=tmp_path / method)
        tensors, _ = read_checkpoint(tmp_path / method / CHECKPOINT)
        end[method] = {key: held for key, held in tensors.items() if key.startswith("network.")}
    first, second = end["supervised"], end[name]
    same = all(torch.equal(first[key], second[key]) for key in first)
    own = name == "multimatch" or kind.norm != "batch"  # heads that move the backbone too; another network
    assert same == ((kind.labels_first and not own) or name == "supervised")


def test_all_heads_of_multimatch_learn_the_labels(tmp_path):
    """Heads that stood still would agree by chance, and teach that."""
    with pytest.raises(KilledError):
        train(
            recipe("multimatch", steps=40, labels_first=0.9, learning_rate=0.03, **EACH),
            digits(),
            Killer(at=36),
            folder=tmp_path,
        )
    tensors, _ = read_checkpoint(tmp_path / CHECKPOINT)
    (weight,) = (held for key, held in tensors.items() if key.endswith("heads.0.weight") and len(held) == 20)
    network = next(
        held for key, held in tensors.items() if key.startswith("network.heads.0") and held.ndim == 2
    )
    assert weight.std() > 0.5 * network.std()
    start = torch.nn.Linear(weight.shape[1], 20).weight
    assert weight.std() > 1.1 * start.std()


def test_dash_takes_its_bar_from_the_labels_loss(tmp_path):
    with pytest.raises(KilledError):
        train(recipe("dash", steps=20, labels_first=0.5, **EACH), digits(), Killer(at=9), folder=tmp_path)
    tensors, _ = read_checkpoint(tmp_path / CHECKPOINT)
    start = next(held for key, held in tensors.items() if key.endswith("0.start"))
    assert abs(float(start) - np.log(10)) > 0.05


def test_the_balanced_head_learns_the_labels_too(tmp_path):
    with pytest.raises(KilledError):
        train(
            recipe("fixmatch", method_config={"balanced_head": True}, steps=20, labels_first=0.9, **EACH),
            digits(),
            Killer(at=9),
            folder=tmp_path,
        )
    tensors, _ = read_checkpoint(tmp_path / CHECKPOINT)
    counted = next(held for key, held in tensors.items() if key.endswith("0.labels_C"))
    assert counted.sum() > 0


def test_a_resumed_run_knows_where_it_ended(tmp_path):
    """Also where the number of steps is estimated anew."""
    settings = recipe(steps=10, labels_first=0.5, **EACH)
    with pytest.raises(KilledError):
        train(settings, blobs(), Killer(at=7), folder=tmp_path)
    assert read_checkpoint(tmp_path / CHECKPOINT)[1]["opening_end"] == 5
    whole = train(settings, blobs(), Remember(), folder=tmp_path / "whole")
    resumed = train(settings, blobs(), Remember(), folder=tmp_path, resume=True)
    assert np.array_equal(whole.proba["label"], resumed.proba["label"])


def test_a_budget_in_minutes_holds_and_the_phase_is_said(dealt, tmp_path):
    told = Remember()
    settings = recipe(minutes=0.05, evaluate_every_s=0.2, labels_first=0.3)
    out = train(settings, blobs(), told, folder=tmp_path)
    assert any("labelled items alone" in note for _, _, note in told.notes)
    assert [value for _, name, value, _ in told.rows if name == "labels_first"] == [
        sum(count == 0 for count in dealt.values())
    ]
    assert 0 < sum(count == 0 for count in dealt.values()) < out.steps
    kinds = [dealt[step] for step in range(out.steps)]
    assert min(kinds[:TIMED]) > 0  # so that it is known what a whole one costs
    assert kinds[TIMED:] == sorted(kinds[TIMED:])  # it does not come again


def test_a_loss_that_is_no_number_names_labelled_items_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(FixMatch, "labels", lambda self, task, seen, batch: seen.logits["labelled"].sum() / 0)
    with pytest.raises(TrainingError, match="8 labelled and 0 unlabelled items") as found:
        train(recipe(steps=20), blobs(), Remember(), folder=tmp_path)
    assert all(blobs().tasks[0].label_N[row] >= 0 for row in found.value.rows)
