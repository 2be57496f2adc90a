"""What makes runs of a benchmark comparable: labels drawn evenly, the same processor time, nobody watching.

Steps are set beforehand from the processor time of a few of them, so that a busy machine gives the same
figures as an idle one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class Silent:
    """A reporter that says nothing and never stops a run."""

    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None: ...

    def progress(self, done: float, total: float, *, note: str = "") -> None: ...

    def image(self, step: int, name: str, image_HWX: Any) -> None: ...

    def should_cancel(self) -> bool:
        return False


def drawn_evenly(key_N: Any, each: int, *, seed: int) -> Any:
    """The key of ``each`` items a class, -1 for all others.

    >>> drawn_evenly(np.array([0, 1, 0, 1, 2]), 1, seed=0).tolist()
    [-1, -1, 0, 1, 2]
    """
    rng = np.random.default_rng(seed)
    label_N = np.full(len(key_N), -1, dtype=np.int64)
    for label in range(int(key_N.max()) + 1):
        label_N[rng.choice(np.flatnonzero(key_N == label), each, replace=False)] = label
    return label_N


@dataclass(frozen=True)
class Pace:
    """Processor seconds of a run: what is paid once, and what a step costs."""

    once: float
    step: float

    def steps_in(self, seconds: float) -> int:
        """Steps that take so long, what is paid once aside.

        >>> Pace(once=3.0, step=0.5).steps_in(60)
        120
        """
        return int(seconds / self.step)


def pace(run: Callable[[int], object], *, warm: int, short: int, probe: int, enough: float = 0.0) -> Pace:
    """Times runs of a few steps.

    Args:
        run: Runs so many steps.
        warm: Steps of a first run, which pays for what is cached and is not counted.
        short: Steps of the run that others are compared with.
        probe: Steps more of the second one; four times as many, again and again, until it took ``enough``
            processor seconds longer.
        enough: The least that counts as a measurement.
    """

    def spent(steps: int) -> float:
        began = time.process_time()
        run(steps)
        return time.process_time() - began

    spent(warm)
    least = spent(short)
    while (took := spent(short + probe) - least) < enough:
        probe *= 4
    a_step = max(took / probe, 1e-4)
    return Pace(once=max(least - short * a_step, 0.0), step=a_step)
