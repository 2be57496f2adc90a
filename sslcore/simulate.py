"""Labelling replayed from an answer key: how good the model is after so many questions.

The key answers what the query asks; the instant loop refits; accuracy is measured on all items that
were not asked, which is what the user gets. Such figures are against the *key*: they compare
strategies on sets whose answers are known, and no decision in a project is ever made from them.
Beside each figure stands that of the supervised head on the same labels; run ``strategy="random"``
for the control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslcore.errors import DataError
from sslcore.instant.loop import InstantLoop
from sslcore.instant.view import View
from sslcore.queries import QUERIES, Pool
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray

BATCH = 10
"""Questions asked between two refits."""


@dataclass(frozen=True)
class Curve:
    """One replay: figures after each number of labels.

    Attributes:
        strategy: Name of the query.
        model: Name of the instant model.
        seed: Seed of the query's draws.
        label_S: Labels given.
        accuracy_S: Share of right pseudo-labels among the items not asked.
        head_accuracy_S: The same for the supervised head alone.
        classes_S: Classes that have a label by then.
    """

    strategy: str
    model: str
    seed: int
    label_S: tuple[int, ...]
    accuracy_S: tuple[float, ...]
    head_accuracy_S: tuple[float, ...]
    classes_S: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "strategy": self.strategy,
            "model": self.model,
            "seed": self.seed,
            "labels": list(self.label_S),
            "accuracy": list(self.accuracy_S),
            "head_accuracy": list(self.head_accuracy_S),
            "classes": list(self.classes_S),
        }


def simulate(
    views: Sequence[View] | FloatArray,
    answer_N: IntArray,
    *,
    strategy: str = "auto",
    model: str = "auto",
    budget: int | Sequence[int] = 100,
    seeds: Sequence[int] = (0,),
) -> list[Curve]:
    """Replays labelling once for each seed.

    Args:
        views: Feature views, or one matrix ``ND``. Queries see the first view.
        answer_N: The key; items with -1 are neither asked nor counted.
        strategy: Name of a query.
        model: Name of an instant model.
        budget: Questions in all (figures after every ten), or the numbers of labels to stop at.
        seeds: One replay for each.

    Returns:
        One curve a seed, in order.

    Raises:
        DataError: Lengths that differ, a key without answers, or a budget without a question.
        UnknownNameError: No such strategy or model.

    >>> rng = np.random.default_rng(0)
    >>> answer_N = np.arange(60) % 3
    >>> feature_ND = rng.normal(size=(60, 8)) + 4 * np.eye(8)[answer_N]
    >>> curve = simulate(feature_ND, answer_N, budget=(3, 9), seeds=[0])[0]
    >>> curve.label_S, curve.accuracy_S[-1] > 0.9
    ((3, 9), True)
    """
    answer_N = np.asarray(answer_N)
    views = [View.of("features", views)] if isinstance(views, np.ndarray) else list(views)
    stops = _stops(budget, int((answer_N >= 0).sum()))
    if not views or len(views[0].feature_ND) != len(answer_N):
        raise DataError(
            f"simulate needs one answer for each item. Received: {len(answer_N)} answers for "
            f"{len(views[0].feature_ND) if views else 0} items."
        )
    return [_replay(views, answer_N, strategy, model, stops, seed) for seed in seeds]


def _replay(
    views: Sequence[View], answer_N: IntArray, strategy: str, model: str, stops: Sequence[int], seed: int
) -> Curve:
    query, rng = QUERIES[strategy].value, np.random.default_rng(seed)
    classes = int(answer_N.max()) + 1
    loop = InstantLoop(views, classes=classes, seed=seed, model=model)
    label_N = np.full(len(answer_N), UNLABELLED)
    proba_NC: FloatArray | None = None
    committee: tuple[FloatArray, ...] = ()
    given, rows = 0, []
    for stop in stops:
        while given < stop:
            candidate_U = np.flatnonzero((label_N == UNLABELLED) & (answer_N >= 0))
            pool = Pool(views[0].feature_ND, label_N, candidate_U, proba_NC, views[0].knn, committee, classes)
            row_Q = query(pool, min(BATCH, stop - given), rng=rng).row_Q
            label_N = label_N.copy()
            label_N[row_Q] = answer_N[row_Q]
            given += len(row_Q)
            result = loop.fit(label_N)
            proba_NC = result.proba_NC
            committee = (result.proba_NC, result.head_proba_NC)
        rest_N = (label_N == UNLABELLED) & (answer_N >= 0)
        rows.append(
            (
                given,
                _accuracy(result.proba_NC, answer_N, rest_N),
                _accuracy(result.head_proba_NC, answer_N, rest_N),
                len(np.unique(label_N[label_N >= 0])),
            )
        )
    label_S, accuracy_S, head_S, classes_S = zip(*rows, strict=True)
    return Curve(strategy, model, seed, label_S, accuracy_S, head_S, classes_S)


def _accuracy(proba_NC: FloatArray, answer_N: IntArray, rest_N: BoolArray) -> float:
    """Share of right ones; 1 where nothing is left to predict."""
    if not rest_N.any():
        return 1.0
    return float((proba_NC[rest_N].argmax(axis=1) == answer_N[rest_N]).mean())


def _stops(budget: int | Sequence[int], answers: int) -> list[int]:
    if isinstance(budget, int | np.integer):
        wanted = [*range(BATCH, int(budget), BATCH), int(budget)]
    else:
        wanted = [int(stop) for stop in budget]
    stops = sorted({min(stop, answers) for stop in wanted if stop > 0})
    if not stops or stops[0] < 1:
        raise DataError(
            f"simulate needs at least one question and one answer. "
            f"Received: budget {budget}, {answers} answers."
        )
    return stops
