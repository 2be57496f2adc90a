"""A training run: a recipe on the labels there were, predictions for all items afterwards.

Recipe: that of :class:`sslcore.training.recipe.Recipe`, and ``tasks``, the names of the tasks learned.
The labels are those up to the run's ``labels_upto``, without the audit split's, which only measures;
flagged items take no part. Into ``runs/<id>/`` go ``proba_<task id>.npy`` (float16, N×C; of numeric tasks
``value_<task id>.npy``, float64, N), ``features.npy`` (float16, N×D), of methods that take pseudo-labels back
``history_<task id>.npy`` (int32, columns of :mod:`sslcore.methods.history`), the checkpoint, and the model as
a bundle under ``model/``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.errors import DataError, TrainingError
from sslcore.features.cache import FeatureCache
from sslcore.files import write_array
from sslcore.jobs.images import cached_images, outline
from sslcore.jobs.job import Job, Stopped
from sslcore.jobs.kinds import KINDS
from sslcore.jobs.task_labels import CHOICES, task_labels, trains
from sslcore.jobs.teachers import teach
from sslcore.shapes import FloatArray, IntArray
from sslcore.store.fold import LabelState, TaskState

if TYPE_CHECKING:
    from sslcore.training.data import Baseline, TrainingData
    from sslcore.training.recipe import Recipe
    from sslcore.training.report import Reporter, TrainingResult

NAMED = 16
"""Items of a bad batch that an error names."""


@KINDS.register("train", title="Training", family="job")
def train(job: Job) -> Mapping[str, Any]:
    """Trains and writes the predictions, on several devices where there are."""
    from sslcore.jobs.several import devices_for, launch

    job.take_turn()
    recipe, names = _recipe(job)
    devices, line = devices_for(recipe, [state.task.kind for state in _states(job, names)])
    if devices == 1:
        found = train_here(job, _Reporter(job))
        assert found is not None
        return found | {"note": " ".join(part for part in (line, found["note"]) if part)}
    training_data(job, recipe, _states(job, names))  # decodes and settles once, before there are several
    return launch(job, devices, cpu=recipe.train_config.device == "cpu")


def train_here(job: Job, reporter: Reporter) -> dict[str, Any] | None:
    """Trains in this process, alone or as one of several; the figures, None where another one keeps them.

    Raises:
        Stopped: The run was told to stop, and has saved its checkpoint.
    """
    from sslcore.training.run import train as run_training

    recipe, names = _recipe(job)
    states = _states(job, names)
    job.report("data", 0, 1, note="Reading the items.")
    data = training_data(job, recipe, states)
    try:
        result = run_training(recipe, data, reporter, folder=job.folder, resume=True)
    except TrainingError as error:
        raise TrainingError(error.problem + _named(job, error.rows), rows=error.rows) from None
    if os.environ.get("RANK", "0") != "0":
        return None
    if result.cancelled:
        raise Stopped
    return _keep(job, recipe, states, result)


def _recipe(job: Job) -> tuple[Recipe, Sequence[str] | None]:
    from sslcore.training.recipe import Recipe

    wish = dict(job.run.recipe)
    names = wish.pop("tasks", None)
    return Recipe.parse(wish), names


def _named(job: Job, rows: Sequence[int]) -> str:
    """Keys of the items that an error is about."""
    if not rows:
        return ""
    item_id_N = job.store.item_ids()
    keys = [item.key for item in job.store.items([int(item_id_N[row]) for row in rows[:NAMED]])]
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f" Items of that batch: {', '.join(keys)}{more}."


def training_data(job: Job, recipe: Recipe, states: Sequence[TaskState]) -> TrainingData:
    """All that the run sees, from the store and the caches.

    Raises:
        StoreError: The recipe names features that are not complete.
    """
    from sslcore.training.data import TrainingData

    store = job.store
    raw: dict[str, Any] = {}
    if recipe.encoder != "none":
        raw["feature_ND"] = _features(job, recipe.encoder)
    elif store.modality == "text":
        raw["text_N"] = store.texts()
    else:
        raw["image_NXHW"] = outline(store.media_paths())
    flagged_N = np.zeros(len(states[0].label_N), dtype=bool)
    for state in states:
        flagged_N |= state.flagged_N
    choices = [state for state in states if state.task.kind in CHOICES]
    soft_target, teacher = None, None
    if recipe.transfer == "distil":
        soft_target, teacher = teach(job, choices, recipe.transfer_config.teacher)  # type: ignore[attr-defined]
    data = TrainingData(
        modality=store.modality,
        tasks=[task_labels(state) for state in states],
        key_N=_keys(job, choices),
        excluded_N=flagged_N,
        baseline=_baselines(job, choices) or None,
        encoder="" if recipe.encoder == "none" else recipe.encoder,
        soft_target=soft_target,
        teacher=teacher,
        **raw,
    )
    return data if data.image_NXHW is None else _with_images(job, recipe, data)


def _with_images(job: Job, recipe: Recipe, data: TrainingData) -> TrainingData:
    """The set with its images at the size that the run settles on; until now it had their outline."""
    from sslcore.training.sizing import settle

    job.report("sizes", 0, 1, note="Measuring how large the images may be.")
    config = settle(recipe, data, job.folder, resume=True).train_config
    paths = job.store.media_paths()
    size = config.image_size
    return replace(data, image_NXHW=cached_images(job.store.folder, paths, size=size, report=job.report))


class _Reporter:
    """What the training loop tells, told to the job."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None:
        self._job.metric(step, name, value, task=task)

    def progress(self, done: float, total: float, *, note: str = "") -> None:
        self._job.tell("training", done, total, note=note)  # the loop asks whether to stop, and saves first

    def should_cancel(self) -> bool:
        return self._job.should_stop()


