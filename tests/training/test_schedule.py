"""Runs with a time budget, by a clock that only goes on when a step is made."""

import numpy as np
import pytest

from sslcore.training import run as loop
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.recipe import Recipe
from sslcore.training.run import CHECKPOINT, TIMED, _Run, train
from sslcore.training.schedule import Budget
from sslcore.training.warming import Warming
from tests.training.test_run import KilledError, Killer
from tests.training.toys import Remember, blobs, digits, recipe

SELDOM = {"evaluate_every_s": 3600.0, "checkpoint_every_s": 3600.0}


class Clock:
    """Seconds that pass only where something says so.

    Args:
        whole: A step with unlabelled items.
        light: A step with labelled items alone.
        first: The very first step, on top.
    """

    def __init__(self, whole=0.1, light=0.1, first=0.0):
        self.now, self.whole, self.light, self.first = 1000.0, whole, light, first

    def monotonic(self):
        return self.now

    def step(self, light):
        self.now += (self.light if light else self.whole) + self.first
        self.first = 0.0


@pytest.fixture
def timed(monkeypatch):
    """Runs a recipe by a clock; gives its end, and of each step ``done``, rate, openness and kind."""

    def go(clock, settings, data, folder, reporter=None, **how):
        seen = []

        def step(self):
            done = self.budget.done(self.step)
            honest(self)
            clock.step(self.light)
            free = next(self.network.backbone.parameters()).requires_grad
            seen.append((done, self._rate(done), free, self.light))

        def one_step(self):
            warm(self)
            clock.step(light=False)

        honest, warm = _Run._step, Warming.one_step
        with monkeypatch.context() as patch:
            patch.setattr(loop, "time", clock)
            patch.setattr(_Run, "_step", step)
            patch.setattr(Warming, "one_step", one_step)
            try:
                out = train(settings, data, reporter or Remember(), folder=folder, **how)
            except KilledError:
                out = None
        done, rate, free, light = (np.array(column) for column in zip(*seen, strict=True))
        return out, done, rate, free, light

    return go


@pytest.mark.parametrize(("whole", "first"), [(0.02, 0.0), (0.1, 0.0), (2.0, 0.0), (0.1, 4.0)])
def test_what_is_over_follows_the_time_and_never_goes_back(whole, first, timed, tmp_path):
    """With few steps and many, and a first one that takes a third of the time."""
    settings = recipe("supervised", minutes=0.2, **SELDOM)
    out, done, _, _, _ = timed(Clock(whole, first=first), settings, blobs(), tmp_path)
    assert (np.diff(done) >= 0).all()
    assert out.steps == pytest.approx((12 - first) / whole, rel=0.01, abs=1)
    assert np.abs(done - np.arange(out.steps) / out.steps).max() < max(0.01, 1.01 / out.steps)


def test_a_slow_machine_that_recovers_takes_nothing_back(timed, tmp_path):
    class Recovering(Clock):
        def step(self, light):
            super().step(light)
            self.whole = max(0.1, self.whole * 0.9)

    _, done, rate, _, _ = timed(
        Recovering(whole=1.0), recipe("supervised", minutes=1.0, **SELDOM), blobs(), tmp_path
    )
    assert (np.diff(done) >= 0).all()
    assert (np.diff(rate) <= 0).all()
    assert np.diff(done).max() < 0.1


def test_a_backbone_opens_once(timed, tmp_path):
    settings = Recipe.parse(
        recipe("supervised", minutes=0.5, evaluate_every_s=10.0).as_dict()
        | {"transfer": "linear_probe", "transfer_config": {}}
    )
    out, done, _, free, _ = timed(Clock(whole=0.1), settings, blobs(), tmp_path)
    assert np.abs(np.diff(free.astype(int))).sum() == 1
    assert np.argmax(free) == pytest.approx(0.4 * out.steps, rel=0.02)
    assert done[np.argmax(free)] >= 0.4


