"""Which tasks of a set have something to learn from, and what a run does with the others."""

import dataclasses

import numpy as np
import pytest

from sslcore.errors import TrainingError
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.run import train
from tests.training import toys

ITEMS, AUDIT_A = 40, np.arange(20, 24)
FEATURE_ND = np.random.default_rng(0).normal(size=(ITEMS, 5)).astype(np.float32)
ON_AUDIT_N = np.isin(np.arange(ITEMS), AUDIT_A)


def single(label_N, **more):
    return TaskLabels("class", "single", 3, label_N, **more)


def audited():
    """A task of its own labels, whose audit rows are those that the tasks below have their labels on."""
    label_N = np.where(np.arange(ITEMS) < 18, np.arange(ITEMS) % 3, -1)
    return single(label_N, audit_row_A=AUDIT_A, audit_label_A=np.zeros(4, dtype=np.int64))


def on_audit(kind):
    """A task with labels on the audit rows of another one and nowhere else."""
    label_N = np.where(ON_AUDIT_N, 0, -1)
    value_N = np.where(ON_AUDIT_N, 1.0, np.nan)
    if kind == "multiple":
        return TaskLabels("beside", kind, 2, label_N, value_N=np.stack([value_N, value_N], axis=1))
    if kind == "numeric":
        return TaskLabels("beside", kind, 0, label_N, value_N=value_N)
    return TaskLabels("beside", kind, 2, label_N)


def run(folder, tasks, **more):
    data = TrainingData("text", tasks, feature_ND=FEATURE_ND, **more)
    return train(toys.recipe(steps=3), data, toys.Remember(), folder=folder)


@pytest.mark.parametrize("kind", ["single", "ordinal", "multiple", "numeric"])
def test_a_task_whose_labels_lie_on_another_tasks_audit_rows_is_left_out(kind, tmp_path):
    out = run(tmp_path / "both", [audited(), on_audit(kind)])
    alone = run(tmp_path / "alone", [audited()])
    assert set(out.proba) == {"class"}
    np.testing.assert_array_equal(out.proba["class"], alone.proba["class"])
    assert [note for note in out.metrics["notes"] if "left out" in note] == [
        "'beside' is left out: it has no label outside audit splits and flagged items."
    ]
    assert not [note for note in alone.metrics["notes"] if "left out" in note]


@pytest.mark.parametrize("kind", ["single", "multiple", "numeric"])
def test_a_run_in_which_no_task_has_anything_is_refused(kind, tmp_path):
    nothing = dataclasses.replace(audited(), label_N=np.full(ITEMS, -1))
    with pytest.raises(TrainingError, match="nothing to train on"):
        run(tmp_path, [nothing, on_audit(kind)])


def test_an_answer_counts_by_its_value_and_one_class_of_several_is_an_answer():
    value_NC = np.full((ITEMS, 2), np.nan)
    value_NC[3, 1] = 0.0
    marked_N = np.zeros(ITEMS, dtype=np.int64)
    several = TaskLabels("several", "multiple", 2, marked_N, value_N=value_NC)
    number = TaskLabels("number", "numeric", 0, marked_N, value_N=np.full(ITEMS, np.nan))
    data = TrainingData("text", [several, number, audited()], feature_ND=FEATURE_ND)
    assert np.flatnonzero(several.known_N).tolist() == [3]
    assert [task.name for task in data.valued()] == ["several"]
    assert data.left_out() == ["number"]
    assert np.flatnonzero(~data.free_N).tolist() == AUDIT_A.tolist()
    flagged = dataclasses.replace(data, excluded_N=np.arange(ITEMS) == 3)
    assert flagged.left_out() == ["several", "number"]
    assert flagged.excluded_N.sum() == 1
