"""Learning rate over a run, and how many steps fit a time budget.

``lr * cos(7 pi t / 16)`` (FixMatch, arXiv:2001.07685) falls to a fifth, never to zero; the rate of networks
that start with a high one rises to it first. The steps of a run with a budget in minutes are estimated from
the speed measured so far, evaluations and checkpoints included, until a quarter of the time is over, and are
fixed from then on: the rest of the cosine does not jump. The first steps of a run may learn labelled items
alone (docs/adr/0010).
"""

from __future__ import annotations

import math
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
        total: Steps of the run; an early guess while ``fixed`` is False.
        seconds: The time budget.
        fixed: Whether ``total`` is final.
        given: Whether the user gave ``total``, and no time.

    >>> budget = Budget(total=1000, seconds=100.0, fixed=False)
    >>> budget.measure(step=100, elapsed=20.0, rate=10.0)
    >>> budget.total, budget.fixed
    (900, False)
    >>> budget.measure(step=150, elapsed=30.0, rate=5.0)
    >>> budget.measure(step=160, elapsed=40.0, rate=9.0)
    >>> budget.total, budget.fixed
    (500, True)
    """

    total: int
    seconds: float
    fixed: bool
    given: bool = False

    def measure(self, step: int, elapsed: float, rate: float) -> None:
        """Renews the estimate.

        Args:
            step: Steps done.
            elapsed: Seconds since the start, loading included.
            rate: Steps a second of the loop, evaluations and checkpoints included and loading not.
        """
        if self.fixed:
            return
        self.total = max(step + 1, step + round(rate * (self.seconds - elapsed)))
        self.fixed = elapsed >= FIXED_FROM * self.seconds

    def lose(self, seconds: float, step: int) -> None:
        """Time that no step had: fewer are left, where the budget is a time.

        Args:
            seconds: How long something else took.
            step: Steps done.

        >>> budget = Budget(total=1000, seconds=100.0, fixed=True)
        >>> budget.lose(10.0, step=500)
        >>> budget.total
        900
        """
        if self.seconds and not self.given:
            self.total = max(step + 1, round(self.total * (1 - seconds / self.seconds)))

    def over(self, step: int) -> bool:
        """Whether the run is over: an estimate that is still open ends nothing."""
        return self.fixed and step >= self.total

    def done(self, step: int) -> float:
        """Share of the run that is over after ``step`` steps."""
        return min(1.0, step / self.total)


@dataclass
class Opening:
    """The first steps of a run, which learn labelled items alone.

    They end once: a total that is estimated anew later does not open them again.

    Args:
        share: Of the run's steps.
        end: The first step after them; None until they are over.

    >>> opening, budget = Opening(share=0.2), Budget(total=10, seconds=0.0, fixed=True)
    >>> [opening.holds(step, budget) for step in (0, 1, 2, 3)], opening.end
    ([True, True, False, False], 2)
    >>> budget.total = 100
    >>> opening.holds(3, budget), opening.holds(1, budget)
    (False, True)
    """

    share: float
    end: int | None = None

    def holds(self, step: int, budget: Budget) -> bool:
        """Whether a step has labelled items alone; steps are to be asked for in their order."""
        if self.end is None and step >= self.share * budget.total:
            self.end = step
        return self.end is None or step < self.end
