import numpy as np
import pytest

from .test_train import digits, queue, work  # noqa: F401 (a fixture)

STUDENT = {"transfer": "distil"}


def test_a_run_and_the_instant_loop_teach_students(digits):  # noqa: F811
    store, _ = digits
    store.runs.add("features", {"encoder": "pixels"})
    teacher = queue(store)
    by_run = queue(store, **STUDENT, transfer_config={"teacher": teacher})
    by_instant = queue(store, **STUDENT)
    work(store)
    for student in (by_run, by_instant):
        run = store.runs.get(student)
        assert run.status == "done", run.error
        assert run.result["audit_accuracy"] is not None
    task = store.task("digit").id
    taught, said = (
        np.load(store.folder / "runs" / str(run) / f"proba_{task}.npy", allow_pickle=False).argmax(axis=1)
        for run in (teacher, by_run)
    )
    assert (taught == said).mean() > 0.5  # of ten classes


@pytest.mark.parametrize(("teacher", "reason"), [(77, "no run 77"), (0, "before the features of all items")])
def test_a_teacher_that_is_not_there_is_refused(digits, teacher, reason):  # noqa: F811
    store, _ = digits
    run_id = queue(store, **STUDENT, transfer_config={"teacher": teacher})
    work(store)
    run = store.runs.get(run_id)
    assert run.status == "failed"
    assert reason in run.error
