"""Who teaches a student in distillation: an earlier run, or the instant loop on the labels of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sslcore.errors import TrainingError
from sslcore.features.cache import FeatureCache
from sslcore.jobs.job import Job
from sslcore.jobs.learned import is_own
from sslcore.shapes import FloatArray
from sslcore.store.fold import TaskState

CLASSED = ("single", "ordinal")
"""Kinds of tasks that can be taught: one class an item."""


def teach(job: Job, states: Sequence[TaskState], teacher: int) -> dict[str, FloatArray]:
    """The teacher's probabilities ``NC`` by task; rows of zeros for items that came after it.

    Args:
        job: The student's run.
        states: The tasks that are trained; those without one class an item are left out.
        teacher: Id of the run that teaches; 0: the instant loop.

    Raises:
        TrainingError: There is no such run, it knows none of the tasks, or it knows other classes.
        StoreError: The project has no run of this number.
    """
    states = [state for state in states if state.task.kind in CLASSED]
    if teacher == 0:
        return {state.task.name: _instant(job, state) for state in states}
    run = job.store.runs.get(teacher)
    if run.status != "done":
        raise TrainingError(
            f"Run {teacher} is {run.status}; only a finished run can teach. Wait for it, or name another."
        )
    found: dict[str, FloatArray] = {}
    for state in states:
        path = job.store.folder / "runs" / str(teacher) / f"proba_{state.task.id}.npy"
        if not path.is_file():
            continue
        proba_NC = np.load(path, mmap_mode="r", allow_pickle=False)
        if proba_NC.shape[1] != len(state.task.classes):
            raise TrainingError(
                f"Run {teacher} knows {proba_NC.shape[1]} classes of {state.task.name!r}; the task has "
                f"{len(state.task.classes)} now. Train the teacher again first."
            )
        soft_NC = np.zeros((len(state.label_N), proba_NC.shape[1]), dtype=np.float16)
        soft_NC[: len(proba_NC)] = proba_NC
        found[state.task.name] = soft_NC
    if not found:
        raise TrainingError(f"Run {teacher} has no predictions for these tasks. Name another teacher.")
    return found


def _instant(job: Job, state: TaskState) -> FloatArray:
    """The instant loop's probabilities on all features that are complete and have not seen the labels."""
    from sslcore.instant.tasks import loop_for
    from sslcore.instant.view import View

    cache, count = FeatureCache(job.store.folder), len(state.label_N)
    own = job.store.folder.name
    names = [name for name in cache.available() if cache.is_complete(name, count) and not is_own(name, own)]
    if not names:
        raise TrainingError(
            "The instant loop cannot teach before the features of all items are computed. Wait for them, or "
            "name a finished run as the teacher."
        )
    views = [View.load(cache.folder(name)) for name in names]
    loop: Any = loop_for(state.task.kind, views, classes=len(state.task.classes), seed=0)
    result = loop.fit(state.training_label_N, rejected=state.rejected_pairs())
    soft_NC: FloatArray = np.asarray(result.proba_NC, dtype=np.float16)
    return soft_NC
