"""What was measured, as data that advice rests on: sets, what training reached on them, and the instant loop.

Figures stand in docs/label-efficiency.md (the instant loop as the app works), docs/measured.md and, for every
method on the same processor time, ``docs/methods/scores.json``. A project is like the set that is nearest in
kind, size of the images, colour and number of classes; a figure counts where it was measured with at most
four times fewer or more labels a class. Nothing here is foretold: it is what happened on another set.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

SCORES = Path(__file__).resolve().parents[2] / "docs" / "methods" / "scores.json"
FAR = 4.0
"""Labels a class may differ by this factor from those that a figure was measured with."""
STRANGE = 3.0
"""Sets that differ by more than this are not called alike (see :func:`distance`)."""
SEEN = 224
"""Pixels of a photograph's side that a network sees at most; larger ones are alike."""

EFFICIENCY = "docs/label-efficiency.md"
MEASURED = "docs/measured.md"
SIZES = "sslcore.training.preprocess"
METHODS_PAGE = "docs/methods/scores.md"


@dataclass(frozen=True)
class Ground:
    """A set that something was measured on.

    Args:
        modality: "image" or "text".
        items: How many.
        classes: How many.
        side: Shorter side of an image in pixels; 0 for texts.
        colour: Whether its images have colour.
    """

    modality: str
    items: int
    classes: int
    side: int = 0
    colour: bool = False


SETS = {
    "digits": Ground("image", 1797, 10, 8),
    "mnist-5k": Ground("image", 5000, 10, 28),
    "fashion-mnist": Ground("image", 10_000, 10, 28),
    "sign-digits": Ground("image", 2062, 10, 100, True),
    "bbc-news": Ground("text", 2225, 5),
    "ag-news": Ground("text", 2000, 4),
    "clinc-domain": Ground("text", 6000, 10),
    "clinc-intent": Ground("text", 6000, 150),
}
INSTANT: dict[str, dict[int, float]] = {
    "digits": {1: 88.2, 4: 97.0, 10: 97.7, 25: 98.5},
    "mnist-5k": {1: 78.5, 4: 86.2, 10: 91.4, 25: 93.2},
    "fashion-mnist": {1: 71.4, 4: 77.9, 10: 81.8, 25: 84.0},
    "sign-digits": {1: 51.0, 4: 69.7, 10: 77.8, 25: 85.8},
    "bbc-news": {1: 90.1, 4: 96.1, 10: 96.4, 25: 96.9},
    "ag-news": {1: 63.0, 4: 83.7, 10: 86.4, 25: 87.7},
    "clinc-domain": {1: 58.4, 4: 77.0, 10: 87.9, 25: 92.6},
    "clinc-intent": {1: 78.5, 4: 89.6, 10: 92.4},
}
"""Accuracy of the instant loop in per cent by labels a class, with both views where a set has two."""


@dataclass(frozen=True)
class Score:
    """What training reached on a set.

    Args:
        ground: Name of the set.
        approach: "plain" (labels alone, random weights), "consistency" (unlabelled items too), "pretrained",
            "features" (a small network on frozen features), "finetuned" (a transformer on raw texts),
            "generative".
        method: Name of the method.
        per_class: Labels a class.
        accuracy: Per cent of the items without a label.
        minutes: Of processor time.
        source: Where it stands.
    """

    ground: str
    approach: str
    method: str
    per_class: float
    accuracy: float
    minutes: float
    source: str


WRITTEN = (
    Score("fashion-mnist", "plain", "supervised", 4, 60.4, 4.0, MEASURED),
    Score("fashion-mnist", "consistency", "fixmatch", 4, 67.8, 4.0, MEASURED),
    Score("fashion-mnist", "consistency", "mean_teacher", 4, 70.0, 4.0, MEASURED),
    Score("sign-digits", "plain", "supervised", 4, 50.0, 2.0, SIZES),
    Score("sign-digits", "pretrained", "supervised", 4, 73.0, 0.5, SIZES),
    Score("ag-news", "features", "fixmatch", 10, 86.0, 0.33, SIZES),
    Score("ag-news", "finetuned", "fixmatch", 10, 83.0, 3.7, SIZES),
)
"""Figures that stand in words; one seed each."""
GENERATIVE = ("ssvae", "sgan", "virtual_samples")


def scores(path: Path = SCORES) -> tuple[Score, ...]:
    """All figures there are: those of ``scores.json`` where it exists, and those that stand in words."""
    return (*_read(path), *WRITTEN)


def _read(path: Path) -> list[Score]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    held = []
    for row in rows if isinstance(rows, list) else []:
        ground = SETS.get(str(row.get("set")))
        if ground is None or not all(isinstance(row.get(k), int | float) for k in ("labels", "accuracy")):
            continue
        method = str(row.get("method"))
        approach = (
            "features"
            if ground.modality == "text"
            else "generative"
            if method in GENERATIVE
            else "plain"
            if method == "supervised"
            else "consistency"
        )
        minutes, accuracy = float(row.get("minutes") or 0.0), 100 * float(row["accuracy"])
        each = row["labels"] / ground.classes
        held.append(Score(str(row["set"]), approach, method, each, accuracy, minutes, METHODS_PAGE))
    return held


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
    """

    score: Score
    instant: float | None

    @property
    def lead(self) -> float | None:
        """Points over the instant loop."""
        return None if self.instant is None else self.score.accuracy - self.instant


def finding(
    like: Ground, per_class: float, approach: str, held: Sequence[Score] | None = None
) -> Finding | None:
    """The best figure of an approach on the nearest set that has one; None where nothing near has.

    Args:
        like: What the project is like.
        per_class: Its labels a class.
        approach: See :class:`Score`.
        held: The figures; by default all there are.

    >>> found = finding(Ground("image", 3000, 8, 96, True), 5, "pretrained", WRITTEN)
    >>> found.score.ground, found.score.accuracy, round(found.lead, 1)
    ('sign-digits', 73.0, 3.3)
    """
    if per_class <= 0:
        return None
    rows = [row for row in (scores() if held is None else held) if row.approach == approach]
    near = [row for row in rows if 1 / FAR <= row.per_class / per_class <= FAR]
    near = [row for row in near if distance(like, SETS[row.ground]) <= STRANGE]
    if not near:
        return None

    def unlike(row: Score) -> tuple[float, float, float]:
        return (
            round(distance(like, SETS[row.ground]), 2),
            round(abs(math.log(row.per_class / per_class)), 2),
            -row.accuracy,
        )

    best = min(near, key=unlike)
    return Finding(best, instant(best.ground, best.per_class))


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
