"""An adopted run's sets and numbers on every page that follows them."""

import json

import numpy as np
import pytest

from sslcore.errors import StoreError
from sslcore.instant.multiple import best_cut
from sslcore.store import Event
from sslcore.workbench.adopted import adopted_numbers, adopted_sets
from sslcore.workbench.review import ReviewFilter
from tests.many_tasks import answer, make_digits, make_reviews, truth_of
from tests.workbench.runs import finish_with, number_guess, set_proba

AUDIT = range(180, 220)


def trained(bench, name, said, *, audit=AUDIT):
    """A project with labels, audit answers, and a finished run of one task."""
    task = bench.task(name)
    answer(bench, task, range(60))
    answer(bench, task, audit, client="audit", purpose="audit")
    run_id = bench.train.start([name], method="supervised", encoder=bench.train.sources()[1])
    finish_with(bench, run_id, task, said(bench, task))
    return task, run_id


@pytest.fixture
def digits(open_bench):
    return open_bench(make_digits, n=240)


@pytest.fixture
def reviews(open_bench):
    return open_bench(make_reviews, n=240)


def test_adopted_sets_are_followed_and_given_back(digits, tmp_path):
    task, run_id = trained(digits, "shape", lambda bench, task: set_proba(bench, task, wrong=0.1))
    before = digits.snapshot(task)
    digits.train.adopt(task, run_id)
    snapshot = digits.snapshot(task)
    proba_NC = set_proba(digits, task, wrong=0.1).astype(np.float16).astype(np.float32)
    assert snapshot.follows.run_id == run_id
    assert digits.compare.followed(task) == f"run:{run_id}"
    np.testing.assert_array_equal(snapshot.proba_NC, proba_NC)
    assert snapshot.said(100) == np.flatnonzero(proba_NC[100] >= 0.5).tolist()
    assert snapshot.cut == best_cut(proba_NC)
    assert snapshot.loop_answer is before.answer  # the instant loop stays at work
    assert snapshot.figure.source == "audit"
    assert snapshot.figure.size == len(AUDIT)
    truth = truth_of(digits.store, "shape")
    right = np.mean([np.flatnonzero(proba_NC[row] >= 0.5).tolist() == truth[row] for row in AUDIT])
    assert snapshot.figure.accuracy.value == pytest.approx(right)
    # every desk shows and takes what the run says
    card = next(card for card in digits.label.queue(task, 10) if not card.audit)
    assert card.said["value"] == snapshot.said(card.item_id - 1)
    for held in digits.review.cards(task, digits.review.listing(task, ReviewFilter()).item_ids[:5]):
        said = [task.class_names[c] for c in snapshot.said(held["item_id"] - 1)]
        assert held["prediction"]["name"] == (", ".join(said) or "none of them")
    assert digits.map.colours(task, "pseudo-label").code_N[100] in snapshot.said(100)
    digits.export.write("jsonl", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert all(
        rows[row]["shape"] == [task.class_names[c] for c in np.flatnonzero(proba_NC[row] >= snapshot.cut)]
        for row in range(100, 170)
    )
    told = json.loads(json.dumps(digits.status(), allow_nan=False))["tasks"][1]
    assert told["audit"]["model"] == f"run {run_id} (Supervised network)"
    digits.train.follow_instant(task)
    assert digits.snapshot(task).follows.kind == "instant"
    assert digits.snapshot(task).answer is digits.snapshot(task).loop_answer


def test_a_class_that_was_ruled_out_stays_out_of_adopted_sets(digits):
    task, run_id = trained(digits, "shape", set_proba)
    digits.record([Event("me", 1, "reject", task.id, [101], value=0)])
    digits.train.adopt(task, run_id)
    snapshot = digits.snapshot(task)
    assert snapshot.proba_NC[100, 0] == 0
    state = snapshot.state
    untouched = adopted_sets(state, snapshot.proba_NC).proba_NC
    np.testing.assert_array_equal(untouched[99], snapshot.proba_NC[99])


def test_review_rests_on_no_label_that_a_run_may_have_seen(digits):
    task, run_id = trained(digits, "shape", set_proba, audit=range(180, 185))
    assert digits.review.preview(task, 0.5).overall.source != "audit"
    digits.train.adopt(task, run_id)
    assert digits.review.preview(task, 0.5).overall.source == "audit"
    assert digits.snapshot(task).figure.accuracy is None  # five audit answers are too few for a figure


def test_adopted_numbers_are_followed_with_a_range_of_their_own(reviews, tmp_path):
    task, run_id = trained(reviews, "score", lambda bench, task: number_guess(bench, task, off=0.4))
    reviews.train.adopt(task, run_id)
    snapshot, truth_N = reviews.snapshot(task), np.array(truth_of(reviews.store, "score"))
    said_N = number_guess(reviews, task, off=0.4).astype(np.float32)
    number = snapshot.number
    assert snapshot.follows.run_id == run_id
    np.testing.assert_allclose(number.prediction_N[60:], said_N[60:])
    np.testing.assert_allclose(number.prediction_N[:60], truth_N[:60])
    assert number.interval_source == "audit"
    inside_N = (number.low_N <= truth_N) & (truth_N <= number.high_N)
    assert inside_N[list(AUDIT)].mean() >= 0.9
    rest = np.r_[60:180, 220:240]
    assert inside_N[rest].mean() > 0.8
    error = np.abs(said_N - truth_N)[list(AUDIT)].mean()
    assert snapshot.figure.also["mae"].value == pytest.approx(error, rel=1e-4)
    card = next(card for card in reviews.label.queue(task, 10) if not card.audit)
    assert card.said["low"] <= card.said["value"] <= card.said["high"]
    assert reviews.review.cards(task, reviews.review.listing(task, ReviewFilter()).item_ids[:3])
    assert np.isfinite(reviews.map.colours(task, "pseudo-label").code_N).all()
    reviews.export.write("jsonl", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[100]["score"] == pytest.approx(float(said_N[100]), rel=1e-5)
    assert rows[100]["score__low"] < rows[100]["score"] < rows[100]["score__high"]
    json.dumps(reviews.status(), allow_nan=False)
    reviews.train.follow_instant(task)
    assert reviews.snapshot(task).follows.kind == "instant"


def test_few_audit_answers_promise_no_range(reviews):
    task, run_id = trained(reviews, "score", number_guess, audit=range(180, 190))
    reviews.train.adopt(task, run_id)
    snapshot = reviews.snapshot(task)
    assert np.isnan(snapshot.number.low_N[100])
    assert snapshot.figure.also == {}
    card = next(card for card in reviews.label.queue(task, 10) if not card.audit)
    assert card.said["low"] is None
    alone = adopted_numbers(snapshot.state, np.zeros(240), None)  # no features: errors reach alike everywhere
    assert alone.uncertainty_N[100] == 1.0


def test_predictions_of_a_run_are_listed_without_adopting_it(digits, reviews):
    task, run_id = trained(digits, "shape", set_proba)
    rows = digits.export.predictions(task, run_id=run_id)
    assert rows[100]["label"] == [task.class_names[c] for c in truth_of(digits.store, "shape")[100]]
    assert digits.snapshot(task).follows.kind == "instant"
    with pytest.raises(StoreError, match="has no run 99"):
        digits.export.predictions(task, run_id=99)
    score, run_id = trained(reviews, "score", number_guess)
    row = reviews.export.predictions(score, run_id=run_id)[100]
    assert row["low"] < row["label"] < row["high"] or row["low"] == row["label"] == row["high"]


def test_a_run_that_does_not_fit_any_more_is_not_followed(digits):
    task, run_id = trained(digits, "shape", set_proba)
    digits.train.adopt(task, run_id)
    digits.label.add_classes(task, "dotted")
    digits.live.refresh()
    assert digits.snapshot(digits.task("shape")).follows.kind == "instant"
    assert digits.train.adoption(digits.task("shape"), run_id).advice == "impossible"
