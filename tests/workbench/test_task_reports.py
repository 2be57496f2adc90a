"""Figures of sets and numbers: models on the same audit items, ranked by what suits their kind."""

import numpy as np
import pytest

from tests.many_tasks import answer, make_digits, make_reviews, truth_of
from tests.workbench.runs import finish_with, number_guess, set_proba


def run(bench, task, said):
    run_id = bench.train.start([task.name], method="supervised", encoder=bench.train.sources()[1])
    finish_with(bench, run_id, task, said)
    return run_id


@pytest.fixture
def digits(open_bench):
    bench = open_bench(make_digits, n=200)
    answer(bench, bench.task("shape"), range(40))
    return bench


@pytest.fixture
def reviews(open_bench):
    bench = open_bench(make_reviews, n=160)
    answer(bench, bench.task("score"), range(40))
    return bench


def by_key(bench, task):
    return {held.candidate.key: held for held in bench.compare.task_figures(task)}


def test_sets_stand_side_by_side_on_the_same_audit_items(digits):
    task = digits.task("shape")
    answer(digits, task, range(150, 180), client="audit", purpose="audit")
    good = run(digits, task, set_proba(digits, task))
    poor = run(digits, task, set_proba(digits, task, wrong=0.4))
    found = by_key(digits, task)
    assert {held.size for held in found.values()} == {30}
    assert {held.source for held in found.values()} == {"audit"}
    assert not any(held.rough for held in found.values())
    best = found[f"run:{good}"]
    assert best.lead.value == best.figures["mean_average_precision"].value == 1.0
    assert best.lead.low < 1.0  # thirty right answers are no certainty
    assert found[f"run:{poor}"].lead.high < best.lead.value
    assert found["instant"].figures == {
        "subset_accuracy": digits.snapshot(task).figure.accuracy,
        **digits.snapshot(task).figure.also,
    }
    places = digits.advice.standings(task)
    assert places[0].key == f"run:{good}"
    assert places[0].rank == 1
    assert places[-1].key == f"run:{poor}"
    assert places[-1].rank > 1
    assert {held.measure for held in places} == {"sample_f1"}
    assert places[0].accuracy.value == 1.0
    assert places[0].as_dict()["lead"]["value"] == 1.0
    assert [held.adopted for held in places].count(True) == 1


def test_numbers_are_ranked_by_how_far_they_are_off(reviews):
    task = reviews.task("score")
    answer(reviews, task, range(100, 140), client="audit", purpose="audit")
    good = run(reviews, task, number_guess(reviews, task, off=0.05))
    poor = run(reviews, task, number_guess(reviews, task, off=5.0))
    truth_N = np.array(truth_of(reviews.store, "score"))
    error = np.abs(number_guess(reviews, task, off=0.05) - truth_N)[100:140].mean()
    assert by_key(reviews, task)[f"run:{good}"].lead.value == pytest.approx(error, rel=1e-4)
    places = reviews.advice.standings(task)
    assert [places[0].key, places[-1].key] == [f"run:{good}", f"run:{poor}"]
    assert places[0].rank == 1 < places[-1].rank
    assert {held.measure for held in places} == {"mae"}
    assert all(held.accuracy is None for held in places)


def test_before_there_are_twenty_audit_answers_all_is_rough(digits, reviews):
    for bench, name, said in ((digits, "shape", set_proba), (reviews, "score", number_guess)):
        task = bench.task(name)
        run_id = run(bench, task, said(bench, task))
        found = by_key(bench, task)
        assert found["instant"].source == "out-of-fold"
        assert found["instant"].size == 40
        assert (found[f"run:{run_id}"].report, found[f"run:{run_id}"].source) == (None, "none")
        assert bench.advice.standings(task)[-1].rank is None
        answer(bench, task, range(150, 155), client="audit", purpose="audit")
        found = by_key(bench, task)
        assert (found["instant"].size, found[f"run:{run_id}"].size) == (45, 5)
        assert all(held.rough for held in found.values())
        assert bench.compare.audit_needed(task) == 15


def test_an_item_that_a_run_trained_on_never_flatters_it(digits):
    task = digits.task("shape")
    run_id = run(digits, task, set_proba(digits, task))
    answer(digits, task, range(1), client="late", purpose="audit")
    answer(digits, task, range(150, 175), client="audit", purpose="audit")
    found = by_key(digits, task)
    assert (found["instant"].size, found[f"run:{run_id}"].size) == (26, 25)


def test_a_run_from_before_a_class_was_added_still_has_figures(digits):
    task = digits.task("shape")
    answer(digits, task, range(150, 175), client="audit", purpose="audit")
    run_id = run(digits, task, set_proba(digits, task))
    digits.label.add_classes(task, "dotted")
    digits.live.refresh()
    task = digits.task("shape")
    held = by_key(digits, task)[f"run:{run_id}"]
    assert held.lead.value == 1.0
    assert [row.support for row in held.per_class][-1] == 0


def test_models_of_sets_are_not_combined_and_it_is_said_why(digits):
    task = digits.task("shape")
    run(digits, task, set_proba(digits, task))
    said = digits.ensembles.obstacle(task, ["run:1", "instant"])
    assert "one class an item" in said
    assert "adopt the best model instead" in said


def test_a_model_of_numbers_is_shown_on_what_its_figures_rest_on(reviews):
    task = reviews.task("score")
    run_id = run(reviews, task, number_guess(reviews, task))
    answer(reviews, task, range(150, 153), client="audit", purpose="audit")
    found = by_key(reviews, task)
    for key, labels in (("instant", 40), ("head", 40), (f"run:{run_id}", 0)):
        given_J, said_J, audit_J = reviews.compare.pairs(task, found[key].candidate)
        assert len(given_J) == len(said_J) == len(audit_J) == labels + 3 == found[key].size
        assert audit_J.tolist() == [False] * labels + [True] * 3
        assert np.abs(given_J - said_J).mean() == pytest.approx(found[key].lead.value)
    answer(reviews, task, range(100, 130), client="more", purpose="audit")
    assert reviews.compare.pairs(task, by_key(reviews, task)["instant"].candidate)[2].all()
