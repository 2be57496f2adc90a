"""Answers of every kind as a run reads them, and a run that learns several kinds at once."""

import numpy as np
import pytest

from sslcore.jobs.job import Job
from sslcore.jobs.task_labels import task_labels
from sslcore.store import LabelState
from sslcore.training.recipe import Recipe
from tests import many_tasks
from tests.jobs.test_train import work

ITEMS, LABELLED = 80, 40


@pytest.fixture
def several(tmp_path, monkeypatch):
    monkeypatch.setattr(Job, "give_way", lambda self: None)  # the worker runs in this process here
    store = many_tasks.make_digits(tmp_path, n=ITEMS, labelled=LABELLED)
    yield store
    store.close()


def test_several_choices_are_ones_and_zeros_and_unknown_where_nobody_said(several):
    state = LabelState(several)[several.task("shape").id]
    held = task_labels(state)
    truth = many_tasks.truth_of(several, "shape")
    assert held.kind == "multiple"
    assert held.value_N.shape == (ITEMS, 3)
    audit_N = np.zeros(ITEMS, dtype=bool)
    audit_N[held.audit_row_A] = True
    for row in range(LABELLED):
        value_C = held.value_N[row]
        if audit_N[row]:
            assert np.isnan(value_C).all()
            continue
        assert sorted(np.flatnonzero(value_C).tolist()) == sorted(truth[row])
        assert held.label_N[row] == 0
    assert np.isnan(held.value_N[LABELLED:]).all()
    assert (held.label_N[LABELLED:] == -1).all()


def test_a_class_that_was_ruled_out_is_a_known_no(several):
    state = LabelState(several)[several.task("shape").id]
    state.rejected[LABELLED + 1] = {2}
    value_C = task_labels(state).value_N[LABELLED + 1]
    assert value_C[2] == 0
    assert np.isnan(value_C[:2]).all()


def test_a_run_learns_single_and_several_choices_together(several):
    settings = {"steps": 12, "batch": 8, "unlabelled_ratio": 1, "device": "cpu", "image_size": 16}
    recipe = Recipe.parse({"method": "supervised", "balancing": "uncertainty", "train_config": settings})
    run_id = several.runs.add("train", recipe.as_dict(), labels_upto=several.annotations.newest())
    work(several)
    run = several.runs.get(run_id)
    assert run.status == "done", run.error
    for task in several.tasks():
        proba_NC = np.load(several.folder / "runs" / str(run_id) / f"proba_{task.id}.npy")
        assert proba_NC.shape == (ITEMS, len(task.classes))
        assert ((proba_NC >= 0) & (proba_NC <= 1)).all()
    assert (several.folder / "runs" / str(run_id) / "model" / "labels.json").exists()