def _states(job: Job, names: Sequence[str] | None) -> list[TaskState]:
    state = LabelState(job.store, upto=job.run.labels_upto or None)
    tasks = [job.store.task(name) for name in names] if names else job.store.tasks()
    held = [state[task.id] for task in tasks if trains(state[task.id])]
    if not held:
        raise TrainingError(
            "There is no task to train: a task needs classes, or numbers as answers. "
            "Add one, label some items, and start the run again."
        )
    return held


def _features(job: Job, encoder: str) -> FloatArray:
    feature_ND = FeatureCache(job.store.folder).load(encoder).feature_ND
    if len(feature_ND) != job.store.count():
        raise DataError(
            f"The features of {encoder!r} cover {len(feature_ND):,} of {job.store.count():,} items. "
            "Wait until those of the new items are computed, then start the run again."
        )
    return feature_ND


def _keys(job: Job, states: Sequence[TaskState]) -> dict[str, IntArray] | None:
    """The answer key by task; None without one. For figures alone."""
    item_id_N = job.store.item_ids()
    held: dict[str, IntArray] = {}
    for state in states:
        answers = job.store.answers(state.task.id)
        if answers:
            key_N = np.full(len(item_id_N), -1, dtype=np.int64)
            key_N[np.searchsorted(item_id_N, list(answers))] = list(answers.values())
            held[state.task.name] = key_N
    return held or None


def _baselines(job: Job, states: Sequence[TaskState]) -> dict[str, Baseline]:
    """The supervised head of each task, on the features on which it has most labels right unseen."""
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View
    from sslcore.training.data import Baseline

    cache, n = FeatureCache(job.store.folder), job.store.count()
    best: dict[str, Baseline] = {}
    for encoder in (name for name in cache.available() if cache.is_complete(name, n)):
        view = View.load(cache.folder(encoder))
        for state in states:
            label_N = state.training_label_N
            if len(np.unique(label_N[label_N >= 0])) < 2:
                continue
            loop = InstantLoop([view], classes=len(state.task.classes), seed=0, model="linear")
            found = loop.fit(label_N, echo_N=state.echo_N)
            said_L = found.out_of_fold_proba_LC[found.evidence_L].argmax(axis=1)
            right = int((said_L == label_N[found.labelled_row_L][found.evidence_L]).sum())
            held = best.get(state.task.name)
            if held is None or right > held.left_out[0]:
                best[state.task.name] = Baseline(found.head_proba_NC.argmax(axis=1), (right, len(said_L)))
    return best


def _keep(job: Job, recipe: Recipe, states: Sequence[TaskState], result: TrainingResult) -> dict[str, Any]:
    """Writes predictions, features and model; returns the run's figures."""
    from sslcore.training.bundle import save_bundle
    from sslcore.training.sizing import told

    by_name = {state.task.name: state for state in states}
    for name, said in result.proba.items():
        task = by_name[name].task
        if task.kind == "numeric":  # a number in its own unit, such as seconds since 1970: as fine as it is
            write_array(job.folder / f"value_{task.id}.npy", said[:, 0].astype(np.float64))
        else:
            write_array(job.folder / f"proba_{task.id}.npy", said.astype(np.float16))
    for name, event_EF in result.history.items():
        write_array(job.folder / f"history_{by_name[name].task.id}.npy", event_EF)
    if len(result.feature_ND):
        write_array(job.folder / "features.npy", result.feature_ND.astype(np.float16))
    figures = {name: _figures(result.metrics, name) for name in result.proba}
    first: dict[str, Any] = next(iter(figures.values()), {})
    classes = {name: by_name[name].task.class_names for name in result.proba}
    card = {"method": recipe.method, "run": job.run.id, "seed": recipe.seed, "steps": result.steps}
    save_bundle(job.folder / "model", result.predictor, classes, card | {"figures": figures})
    return {
        "audit_accuracy": first.get("audit_accuracy", first.get("audit_subset_accuracy")),
        "key_accuracy": first.get("key_accuracy"),
        "tasks": figures,
        "steps": result.steps,
        "sizes": told(job.folder),
        "seconds": round(result.seconds, 1),
        "note": " ".join(result.metrics.get("notes", ())),
    }


def _figures(metrics: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The last figures of one task, classwise ones left to the metric rows."""
    return {
        name: value[task]
        for name, value in metrics.items()
        if isinstance(value, Mapping) and task in value and "/" not in name
    }


__all__ = ["train", "train_here", "training_data"]
