"""A collapse: seen while the run goes on, answered by the best weights before it, and else never offered."""

import dataclasses
from math import comb

import numpy as np
import pytest
import torch

from sslcore.methods.supervised import Supervised
from sslcore.training.best import BEST, Best
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.collapse import (
    OFTEN,
    STARVED,
    Watch,
    dominance,
    left_for_others,
    probability_below,
    probability_below_unseen,
)
from sslcore.training.data import Baseline, TaskLabels
from sslcore.training.evaluation import Evaluation
from sslcore.training.run import CHECKPOINT, train
from tests.training.toys import Remember, blobs, recipe


def test_worse_than_the_head_is_an_exact_question():
    """The Bayesian McNemar test by integration over a fine grid; a sign test says nearly the same."""
    rng = np.random.default_rng(0)
    run_A, head_A = rng.random(60) < 0.6, rng.random(60) < 0.8
    wins, losses = (run_A & ~head_A).sum(), (head_A & ~run_A).sum()
    q = (np.arange(400_000) + 0.5) / 400_000
    density = q ** (wins - 0.5) * (1 - q) ** (losses - 0.5)
    expected = density[q < 0.5].sum() / density.sum()
    assert probability_below(run_A, head_A) == pytest.approx(expected, abs=1e-4)
    tail = sum(comb(int(wins + losses), k) for k in range(wins)) / 2 ** int(wins + losses)
    assert probability_below(run_A, head_A) == pytest.approx(1 - tail, abs=0.1)
    assert probability_below(~run_A, ~head_A) == pytest.approx(1 - expected, abs=1e-4)


def test_how_often_two_models_agree_says_whether_one_is_worse():
    """Drawn, not derived: two models with mistakes of their own, and a head known from left-out labels."""
    rng, classes, items = np.random.default_rng(0), 4, 4000
    key_N = rng.integers(classes, size=items)

    def said(accuracy):
        wrong_N = (key_N + rng.integers(1, classes, size=items)) % classes
        return np.where(rng.random(items) < accuracy, key_N, wrong_N)

    head_N = said(0.8)
    below = [probability_below_unseen(said(a) == head_N, (80, 100), classes) for a in (0.6, 0.8, 0.95)]
    assert below[0] > 0.95
    assert 0.2 < below[1] < 0.8
    assert below[2] < 0.05
    # mistakes in common make two models agree more: nothing is called worse by them
    assert probability_below_unseen(head_N == head_N, (80, 100), classes) < 0.01
    # nothing known of the head, nothing said
    assert 0.1 < probability_below_unseen(said(0.6) == head_N, (1, 2), classes) < 0.9


def test_without_audit_answers_a_run_below_the_head_is_told_by_their_agreement(tmp_path):
    data = many(audit=0)
    rng, key_N = np.random.default_rng(1), data.key_N["label"]
    head_N = np.where(rng.random(300) < 0.95, key_N, (key_N + 1) % 6)
    data = dataclasses.replace(data, baseline={"label": Baseline(head_N, (46, 48))})
    noise = dataclasses.replace(data, feature_ND=rng.normal(size=(300, 8)).astype(np.float32))
    out = train(recipe("supervised", **SETTINGS), noise, Remember(), folder=tmp_path / "noise")
    notes = " ".join(out.metrics["notes"])
    assert out.metrics["collapsed"] == {"label": True}
    assert "less than two models as good as the head would agree on" in notes
    assert "The linear head knows more" in notes
    doubtful = dataclasses.replace(noise, baseline={"label": Baseline(head_N, (5, 10))})
    out = train(recipe("supervised", **SETTINGS), doubtful, Remember(), folder=tmp_path / "doubtful")
    assert out.metrics["collapsed"] == {"label": False}
    assert "20 audit answers would tell" in " ".join(out.metrics["notes"])
    out = train(recipe("supervised", **SETTINGS), data, Remember(), folder=tmp_path / "sound")
    assert out.metrics["collapsed"] == {"label": False}
    assert out.metrics["head_agreement"]["label"] > 0.8


