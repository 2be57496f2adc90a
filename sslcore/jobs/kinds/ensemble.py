"""An ensemble of finished runs and the instant loop: one prediction set, weighed on the audit split.

Recipe: ``{"method": "ensemble", "tasks": [NAME], "members": [{"key", "title"}], "views": [ENCODER]}``, a key
being ``"run:7"``, ``"instant"`` or ``"head"``; the views are what the instant loop stands on, which is
fitted anew on the labels up to the run's ``labels_upto``. Into ``runs/<id>/`` goes ``proba_<task id>.npy``
(float16, N×C). Of an item with an audit answer it holds what the ensemble says when that answer had no
part in the weights, so every figure taken from the file later is an honest one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sslcore.errors import DataError, TrainingError
from sslcore.features.cache import FeatureCache
from sslcore.files import write_array
from sslcore.jobs.job import Job
from sslcore.jobs.kinds import KINDS
from sslcore.quality.ensemble import ENOUGH, Pool, fit_pool, held_out, pooled
from sslcore.quality.intervals import proportion_interval
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store import Store
from sslcore.store.fold import LabelState, TaskState

METHOD = "ensemble"
"""What stands as the method in the recipe of such a run."""


@dataclass(frozen=True, eq=False)
class Member:
    """One of the models: its probabilities of the first items, and which of them it learned from."""

    key: str
    title: str
    proba_NC: FloatArray
    saw_N: BoolArray


@KINDS.register("ensemble", title="Ensemble", family="job")
def ensemble(job: Job) -> Mapping[str, Any]:
    """Combines, writes the predictions, and says what each member weighs and brings."""
    job.give_way()
    recipe = job.run.recipe
    task = job.store.task(recipe["tasks"][0])
    state = LabelState(job.store, upto=job.run.labels_upto or None)[task.id]
    job.report("combining", 0, 3, note="Reading the members.")
    members = _members(job, state)
    job.report("combining", 1, 3, note="Weighing them on the audit split.")
    row_A = _fair_rows(members, state)
    label_A = state.label_N[row_A]
    proba_MAC = [np.asarray(member.proba_NC[row_A], dtype=np.float64) for member in members]
    pool = fit_pool(proba_MAC, label_A)
    said_AC = held_out(proba_MAC, label_A, rng=np.random.default_rng(job.run.seed))
    job.report("combining", 2, 3, note="Writing the predictions.")
    proba_NC = pooled([member.proba_NC for member in members], pool)
    if pool.size:
        proba_NC[row_A] = said_AC
    proba_NC = proba_NC.astype(np.float16)
    write_array(job.folder / f"proba_{task.id}.npy", proba_NC)
    figures = _figures(members, proba_MAC, label_A, pool=pool, said_AC=said_AC, seed=job.run.seed)
    figures["key_accuracy"] = _key_accuracy(job.store, state, proba_NC)
    return {
        "audit_accuracy": figures["audit_accuracy"],
        "key_accuracy": figures["key_accuracy"],
        "audit_size": len(row_A),
        "tasks": {task.name: figures},
        "features": members[int(np.argmax(pool.weight_M))].key,
        "note": " ".join([_line(figures), *_silences(members, len(state.label_N))]),
    }


def trained_on(store: Store, recipe: Mapping[str, Any], task_id: int, labels_upto: int) -> BoolArray:
    """The items that a run learned from; an ensemble learned from all that its members did."""
    state = LabelState(store, upto=labels_upto)[task_id]
    saw_N = state.labelled_N & ~state.audit_N
    if recipe.get("method") != METHOD:
        return saw_N
    keys = [str(member["key"]) for member in recipe["members"]]
    if all(key.startswith("run:") for key in keys):  # nothing was fitted on the labels of then
        saw_N = np.zeros_like(saw_N)
    for key in keys:
        if key.startswith("run:"):
            run = store.runs.get(int(key.removeprefix("run:")))
            saw_N |= trained_on(store, run.recipe, task_id, run.labels_upto)
    return saw_N


# --- the members -----------------------------------------------------------------------------------


def _members(job: Job, state: TaskState) -> list[Member]:
    wanted: Sequence[Mapping[str, str]] = job.run.recipe["members"]
    held = _instant(job, state) if any(m["key"] in ("instant", "head") for m in wanted) else {}
    members = []
    for member in wanted:
        if member["key"] in held:
            proba_NC, saw_N = held[member["key"]], state.training_label_N >= 0
        else:
            proba_NC, saw_N = _run(job.store, int(member["key"].removeprefix("run:")), state)
        if proba_NC.shape[1] != len(state.task.classes):
            raise TrainingError(
                f"{member['title']} knows {proba_NC.shape[1]} classes; the task has "
                f"{len(state.task.classes)} now. Train it again, then combine."
            )
        members.append(Member(member["key"], member["title"], proba_NC, saw_N))
    return members


def _run(store: Store, run_id: int, state: TaskState) -> tuple[FloatArray, BoolArray]:
    path: Path = store.folder / "runs" / str(run_id) / f"proba_{state.task.id}.npy"
    if not path.is_file():
        raise DataError(f"Run {run_id} has no predictions for the task {state.task.name!r}.", file=path)
    run = store.runs.get(run_id)
    proba_NC = np.load(path, mmap_mode="r", allow_pickle=False)
    return proba_NC, trained_on(store, run.recipe, state.task.id, run.labels_upto)


def _instant(job: Job, state: TaskState) -> dict[str, FloatArray]:
    """The instant loop and its supervised head, fitted on the labels of then."""
    from sslcore.instant.tasks import loop_for
    from sslcore.instant.view import View

    cache, n = FeatureCache(job.store.folder), len(state.label_N)
    names = [name for name in job.run.recipe["views"] if cache.is_complete(name, n)]
    if not names:
        raise TrainingError(
            "The features that the instant loop stands on do not cover all items. Wait until those of the "
            "new items are computed, then combine again."
        )
    views = [View.load(cache.folder(name)) for name in names]
    loop: Any = loop_for(state.task.kind, views, classes=len(state.task.classes), seed=0)
    result = loop.fit(state.training_label_N, rejected=state.rejected_pairs())
    head_NC = getattr(result, "head_proba_NC", None)
    return {"instant": result.proba_NC} | ({} if head_NC is None else {"head": head_NC})


def _fair_rows(members: Sequence[Member], state: TaskState) -> IntArray:
    """Items with an audit answer that every member knows and none learned from."""
    row_A = state.audit_row_A
    row_A = row_A[state.label_N[row_A] >= 0]
    for member in members:
        row_A = row_A[row_A < len(member.proba_NC)]
        row_A = row_A[~member.saw_N[row_A]]
    return row_A


# --- what came of it -------------------------------------------------------------------------------


def _figures(
    members: Sequence[Member],
    proba_MAC: Sequence[FloatArray],
    label_A: IntArray,
    *,
    pool: Pool,
    said_AC: FloatArray,
    seed: int,
) -> dict[str, Any]:
    """The ensemble, each member alone, and the ensemble without it, all on answers that were held out."""
    right_A = _right(said_AC, label_A)
    alone_MA = [_right(proba_AC, label_A) for proba_AC in proba_MAC]
    rows = []
    for m, member in enumerate(members):
        rest = [proba_AC for other, proba_AC in enumerate(proba_MAC) if other != m]
        without_AC = held_out(rest, label_A, rng=np.random.default_rng(seed))
        without_A = _right(without_AC, label_A)
        gain = round(float(right_A.mean() - without_A.mean()), 4) if len(label_A) else None
        rows.append(
            {
                "key": member.key,
                "title": member.title,
                "weight": round(float(pool.weight_M[m]), 4),
                "temperature": round(float(pool.temperature_M[m]), 4),
                "audit_accuracy": _mean(alone_MA[m]),
                "gain": gain,
                "items": len(member.proba_NC),
            }
        )
    best = int(np.argmax([alone_A.sum() for alone_A in alone_MA]))
    interval = proportion_interval(int(right_A.sum()), len(label_A))
    return {
        "audit_accuracy": _mean(right_A),
        "audit_interval": interval.as_dict(),
        "audit_size": len(label_A),
        "rough": len(label_A) < ENOUGH,
        "temperature": round(pool.temperature, 4),
        "members": rows,
        "best_member": members[best].key,
        "wins": int((right_A & ~alone_MA[best]).sum()),
        "losses": int((~right_A & alone_MA[best]).sum()),
    }


def _right(proba_AC: FloatArray, label_A: IntArray) -> BoolArray:
    """Whether the most probable class is the true one, in the precision in which predictions are kept."""
    return np.asarray(proba_AC.astype(np.float16).argmax(axis=1) == label_A)


def _mean(right_A: BoolArray) -> float | None:
    return float(right_A.mean()) if len(right_A) else None


def _line(figures: Mapping[str, Any]) -> str:
    """What each member weighs, and what came of it, in a line."""
    rows = figures["members"]
    size, accuracy = figures["audit_size"], figures["audit_accuracy"]
    told = ", ".join(f"{row['title']} {row['weight']:.0%}" for row in rows) + "."
    if figures["rough"]:
        told += f" All alike: {size} of {ENOUGH} audit answers are there to weigh them by."
    if accuracy is None:
        return told
    best = next(row for row in rows if row["key"] == figures["best_member"])
    rough = ", rough" if figures["rough"] else ""
    return (
        f"{told} Together {accuracy:.1%} right on {size} held-out audit items{rough}; "
        f"{best['title']} alone {best['audit_accuracy']:.1%}."
    )


def _silences(members: Sequence[Member], items: int) -> list[str]:
    """What is said of items that were imported after a member was trained."""
    known = max(len(member.proba_NC) for member in members)
    told = []
    late = [member.title for member in members if len(member.proba_NC) < known]
    if late:
        told.append(f"Items imported after {', '.join(late)} are judged by the others alone.")
    if known < items:
        told.append(
            f"{items - known:,} items were imported later: no member knows them, so nothing can follow it."
        )
    return told


def _key_accuracy(store: Store, state: TaskState, proba_NC: FloatArray) -> float | None:
    """Against the answer key, on items that nobody labelled; None without a key."""
    answers = store.answers(state.task.id)
    if not answers:
        return None
    key_N = np.full(len(state.label_N), -1, dtype=np.int64)
    key_N[np.searchsorted(store.item_ids(), list(answers))] = list(answers.values())
    row_U = np.flatnonzero((key_N >= 0) & ~state.labelled_N)
    row_U = row_U[row_U < len(proba_NC)]
    return float((proba_NC[row_U].argmax(axis=1) == key_N[row_U]).mean()) if len(row_U) else None
