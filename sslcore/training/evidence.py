"""What measured figures say of a project: those of the set that it is most like.

A project is like the set that is nearest in kind, size of the images, colour and number of classes; a figure
counts where it was measured with at most four times fewer or more labels a class. Nothing here is foretold:
it is what happened on another set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sslcore.training.measured import INSTANT, SETS, Ground, Score, scores

FAR = 4.0
"""Labels a class may differ by this factor from those that a figure was measured with."""
STRANGE = 3.0
"""Sets that differ by more than this are not called alike (see :func:`distance`)."""
SEEN = 224
"""Pixels of a photograph's side that a network sees at most; larger ones are alike."""


def distance(one: Ground, other: Ground) -> float:
    """How unlike two sets are: 0 for alike; infinite for an image set and a text set.

    >>> distance(SETS["mnist-5k"], SETS["fashion-mnist"])
    0.0
    >>> distance(Ground("image", 500, 10, 96, True), SETS["sign-digits"]) < 0.1
    True
    """
    if one.modality != other.modality:
        return math.inf
    apart = 0.5 * abs(math.log(max(one.classes, 2) / max(other.classes, 2)))
    if one.modality == "image":
        seen, other_seen = (min(max(held.side, 1), SEEN) for held in (one, other))
        apart += abs(math.log(seen / other_seen)) + 2.0 * (one.colour != other.colour)
    return apart


@dataclass(frozen=True)
class Finding:
    """A figure from a set like the project's, beside the instant loop's on that set.

    Args:
        score: The figure.
        instant: The instant loop's in per cent, at as many labels a class; None where unknown.
        level: How many further methods reached as much there, within the spread of their draws.
        others: The same on further sets that are as near.
    """

    score: Score
    instant: float | None
    level: int = 0
    others: tuple[Finding, ...] = ()

    @property
    def lead(self) -> float | None:
        """Points over the instant loop."""
        return None if self.instant is None else self.score.accuracy - self.instant

    @property
    def mean_lead(self) -> float | None:
        """Points over the instant loop, on average over this set and the others."""
        known = [lead for held in (self, *self.others) if (lead := held.lead) is not None]
        return sum(known) / len(known) if known else None

    @property
    def least(self) -> Finding:
        """Of this and the others the one that leads least."""
        return min((self, *self.others), key=lambda held: math.inf if held.lead is None else held.lead)


def finding(
    like: Ground, per_class: float, approach: str, held: Sequence[Score] | None = None
) -> Finding | None:
    """The best figure of an approach on the nearest set that has one; None where nothing near has.

    Of methods that the spread of their draws does not tell apart there, the one that does best over all sets.
    Of sets equally near each is heard (``others``): the best of them alone would promise too much.

    Args:
        like: What the project is like.
        per_class: Its labels a class.
        approach: See :class:`Score`.
        held: The figures; by default all there are.

    >>> from sslcore.training.measured import WRITTEN
    >>> found = finding(Ground("image", 3000, 8, 96, True), 5, "pretrained", WRITTEN)
    >>> found.score.ground, found.score.accuracy, round(found.lead, 1)
    ('sign-digits', 73.0, 3.3)
    """
    if per_class <= 0:
        return None
    held = scores() if held is None else held
    rows = [row for row in held if row.approach == approach]
    near = [row for row in rows if 1 / FAR <= row.per_class / per_class <= FAR]
    near = [row for row in near if distance(like, SETS[row.ground]) <= STRANGE]
    if not near:
        return None

    def apart(row: Score) -> float:
        return round(distance(like, SETS[row.ground]), 2)

    def unlike(row: Score) -> tuple[float, float]:
        return (round(abs(math.log(row.per_class / per_class)), 2), -row.accuracy)

    def on(ground: str) -> Finding:
        here = [row for row in near if row.ground == ground]
        top = min(here, key=unlike)
        level = [row for row in here if unlike(row)[0] == unlike(top)[0] and _level(row, top)]
        best = max(level, key=lambda row: (_over_all(row.method, rows), row.accuracy))
        beside = [row for row in held if row.approach == "instant"]
        same = [r.accuracy for r in beside if (r.ground, r.per_class) == (ground, best.per_class)]
        return Finding(best, same[0] if same else instant(ground, best.per_class), len(level) - 1)

    nearest_by = min(map(apart, near))
    each = [on(ground) for ground in dict.fromkeys(row.ground for row in near if apart(row) == nearest_by)]
    first, *others = sorted(each, key=lambda found: unlike(found.score))
    return replace(first, others=tuple(others))


def _level(row: Score, top: Score) -> bool:
    """Whether a figure is the top one's, or another method's that draws of labels do not tell from it."""
    apart = (row.ground, row.source, row.how) != (top.ground, top.source, top.how)
    return row == top or (not apart and top.accuracy - row.accuracy <= max(top.spread, row.spread))


def _over_all(method: str, rows: Sequence[Score]) -> float:
    """How many points a method stands above the mean of the others beside it, over all sets.

    >>> rows = [Score("digits", "consistency", *of, "") for of in (("uda", 4, 80.0), ("vat", 4, 70.0))]
    >>> _over_all("uda", rows), _over_all("dash", rows)
    (5.0, 0.0)
    """
    cells: dict[tuple[str, float], list[Score]] = {}
    for row in rows:
        cells.setdefault((row.ground, row.per_class), []).append(row)
    own = [
        row.accuracy - sum(beside.accuracy for beside in held) / len(held)
        for held in cells.values()
        for row in held
        if row.method == method
    ]
    return sum(own) / len(own) if own else 0.0


def instant(ground: str, per_class: float) -> float | None:
    """The instant loop's figure on a set in per cent, between the labels a class that were measured.

    >>> instant("ag-news", 10), round(instant("ag-news", 5), 1), instant("ag-news", 400) is None
    (86.4, 84.4, True)
    """
    known = INSTANT.get(ground, {})
    points = sorted(known)
    if not points or not points[0] <= per_class <= points[-1]:
        return None
    for low, high in pairwise(points):
        if low <= per_class <= high:
            share = math.log(per_class / low) / math.log(high / low)
            return known[low] + share * (known[high] - known[low])
    return known[points[0]]


def nearest(like: Ground, names: Iterable[str] = SETS) -> str | None:
    """The set that a project is most like; None where none is near.

    >>> nearest(Ground("text", 800, 6)), nearest(Ground("image", 800, 6, 3000, True))
    ('bbc-news', 'sign-digits')
    """
    found = min(names, key=lambda name: distance(like, SETS[name]), default=None)
    return found if found is not None and distance(like, SETS[found]) <= STRANGE else None
