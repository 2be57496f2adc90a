"""The models of a task of any kind: what they say, what they saw, how well they do item by item."""

import numpy as np
import pytest

from sslcore.workbench.candidates import columns, scores
from sslcore.workbench.titles import ensemble_title, recipe_title
from tests.many_tasks import answer, make_digits, make_reviews, truth_of
from tests.workbench.runs import finish_with, number_guess, set_proba


def run(bench, task, said):
    run_id = bench.train.start([task.name], method="supervised", encoder=bench.train.sources()[1])
    finish_with(bench, run_id, task, said)
    return run_id


@pytest.fixture
def digits(open_bench):
    bench = open_bench(make_digits, n=120)
    answer(bench, bench.task("shape"), range(40))
    answer(bench, bench.task("shape"), range(90, 120), client="audit", purpose="audit")
    return bench


def test_sets_bring_probabilities_a_cut_and_what_they_saw(digits):
    task = digits.task("shape")
    run_id = run(digits, task, set_proba(digits, task))
    instant, head, other = digits.compare.candidates(task)
    assert [held.key for held in (instant, head, other)] == ["instant", "head", f"run:{run_id}"]
    assert instant.title == "Instant: committee on pixels" or instant.title.endswith("on pixels")
    assert instant.proba_NC.shape == head.proba_NC.shape == other.proba_NC.shape == (120, 3)
    assert instant.cut == digits.snapshot(task).cut
    for held in (instant, head, other):
        assert held.labels == 40
        assert held.saw_N.tolist() == [row < 40 for row in range(120)]
        assert held.fits(digits.snapshot(task))
        assert held.value_N is None


def test_the_score_of_a_set_is_its_f1(digits):
    task = digits.task("shape")
    run_id = run(digits, task, np.tile([0.9, 0.1, 0.1], (120, 1)))
    candidate = digits.compare.candidate(task, f"run:{run_id}")
    row_A = np.arange(90, 100)
    truth = truth_of(digits.store, "shape")
    wanted = [2 * (0 in truth[row]) / (1 + len(truth[row])) for row in row_A]
    assert scores(digits.snapshot(task), candidate, row_A).tolist() == pytest.approx(wanted)
    assert np.isnan(scores(digits.snapshot(task), candidate, np.arange(3))).all()  # it learned from these


def test_numbers_are_numbers_and_score_by_how_far_they_are_off(open_bench):
    bench = open_bench(make_reviews, n=100)
    task = bench.task("score")
    assert bench.compare.candidates(task) == []
    answer(bench, task, range(30))
    answer(bench, task, range(60, 90), client="audit", purpose="audit")
    run_id = run(bench, task, number_guess(bench, task) + 1.5)
    found = {held.key: held for held in bench.compare.candidates(task)}
    assert list(found) == ["instant", "head", f"run:{run_id}"]
    assert all(held.proba_NC.shape == (100, 0) for held in found.values())
    score_A = bench.compare.scores(task, found[f"run:{run_id}"])
    np.testing.assert_allclose(score_A, -1.5, atol=1e-6)
    assert found[f"run:{run_id}"].fits(bench.snapshot(task))
    assert bench.compare.candidate(bench.task("stars"), f"run:{run_id}") is None


def test_classes_that_came_later_get_nothing():
    assert columns(np.full((2, 2), 0.5), 3).tolist() == [[0.5, 0.5, 0.0]] * 2
    assert ensemble_title({"members": []}) == "Ensemble"
    every = {"method": "fixmatch", "warm_start": "simclr", "transfer": "distil", "balancing": "fixed"}
    assert recipe_title(every) == "FixMatch, SimCLR, Distillation from a teacher"
    assert recipe_title({"method": "gone"}) == "gone", "a method of an older version keeps its name"
