"""Why this one: a sentence for the annotator on what made an item worth asking.

It begins with what the strategy asked it for, then says how unsure the model is, how far the item is
from anything labelled, and how many items its label speaks for. Near and far are measured on the set's
own scale, for a cosine of 0.8 is next door in one encoder's features and a stranger in another's: 0 is
the cosine of a random pair, 1 that of an item to its tenth neighbour (medians over a sample of 3,000).
*Far from anything labelled*: below 0.5 of that way, nearer to a random item than to a neighbour.
*Similar*: from 0.75 on (of such pairs 80 to 95 % share their class on six of eight sets; 25 % where there
are 150 classes). Similar items *wait for it* when they are nearer to it than to any labelled item.
Large pools are counted on a random sample and scaled up; the sentence then says "about".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslcore.queries.geometry import sampled, unit_rows
from sslcore.queries.pool import Pool, Selection
from sslcore.shapes import UNLABELLED, FloatArray, IntArray

SIMILAR, FAR = 0.75, 0.5
"""On the way from a random pair to a pair of neighbours: where items are alike, and where they are far."""
UNSURE = 0.3
_NEIGHBOUR, _ASKED_FOR_SCALE = 10, 300

REASONS: Mapping[str, str] = {
    "auto": "doubt",
    "random": "random",
    "least_confidence": "doubt",
    "margin": "doubt",
    "entropy": "doubt",
    "badge": "doubt",
    "drop_query": "doubt",
    "uherding": "doubt",
    "bald": "dispute",
    "batch_bald": "dispute",
    "committee": "dispute",
    "kmeans": "coverage",
    "typiclust": "coverage",
    "max_herding": "coverage",
    "probcover": "coverage",
    "dcom": "coverage",
    "coreset": "distance",
    "class_balance": "balance",
    "label_issues": "issue",
}
"""What each strategy asks items for, unless its selection says otherwise."""


@dataclass(frozen=True)
class Around:
    """What lies around one item: how near the nearest labelled item is, its row, how many items wait."""

    nearest: float | None
    nearest_row: int
    similar: int
    about: bool


@dataclass(frozen=True)
class Why:
    """The sentence, and the numbers that it is made of (JSON-ready).

    ``numbers``: ``reason`` (what the strategy asked it for), ``best``, ``second`` (class indices or None),
    ``p_best``, ``p_second``, ``nearest`` (to the nearest labelled item, on the scale from a random pair, 0,
    to neighbours, 1; or None), ``similar`` (items that wait for it). ``around``: what lies around the item.
    """

    text: str
    numbers: dict[str, Any]
    around: Around


def why(pool: Pool, row: int, *, class_names: Sequence[str], reason: str = "doubt") -> Why:
    """Why one item is worth asking.

    >>> rng = np.random.default_rng(0)
    >>> feature_ND = np.repeat([[1.0, 0, 0], [0, 1, 0]], 20, axis=0) + rng.normal(0, 0.05, (40, 3))
    >>> pool = Pool(feature_ND, np.array([0] + [-1] * 39), np.arange(1, 40), np.full((40, 2), [0.52, 0.48]))
    >>> why(pool, 30, class_names=["cat", "dog"]).text
    'Uncertain between cat and dog (0.52 / 0.48), far from anything labelled, 19 similar items wait for it.'
    """
    return whys(pool, np.array([row]), class_names=class_names, reasons=[reason])[0]


def reasons_of(selection: Selection, strategy: str) -> tuple[str, ...]:
    """What each row of a strategy's selection was asked for.

    >>> reasons_of(Selection(np.array([4, 5]), np.ones(2)), "margin")
    ('doubt', 'doubt')
    """
    return selection.reason_Q or (REASONS[strategy],) * len(selection)


def whys(
    pool: Pool, row_Q: IntArray, *, class_names: Sequence[str], reasons: Sequence[str] = ()
) -> list[Why]:
    """Why each of these items is worth asking, in one pass over the pool.

    Args:
        pool: What the query saw.
        row_Q: The rows that were chosen.
        class_names: Names of the classes by index.
        reasons: What each was asked for, from :func:`reasons_of`; by default for the model's doubt.
    """
    row_Q = np.asarray(row_Q, dtype=np.int64)
    if len(row_Q) == 0:
        return []
    reasons = reasons or ("doubt",) * len(row_Q)
    around_Q = _surroundings(pool, row_Q)
    return [
        _why(pool, int(row), around, reason, class_names)
        for row, around, reason in zip(row_Q, around_Q, reasons)
    ]


def retold(why: Why, pool: Pool, row: int, *, class_names: Sequence[str]) -> Why:
    """The same reason by what the model says now; what lies around the item stands as it was told.

    >>> rng = np.random.default_rng(0)
    >>> feature_ND = np.repeat([[1.0, 0, 0], [0, 1, 0]], 20, axis=0) + rng.normal(0, 0.05, (40, 3))
    >>> label_N, candidate_U = np.array([0] + [-1] * 39), np.arange(1, 40)
    >>> before = Pool(feature_ND, label_N, candidate_U, np.full((40, 2), [0.52, 0.48]))
    >>> now = Pool(feature_ND, label_N, candidate_U, np.full((40, 2), [0.9, 0.1]))
    >>> held = why(before, 30, class_names=["cat", "dog"])
    >>> retold(held, now, 30, class_names=["cat", "dog"]).text
    'Probably cat (0.90), far from anything labelled, 19 similar items wait for it.'
    """
    return _why(pool, row, why.around, why.numbers["reason"], class_names)


def _why(pool: Pool, row: int, around: Around, reason: str, class_names: Sequence[str]) -> Why:
    numbers: dict[str, Any] = {
        "reason": reason,
        "best": None,
        "second": None,
        "p_best": None,
        "p_second": None,
    }
    numbers |= {"nearest": around.nearest, "similar": around.similar}
    doubt = _doubt(pool, row, class_names, numbers)
    far = _far(around)
    waits = _items(around, ("waits for it", "wait for it"))
    if reason == "random":
        parts = ["drawn at random"]
    elif reason == "coverage":
        parts = [_typical(around), far, doubt]
    elif reason == "distance":
        parts = [far or "least like anything labelled", doubt, waits]
    elif reason == "search":
        parts = [_missing(pool), far, waits or doubt]
    else:
        said = {"dispute": _dispute, "balance": _balance, "issue": _issue}.get(reason)
        parts = [(said(pool, row, around, class_names) if said else "") or doubt, far, waits]
    text = ", ".join(part for part in parts if part)
    return Why(f"{text[:1].upper()}{text[1:]}." if text else "Drawn at random.", numbers, around)


def _doubt(pool: Pool, row: int, class_names: Sequence[str], numbers: dict[str, Any]) -> str:
    if pool.proba_NC is None:
        return ""
    proba_C = np.asarray(pool.proba_NC[row], dtype=np.float64)
    order_C = np.argsort(-proba_C, kind="stable")
    best = int(order_C[0])
    numbers |= {"best": best, "p_best": round(float(proba_C[best]), 4)}
    if len(order_C) < 2:
        return f"so far only {class_names[best]} is known"
    second = int(order_C[1])
    numbers |= {"second": second, "p_second": round(float(proba_C[second]), 4)}
    if proba_C[best] - proba_C[second] <= UNSURE:
        level = f"({proba_C[best]:.2f} / {proba_C[second]:.2f})"
        return f"uncertain between {class_names[best]} and {class_names[second]} {level}"
    return f"probably {class_names[best]} ({proba_C[best]:.2f})"


def _far(around: Around) -> str:
    if around.nearest is None:
        return "nothing is labelled yet"
    return "far from anything labelled" if around.nearest < FAR else ""


def _items(around: Around, words: tuple[str, str]) -> str:
    if not around.similar:
        return ""
    noun, end = ("item", words[0]) if around.similar == 1 else ("items", words[1])
    return f"{'about ' if around.about else ''}{around.similar:,} similar {noun} {end}".rstrip()


def _typical(around: Around) -> str:
    alike = _items(around, ("that waits for it", "that wait for it"))
    return f"typical of {alike}" if alike else "alone in its part of the set"


def _missing(pool: Pool) -> str:
    missing = pool.class_count - len(np.unique(pool.label_N[pool.labelled_L]))
    if missing <= 0:
        return ""
    return "1 class has no label yet" if missing == 1 else f"{missing:,} classes have no label yet"


def _dispute(pool: Pool, row: int, _: Around, class_names: Sequence[str]) -> str:
    said = {int(np.argmax(proba_NC[row])): float(np.max(proba_NC[row])) for proba_NC in pool.committee}
    if len(said) < 2:
        return ""
    return "the models disagree: " + " or ".join(f"{class_names[c]} ({p:.2f})" for c, p in said.items())


def _balance(pool: Pool, row: int, _: Around, class_names: Sequence[str]) -> str:
    if pool.proba_NC is None:
        return ""
    proba_C = np.asarray(pool.proba_NC[row], dtype=np.float64)
    count_C = np.bincount(pool.label_N[pool.labelled_L], minlength=len(proba_C))[: len(proba_C)]
    c = int((proba_C / (count_C + 1)).argmax())
    labels = {0: "no label yet", 1: "only 1 label"}.get(int(count_C[c]), f"only {count_C[c]:,} labels")
    return f"could be {class_names[c]} ({proba_C[c]:.2f}), which has {labels}"


def _issue(pool: Pool, row: int, around: Around, class_names: Sequence[str]) -> str:
    if pool.proba_NC is None or around.nearest is None:
        return ""
    proba_C = np.asarray(pool.proba_NC[row], dtype=np.float64)
    best, given = int(proba_C.argmax()), int(pool.label_N[row])
    says = f"the machine says {class_names[best]} ({proba_C[best]:.2f})"
    if given != UNLABELLED:
        return f"labelled {class_names[given]}, {says}" if given != best else ""
    near = int(pool.label_N[around.nearest_row])
    return f"{says}, the nearest label is {class_names[near]}" if near != best else ""


def _surroundings(pool: Pool, row_Q: IntArray) -> list[Around]:
    rng = np.random.default_rng(0)  # the same pool explains itself the same way
    open_U = np.flatnonzero(np.asarray(pool.label_N) == UNLABELLED)
    seen_M, labelled_L = sampled(open_U, 0, rng=rng), sampled(pool.labelled_L, 0, rng=rng)
    row_B = np.concatenate([row_Q, seen_M, labelled_L])
    point_BD = unit_rows(pool.feature_ND, row_B)
    q, m = len(row_Q), len(seen_M)
    point_QD, point_MD, point_LD = point_BD[:q], point_BD[q : q + m], point_BD[q + m :]
    random, neighbour = _scale(point_MD, rng=rng)

    def on_scale(cosine: FloatArray) -> FloatArray:
        return (cosine - random) / (neighbour - random)

    alike_MQ = on_scale(point_MD @ point_QD.T)
    nearest_Q, nearest_row_Q = np.zeros(q), np.zeros(q, dtype=np.int64)
    least_M = np.full(m, SIMILAR)
    if len(labelled_L):
        near_QL = on_scale(point_QD @ point_LD.T)
        near_QL[row_Q[:, None] == labelled_L[None, :]] = -np.inf  # a labelled row is not near itself
        nearest_row_Q = labelled_L[near_QL.argmax(axis=1)]
        nearest_Q = near_QL.max(axis=1)
        least_M = np.maximum(on_scale(point_MD @ point_LD.T).max(axis=1), SIMILAR)
    waits_MQ = (alike_MQ >= least_M[:, None]) & (seen_M[:, None] != row_Q[None, :])
    scale = len(open_U) / m if m else 1.0
    similar_Q = np.rint(waits_MQ.sum(axis=0) * scale).astype(np.int64)
    return [
        Around(
            round(float(nearest), 4) if len(labelled_L) and np.isfinite(nearest) else None,
            int(nearest_row),
            int(similar),
            scale > 1,
        )
        for nearest, nearest_row, similar in zip(nearest_Q, nearest_row_Q, similar_Q)
    ]


def _scale(point_MD: FloatArray, *, rng: np.random.Generator) -> tuple[float, float]:
    """The median cosine of random pairs, and that of items to their tenth nearest neighbour."""
    m = len(point_MD)
    if m < 3:
        return 0.0, 1.0
    some_R = np.sort(rng.choice(m, min(_ASKED_FOR_SCALE, m), replace=False))
    cosine_RM = point_MD[some_R] @ point_MD.T
    cosine_RM[np.arange(len(some_R)), some_R] = -np.inf  # nobody is a neighbour of itself
    k = min(_NEIGHBOUR, m - 1)
    neighbour = float(np.median(np.partition(cosine_RM, m - k, axis=1)[:, m - k]))
    random = float(np.median(cosine_RM))
    return random, max(neighbour, random + 1e-3)  # where all items are alike nothing is far
