"""How far the annotators of a project agree, where two or more of them answered the same item.

What counts is the last thing each of them said of it. Answers that somebody gave in sight of another's
are among them, and flatter the figure: the page says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from sslcore.quality.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha, masi_distance
from sslcore.quality.intervals import LEVEL, Interval
from sslcore.shapes import FloatArray
from sslcore.store import Store, Task
from sslcore.store.annotations import voided
from sslcore.workbench.snapshot import CHOICE

MOST_PAIRS = 45
_DRAWS = 200


@dataclass(frozen=True)
class PairAgreement:
    """Two annotators, and how far they agree on the items that both answered.

    Attributes:
        first: One of them; ``second`` the other.
        items: How many items both answered.
        share: Share of these on which they say the same.
        kappa: Cohen's κ; None where an answer is not one class.
        alpha: Krippendorff's α of the two.
        apart: Mean distance of their numbers; None where answers are classes.
    """

    first: str
    second: str
    items: int
    share: float
    kappa: float | None
    alpha: float
    apart: float | None = None


@dataclass(frozen=True)
class Agreement:
    """What several annotators say of the same items.

    Attributes:
        annotators: Their names.
        items: Items with answers of two or more.
        disputed: Ids of the items on which they differ, at most a hundred; of numbers those farthest apart.
        differ: How many there are of these.
        alpha: Krippendorff's α with a 90 % interval over items: of classes by whether they are the same, of
            steps on a scale by their ranks, of sets by MASI, of numbers by their squared distance.
        fleiss: Fleiss' κ; None where the items have different numbers of answers, or an answer is not one
            class.
        pairs: Every two annotators, those with the most items first.
        apart: Mean distance of two numbers for the same item; None where answers are classes.
    """

    annotators: tuple[str, ...]
    items: int
    disputed: tuple[int, ...]
    differ: int
    alpha: Interval
    fleiss: float | None
    pairs: tuple[PairAgreement, ...]
    apart: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "annotators": list(self.annotators),
            "items": self.items,
            "differ": self.differ,
            "apart": self.apart,
            "alpha": self.alpha.as_dict(),
            "fleiss": self.fleiss,
            "pairs": [vars(pair) for pair in self.pairs],
        }


Alpha = Callable[[FloatArray], float]


def agreement(store: Store, task: Task) -> Agreement | None:
    """The agreement on a task; None where no item has answers of two annotators."""
    said = _last_said(store, task)
    items = sorted({item_id for item_id, _ in said})
    people = sorted({who for _, who in said})
    answer_RN, alpha = _coded(said, people, items, task.kind)
    shared_N = (~np.isnan(answer_RN)).sum(axis=0) >= 2  # an undo may have taken one of the two away
    answer_RN = answer_RN[:, shared_N]
    ids = np.asarray(items, dtype=np.int64)[shared_N]
    heard = np.flatnonzero((~np.isnan(answer_RN)).any(axis=1)).tolist()
    answer_RN, people = answer_RN[heard], [people[r] for r in heard]
    if not len(ids):
        return None
    span_N = np.nanmax(answer_RN, axis=0) - np.nanmin(answer_RN, axis=0)
    order_N = np.argsort(-span_N, kind="stable") if task.kind == "numeric" else np.arange(len(ids))
    pairs = _pairs(answer_RN, people, task.kind, alpha)
    return Agreement(
        annotators=tuple(people),
        items=len(ids),
        disputed=tuple(ids[order_N][span_N[order_N] > 0][:100].tolist()),
        differ=int((span_N > 0).sum()),
        alpha=_ranged(answer_RN, alpha),
        fleiss=_fleiss(answer_RN, len(task.classes)) if task.kind in CHOICE else None,
        pairs=tuple(sorted(pairs, key=lambda pair: -pair.items)[:MOST_PAIRS]),
        apart=_apart(pairs) if task.kind == "numeric" else None,
    )


def _last_said(store: Store, task: Task) -> dict[tuple[int, str], Any]:
    """The last answer of each annotator to each item."""
    gone = voided(store.annotations.undos())
    wanted: dict[str, tuple[type, ...]] = {"multiple": (list,), "numeric": (int, float)}
    last: dict[tuple[int, str], Any] = {}
    for row in store.annotations.of_several(task.id):
        value = json.loads(row.value) if row.value is not None and row.batch not in gone else None
        if isinstance(value, wanted.get(task.kind, (int,))):
            last[(row.item_id, row.annotator)] = value
    return last


def _coded(
    said: Mapping[tuple[int, str], Any], people: list[str], items: list[int], kind: str
) -> tuple[FloatArray, Alpha]:
    """Answers as numbers, a row an annotator, nan where there is none; and what α is of them."""
    alpha: Alpha
    code: Callable[[Any], float] = float
    if kind == "multiple":
        known = sorted({tuple(sorted(value)) for value in said.values()})
        number_of = {held: i for i, held in enumerate(known)}
        apart_VV = np.array([[masi_distance(set(one), set(two)) for two in known] for one in known])
        alpha = partial(krippendorff_alpha, difference_VV=apart_VV)
        code = lambda value: number_of[tuple(sorted(value))]  # noqa: E731 (one of three, named alike)
    elif kind == "numeric":
        alpha = partial(krippendorff_alpha, scale="interval")
    else:
        alpha = partial(krippendorff_alpha, scale="ordinal" if kind == "ordinal" else "nominal")
    answer_RN = np.full((len(people), len(items)), np.nan)
    place, seat = {one: i for i, one in enumerate(items)}, {who: r for r, who in enumerate(people)}
    for (item_id, who), value in said.items():
        answer_RN[seat[who], place[item_id]] = code(value)
    return answer_RN, alpha


def _ranged(answer_RN: FloatArray, alpha: Alpha) -> Interval:
    """α, its range by drawing the items anew."""
    value = alpha(answer_RN)
    rng, n = np.random.default_rng(0), answer_RN.shape[1]
    drawn_D = [alpha(answer_RN[:, rng.integers(0, n, n)]) for _ in range(_DRAWS)]
    low, high = np.nanquantile(drawn_D, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, min(float(low), value), max(float(high), value))


def _fleiss(answer_RN: FloatArray, classes: int) -> float | None:
    answers_N = (~np.isnan(answer_RN)).sum(axis=0)
    if len(np.unique(answers_N)) > 1:
        return None
    return fleiss_kappa(np.stack([(answer_RN == c).sum(axis=0) for c in range(classes)], axis=1))


def _pairs(answer_RN: FloatArray, people: list[str], kind: str, alpha: Alpha) -> list[PairAgreement]:
    pairs = []
    for one, two in combinations(range(len(people)), 2):
        both_2B = answer_RN[[one, two]]
        both_2B = both_2B[:, ~np.isnan(both_2B).any(axis=0)]
        if not both_2B.size:
            continue
        first_B, second_B = both_2B
        pairs.append(
            PairAgreement(
                people[one],
                people[two],
                items=len(first_B),
                share=float((first_B == second_B).mean()),
                kappa=cohen_kappa(first_B.astype(int), second_B.astype(int)) if kind in CHOICE else None,
                alpha=alpha(both_2B),
                apart=float(np.abs(first_B - second_B).mean()) if kind == "numeric" else None,
            )
        )
    return pairs


def _apart(pairs: list[PairAgreement]) -> float:
    """Mean distance of two numbers for the same item, over all pairs."""
    items = sum(pair.items for pair in pairs)
    return sum(pair.items * pair.apart for pair in pairs if pair.apart is not None) / max(items, 1)
