"""Who teaches a student in distillation: an earlier run, or the instant loop on the labels of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sslcore.errors import StoreError, TrainingError
from sslcore.features.cache import FeatureCache
from sslcore.jobs.job import Job
from sslcore.jobs.learned import is_own
from sslcore.shapes import FloatArray
from sslcore.store import Run, Store, Task
from sslcore.store.fold import TaskState

if TYPE_CHECKING:
    from sslcore.instant.teacher import InstantTeacher

CLASSED = ("single", "ordinal")
"""Kinds of tasks that can be taught: one class an item."""
TEACHERS = ("train", "ensemble")
"""Kinds of runs that have predictions."""
MOST_ITEMS = 100_000
"""Items up to which the instant loop listens to its student: neighbours of more would eat the run's time."""


def obstacle(store: Store, tasks: Sequence[Task], teacher: int) -> str:
    """Why nobody can teach these tasks, in plain words; "" where somebody can. Asks no torch.

    A run that still waits or works can: whoever was queued after it comes after it.

    Args:
        store: The project.
        tasks: The tasks that are trained; those without one class an item are left out.
        teacher: Id of the run that teaches; 0: the instant loop.
    """
    tasks = [task for task in tasks if task.kind in CLASSED]
    if teacher == 0:
        return "" if _views(store) else _NO_FEATURES
    try:
        run = store.runs.get(teacher)
    except StoreError as error:
        there = [held.id for held in store.runs.list(status=("done",)) if held.kind in TEACHERS]
        ids = ", ".join(map(str, reversed(there))) or "none yet"
        return f"{error} It was named as the teacher. Finished runs: {ids}; 0 is the instant loop."
    if run.kind not in TEACHERS:
        return f"Run {teacher} computes {run.kind} and has no predictions. Name a training run to teach."
    if run.status in ("failed", "cancelled"):
        return f"Run {teacher} is {run.status}; only a finished run can teach. Name another."
    if run.status != "done":
        names = run.recipe.get("tasks") or [task.name for task in tasks]
        return "" if any(task.name in names for task in tasks) else _strange(run)
    known = [task for task in tasks if _proba_path(store, teacher, task).is_file()]
    if not known:
        return _strange(run)
    for task in known:
        classes = np.load(_proba_path(store, teacher, task), mmap_mode="r", allow_pickle=False).shape[1]
        if classes != len(task.classes):
            return (
                f"Run {teacher} knows {classes} classes of {task.name!r}; the task has "
                f"{len(task.classes)} now. Train the teacher again first."
            )
    return ""


def teach(
    job: Job, states: Sequence[TaskState], teacher: int
) -> tuple[dict[str, FloatArray], InstantTeacher | None]:
    """The teacher's probabilities ``NC`` by task; rows of zeros for items that came after it.

    The instant loop comes along: it can be asked again while the student learns.

    Args:
        job: The student's run.
        states: The tasks that are trained; those without one class an item are left out.
        teacher: Id of the run that teaches; 0: the instant loop.

    Raises:
        TrainingError: There is no such run, it knows none of the tasks, or it knows other classes.
    """
    states = [state for state in states if state.task.kind in CLASSED]
    why = obstacle(job.store, [state.task for state in states], teacher)
    if not why and teacher:
        status = job.store.runs.get(teacher).status
        if status != "done":
            why = f"Run {teacher} is {status}; only a finished run can teach. Wait for it, or name another."
    if why:
        raise TrainingError(why)
    if teacher == 0:
        loop = instant_teacher(job, states)
        return loop(), loop if job.store.count() <= MOST_ITEMS else None
    found: dict[str, FloatArray] = {}
    for state in states:
        path = _proba_path(job.store, teacher, state.task)
        if not path.is_file():
            continue
        proba_NC = np.load(path, mmap_mode="r", allow_pickle=False)
        soft_NC = np.zeros((len(state.label_N), proba_NC.shape[1]), dtype=np.float16)
        soft_NC[: len(proba_NC)] = proba_NC
        found[state.task.name] = soft_NC
    return found, None


_NO_FEATURES = (
    "The instant loop cannot teach before the features of all items are computed. Wait for them, or name a "
    "finished run as the teacher."
)


def _strange(run: Run) -> str:
    tasks = ", ".join(map(repr, run.recipe.get("tasks") or ())) or "other tasks"
    return f"Run {run.id} has no predictions for these tasks: it learned {tasks}. Name another teacher."


def _proba_path(store: Store, run_id: int, task: Task) -> Path:
    return store.folder / "runs" / str(run_id) / f"proba_{task.id}.npy"


def _views(store: Store) -> list[str]:
    """The feature sets that are complete and have not seen the labels."""
    cache, count = FeatureCache(store.folder), store.count()
    own = store.folder.name
    return [name for name in cache.available() if cache.is_complete(name, count) and not is_own(name, own)]


def instant_teacher(job: Job, states: Sequence[TaskState]) -> InstantTeacher:
    """The instant loop on all features that are complete and have not seen the labels.

    Args:
        job: The student's run.
        states: The tasks that are trained; those without one class an item are left out.
    """
    from sslcore.instant.teacher import InstantTeacher, Lesson
    from sslcore.instant.view import View

    cache = FeatureCache(job.store.folder)
    views = [View.load(cache.folder(name)) for name in _views(job.store)]
    lessons = {
        state.task.name: Lesson(
            state.task.kind, len(state.task.classes), state.training_label_N, state.rejected_pairs()
        )
        for state in states
        if state.task.kind in CLASSED
    }
    return InstantTeacher(views, lessons)
