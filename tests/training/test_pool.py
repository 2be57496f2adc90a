import dataclasses

import numpy as np
import pytest
import torch

from sslcore.augment.dice import Dice
from sslcore.errors import DataError
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.pool import Pool, Stream
from sslcore.training.preprocess import plan, resize, to_nxhw
from sslcore.training.recipe import TrainConfig
from tests.training.toys import digits

CPU = torch.device("cpu")


def test_every_row_comes_once_a_round_whatever_the_batch():
    stream = Stream(np.arange(10, 17), size=3, seed=1)
    dealt = np.concatenate([stream.deal(step) for step in range(7)])
    for start in (0, 7, 14):
        assert sorted(dealt[start : start + 7]) == list(range(10, 17))
    large = Stream(np.arange(3), size=8, seed=1).deal(2)
    assert len(large) == 8
    assert set(large) == {0, 1, 2}


def test_audit_and_excluded_rows_are_never_dealt():
    data = digits(per_class=4, audit=60)
    excluded_N = np.zeros(len(data), dtype=bool)
    excluded_N[:100] = True
    data = dataclasses.replace(data, excluded_N=excluded_N)
    pool = Pool(data, data.tasks, plan(data, TrainConfig(), CPU), sizes=(4, 60), seed=0, device=CPU)
    seen = {int(row) for step in range(4) for row in pool.batch(step, ["weak"], Dice(0)).row_U}
    banned = set(data.tasks[0].audit_row_A.tolist()) | set(range(100))
    assert not seen & banned
    assert seen == set(range(len(data))) - banned


def test_each_task_gets_its_share_of_the_labelled_batch():
    rich = TaskLabels("rich", "single", 2, np.arange(1000) % 2)
    poor_N = np.full(1000, -1)
    poor_N[[3, 5]] = [0, 1]
    poor = TaskLabels("poor", "single", 2, poor_N)
    data = TrainingData("text", [rich, poor], feature_ND=np.zeros((1000, 2), dtype=np.float32))
    pool = Pool(data, data.tasks, plan(data, TrainConfig(), CPU), sizes=(8, 8), seed=0, device=CPU)
    label_TB = pool.batch(0, [], Dice(0)).label_TB
    assert (label_TB[0] >= 0).sum() == 8
    assert (label_TB[1] >= 0).sum() >= 4


def test_pictures_of_another_layout_are_understood():
    grey_NHW = np.arange(2 * 6 * 6, dtype=np.uint8).reshape(2, 6, 6)
    assert np.array_equal(to_nxhw(grey_NHW, 3)[:, 1], grey_NHW)
    colour = np.repeat(grey_NHW[..., None], 3, axis=3)
    assert np.array_equal(to_nxhw(colour, 1)[:, 0], grey_NHW)
    assert resize(to_nxhw(colour, 3), 4).shape == (2, 3, 4, 4)
    with pytest.raises(DataError, match="uint8"):
        to_nxhw(grey_NHW.astype(float), 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modality": "sound"}, "modality"),
        ({"key_N": {"label": np.zeros(3, dtype=int)}}, "one row per item"),
        ({"image_NXHW": np.zeros((300, 8, 8, 3), dtype=np.uint8)}, "channels second"),
    ],
)
def test_data_that_does_not_fit_together_is_refused(change, words):
    with pytest.raises(DataError, match=words):
        dataclasses.replace(digits(), **change)


def test_labels_out_of_range_are_refused():
    with pytest.raises(DataError, match="from 0 to 1"):
        TaskLabels("label", "single", 2, np.array([0, 2]))
    with pytest.raises(DataError, match="one audit label per audit row"):
        TaskLabels("label", "single", 2, np.array([0, 1]), np.array([0]), np.array([], dtype=int))
