"""Intervals for proportions: accuracy, precision, recall on an audit sample.

Jeffreys' interval, the quantiles of ``Beta(hits + ½, misses + ½)``. Brown, Cai & DasGupta 2001
("Interval Estimation for a Binomial Proportion") recommend it (with Wilson's) for small samples: its
coverage is near the nominal one on average, where Clopper-Pearson's is well above (too wide to
tell two models apart on 60 audit items) and Wald's well below. It is Bayesian with a stated prior,
so the same rule carries on to precision under a threshold and to sums over classes.
As they advise, the low end is 0 at no hits and the high end is 1 at no misses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sslcore.errors import DataError

LEVEL = 0.90
"""The level of every interval shown, unless it says otherwise."""


@dataclass(frozen=True)
class Interval:
    """A figure and the range that holds the truth with probability ``level``.

    ``value`` is nan where nothing was observed; the range is then all of it.

    >>> str(Interval(0.934, 0.9012, 0.958))
    '0.934 (0.901–0.958)'
    """

    value: float
    low: float
    high: float
    level: float = LEVEL

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"

    def as_dict(self) -> dict[str, float | None]:
        """JSON-ready: ``value`` (None where nothing was observed), ``low``, ``high``, ``level``."""
        value = None if math.isnan(self.value) else self.value
        return {"value": value, "low": self.low, "high": self.high, "level": self.level}


def alike(*values: float, digits: int = 3) -> list[str]:
    """Numbers that are read together, all with the decimals that the largest of them has at ``digits``.

    >>> alike(0.9, 0.456, 12.34), alike(1234.5, 98.7), alike(0.00234, 0.001)
    (['0.9', '0.5', '12.3'], ['1,234', '99'], ['0.00234', '0.00100'])
    """
    most = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    decimals = 0 if most == 0 else max(0, digits - 1 - math.floor(math.log10(most)))
    return [f"{value:,.{decimals}f}" for value in values]


def proportion_interval(successes: float, trials: float, *, level: float = LEVEL) -> Interval:
    """The share ``successes / trials`` with Jeffreys' interval.

    Args:
        successes: Hits, 0 … trials; may be a sum of weights.
        trials: Items looked at; 0 gives the value nan and the range 0 … 1.
        level: Probability that the interval holds the truth.

    Raises:
        DataError: Hits beyond trials, a negative count, or a level not in (0, 1).

    >>> str(proportion_interval(18, 20))
    '0.900 (0.750–0.971)'
    >>> proportion_interval(5, 5).high
    1.0
    """
    if not 0 <= successes <= trials:
        raise DataError(
            f"proportion_interval needs 0 ≤ successes ≤ trials. Received: {successes} of {trials}."
        )
    _check_level(level)
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0, level)
    low, high = beta_range(successes + 0.5, trials - successes + 0.5, level=level)
    return Interval(
        successes / trials,
        0.0 if successes == 0 else low,
        1.0 if successes == trials else high,
        level,
    )


def beta_range(a: float, b: float, *, level: float = LEVEL) -> tuple[float, float]:
    """The central range of ``Beta(a, b)`` that holds ``level`` of it.

    >>> beta_range(1.0, 1.0, level=0.5)
    (0.25, 0.75)
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    return float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1 - tail))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise DataError(f"level must be between 0 and 1, such as 0.9. Received: {level}.")
