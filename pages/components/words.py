"""Numbers, durations and names as the pages show them."""

from __future__ import annotations

import math
import re

from sslcore.quality.intervals import alike
from sslcore.workbench import Figure


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage; a dash where there is none.

    >>> percent(0.934), percent(None)
    ('93.4 %', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.{digits}f} %"


def unbroken(words: str) -> str:
    """Words whose numbers stay in one line with their per cent sign.

    >>> unbroken("97 % of 3 items").split(" ")
    ['97\\xa0%', 'of', '3', 'items']
    """
    return words.replace(" %", "\N{NO-BREAK SPACE}%")


def duration(seconds: float | None) -> str:
    """A length of time in its largest fitting unit.

    >>> duration(0.2), duration(4.2), duration(75), duration(4000)
    ('under 1 s', '4 s', '75 s', '67 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 0.95:
        return "under 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def plural(n: int, noun: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> plural(1, "item"), plural(2000, "class", "classes")
    ('1 item', '2,000 classes')
    """
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def figure(held: Figure) -> tuple[str, str]:
    """An estimate of accuracy, and in words where it comes from.

    A rough one is its range alone: a point would look surer than it is.
    """
    if held.accuracy is None and "mae" in held.also:
        return _number(held)
    if held.accuracy is None:
        what = "answer audit questions" if held.wants == "audit" else "label a few items"
        return "–", f"no estimate yet: {what}"
    low, high = percent(held.accuracy.low, 0), percent(held.accuracy.high, 0)
    if held.rough:
        return f"{low[:-2]} to {high}", f"rough: from {plural(held.size, 'label')} left out in turn"
    return percent(held.accuracy.value), f"{low} to {high}, from {plural(held.size, 'audit answer')}"


def _number(held: Figure) -> tuple[str, str]:
    """The typical error of a task of numbers."""
    error = held.also["mae"]
    value, low, high = alike(error.value, error.low, error.high, digits=2)
    span = f"{low} to {high}"
    if held.rough:
        return f"± {span}", f"rough: from {plural(held.size, 'label')} left out in turn"
    return f"± {value}", f"{span}, from {plural(held.size, 'audit answer')}"


def plain(text: object) -> str:
    """Text from data for a place that reads Markdown: every sign that means something there is escaped.

    >>> plain("**b** <i> [x](y) :red[z] $a$")
    '\\\\*\\\\*b\\\\*\\\\* \\\\<i\\\\> \\\\[x\\\\]\\\\(y\\\\) \\\\:red\\\\[z\\\\] \\\\$a\\\\$'
    """
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~:$&])", r"\\\1", " ".join(str(text).split()))
