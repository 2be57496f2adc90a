"""The loop: resuming, cancelling, figures, bad numbers, odd sets."""

import dataclasses

import numpy as np
import pytest
import torch

from sslcore.errors import DataError, RecipeError, TrainingError
from sslcore.methods.fixmatch import FixMatch
from sslcore.training import snapshot
from sslcore.training.best import BEST
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.data import Baseline, TaskLabels, TrainingData
from sslcore.training.pool import Pool
from sslcore.training.run import CHECKPOINT, train
from tests.training.toys import Remember, blobs, digits, recipe


class KilledError(Exception):
    pass


class Killer(Remember):
    """Ends the run the hard way at the first metric from a step on."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def metric(self, step, name, value, *, task=None):
        if step >= self.at:
            raise KilledError


@pytest.mark.parametrize(
    ("data", "method"), [(digits, "fixmatch"), (digits, "freematch"), (blobs, "mean_teacher")]
)
def test_a_killed_run_goes_on_to_the_same_weights_bit_for_bit(data, method, tmp_path):
    held = data()
    settings = {"steps": 8, "evaluate_every_s": 0.0, "checkpoint_every_s": 0.0}
    whole = train(recipe(method, **settings), held, Remember(), folder=tmp_path / "whole")
    with pytest.raises(KilledError):
        train(recipe(method, **settings), held, Killer(at=5), folder=tmp_path / "killed")
    step = read_checkpoint(tmp_path / "killed" / CHECKPOINT)[1]["step"]
    assert step == 4
    torch.rand(3)  # what the process drew in between must not matter
    told = Remember()
    resumed = train(recipe(method, **settings), held, told, folder=tmp_path / "killed", resume=True)
    assert min(row[0] for row in told.rows) > step
    assert resumed.steps == 8
    first, _ = read_checkpoint(tmp_path / "whole" / CHECKPOINT)
    second, _ = read_checkpoint(tmp_path / "killed" / CHECKPOINT)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert np.array_equal(whole.proba["label"], resumed.proba["label"])


def test_weights_spoilt_by_the_last_step_are_noticed_and_never_saved(tmp_path, monkeypatch):
    honest = FixMatch.unlabelled

    def unlabelled(self, task, seen, batch, at):
        term = honest(self, task, seen, batch, at)
        if at.step == 5:
            term.loss.register_hook(lambda gradient: gradient * float("nan"))
        return term

    monkeypatch.setattr(FixMatch, "unlabelled", unlabelled)
    settings = {"steps": 6, "checkpoint_every_s": 0.0, "evaluate_every_s": 3600}
    with pytest.raises(TrainingError, match=r"step 5\b"):
        train(recipe(method_config={"threshold": 0.0}, **settings), blobs(), Remember(), folder=tmp_path)
    assert read_checkpoint(tmp_path / CHECKPOINT)[1]["step"] == 5


def test_a_finished_run_leaves_no_optimiser_and_can_be_asked_again(tmp_path):
    settings = recipe(steps=4, checkpoint_every_s=0.0)
    first = train(settings, blobs(), Remember(), folder=tmp_path)
    tensors, facts = read_checkpoint(tmp_path / CHECKPOINT)
    assert facts["phase"] == "done"
    assert not [name for name in tensors if name.startswith("optimiser.")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.safetensors", CHECKPOINT]
    again = train(settings, blobs(), Remember(), folder=tmp_path, resume=True)
    assert again.steps == 4
    assert np.array_equal(first.proba["label"], again.proba["label"])


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    train(recipe(steps=2), blobs(), Remember(), folder=tmp_path)
    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe(steps=3), blobs(), Remember(), folder=tmp_path, resume=True)


def test_a_checkpoint_of_other_labels_is_refused(tmp_path):
    data = blobs()
    settings = recipe(steps=6, evaluate_every_s=0.0, checkpoint_every_s=0.0)
    with pytest.raises(KilledError):
        train(settings, data, Killer(at=3), folder=tmp_path)
    task = data.tasks[0]
    turned = dataclasses.replace(task, label_N=np.where(task.label_N < 0, -1, (task.label_N + 1) % 3))
    audit = dataclasses.replace(task, audit_row_A=task.audit_row_A[1:], audit_label_A=task.audit_label_A[1:])
    for other in (turned, audit):
        with pytest.raises(RecipeError, match="is of other labels"):
            train(
                settings, dataclasses.replace(data, tasks=[other]), Remember(), folder=tmp_path, resume=True
            )
    assert train(settings, data, Remember(), folder=tmp_path, resume=True).steps == 6


def test_a_number_that_changed_is_another_label(tmp_path):
    data = blobs()
    value_N = np.where(np.arange(len(data)) < 30, np.arange(len(data)), np.nan)
    size = TaskLabels("size", "numeric", 0, np.where(np.isnan(value_N), -1, 0), value_N=value_N)
    with_size = dataclasses.replace(data, tasks=[*data.tasks, size])
    train(recipe(steps=2), with_size, Remember(), folder=tmp_path)
    more = dataclasses.replace(size, value_N=value_N + 1)
    other = dataclasses.replace(data, tasks=[*data.tasks, more])
    with pytest.raises(RecipeError, match="is of other labels"):
        train(recipe(steps=2), other, Remember(), folder=tmp_path, resume=True)
    assert train(recipe(steps=2), with_size, Remember(), folder=tmp_path, resume=True).steps == 2


def test_a_checkpoint_from_before_labels_were_told_goes_on(tmp_path, monkeypatch):
    honest = snapshot.write_checkpoint

    def older(path, tensors, facts):
        honest(path, tensors, {name: fact for name, fact in facts.items() if name != "labels"})

    monkeypatch.setattr(snapshot, "write_checkpoint", older)
    train(recipe(steps=2), blobs(), Remember(), folder=tmp_path)
    assert train(recipe(steps=2), blobs(), Remember(), folder=tmp_path, resume=True).steps == 2


def test_a_new_run_leaves_the_best_weights_of_another_behind(tmp_path):
    settings = recipe(steps=8, evaluate_every_s=0.0, checkpoint_every_s=0.0)
    train(settings, blobs(), Remember(), folder=tmp_path)
    assert (tmp_path / BEST).exists()
    other = recipe(steps=8, seed=1, evaluate_every_s=3600, checkpoint_every_s=0.0)
    train(other, blobs(), Remember(cancel_after=0), folder=tmp_path)  # saved before anything was looked at
    assert not (tmp_path / BEST).exists()


def test_a_broken_checkpoint_is_named(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"not this")
    with pytest.raises(DataError, match="checkpoint"):
        train(recipe(steps=2), blobs(), Remember(), folder=tmp_path, resume=True)


def test_a_cancelled_run_stops_and_can_go_on(tmp_path):
    settings = {"steps": 20_000, "evaluate_every_s": 0.0}
    told = Remember(cancel_after=2)
    out = train(recipe(**settings), blobs(), told, folder=tmp_path)
    assert out.cancelled
    assert 0 < out.steps < 20_000
    assert out.proba == {}
    assert (tmp_path / CHECKPOINT).exists()
    assert any("resumed" in note for _, _, note in told.notes)
    more = train(recipe(**settings), blobs(), Remember(cancel_after=2), folder=tmp_path, resume=True)
    assert more.steps > out.steps


def test_cancelled_before_it_began(tmp_path):
    out = train(recipe(steps=5), blobs(), Remember(cancel_after=0), folder=tmp_path)
    assert out.cancelled
    assert out.steps == 0


def test_a_loss_that_is_no_number_stops_the_run_and_spares_the_checkpoint(tmp_path, monkeypatch):
    honest = FixMatch.unlabelled

    def unlabelled(self, task, seen, batch, at):
        term = honest(self, task, seen, batch, at)
        return dataclasses.replace(term, loss=term.loss * (float("nan") if at.step == 5 else 1.0))

    monkeypatch.setattr(FixMatch, "unlabelled", unlabelled)
    settings = {"steps": 50, "labels_first": 0, "checkpoint_every_s": 0.0, "evaluate_every_s": 3600}
    dealt, deal = {}, Pool.batch

    def batch(self, step, names, dice):
        made = deal(self, step, names, dice)
        dealt[step] = made.row_U.tolist()
        return made

    monkeypatch.setattr(Pool, "batch", batch)
    with pytest.raises(TrainingError, match=r"step 5\b.*learning rate of 0\.00\d+.*Lower") as found:
        train(recipe(**settings), blobs(), Remember(), folder=tmp_path)
    assert list(found.value.rows[8:]) == dealt[5]  # after the eight labelled ones
    assert all(blobs().tasks[0].label_N[row] >= 0 for row in found.value.rows[:8])
    tensors, facts = read_checkpoint(tmp_path / CHECKPOINT)
    assert facts["step"] == 5
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_all_figures_are_told_with_their_task(tmp_path):
    told = Remember()
    data = blobs()
    out = train(recipe(steps=30, method_config={"threshold": 0.2}), data, told, folder=tmp_path)
    for name in ("loss", "loss_labelled", "loss_unlabelled", "learning_rate", "steps_per_second"):
        assert (name, None) in {(row[1], row[3]) for row in told.rows}
    for name in ("audit_accuracy", "key_accuracy", "utilisation", "pseudo_precision", "pseudo_precision_key"):
        assert (name, "label") in {(row[1], row[3]) for row in told.rows}
    assert all(np.isfinite(row[2]) for row in told.rows)
    task, answer_N = data.tasks[0], out.proba["label"].argmax(1)
    audit = (answer_N[task.audit_row_A] == task.audit_label_A).mean()
    assert out.metrics["audit_accuracy"]["label"] == pytest.approx(audit)
    unseen_N = task.label_N < 0
    unseen_N[task.audit_row_A] = False
    key = (answer_N == data.key_N["label"])[unseen_N].mean()
    assert out.metrics["key_accuracy"]["label"] == pytest.approx(key)
    assert out.feature_ND.dtype == np.float16
    assert out.feature_ND.shape[0] == len(data) == len(out.proba["label"])
    assert out.proba["label"].dtype == np.float32


def test_neither_the_key_nor_the_audit_labels_change_what_is_learned(tmp_path):
    data = blobs()
    plain = train(recipe(steps=10), data, Remember(), folder=tmp_path / "a")
    task = data.tasks[0]
    wrong = dataclasses.replace(task, audit_label_A=(task.audit_label_A + 1) % 3)
    blind = dataclasses.replace(data, key_N=None, tasks=[wrong])
    other = train(recipe(steps=10), blind, Remember(), folder=tmp_path / "b")
    assert np.array_equal(plain.proba["label"], other.proba["label"])
    assert "key_accuracy" not in other.metrics


def test_the_callers_random_numbers_stay_theirs(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(recipe(steps=2), blobs(), Remember(), folder=tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_two_tasks_with_labels_on_different_items(tmp_path):
    data = blobs(per_class=4)
    coarse_N = (data.key_N["label"] > 0).astype(int)
    label_N = np.full(len(data), -1)
    label_N[:40] = coarse_N[:40]
    label_N[data.tasks[0].label_N >= 0] = -1
    other = TaskLabels("coarse", "ordinal", 2, label_N)
    size = TaskLabels("size", "numeric", 1, np.full(len(data), -1))
    both = dataclasses.replace(data, tasks=[data.tasks[0], other, size])
    told = Remember()
    out = train(recipe(steps=60), both, told, folder=tmp_path)
    assert out.proba.keys() == {"label", "coarse"}
    assert (out.proba["coarse"].argmax(1) == coarse_N).mean() > 0.75
    assert {row[3] for row in told.rows if row[1] == "utilisation"} == {"label", "coarse"}


def test_nothing_to_learn_from_is_said(tmp_path):
    data = blobs()
    none = dataclasses.replace(data.tasks[0], label_N=np.full(len(data), -1))
    with pytest.raises(TrainingError, match="Label at least one"):
        train(recipe(steps=2), dataclasses.replace(data, tasks=[none]), Remember(), folder=tmp_path)


def test_excluded_rows_teach_nothing_and_are_predicted(tmp_path):
    data = blobs()
    excluded_N = np.zeros(len(data), dtype=bool)
    excluded_N[100:200] = True
    spoiled = data.feature_ND.copy()
    spoiled[100:200] = 1e6
    clean = dataclasses.replace(data, excluded_N=excluded_N)
    out = train(recipe(steps=3), clean, Remember(), folder=tmp_path / "a")
    assert len(out.proba["label"]) == len(data)
    flipped = dataclasses.replace(data.tasks[0], label_N=np.where(excluded_N, 0, data.tasks[0].label_N))
    other = train(
        recipe(steps=3), dataclasses.replace(clean, tasks=[flipped]), Remember(), folder=tmp_path / "b"
    )
    assert np.array_equal(out.proba["label"], other.proba["label"])


def test_one_class_all_labelled_and_hardly_anything_else(tmp_path):
    feature_ND = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    only = TaskLabels("label", "single", 1, np.zeros(6, dtype=int))
    out = train(
        recipe(steps=2), TrainingData("text", [only], feature_ND=feature_ND), Remember(), folder=tmp_path
    )
    assert np.allclose(out.proba["label"], 1)
    every = TaskLabels("label", "single", 2, np.array([0, 1, 0, 1, 0, 1]))
    out = train(
        recipe(steps=2), TrainingData("text", [every], feature_ND=feature_ND), Remember(), folder=tmp_path
    )
    assert out.steps == 2


def test_a_run_worse_than_the_head_says_so(tmp_path):
    data = blobs()
    data = dataclasses.replace(data, baseline={"label": Baseline(data.key_N["label"])})
    out = train(recipe(steps=2), data, Remember(), folder=tmp_path)
    assert out.metrics["collapsed"]["label"]
    assert "supervised head" in " ".join(out.metrics["notes"])


def test_minutes_are_kept(tmp_path):
    told = Remember()
    out = train(recipe(minutes=0.05, evaluate_every_s=0.2), blobs(), told, folder=tmp_path)
    # 3 asked for; a busy machine is stopped at half as much again, one that was busy at first is done sooner
    assert 1.2 < out.seconds < 8.0
    assert out.metrics["learning_rate"] < 0.5 * 0.01
    totals = [total for done, total, _ in told.notes if done > 0]
    assert totals[-1] == totals[-2] == out.steps


@pytest.mark.parametrize("shape", [(3, 40, 30), (1, 9, 9)])
def test_images_of_any_size_and_kind(shape, tmp_path):
    image_NXHW = np.random.default_rng(0).integers(0, 256, (30, *shape), dtype=np.uint8)
    task = TaskLabels("label", "single", 2, np.where(np.arange(30) < 10, np.arange(30) % 2, -1))
    data = TrainingData("image", [task], image_NXHW=image_NXHW)
    out = train(recipe(steps=2), data, Remember(), folder=tmp_path)
    again = out.predictor.predict_proba(image_NXHW.transpose(0, 2, 3, 1))
    assert np.allclose(again["label"], out.proba["label"], atol=1e-6)
    assert out.predictor.preprocess.flips == (shape[0] == 3)


def test_raw_texts_are_learned_from_words(tmp_path):
    rng = np.random.default_rng(0)
    topics = [["ball", "goal", "team", "coach", "match"], ["bank", "stock", "market", "price", "fund"]]
    filler = [f"word{i}" for i in range(40)]
    key_N = rng.integers(0, 2, 240)
    text_N = [" ".join(rng.permutation([*rng.choice(topics[y], 3), *rng.choice(filler, 6)])) for y in key_N]
    label_N = np.where(np.arange(240) < 16, key_N, -1)
    data = TrainingData("text", [TaskLabels("label", "single", 2, label_N)], text_N=text_N)
    out = train(recipe(steps=60), data, Remember(), folder=tmp_path)
    assert out.predictor.preprocess.backbone == "text_embedding"
    assert (out.proba["label"].argmax(1) == key_N).mean() > 0.8
    assert out.predictor.predict_proba(["goal team match", "stock market"])["label"].argmax(1).tolist() == [
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("method", "set_up", "highest"), [("supervised", {}, 0.1), ("sgan", {"learning_rate": 0.2}, 0.2)]
)
def test_the_rate_suits_the_network_unless_one_is_given(tmp_path, method, set_up, highest):
    said = Remember()
    train(recipe(method, steps=12, evaluate_every_s=0.0, **set_up), digits(), said, folder=tmp_path)
    rates = [value for _, name, value, _ in said.rows if name == "learning_rate"]
    assert 0.9 * highest < max(rates) <= highest
    assert rates[0] < max(rates), "it rises first"


def test_on_features_the_rate_is_low_from_the_first_step_on(tmp_path):
    said = Remember()
    train(recipe("supervised", steps=12, evaluate_every_s=0.0), blobs(), said, folder=tmp_path)
    rates = [value for _, name, value, _ in said.rows if name == "learning_rate"]
    assert max(rates) == rates[0] <= 0.01
