"""How far a run is and how long it will take, as the page shows it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

WINDOW = 30.0  # seconds that the pace is taken from: long enough to be calm
RECENT, CHANGED = 8.0, 1.5  # where the last seconds had a pace so different, it is theirs alone


class Progress:
    """Turns ``(stage, done, total)`` into a share and an estimate of the seconds left.

    >>> clock = iter([0.0, 1.0, 2.0])
    >>> progress = Progress(clock=lambda: next(clock))
    >>> for done in (0, 10, 20):
    ...     progress.update("features", done, 100)
    >>> progress.as_dict()["eta"], progress.as_dict()["share"]
    (8.0, 0.2)

    Steps may cost more from some point on:

    >>> clock = iter([0.0, 4.0, 8.0, 12.0, 16.0])
    >>> progress = Progress(clock=lambda: next(clock))
    >>> for done in (0, 40, 80, 84, 88):
    ...     progress.update("training", done, 100)
    >>> progress.as_dict()["rate"], progress.as_dict()["eta"]
    (1.0, 12.0)
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque()
        self._state: dict[str, Any] = {}

    def update(self, stage: str, done: float, total: float, *, note: str = "") -> None:
        """Takes in where the work is; ``done`` and ``total`` in whatever unit the stage has."""
        now = self._clock()
        if stage != self._state.get("stage") or (self._seen and done < self._seen[-1][1]):
            self._seen.clear()
        if not self._seen or done > self._seen[-1][1]:
            self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()
        pace, late = self._pace(now, done, math.inf), self._pace(now, done, RECENT)
        if late and not pace / CHANGED < late < pace * CHANGED:
            pace = late
        self._state = {
            "stage": stage,
            "done": done,
            "total": total,
            "share": round(min(1.0, done / total), 4) if total else 0.0,
            "rate": round(pace, 3),
            "eta": round((total - done) / pace, 1) if pace > 0 else None,
        }
        if note:
            self._state["note"] = note

    def _pace(self, now: float, done: float, seconds: float) -> float:
        """Units a second since the earliest update of so many seconds; 0 where that is not known."""
        start, first = next((seen for seen in self._seen if now - seen[0] <= seconds), self._seen[-1])
        return (done - first) / (now - start) if now > start and done > first else 0.0

    def as_dict(self) -> dict[str, Any]:
        """``{stage, done, total, share, rate, eta, note?}``, JSON-ready; empty before the first update."""
        return dict(self._state)
