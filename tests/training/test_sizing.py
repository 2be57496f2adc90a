import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sslcore.training import sizing
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.recipe import Recipe
from sslcore.training.run import train
from sslcore.training.sizing import (
    ENOUGH,
    ENOUGH_PRETRAINED,
    FILE,
    ROOM,
    SLOWER,
    Sizes,
    climb,
    rungs,
    settle,
    sides,
)
from sslcore.training.step import Descent
from tests.training.toys import Remember, blobs, digits, recipe

FREE = Sizes(0, 0, 0)
AUTO = {"batch": 0, "unlabelled_ratio": 0, "steps": None}


def photos(side=100, count=40, labelled=20, channels=3):
    image_NXHW = np.broadcast_to(np.zeros((1, 1, 1, 1), dtype=np.uint8), (count, channels, side, side))
    label_N = np.array([row % 4 if row < labelled else -1 for row in range(count)])
    return TrainingData("image", [TaskLabels("t", "single", 4, label_N)], image_NXHW=image_NXHW)


def costing(seconds_a_pixel, asked=None):
    def seconds(sizes):
        if asked is not None:
            asked.append(sizes)
        return sizes.pixels * seconds_a_pixel

    return seconds


@pytest.mark.parametrize(
    ("own", "low", "high", "expected"),
    [
        (28, 8, 32, [28]),
        (28, 16, 64, [28]),
        (20, 8, 32, [28]),
        (8, 8, 32, [16]),
        (32, 8, 32, [32]),
        (512, 8, 32, [32]),
        (100, 16, 64, [32, 48, 64]),
        (512, 64, 224, [64, 96, 128, 160, 192, 224]),
        (28, 64, 224, [64]),
    ],
)
def test_sides_follow_the_images_and_the_network(own, low, high, expected):
    assert sides(own, low, high) == expected


def test_all_images_find_room():
    for count in (10, 60_000, 10**6):
        held = sides(512, 64, 512, count=count, channels=3)
        assert held[0] == 64
        assert all(count * 3 * side**2 <= ROOM for side in held[1:])
    assert sides(512, 64, 512, count=10, channels=3)[-1] == 512


def test_every_rung_costs_more_than_the_one_below():
    for pretrained in (False, True):
        ladder = rungs([32, 48, 64], most=64, pretrained=pretrained, wish=FREE)
        cost = [rung.pixels for rung in ladder]
        assert cost == sorted(set(cost))
        assert (ladder[-1].batch, ladder[-1].image) == (64, 64)
    assert max(rung.batch for rung in rungs([32], most=16, pretrained=False, wish=FREE)) == 16


def test_what_the_user_fixed_is_no_rung():
    ladder = rungs([32, 64], most=64, pretrained=False, wish=Sizes(48, 12, 5))
    assert ladder == [Sizes(48, 12, 5)]
    assert {rung.ratio for rung in rungs([32, 64], most=64, pretrained=False, wish=Sizes(0, 0, 2))} == {2}


@pytest.mark.parametrize("minutes", [0.2, 1, 4, 20, 120])
@pytest.mark.parametrize(("enough", "slower"), [(ENOUGH, SLOWER), (ENOUGH_PRETRAINED, 1)])
def test_the_rung_taken_leaves_enough_steps_and_the_next_would_not(minutes, enough, slower):
    ladder = rungs([32, 48, 64, 96, 128], most=64, pretrained=False, wish=FREE)
    cost = costing(2e-7)
    taken, seconds = climb(ladder, cost, budget=minutes * 60, enough=enough, slower=slower)

    def fits(at):
        rung, below = ladder[at], ladder[at - 1]
        more = 10 if rung.batch > 16 else slower if rung.image == below.image else 1
        return minutes * 60 / cost(rung) >= enough * more

    at = ladder.index(taken)
    assert seconds == cost(taken)
    assert all(fits(place) for place in range(1, at + 1))
    assert at == len(ladder) - 1 or not fits(at + 1)


def test_from_random_weights_steps_come_before_their_size():
    ladder = rungs([28], most=16, pretrained=False, wish=FREE)
    whole = {rung: rung.pixels * 1e-6 for rung in ladder}
    for steps, batch in ((5_000, 8), (7_000, 16)):  # of the second rung
        budget = steps * whole[ladder[1]]
        assert climb(ladder, whole.get, budget=budget, enough=ENOUGH, slower=SLOWER)[0].batch == batch


def test_more_time_never_means_less():
    ladder = rungs([32, 64, 96], most=32, pretrained=True, wish=FREE)
    places = [
        ladder.index(climb(ladder, costing(1e-6), budget=float(seconds), enough=300)[0])
        for seconds in (10, 60, 240, 1000, 5000, 10**5)
    ]
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] == len(ladder) - 1


def test_no_probe_takes_much_longer_than_a_step_may():
    ladder, asked = rungs([64, 128, 224], most=16, pretrained=False, wish=FREE), []
    climb(ladder, costing(1e-6, asked), budget=240.0, enough=1500)
    assert all(sizes.pixels * 1e-6 <= 2 * 240 / 1500 for sizes in asked[1:])


