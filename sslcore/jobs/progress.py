"""How far a run is and how long it will take, as the page shows it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

WINDOW = 30.0  # seconds that the pace is taken from: short enough to follow a change, long enough to be calm


class Progress:
    """Turns ``(stage, done, total)`` into a share and an estimate of the seconds left.

    >>> clock = iter([0.0, 1.0, 2.0])
    >>> progress = Progress(clock=lambda: next(clock))
    >>> for done in (0, 10, 20):
    ...     progress.update("features", done, 100)
    >>> progress.as_dict()["eta"], progress.as_dict()["share"]
    (8.0, 0.2)
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
        start, first = self._seen[0]
        pace = (done - first) / (now - start) if now > start and done > first else 0.0
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

    def as_dict(self) -> dict[str, Any]:
        """``{stage, done, total, share, rate, eta, note?}``, JSON-ready; empty before the first update."""
        return dict(self._state)
