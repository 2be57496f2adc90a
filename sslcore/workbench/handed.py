"""Which questions lie before whom, so that two people who label at once do not do the same work.

A page holds more questions than it will ask, for they are replaced after every answer. So only what it
asks next counts as handed to it: what it said it holds, and the first few that it was sent. Others get
these questions last, not never: nobody is left without a question.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from sslcore.shapes import IntArray

SECONDS = 60.0
"""How long a question counts as handed to a page that asks for no others."""
FIRST = 8
"""Of the questions sent, those that a fast hand may answer before the page asks again."""
MOST_ROWS = 500
"""Rows remembered of one page."""
MOST_PAGES = 100
"""Pages remembered of one project."""


class Handed:
    """The questions of the pages that asked lately; of each page its newest alone.

    >>> handed = Handed()
    >>> handed.note(1, "ann", np.array([4, 2]))
    >>> handed.elsewhere(1, "ben"), handed.elsewhere(1, "ann"), handed.elsewhere(2, "ben")
    (array([2, 4]), array([], dtype=int64), array([], dtype=int64))
    """

    def __init__(self) -> None:
        self._held: dict[tuple[int, str], tuple[float, IntArray]] = {}
        self._lock = threading.Lock()

    def note(self, task_id: int, page: str, row_Q: IntArray) -> None:
        """Remembers what lies before a page of a task, instead of what lay there before."""
        with self._lock:
            self._held.pop((task_id, page), None)
            self._held[task_id, page] = (time.monotonic(), row_Q[:MOST_ROWS])
            while len(self._held) > MOST_PAGES:
                del self._held[next(iter(self._held))]

    def elsewhere(self, task_id: int, page: str) -> IntArray:
        """Distinct rows of a task that lie before other pages."""
        since = time.monotonic() - SECONDS
        with self._lock:
            rows = [
                row_Q
                for (task, name), (when, row_Q) in self._held.items()
                if task == task_id and name != page and when >= since
            ]
        return np.unique(np.concatenate(rows)) if rows else np.zeros(0, dtype=np.int64)