def test_sizes_that_do_not_fit_the_memory_end_the_climb():
    ladder = rungs([64, 128], most=16, pretrained=True, wish=FREE)
    taken, _ = climb(ladder, lambda s: math.inf if s.image > 64 else 0.01, budget=600.0, enough=300)
    assert taken == ladder[0]


def test_the_choice_is_kept_for_a_resumed_run(tmp_path, monkeypatch):
    wish = recipe(minutes=4, backbone="wrn_16_2", **AUTO)
    pace = {"seconds": 1e-9}
    monkeypatch.setattr(
        sizing,
        "seconds_a_step",
        lambda r, d: pace["seconds"] * r.train_config.image_size**2 * r.train_config.batch,
    )
    fast = settle(wish, photos(), tmp_path)
    assert (fast.train_config.image_size, fast.train_config.batch) == (64, 16)
    held = json.loads((tmp_path / FILE).read_text())
    assert (held["image"], held["backbone"], held["device"]) == (64, "wrn_16_2", "cpu")
    assert held["steps"] > ENOUGH
    pace["seconds"] = 1.0
    assert settle(wish, photos(), tmp_path, resume=True) == fast
    slow = settle(wish, photos(), tmp_path)
    assert (slow.train_config.image_size, slow.train_config.batch) == (32, 8)
    again = settle(slow, photos(), tmp_path)
    assert again is slow, "nothing is left open"


def test_without_a_time_budget_nothing_is_measured(tmp_path, monkeypatch):
    def never(*args):
        raise AssertionError("no clock")

    monkeypatch.setattr(sizing, "seconds_a_step", never)
    for data, size in ((photos(channels=1), 32), (photos(side=28), 28), (digits(), 16)):
        for given in ({**AUTO, "steps": 20}, {**AUTO, "minutes": 0.2}, {"image_size": 24, "minutes": 4}):
            config = settle(recipe(**given), data, tmp_path).train_config
            assert config.image_size == given.get("image_size", size)
            assert config.backbone == "small_cnn"
            usual = (8, 3) if "minutes" in given else (16, 7)  # a short run needs its steps
            assert (config.batch, config.unlabelled_ratio) == (usual if "batch" in given else (8, 4))


def test_photographs_get_the_network_that_knows_some(tmp_path):
    def network(data, **given):
        return settle(recipe(**given), data, tmp_path).train_config

    config = network(photos(side=512), **AUTO | {"steps": 20})
    assert (config.backbone, config.image_size) == ("efficientnet_lite0", 64)
    for data in (photos(side=512, channels=1), photos(side=32), digits()):
        assert network(data, **AUTO | {"steps": 20}).backbone == "small_cnn"
    assert network(photos(), steps=20, image_size=32).backbone == "small_cnn"


def test_features_and_texts_get_the_usual_batch(tmp_path):
    texts = TrainingData("text", [TaskLabels("t", "single", 2, np.array([0, 1]))], text_N=["a b", "c"])
    for data in (blobs(), texts):
        config = settle(recipe(**AUTO, backbone="auto", minutes=1), data, tmp_path).train_config
        assert (config.batch, config.unlabelled_ratio) == (16, 7)
    config = settle(recipe(**AUTO, backbone="minilm"), texts, tmp_path).train_config
    assert (config.batch, config.unlabelled_ratio) == (8, 3)  # a step of a transformer takes a second
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("method", ["fixmatch", "supervised", "mixmatch"])
def test_a_probe_times_the_run_itself_and_leaves_no_trace(method):
    torch.manual_seed(5)
    wish = recipe(method, backbone="small_cnn", image_size=16, batch=2, unlabelled_ratio=1)
    with torch.random.fork_rng(devices=[]):
        assert 0 < sizing.seconds_a_step(wish, photos(side=512)) < 20


def test_a_probe_asks_no_teacher_and_times_a_whole_step(monkeypatch):
    def teacher(feature_ND):
        raise AssertionError("it would learn from noise")

    stepped = []
    monkeypatch.setattr(Descent, "down", lambda self, *losses: stepped.append("whole") or losses[1].detach())
    monkeypatch.setattr(Descent, "alone", lambda self, loss: stepped.append("alone") or loss.detach())
    taught = {"t": np.full((40, 4), 0.25, dtype=np.float16)}
    data = replace(photos(side=16), soft_target=taught, teacher=teacher)
    settings = {"backbone": "small_cnn", "image_size": 16, "batch": 2, "unlabelled_ratio": 1, "device": "cpu"}
    wish = Recipe.parse({"method": "supervised", "transfer": "distil", "train_config": settings})
    with torch.random.fork_rng(devices=[]):
        sizing.seconds_a_step(wish, data)
    assert stepped == ["whole"] * 3


def test_a_large_photo_set_is_sized_and_trained_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(sizing, "LEAST_MINUTES", 0.0)
    monkeypatch.setattr(sizing, "ENOUGH", 3)
    wish = recipe("fixmatch", **AUTO | {"minutes": 0.05}, evaluate_every_s=0.5)
    out = train(wish, digits(), Remember(), folder=tmp_path)
    assert out.steps >= 3
    assert out.predictor.preprocess.size == json.loads((tmp_path / FILE).read_text())["image"] == 16
    again = train(wish, digits(), Remember(), folder=tmp_path, resume=True)
    assert again.steps == out.steps
