"""Batches made ahead: the same bits, errors where they belong, nothing left running."""

import threading

import numpy as np
import pytest
import torch

from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.prefetch import Ahead
from sslcore.training.run import CHECKPOINT, _Run, train
from tests.training.toys import Remember, blobs, digits, recipe


def texts():
    words = ["ball", "goal", "team", "bank", "stock", "market", *(f"word{i}" for i in range(30))]
    rng = np.random.default_rng(0)
    text_N = [" ".join(rng.choice(words, 9)) for _ in range(60)]
    labels = TaskLabels("label", "single", 2, np.where(np.arange(60) < 12, np.arange(60) % 2, -1))
    return TrainingData("text", [labels], text_N=text_N)


@pytest.mark.parametrize(
    ("data", "method"), [(digits, "remixmatch"), (blobs, "fixmatch"), (texts, "fixmatch"), (blobs, "vat")]
)
def test_a_run_that_works_ahead_learns_the_same_bits(data, method, tmp_path, monkeypatch):
    held, settings = data(), recipe(method, steps=6)
    train(settings, held, Remember(), folder=tmp_path / "turn")
    monkeypatch.setattr(_Run, "_works_ahead", lambda run: True)
    train(settings, held, Remember(), folder=tmp_path / "ahead")
    first, _ = read_checkpoint(tmp_path / "turn" / CHECKPOINT)
    second, _ = read_checkpoint(tmp_path / "ahead" / CHECKPOINT)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_the_next_one_is_made_in_another_thread_and_a_leap_is_made_anew():
    where = {}

    def make(step):
        where[step] = threading.current_thread()
        return step

    with Ahead(make) as ahead:
        ahead.start()
        assert [ahead.take(step) for step in (0, 1, 5, 6)] == [0, 1, 5, 6]
        ahead.forget()
        assert ahead.take(7) == 7
    here = threading.current_thread()
    assert [where[step] is here for step in (0, 1, 5, 6)] == [True, False, True, False]


def test_what_went_wrong_ahead_is_said_when_it_is_asked_for():
    def make(step):
        if step == 1:
            raise ValueError("no such item")
        return step

    with Ahead(make) as ahead:
        ahead.start()
        assert ahead.take(0) == 0
        with pytest.raises(ValueError, match="no such item"):
            ahead.take(1)
        assert ahead.take(2) == 2
