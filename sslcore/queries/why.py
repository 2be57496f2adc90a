"""Why this one: a sentence for the annotator on what made an item worth asking.

Read off the pool, not off the strategy, so that every strategy explains itself alike: how unsure the
model is, how far the item is from anything labelled, and how many items its label speaks for: those
of cosine 0.5 or more with it that are nearer to it than to any labelled item.
Large pools are counted on a random sample and scaled up; the sentence then says "about".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslcore.queries.geometry import sampled, unit_rows
from sslcore.queries.pool import Pool
from sslcore.shapes import UNLABELLED, FloatArray, IntArray

SIMILAR = 0.5
UNSURE = 0.3


@dataclass(frozen=True)
class Why:
    """The sentence, and the numbers that it is made of (JSON-ready).

    ``numbers``: ``best``, ``second`` (class indices or None), ``p_best``, ``p_second``, ``nearest``
    (cosine to the nearest labelled item or None), ``similar`` (items that wait for it).
    """

    text: str
    numbers: dict[str, Any]


def why(pool: Pool, row: int, *, class_names: Sequence[str]) -> Why:
    """Why one item is worth asking.

    >>> proba_NC = np.array([[0.9, 0.1], [0.52, 0.48], [0.5, 0.5]])
    >>> pool = Pool(np.array([[1.0, 0], [0, 1], [0, 1]]), np.array([0, -1, -1]), np.array([1, 2]), proba_NC)
    >>> why(pool, 1, class_names=["cat", "dog"]).text
    'Uncertain between cat and dog (0.52 / 0.48), far from anything labelled, 1 similar item waits for it.'
    """
    return whys(pool, np.array([row]), class_names=class_names)[0]


def whys(pool: Pool, row_Q: IntArray, *, class_names: Sequence[str]) -> list[Why]:
    """Why each of these items is worth asking, in one pass over the pool.

    Args:
        pool: What the query saw.
        row_Q: The rows that were chosen.
        class_names: Names of the classes by index.
    """
    row_Q = np.asarray(row_Q, dtype=np.int64)
    if len(row_Q) == 0:
        return []
    nearest_Q, similar_Q, scale = _surroundings(pool, row_Q)
    found = []
    for q, row in enumerate(row_Q):
        numbers: dict[str, Any] = {"best": None, "second": None, "p_best": None, "p_second": None}
        parts = []
        if pool.proba_NC is not None:
            parts.append(_doubt(np.asarray(pool.proba_NC[row], dtype=np.float64), class_names, numbers))
        numbers["nearest"] = None if nearest_Q is None else round(float(nearest_Q[q]), 4)
        if nearest_Q is None:
            parts.append("nothing is labelled yet")
        elif nearest_Q[q] < SIMILAR:
            parts.append("far from anything labelled")
        count = round(float(similar_Q[q]) * scale)
        numbers["similar"] = count
        if count:
            about = "about " if scale > 1 else ""
            noun, verb = ("item", "waits") if count == 1 else ("items", "wait")
            parts.append(f"{about}{count:,} similar {noun} {verb} for it")
        text = ", ".join(parts)
        found.append(Why(f"{text[:1].upper()}{text[1:]}." if text else "Chosen at random.", numbers))
    return found


def _doubt(proba_C: FloatArray, class_names: Sequence[str], numbers: dict[str, Any]) -> str:
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


def _surroundings(pool: Pool, row_Q: IntArray) -> tuple[FloatArray | None, IntArray, float]:
    """Cosine to the nearest labelled item (None: nothing is), similar waiting items, and their scale."""
    rng = np.random.default_rng(0)  # the same pool explains itself the same way
    open_U = np.flatnonzero(np.asarray(pool.label_N) == UNLABELLED)
    seen_M, labelled_L = sampled(open_U, 0, rng=rng), sampled(pool.labelled_L, 0, rng=rng)
    row_B = np.concatenate([row_Q, seen_M, labelled_L])
    point_BD = unit_rows(pool.feature_ND, row_B)
    q, m = len(row_Q), len(seen_M)
    point_QD, point_MD, point_LD = point_BD[:q], point_BD[q : q + m], point_BD[q + m :]
    similarity_MQ = point_MD @ point_QD.T
    nearest_Q, least_M = None, np.full(m, SIMILAR)
    if len(labelled_L):
        similarity_QL = point_QD @ point_LD.T
        similarity_QL[row_Q[:, None] == labelled_L[None, :]] = -1  # a labelled row is not near itself
        nearest_Q = similarity_QL.max(axis=1)
        least_M = np.maximum((point_MD @ point_LD.T).max(axis=1), SIMILAR)
    waits_MQ = (similarity_MQ >= least_M[:, None]) & (seen_M[:, None] != row_Q[None, :])
    return nearest_Q, waits_MQ.sum(axis=0), len(open_U) / m if m else 1.0