def test_chance_is_no_collapse_and_one_class_needs_three_looks():
    watch = Watch(["t"])
    for step, over in enumerate([5.0, 5.0, 1.0, 5.0, 5.0]):
        assert watch.look("t", step, 0.5, {"dominance": over}) == ""
    assert not watch.collapsed("t")
    assert not watch.sound()
    assert "Collapsed" in watch.look("t", 5, 0.6, {"dominance": 5.0})
    assert watch.look("t", 6, 0.7, {"dominance": 5.0}) == ""
    again = Watch(["t"])
    again.read(watch.as_dict())
    assert again.collapsed("t")
    below = Watch(["t"])
    assert below.look("t", 1, 0.5, {"below_head": 0.94}) == ""
    assert "supervised head" in below.look("t", 2, 0.5, {"below_head": 0.96})


def test_the_start_of_a_run_does_not_count():
    watch = Watch(["t"])
    for step in range(9):
        assert watch.look("t", step, 0.2, {"dominance": 9.0, "below_head": 1.0}) == ""
    assert not watch.sound()  # but such weights are never kept as the best
    watch = Watch(["t"])
    watch.look("t", 1, 1.0, {"dominance": 9.0})
    assert watch.collapsed("t")  # a run with a single look, at its end


@pytest.fixture
def breaking(monkeypatch):
    """Supervised runs whose loss draws all answers into one class from a step on."""

    def from_step(at_step, method=Supervised):
        honest = method.beside

        def beside(self, model, seen_T, batch, at, rng):
            for group in seen_T:
                if at.step >= at_step:
                    logits_BC = group.logits["labelled"]
                    return 5 * torch.nn.functional.cross_entropy(
                        logits_BC, torch.zeros(len(logits_BC), dtype=torch.long)
                    )
            return honest(self, model, seen_T, batch, at, rng)

        monkeypatch.setattr(method, "beside", beside)

    return from_step


SETTINGS = {"steps": 120, "ema": 0.5, "learning_rate": 0.05}
SETTINGS |= {"evaluate_every_s": 0.0, "checkpoint_every_s": 0.0}


def many(audit=40):
    """Four clouds and more, so that three times a prior is possible."""
    from sklearn.datasets import make_blobs

    from sslcore.training.data import TrainingData
    from tests.training.toys import some_labels

    feature_ND, key_N = make_blobs(300, 8, centers=6, cluster_std=2.0, random_state=0)
    task = some_labels(key_N, 4, audit)
    return TrainingData("text", [task], feature_ND=feature_ND.astype(np.float32), key_N={"label": key_N})


def test_a_run_that_collapses_falls_back_to_the_best_before(breaking, tmp_path):
    breaking(60)
    told = Remember()
    out = train(recipe("supervised", **SETTINGS), many(), told, folder=tmp_path)
    assert any("Collapsed on 'label' from step" in note for *_, note in told.notes)
    assert any(name == "collapsed" and value == 1 for _, name, value, _ in told.rows)
    answer_N = out.proba["label"].argmax(1)
    assert np.bincount(answer_N, minlength=6).max() / 300 < 0.5
    assert out.metrics["reported_step"] < 75
    assert out.metrics["collapsed"] == {"label": False}
    assert "step" in " ".join(out.metrics["notes"])
    assert "flatter" in " ".join(out.metrics["notes"])
    facts = read_checkpoint(tmp_path / BEST)[1]
    assert facts["step"] == out.metrics["reported_step"]
    best = max(value for step, name, value, _ in told.rows if name == "audit_accuracy" and step <= 75)
    assert facts["score"] == pytest.approx(best, abs=1e-6)


def test_without_audit_answers_the_last_sound_weights_are_taken(breaking, tmp_path):
    breaking(60)
    out = train(recipe("supervised", **SETTINGS), many(audit=0), Remember(), folder=tmp_path)
    assert "the last sound ones" in " ".join(out.metrics["notes"])
    assert 55 < out.metrics["reported_step"] < 80


def test_without_audit_answers_weights_that_hardly_learned_are_not_gone_back_to(breaking, tmp_path):
    breaking(20)
    out = train(recipe("supervised", **SETTINGS), many(audit=0), Remember(), folder=tmp_path)
    assert "reported_step" not in out.metrics
    assert out.metrics["collapsed"] == {"label": True}


def test_with_nothing_to_fall_back_to_it_stands_as_collapsed(breaking, tmp_path):
    breaking(0)
    out = train(recipe("supervised", **SETTINGS), many(), Remember(), folder=tmp_path)
    assert out.metrics["collapsed"] == {"label": True}
    assert "Do not adopt" in " ".join(out.metrics["notes"])


