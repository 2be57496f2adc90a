"""Runs that can be compared: labels drawn evenly, steps that fit a budget."""

import numpy as np

from benchmarks import fair
from benchmarks.fair import Pace, drawn_evenly, pace


def test_each_class_has_as_many_labels_and_a_seed_gives_the_same():
    key_N = np.random.default_rng(0).integers(0, 5, 200)
    label_N = drawn_evenly(key_N, 3, seed=1)
    assert np.bincount(label_N[label_N >= 0]).tolist() == [3] * 5
    assert (label_N[label_N >= 0] == key_N[label_N >= 0]).all()
    assert (label_N == drawn_evenly(key_N, 3, seed=1)).all()
    assert (label_N != drawn_evenly(key_N, 3, seed=2)).any()


def test_what_is_paid_once_is_told_from_what_a_step_costs(monkeypatch):
    clock, ran = [0.0], []

    def run(steps):
        ran.append(steps)
        clock[0] += 7.0 + 0.25 * steps

    monkeypatch.setattr(fair.time, "process_time", lambda: clock[0])
    assert pace(run, warm=2, short=4, probe=8, enough=5.0) == Pace(once=7.0, step=0.25)
    assert ran == [2, 4, 12, 36], "a probe of 8 steps took two seconds longer, one of 32 took eight"
