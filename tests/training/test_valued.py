"""Tasks of several choices and of numbers, learned beside a method."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from sslcore.errors import DataError
from sslcore.models import TaskShape
from sslcore.models.network import build_network
from sslcore.training.bundle import load_bundle, save_bundle
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.recipe import Recipe
from sslcore.training.run import CHECKPOINT, train
from sslcore.training.valued import Valued, ValuedBatch, audit_figures, supervised_loss, unlabelled_loss
from tests.training import toys
from tests.training.test_run import KilledError, Killer

ITEMS, LABELLED, AUDIT = 240, 120, 40
RNG = np.random.default_rng(0)
POINT_ND = RNG.normal(size=(ITEMS, 6)).astype(np.float32)
CLASS_N = (POINT_ND[:, 0] > 0).astype(np.int64)
SEVERAL_NC = (POINT_ND[:, 1:4] > 0).astype(np.float64)
PRICE_N = 1000 + 50 * POINT_ND[:, 4].astype(np.float64)
AUDIT_A = np.arange(ITEMS - AUDIT, ITEMS)


def hidden(values):
    """The answers of the first items, each of the others unknown."""
    held = values.astype(np.float64).copy()
    held[LABELLED:] = np.nan
    return held


def tasks():
    marked_N = np.where(np.arange(ITEMS) < LABELLED, 0, -1)
    none_A = np.zeros(AUDIT, dtype=np.int64)
    beside = {"audit_row_A": AUDIT_A, "audit_label_A": none_A}
    single_N = np.where(np.arange(ITEMS) < LABELLED, CLASS_N, -1)
    return [
        TaskLabels(
            "several",
            "multiple",
            3,
            marked_N,
            value_N=hidden(SEVERAL_NC),
            audit_value_A=SEVERAL_NC[AUDIT_A],
            **beside,
        ),
        TaskLabels("class", "single", 2, single_N, AUDIT_A, CLASS_N[AUDIT_A]),
        TaskLabels(
            "price", "numeric", 0, marked_N, value_N=hidden(PRICE_N), audit_value_A=PRICE_N[AUDIT_A], **beside
        ),
    ]


def recipe(method="fixmatch", **more):
    schedule = {"steps": 120, "evaluate_every_s": 3600, "checkpoint_every_s": 3600, "device": "cpu"}
    return Recipe.parse({"method": method, "train_config": schedule | more.pop("train", {}), **more})


def run(tmp_path, held, **more):
    data = TrainingData("text", held, feature_ND=POINT_ND, encoder="toy")
    return train(recipe(**more), data, toys.Remember(), folder=tmp_path)


def test_all_kinds_are_learned_together_and_carried_away(tmp_path):
    out = run(tmp_path, tasks(), balancing="uncertainty")
    assert set(out.proba) == {"class", "several", "price"}
    unseen = slice(LABELLED, ITEMS)
    assert (out.proba["class"].argmax(1) == CLASS_N)[unseen].mean() > 0.85
    assert ((out.proba["several"] > 0.5) == SEVERAL_NC)[unseen].mean() > 0.85
    error_N = out.proba["price"][:, 0] - PRICE_N
    assert np.abs(error_N[unseen]).mean() < 20  # the spread is 50
    assert out.metrics["audit_micro_f1"]["several"] > 0.8
    assert 0.5 < out.metrics["audit_r2"]["price"] <= 1
    assert out.metrics["audit_mae_low"]["price"] <= out.metrics["audit_mae"]["price"]
    assert set(out.metrics["task_weight"]) == {"class", "several", "price"}

    classes = {"class": ["no", "yes"], "several": ["a", "b", "c"], "price": []}
    folder = save_bundle(tmp_path / "model", out.predictor, classes, {"method": "fixmatch"})
    again = load_bundle(folder).predict_proba(POINT_ND[:20])
    for name in classes:
        np.testing.assert_allclose(again[name], out.proba[name][:20], rtol=1e-3, atol=1e-3)
    kinds = json.loads((folder / "labels.json").read_text())["network"]["kinds"]
    assert kinds == ["single", "multiple", "numeric"]


@pytest.mark.parametrize("method", ["supervised", "mixmatch", "vat", "mean_teacher"])
def test_any_method_leaves_them_alone(tmp_path, method):
    out = run(tmp_path, tasks(), method=method, train={"steps": 4})
    assert out.proba["price"].shape == (ITEMS, 1)
    assert np.isfinite(out.proba["several"]).all()


def test_they_are_learned_without_any_single_choice(tmp_path):
    held = [task for task in tasks() if task.kind != "single"]
    out = run(tmp_path, held, method="supervised", balancing="pcgrad")
    assert ((out.proba["several"] > 0.5) == SEVERAL_NC)[LABELLED:].mean() > 0.85


def test_a_killed_run_goes_on_to_the_same_answers(tmp_path):
    data = TrainingData("text", tasks(), feature_ND=POINT_ND, encoder="toy")
    wish = recipe(train={"steps": 10, "checkpoint_every_s": 0.0, "evaluate_every_s": 0.0}, balancing="famo")
    whole = train(wish, data, toys.Remember(), folder=tmp_path / "whole")
    with pytest.raises(KilledError):
        train(wish, data, Killer(at=6), folder=tmp_path / "cut")
    assert read_checkpoint(tmp_path / "cut" / CHECKPOINT)[1]["step"] == 5
    again = train(wish, data, toys.Remember(), folder=tmp_path / "cut", resume=True)
    for name, said in whole.proba.items():
        np.testing.assert_array_equal(said, again.proba[name])


def test_numbers_that_differ_by_little_beside_their_size_are_told_apart(tmp_path):
    """Seconds since 1970: float32 knows them to two minutes, and all of these would be one number."""
    second_N = 1_700_000_000.0 + 10.0 * np.arange(8)
    when = TaskLabels("when", "numeric", 0, np.zeros(8, dtype=np.int64), value_N=second_N)
    valued = Valued([when], np.arange(8), share=4, seed=0)
    assert valued.scales[0] == (second_N.mean(), second_N.std())
    target_N = valued.target_T[0]
    assert target_N.dtype == torch.float32
    np.testing.assert_allclose(target_N, (second_N - second_N.mean()) / second_N.std(), rtol=1e-6)

    later = dataclasses.replace(tasks()[2], value_N=hidden(PRICE_N + 1.7e9), audit_value_A=None)
    early = dataclasses.replace(tasks()[2], audit_value_A=None)
    out = run(tmp_path / "late", [later], method="supervised", train={"steps": 20})
    plain = run(tmp_path / "early", [early], method="supervised", train={"steps": 20})
    assert out.proba["price"].dtype == np.float64
    np.testing.assert_allclose(out.proba["price"] - 1.7e9, plain.proba["price"], atol=0.01)
    folder = save_bundle(tmp_path / "model", out.predictor, {"price": []}, {"method": "supervised"})
    again = load_bundle(folder).predict_proba(POINT_ND)["price"]
    np.testing.assert_allclose(again, out.proba["price"], rtol=0, atol=0.01)


def test_rows_that_are_not_free_teach_nothing():
    held = [task for task in tasks() if task.kind != "single"]
    valued = Valued(held, np.arange(10, 30), share=4, seed=0)
    for target, stream in zip(valued.target_T, valued.streams, strict=True):
        assert target[:10].isnan().all()
        assert target[30:].isnan().all()
        assert set(stream.row_N) <= set(range(10, 30))
    mean, spread = valued.scales[1]
    assert mean == pytest.approx(PRICE_N[10:30].mean(), rel=1e-4)
    assert spread == pytest.approx(PRICE_N[10:30].std(), rel=1e-3)


def test_the_losses_by_hand():
    shapes = [TaskShape("several", 3, kind="multiple"), TaskShape("price", 0, kind="numeric")]
    held = [task for task in tasks() if task.kind != "single"]
    valued = Valued(held, np.arange(LABELLED), share=4, seed=0)
    torch.manual_seed(0)
    from sslcore.models import InputSpec

    net = build_network("feature_mlp", InputSpec("feature", dim=6), [TaskShape("class", 2), *shapes])
    for head in net.heads:
        torch.nn.init.normal_(head.weight)
    view_B, weak_U, strong_U = torch.randn(5, 6), torch.randn(7, 6), torch.randn(7, 6)
    target_T = [torch.randint(2, (5, 3)).float(), torch.randn(5)]
    batch = ValuedBatch(view_B, target_T, weak_U, strong_U)
    found, labelled, unlabelled = valued.losses(net, batch, done=1.0, weight=10.0)
    parts = []
    for place, shape in enumerate(shapes):
        known = supervised_loss(shape, net(view_B)[place + 1], target_T[place])
        term = unlabelled_loss(shape, net(strong_U)[place + 1], net(weak_U)[place + 1].detach())
        torch.testing.assert_close(found[place], known + term)  # the weight 10 counts as 1
        parts.append((known, term))
    torch.testing.assert_close(labelled, sum(known for known, _ in parts).detach())
    torch.testing.assert_close(unlabelled, sum(term for _, term in parts).detach())
    without, _, _ = valued.losses(
        net, dataclasses.replace(batch, weak_U=None, strong_U=None), done=1.0, weight=1.0
    )
    torch.testing.assert_close(without[0], parts[0][0])


def test_a_network_can_be_seen_as_of_fewer_tasks():
    from sslcore.models import InputSpec

    net = build_network("feature_mlp", InputSpec("feature", dim=6), [2, 3, 4])
    part = net.of_first(2)
    item_BD = torch.randn(3, 6)
    assert [logits.shape[1] for logits in part(item_BD)] == [2, 3]
    assert [logits.shape[1] for logits in net(item_BD)] == [2, 3, 4]
    part.heads[0].weight.data.zero_()
    assert not net.heads[0].weight.any()
    assert net.of_first(3) is net


def test_values_of_another_shape_are_refused():
    with pytest.raises(DataError, match="several"):
        TaskLabels("several", "multiple", 3, np.zeros(4, dtype=np.int64), value_N=np.zeros((4, 2)))


def test_audit_figures_are_of_what_is_known():
    row_A, none_A = np.arange(4), np.zeros(4, dtype=np.int64)
    several = TaskLabels(
        "several",
        "multiple",
        2,
        none_A,
        row_A,
        none_A,
        value_N=np.zeros((4, 2)),
        audit_value_A=np.array([[1, np.nan], [0, np.nan], [1, 1], [np.nan, np.nan]]),
    )
    found = dict(audit_figures(several, np.array([[0.9, 0.9], [0.2, 0.9], [0.9, 0.9], [0.1, 0.1]])))
    assert (found["audit_size"], found["audit_micro_f1"], found["audit_hamming_loss"]) == (3, 1.0, 0.0)
    numbers = np.array([1.0, 2.0, np.nan, 4.0])
    price = TaskLabels(
        "price", "numeric", 0, none_A, row_A, none_A, value_N=np.zeros(4), audit_value_A=numbers
    )
    found = dict(audit_figures(price, np.array([[1.0], [2.0], [7.0], [7.0]])))
    assert (found["audit_size"], found["audit_mae"]) == (3, 1.0)
    unknown = dataclasses.replace(price, audit_value_A=np.full(4, np.nan))
    assert audit_figures(unknown, np.zeros((4, 1))) == [("audit_size", 0.0)]