def test_a_sound_run_reports_its_last_weights_never_the_best(tmp_path):
    out = train(recipe("supervised", **SETTINGS), many(), Remember(), folder=tmp_path)
    assert "reported_step" not in out.metrics
    tensors, _ = read_checkpoint(tmp_path / CHECKPOINT)
    held = out.predictor.network.state_dict()
    assert all(torch.equal(tensors[f"average.{name}"], held[name]) for name in held)


def test_below_the_head_within_chance_is_said_and_no_collapse(tmp_path):
    data = blobs()
    first = train(recipe(steps=30), data, Remember(), folder=tmp_path / "a")
    row_A, label_A = data.tasks[0].audit_row_A, data.tasks[0].audit_label_A
    right_A = first.proba["label"][row_A].argmax(1) == label_A
    head_A = right_A.copy()
    head_A[np.flatnonzero(~right_A)[:1]] = True  # one item better: chance
    said_N = data.key_N["label"].copy()
    said_N[row_A[~head_A]] = (label_A[~head_A] + 1) % 3
    data = dataclasses.replace(data, baseline={"label": Baseline(said_N)})
    out = train(recipe(steps=30), data, Remember(), folder=tmp_path / "b")
    assert out.metrics["collapsed"] == {"label": False}
    assert "chance allows" in " ".join(out.metrics["notes"])


def test_the_best_weights_are_those_of_the_highest_score_and_survive_the_disk(tmp_path):
    network, best = torch.nn.Linear(2, 2), Best()
    for step, score in enumerate([0.5, 0.7, 0.7, 0.6]):
        with torch.no_grad():
            network.weight.fill_(step)
        best.offer(step, score, network)
    best.write(tmp_path)
    again = Best()
    again.read(tmp_path)
    again.restore(network)
    assert again.step == 2
    assert network.weight.eq(2).all()


def test_many_classes_with_few_labels_are_no_collapse():
    """512 answers over 150 equal classes, 300 random labels: some class is three times its prior."""
    rng = np.random.default_rng(0)
    favoured = 0
    for _ in range(20):
        prior_C = (np.bincount(rng.integers(0, 150, 300), minlength=150) + 1) / 450
        share_C = np.bincount(rng.integers(0, 150, 512), minlength=150) / 512
        favoured += (share_C / prior_C).max() > OFTEN
        assert dominance(share_C, prior_C) == 0.0
    assert favoured > 10, "or there was nothing to guard against"
    share_C[:] *= 0.8
    share_C[7] += 0.2  # one of them takes a fifth of all items
    assert dominance(share_C, prior_C) > OFTEN


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 150])
def test_one_class_for_everything_is_a_collapse_whatever_the_number_of_classes(classes):
    """Of two classes none can be given three times as often as expected."""
    expected_C, share_C = np.full(classes, 1 / classes), np.eye(classes)[0]
    watch = Watch(["t"])
    figures = {
        "dominance": dominance(share_C, expected_C),
        "left_for_others": left_for_others(share_C, expected_C),
    }
    said = [watch.look("t", step, 0.5, figures) for step in range(3)]
    assert said[:2] == ["", ""]
    assert said[2].startswith("Collapsed on 't' from step 2 on: one class is given ")
    assert "missing" in watch.help("t")


@pytest.mark.parametrize(("share", "expected"), [(0.85, 0.5), (0.98, 0.85), (0.999, 0.95)])
def test_a_favoured_class_of_two_is_no_collapse(share, expected):
    share_C, expected_C = np.array([share, 1 - share]), np.array([expected, 1 - expected])
    assert left_for_others(share_C, expected_C) > STARVED
    assert dominance(share_C, expected_C) < OFTEN


def test_a_class_that_the_head_gives_as_often_has_not_taken_over():
    """Labels of rare classes were looked for: as many of each, but one class is nine tenths of the items."""
    label_N = np.full(1000, -1)
    label_N[:20] = np.arange(20) % 4
    task = TaskLabels("t", "single", 4, label_N)
    said_N = np.where(np.arange(1000) % 10 == 0, np.arange(1000) % 4, 0)
    figures = [
        dict(
            Evaluation(
                [task],
                method=None,
                predict=lambda _, row_A: torch.eye(4)[said_N[row_A]],
                probe_row=np.arange(20, 1000),
                key_TN=[None],
                baseline_T=[baseline],
            )._probe(0)
        )
        for baseline in (None, Baseline(said_N))
    ]
    assert figures[0]["dominance"] > OFTEN
    assert figures[1]["dominance"] == 0.0
    assert figures[1]["left_for_others"] == 1.0
