"""Labelling replayed from the answer key, with the control and the supervised head beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.errors import DataError
from sslcore.store import Task

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench


def replay(
    bench: Workbench, task: Task, *, strategy: str, model: str, budget: int, seeds: int
) -> dict[str, Any]:
    """Mean accuracy against the key after so many labels, beside random questions and the head alone.

    Returns:
        ``{"strategy", "model", "encoder", "seeds", "curve": [{"labels", "accuracy", "low", "high",
        "random", "head"}]}``; low and high are the smallest and the largest of the seeds.

    Raises:
        DataError: The task has no answer key, or no features are ready.
    """
    from sslcore.simulate import simulate

    snapshot = bench.snapshot(task)
    key_N = bench.live.key(task.id)
    if key_N is None:
        raise DataError(
            f"The task {task.name!r} has no answer key. Catalogue sets have one: `demo NAME` makes a project."
        )
    if snapshot.view is None:
        raise DataError("No features are ready yet. Wait for the background work, or use --wait.")
    seed_list = list(range(seeds))
    asked = simulate([snapshot.view], key_N, strategy=strategy, model=model, budget=budget, seeds=seed_list)
    control = (
        asked
        if strategy == "random"
        else simulate([snapshot.view], key_N, strategy="random", model=model, budget=budget, seeds=seed_list)
    )
    accuracy_ES = np.array([curve.accuracy_S for curve in asked])
    random_ES = np.array([curve.accuracy_S for curve in control])
    head_ES = np.array([curve.head_accuracy_S for curve in asked])
    curve = [
        {
            "labels": int(labels),
            "accuracy": float(accuracy_ES[:, at].mean()),
            "low": float(accuracy_ES[:, at].min()),
            "high": float(accuracy_ES[:, at].max()),
            "random": float(random_ES[:, at].mean()),
            "head": float(head_ES[:, at].mean()),
        }
        for at, labels in enumerate(asked[0].label_S)
    ]
    return {
        "task": task.name,
        "strategy": strategy,
        "model": model,
        "encoder": snapshot.view.name,
        "seeds": seeds,
        "curve": curve,
    }
