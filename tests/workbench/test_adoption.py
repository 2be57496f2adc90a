"""What is advised of a run of sets or numbers, and the sentence that says why."""

import numpy as np
import pytest

from sslcore.store import Event
from sslcore.workbench.adoption import Duel, advised
from tests.many_tasks import answer, make_digits, make_reviews, truth_of
from tests.workbench.runs import finish_with, number_guess, set_proba


@pytest.fixture
def digits(open_bench):
    bench = open_bench(make_digits, n=240)
    answer(bench, bench.task("shape"), range(12))
    return bench


@pytest.fixture
def reviews(open_bench):
    bench = open_bench(make_reviews, n=200)
    answer(bench, bench.task("score"), range(12))
    return bench


def run(bench, task, said):
    run_id = bench.train.start([task.name], method="supervised", encoder=bench.train.sources()[1])
    finish_with(bench, run_id, task, said)
    return run_id


def test_sets_are_compared_by_their_f1(digits):
    task = digits.task("shape")
    run_id = run(digits, task, set_proba(digits, task))
    answer(digits, task, range(180, 220), client="audit", purpose="audit")
    held = digits.train.adoption(task, run_id)
    assert held.advice == "adopt"
    assert held.better >= 0.9
    assert held.instant_right == 0
    assert held.differ == held.run_right > 0
    assert "On 40 audit items the run's sets have a mean F1 of 100%" in held.reason
    poor = run(digits, task, set_proba(digits, task, wrong=0.6))
    held = digits.train.adoption(task, poor)
    assert held.advice == "keep"
    assert "The instant loop is better with " in held.reason


def test_numbers_are_compared_by_how_far_they_are_off(reviews):
    task = reviews.task("score")
    run_id = run(reviews, task, number_guess(reviews, task, off=0.05))
    poor = run(reviews, task, number_guess(reviews, task, off=6.0, seed=1))
    answer(reviews, task, range(150, 190), client="audit", purpose="audit")
    held = reviews.train.adoption(task, run_id)
    assert held.advice == "adopt"
    assert "On 40 audit items the run is off by 0.0" in held.reason
    assert reviews.train.adoption(task, poor).advice == "keep"


def test_few_audit_answers_are_rough_and_none_are_unclear(digits):
    task = digits.task("shape")
    run_id = run(digits, task, set_proba(digits, task))
    assert digits.train.adoption(task, run_id).advice == "unclear"
    assert "No audit item tells them apart" in digits.train.adoption(task, run_id).reason
    answer(digits, task, range(180, 186), client="audit", purpose="audit")
    assert "On 6 audit items (rough)" in digits.train.adoption(task, run_id).reason


def test_an_audit_item_that_the_run_saw_has_no_part(digits):
    task = digits.task("shape")
    run_id = run(digits, task, set_proba(digits, task))
    truth = truth_of(digits.store, "shape")
    digits.record([Event("late", 1, "label", task.id, [1], value=truth[0], purpose="audit")])
    answer(digits, task, range(180, 190), client="audit", purpose="audit")
    assert len(digits.compare.audit(task)) == 11
    candidate = digits.compare.candidate(task, f"run:{run_id}")
    assert np.isnan(digits.compare.scores(task, candidate)).sum() == 1
    assert "On 10 audit items" in digits.train.adoption(task, run_id).reason


def test_the_words_follow_the_probability():
    def verdict(better, kind="numeric"):
        return advised(True, kind, Duel(30, 20, 12, 8, -0.5, -0.75, better))

    assert [verdict(better)[0] for better in (0.95, 0.5, 0.05)] == ["adopt", "unclear", "keep"]
    assert "off by 0.500 in the mean, the instant loop by 0.750" in verdict(0.5)[1]
    assert "no clear difference" in verdict(0.5)[1]
    assert verdict(0.5, "single")[1].startswith("Of the 20 audit items on which they differ")
    assert advised(False, "numeric", None)[0] == "impossible"
    assert advised(True, "multiple", None)[0] == "adopt"