def test_a_resumed_run_takes_nothing_back(timed, tmp_path):
    """Killed before its steps are fixed, on a machine that is faster the next time."""
    settings = recipe("supervised", minutes=1.0, evaluate_every_s=2.0, checkpoint_every_s=1.0)
    _, before, _, _, _ = timed(Clock(whole=0.2), settings, blobs(), tmp_path, Killer(at=40))
    _, facts = read_checkpoint(tmp_path / CHECKPOINT)
    _, after, _, _, _ = timed(Clock(whole=0.05), settings, blobs(), tmp_path, resume=True)
    assert not facts["fixed"]
    assert after[0] == before[facts["step"]] > 0
    assert (np.diff(after) >= 0).all()
    assert after[-1] < 1 <= after[-1] + 0.01


def test_a_checkpoint_from_before_goes_on_at_its_share(timed, tmp_path, monkeypatch):
    honest = loop.snapshot.write_checkpoint

    def older(path, tensors, facts):
        honest(path, tensors, {name: fact for name, fact in facts.items() if name not in ("budget", "pace")})

    monkeypatch.setattr(loop.snapshot, "write_checkpoint", older)
    settings = recipe("supervised", minutes=1.0, evaluate_every_s=2.0, checkpoint_every_s=1.0)
    timed(Clock(whole=0.2), settings, blobs(), tmp_path, Killer(at=40))
    _, facts = read_checkpoint(tmp_path / CHECKPOINT)
    _, after, _, _, _ = timed(Clock(whole=0.2), settings, blobs(), tmp_path, resume=True)
    assert after[0] == facts["step"] / facts["total"] > 0
    assert (np.diff(after) >= 0).all()


@pytest.mark.parametrize("light", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_labels_come_first_for_their_share_of_the_steps_whatever_they_cost(share, light, timed, tmp_path):
    settings = recipe("fixmatch", minutes=0.5, labels_first=share, **SELDOM)
    out, done, _, _, light_S = timed(Clock(whole=0.1, light=light), settings, blobs(), tmp_path)
    assert not light_S[:TIMED].any()
    assert np.flatnonzero(light_S)[-1] + 1 == pytest.approx(share * out.steps, rel=0.05, abs=2)
    assert light_S[TIMED:].sum() == np.flatnonzero(light_S)[-1] + 1 - TIMED
    spent = (light_S * light + ~light_S * 0.1).sum()
    assert spent == pytest.approx(30, rel=0.05)
    assert (np.diff(done) >= 0).all()
    assert done[-1] > 0.98


def test_given_steps_begin_with_labels_at_once(timed, tmp_path):
    _, done, _, _, light_S = timed(Clock(), recipe(steps=20), blobs(), tmp_path)
    assert light_S.tolist() == [True] * 4 + [False] * 16
    assert done.tolist() == [step / 20 for step in range(20)]


def test_a_run_that_nobody_looks_at_keeps_its_time(timed, tmp_path):
    """Also its warm start; and it does not say that its steps became slower."""
    settings = recipe("supervised", minutes=0.5, **SELDOM).as_dict()
    warm = {"warm_start": "denoising", "warm_start_config": {"share": 0.5, "batch": 8}}
    clock = Clock(whole=0.1)
    out, done, _, _, _ = timed(clock, Recipe.parse(settings | warm), digits(count=120), tmp_path)
    assert clock.now - 1000 == pytest.approx(30, rel=0.02)
    assert len(done) == out.steps == pytest.approx(150, rel=0.02)
    assert out.metrics["notes"] == []


def test_a_run_that_was_stopped_says_why(timed, tmp_path):
    class Slower(Clock):
        def step(self, light):
            super().step(light)
            self.whole = 2.0 if self.now > 1010 else 0.1

    out, *_ = timed(Slower(), recipe("supervised", minutes=0.5, **SELDOM), blobs(), tmp_path / "a")
    assert f"Stopped at step {out.steps} of 300: its steps became slower" in out.metrics["notes"][0]
    out, *_ = timed(Clock(first=50), recipe("supervised", minutes=0.5, **SELDOM), blobs(), tmp_path / "b")
    assert out.metrics["notes"][0].startswith("Stopped at step 1: half as much time again")


def test_steps_lost_to_something_else_take_nothing_back():
    budget = Budget(total=1000, seconds=100.0, fixed=False)
    budget.measure(step=10, elapsed=30.0, rate=10.0)
    before = budget.done(300)
    budget.lose(10.0, step=300)
    assert budget.done(300) == before
    assert budget.done(budget.total) == 1
