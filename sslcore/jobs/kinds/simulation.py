"""Labelling replayed from the answer key: strategies × models × seeds, and random questions beside them.

Recipe: ``{"task", "strategies", "models", "budget", "seeds", "views", "stamp"}``. One replay is one file
under ``cache/replays/``, named by all that decides it (views, key, strategy, model, stops, seed, code), so
a run that was stopped goes on with the next replay, and none is ever computed twice. Figures come as
metrics while it works: by name of the line and number of labels, over the seeds done so far, with ``/low``
and ``/high``; the result is :func:`sslcore.simulate.summarise`'s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sslcore.errors import DataError
from sslcore.features.cache import FeatureCache
from sslcore.files import make_folder, write_json
from sslcore.instant.view import View
from sslcore.jobs.job import Job
from sslcore.jobs.kinds import KINDS
from sslcore.shapes import UNLABELLED, IntArray
from sslcore.simulate import CONTROL, Curve, line_name, lines_of, replay, stops_of, summarise
from sslcore.store import Store, Task

_CODE = ("simulate.py", "instant", "queries", "graph", "quality/calibration.py")
"""What a replay's outcome depends on; a change makes replays anew."""


@dataclass(frozen=True, eq=False)
class World:
    """What replays happen in.

    Attributes:
        views: The feature views, in the loop's order.
        answer_N: The key.
        stamp: Names views, key and code for good.
    """

    views: list[View]
    answer_N: IntArray
    stamp: str


@KINDS.register("simulation", title="Simulation", family="job")
def simulation(job: Job) -> Mapping[str, Any]:
    """Replays what is not there yet, seed by seed, and puts all of it together."""
    job.take_turn()
    recipe = job.run.recipe
    task = job.store.task(str(recipe["task"]))
    world = load_world(job.store, task, recipe["views"])
    stops = stops_of(int(recipe["budget"]), int((world.answer_N >= 0).sum()))
    pairs = cells(recipe["strategies"], recipe["models"])
    wanted = [(strategy, model, seed) for seed in range(int(recipe["seeds"])) for strategy, model in pairs]
    curves: dict[tuple[str, str], list[Curve]] = {}
    computed = 0
    for number, (strategy, model, seed) in enumerate(wanted):
        path = _path(job.store.folder, world, stops, (strategy, model, seed))
        curve = _read(path)
        if curve is None:
            told = _Teller(job, strategy, model, stops, done=number, replays=len(wanted), seed=seed)
            curve = replay(
                world.views,
                world.answer_N,
                strategy=strategy,
                model=model,
                stops=stops,
                seed=seed,
                step=told.step,
            )
            write_json(make_folder(job.store.folder, "cache", "replays") / path.name, curve.as_dict())
            computed += 1
        held = curves.setdefault((strategy, model), [])
        held.append(curve)
        _tell_lines(job, held, head=model == pairs[0][1])
        job.report("replaying", (number + 1) * len(stops), len(wanted) * len(stops))
    summary = summarise([curve for held in curves.values() for curve in held])
    return summary | {"replays": len(wanted), "computed": computed}


def cells(strategies: Sequence[str], models: Sequence[str]) -> list[tuple[str, str]]:
    """Strategies and models to replay, the control with each model among them.

    >>> cells(["auto"], ["linear"]), cells(["random"], ["auto"])
    ([('auto', 'linear'), ('random', 'linear')], [('random', 'auto')])
    """
    every = dict.fromkeys([*strategies, CONTROL])
    return [(strategy, model) for strategy in every for model in dict.fromkeys(models)]


def load_world(store: Store, task: Task, views: Sequence[str]) -> World:
    """Views and key of a task.

    Raises:
        DataError: No key, or no views.
        StoreError: A view that is not complete.
    """
    answers = store.answers(task.id)
    if not answers or not views:
        what = "answer key" if not answers else "features"
        raise DataError(f"The task {task.name!r} has no {what} to replay labelling with.")
    answer_N = np.full(store.count(), UNLABELLED, dtype=np.int64)
    answer_N[np.searchsorted(store.item_ids(), list(answers))] = list(answers.values())
    return World(_views(store.folder, tuple(views)), answer_N, stamp(store, task, views))


def stamp(store: Store, task: Task, views: Sequence[str]) -> str:
    """A name for views, key and code as they are now; another one as soon as one of them changes."""
    cache = FeatureCache(store.folder)
    answers = sorted(store.answers(task.id).items())
    told = [[name, cache.meta(name)] for name in views] + [answers, store.count(), _code()]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _views(folder: Path, names: tuple[str, ...]) -> list[View]:
    cache = FeatureCache(folder)
    for name in names:
        cache.load(name)  # raises, naming those there are
    return [View.load(cache.folder(name)) for name in names]


@lru_cache(maxsize=1)
def _code() -> str:
    root, digest = Path(__file__).resolve().parents[2], hashlib.sha256()
    for part in _CODE:
        path = root / part
        for file in [path] if path.is_file() else sorted(path.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _path(folder: Path, world: World, stops: Sequence[int], which: tuple[str, str, int]) -> Path:
    told = json.dumps([world.stamp, list(stops), *which])
    return folder / "cache" / "replays" / f"{hashlib.sha256(told.encode()).hexdigest()[:40]}.json"


def _read(path: Path) -> Curve | None:
    try:
        return Curve.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError):
        return None


class _Teller:
    """How far a replay is, and of the first seed its figures as they come."""

    def __init__(
        self,
        job: Job,
        strategy: str,
        model: str,
        stops: Sequence[int],
        *,
        done: int,
        replays: int,
        seed: int,
    ) -> None:
        self._job, self._name = job, line_name(strategy, model)
        self._stops, self._done, self._replays, self._seed = len(stops), done, replays, seed
        self._at = 0

    def step(self, labels: int, accuracy: float, head: float) -> None:
        self._at += 1
        if self._seed == 0:
            for name in (self._name, f"{self._name}/low", f"{self._name}/high"):
                self._job.metric(labels, name, accuracy)
        self._job.report(
            "replaying",
            self._done * self._stops + self._at,
            self._replays * self._stops,
            note=f"{self._name}: seed {self._seed + 1}, {labels} labels",
        )


def _tell_lines(job: Job, held: Sequence[Curve], *, head: bool) -> None:
    """The lines of one strategy and model over the seeds done so far; the whole of them, anew."""
    for line in lines_of(held):
        if line.model is None and not head:  # the head of a strategy is that beside its first model
            continue
        for labels, mean, low, high in zip(line.label_S, line.mean_S, line.low_S, line.high_S):
            job.metric(labels, line.name, mean)
            job.metric(labels, f"{line.name}/low", low)
            job.metric(labels, f"{line.name}/high", high)
