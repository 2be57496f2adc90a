"""Learning rate over a run, and how many steps fit a time budget.

``lr * cos(7 pi t / 16)`` (FixMatch, arXiv:2001.07685) falls to a fifth, never to zero; the rate of networks
that start with a high one rises to it first. The steps of a run with a budget in minutes are estimated after
each step from the speed measured so far, evaluations and checkpoints included, until a quarter of the time is
over, and are fixed from then on. A new estimate says how far the steps to come take a run and takes back
nothing of what is over, so no schedule goes back or jumps. The first steps of a run may learn labelled items
alone (docs/adr/0010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FIRST = 0.02  # of the highest rate, where it rises
FIXED_FROM = 0.25  # share of the budget after which the steps are no longer estimated anew


def cosine(done: float) -> float:
    """Factor on the learning rate; ``done`` is the share of the run that is over.

    >>> [round(cosine(done), 3) for done in (0.0, 0.5, 1.0)]
    [1.0, 0.773, 0.195]
    """
    return math.cos(7 * math.pi * min(max(done, 0.0), 1.0) / 16)


def rising(done: float, share: float) -> float:
    """Factor on the learning rate that rises to 1 over the first ``share`` of a run.

    >>> [round(rising(done, 0.1), 3) for done in (0.0, 0.05, 0.1, 1.0)], rising(0.0, 0.0)
    ([0.02, 0.52, 1.0, 1.0], 1.0)
    """
    return min(1.0, FIRST + done / share) if share else 1.0


@dataclass
class Budget:
    """Counts the steps of a run: given, or made to fit a number of seconds.

    Args:
        total: Steps of the run; a guess, which drives nothing, until ``measured`` or ``fixed``.
        seconds: The time budget.
        fixed: Whether ``total`` is final.
        given: Whether the user gave ``total``, and no time.
        measured: Whether ``total`` was estimated from measured steps.
        since: The step at which it was estimated anew.
        reached: The share of the run that was over then.

    >>> budget = Budget(total=1000, seconds=100.0, fixed=False)
    >>> budget.done(99)
    0.0
    >>> budget.measure(step=100, elapsed=20.0, rate=10.0)
    >>> budget.total, budget.fixed, round(budget.done(100), 3)
    (900, False, 0.111)
    >>> budget.measure(step=160, elapsed=40.0, rate=4.0)
    >>> budget.total, budget.fixed, round(budget.done(160), 3), budget.done(400)
    (400, True, 0.178, 1.0)
    """

    total: int
    seconds: float
    fixed: bool
    given: bool = False
    measured: bool = False
    since: int = 0
    reached: float = 0.0

    def measure(self, step: int, elapsed: float, rate: float, *, final: bool = True) -> None:
        """Renews the estimate.

        Args:
            step: Steps done.
            elapsed: Seconds since the start, loading included.
            rate: Steps a second of the loop, evaluations and checkpoints included and loading not.
            final: Whether this estimate may be the last: not while other steps than those to come are made.
        """
        if self.fixed:
            return
        self._renew(step, step + round(rate * (self.seconds - elapsed)))
        self.measured, self.fixed = True, final and elapsed >= FIXED_FROM * self.seconds

    def lose(self, seconds: float, step: int) -> None:
        """Takes off the steps that would have been made in seconds that went to something else.

        >>> budget = Budget(total=1000, seconds=100.0, fixed=True)
        >>> budget.lose(10.0, step=500)
        >>> budget.total, budget.done(500)
        (900, 0.5)
        """
        if self.seconds and not self.given:
            self._renew(step, round(self.total * (1 - seconds / self.seconds)))

    def over(self, step: int) -> bool:
        """Whether the run is over: an estimate that is still open ends nothing."""
        return self.fixed and step >= self.total

    def done(self, step: int) -> float:
        """Share of the run that is over after ``step`` steps; none until something is measured."""
        if not (self.fixed or self.measured):
            return 0.0
        rest = max(step - self.since, 0) / (self.total - self.since)
        return min(1.0, self.reached + (1 - self.reached) * rest)

    def as_list(self) -> list[float]:
        """All that changes in the course of a run, as numbers."""
        return [self.total, self.fixed, self.measured, self.since, self.reached]

    def read(self, told: Sequence[float]) -> None:
        """Takes up what :meth:`as_list` gave."""
        total, fixed, measured, since, reached = told
        self.total, self.fixed, self.measured = int(total), bool(fixed), bool(measured)
        self.since, self.reached = int(since), float(reached)

    def _renew(self, step: int, total: int) -> None:
        """Another total: the share that is over stays, and the steps to come lead from it to the end."""
        if self.fixed or self.measured:
            self.since, self.reached = step, self.done(step)
        self.total = max(step + 1, total)


@dataclass
class Pace:
    """How long whole steps take, with all that lies between them.

    The first step of a sitting is not counted: it makes what later ones find.

    Args:
        seconds: That the counted steps took.
        steps: That were counted.

    >>> pace = Pace()
    >>> for now in (60.0, 60.5, 61.0):
    ...     pace.tick(now)
    >>> pace.steps, pace.rate
    (2, 2.0)
    """

    seconds: float = 0.0
    steps: int = 0
    _last: float | None = None

    def tick(self, now: float, *, counts: bool = True) -> None:
        """Told after each step what the clock says, and whether it was a whole one."""
        if counts and self._last is not None:
            self.seconds, self.steps = self.seconds + now - self._last, self.steps + 1
        self._last = now

    @property
    def rate(self) -> float:
        """Steps a second."""
        return self.steps / max(self.seconds, 1e-9)


@dataclass
class Opening:
    """The first steps of a run, which learn labelled items alone.

    They end once: a total that is estimated anew later does not open them again. How many whole steps will
    fit the time hangs on what one costs, so where there is a time budget some come before them.

    Args:
        share: Of the run's steps.
        end: The first step after them; None until they are over.
        whole: Steps before them, with unlabelled items.

    >>> opening, budget = Opening(share=0.2), Budget(total=10, seconds=0.0, fixed=True)
    >>> [opening.holds(step, budget) for step in (0, 1, 2, 3)], opening.end
    ([True, True, False, False], 2)
    >>> budget.total = 100
    >>> opening.holds(3, budget), opening.holds(1, budget)
    (False, True)
    >>> opening = Opening(share=0.5, whole=2)
    >>> [opening.holds(step, Budget(total=8, seconds=0.0, fixed=True)) for step in range(5)], opening.steps
    ([False, False, True, True, False], 2)
    """

    share: float
    end: int | None = None
    whole: int = 0

    def holds(self, step: int, budget: Budget) -> bool:
        """Whether a step has labelled items alone; steps are to be asked for in their order."""
        if self.end is None and step >= self.share * budget.total:
            self.end = step
        return self.whole <= step and (self.end is None or step < self.end)

    @property
    def steps(self) -> int:
        """How many they were; 0 until they are over."""
        return max(0, (self.end or 0) - self.whole)
