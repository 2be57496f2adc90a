"""Why a task cannot be trained on the labels of now: too few of them, or all alike."""

from __future__ import annotations

import numpy as np

from sslcore.choices import Choice
from sslcore.errors import RecipeError
from sslcore.store import Task
from sslcore.workbench import kinds
from sslcore.workbench.snapshot import CHOICE, Snapshot


def refuse_task(task: Task, snapshot: Snapshot, method: str, schema: Choice) -> None:
    """Refuses a task that has nothing to teach a method.

    Raises:
        RecipeError: With the reason, and what to do.
    """
    where, few = f"The task {task.name!r}", 2 if task.kind in CHOICE else 1
    if task.kind != "numeric" and len(task.classes) < few:
        raise RecipeError(
            f"{where} has {len(task.classes)} class: there is nothing to tell apart. Add a second one."
            if few == 2
            else f"{where} has no class yet. Add one, and label some items."
        )
    label_N = kinds.training_label_N(snapshot)
    count = int((label_N >= 0).sum())
    if count == 0:
        raise RecipeError(
            f"{where} has no label to learn from (audit answers are never trained on). Label some items."
        )
    if said := _all_alike(snapshot, count):
        raise RecipeError(f"{where}: {said}")
    uses_unlabelled = any(param["name"] == "unlabelled_weight" for param in schema["params"])
    if uses_unlabelled and not np.any((label_N < 0) & ~snapshot.state.audit_N):
        raise RecipeError(
            f"{where} has no unlabelled item left, and {method!r} learns from those. "
            "Choose the supervised network."
        )


def _all_alike(snapshot: Snapshot, count: int) -> str:
    """What is wrong where all labels to learn from say the same; empty where they do not."""
    task, state = snapshot.task, snapshot.state
    if task.kind == "numeric":
        given = {value for row, value in state.value.items() if not state.audit_N[row]}
        one = f"all {count} labels say {next(iter(given)):g}. Give at least one item another number."
        return one if len(given) == 1 else ""
    count_C = kinds.class_counts(snapshot)
    if task.kind == "multiple":
        if any(0 < held < count for held in count_C.tolist()):
            return ""
        return (
            f"all {count} labels name the same classes. For one class at least, label an item that has it "
            "and one that has not."
        )
    held = np.flatnonzero(count_C)
    if len(held) > 1:
        return ""
    return f"all {count} labels say {task.class_names[held[0]]!r}. Label at least one item of another class."
