"""Words that have an order of their own: grades, how often, how much, sizes, agreement, months, weekdays.

Names that all belong to one scale are put in its order; the order of any others is the natural one, by
which "2" comes before "10". Words with a stroke between them share a rank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOLD = (
    "terrible/awful, very bad/very poor, bad, poor, fair, ok/okay, average, good, very good, great, "
    "excellent",
    "very negative, negative, neutral, positive, very positive",
    "never, rarely/seldom, sometimes/occasionally, often/usually/frequently, always",
    "none, very low, low, medium/middle/moderate, high, very high",
    "none, mild, moderate, severe",
    "xxs, xs/extra small, s/small, m/medium, l/large, xl/extra large, xxl, xxxl",
    "strongly disagree, disagree, somewhat disagree, neutral, somewhat agree, agree, strongly agree",
    "first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth",
    "january/jan, february/feb, march/mar, april/apr, may, june/jun, july/jul, august/aug, "
    "september/sep/sept, october/oct, november/nov, december/dec",
    "monday/mon, tuesday/tue/tues, wednesday/wed, thursday/thu/thurs, friday/fri, saturday/sat, sunday/sun",
)
SCALES = tuple(
    {word: rank for rank, words in enumerate(told.split(", ")) for word in words.split("/")} for told in _TOLD
)
"""For each scale, every word's rank, in small letters."""


def scale_of(names: Iterable[str]) -> dict[str, int] | None:
    """The ranks of names that all belong to one scale; None where there is no such scale.

    >>> scale_of(["High", "low"]), scale_of(["high", "blue"])
    ({'High': 4, 'low': 2}, None)
    """
    plain = {name: " ".join(name.lower().replace("_", " ").replace("-", " ").split()) for name in names}
    for scale in SCALES:
        if plain and all(word in scale for word in plain.values()):
            return {name: scale[word] for name, word in plain.items()}
    return None


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A sorting key by which "2" comes before "10".

    >>> sorted(["10", "2", "b", "a"], key=natural)
    ['2', '10', 'a', 'b']
    """
    parts = re.split(r"([0-9]+)", name)
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts if part]


def in_order(names: Iterable[str]) -> list[str]:
    """Names from the lowest to the highest, each once.

    >>> in_order(["great", "bad", "fair", "poor", "good"])
    ['bad', 'poor', 'fair', 'good', 'great']
    >>> in_order(["10", "2", "b", "a"])
    ['2', '10', 'a', 'b']
    """
    names = dict.fromkeys(names)
    ranks = scale_of(names) or {}
    return sorted(names, key=lambda name: (ranks.get(name, 0), natural(name)))
