import json
import math

import numpy as np
import pytest
from scipy.stats import beta, binom

from sslcore.errors import DataError
from sslcore.quality.intervals import Interval, proportion_interval


def test_ends_are_quantiles_of_the_posterior():
    found = proportion_interval(7, 20, level=0.95)
    assert found.low == pytest.approx(beta.ppf(0.025, 7.5, 13.5))
    assert found.high == pytest.approx(beta.ppf(0.975, 7.5, 13.5))
    assert (found.value, found.level) == (0.35, 0.95)


@pytest.mark.parametrize("n", [20, 60, 300])
def test_coverage_is_near_nominal_on_average(n):
    ends = [proportion_interval(h, n) for h in range(n + 1)]
    coverage = []
    for p in np.linspace(0.5, 0.99, 50):
        held = [interval.low <= p <= interval.high for interval in ends]
        coverage.append(float(binom.pmf(np.arange(n + 1), n, p)[held].sum()))
    assert 0.88 < np.mean(coverage) < 0.93
    assert min(coverage) > 0.80


def test_never_certain_but_open_at_the_ends():
    none, every = proportion_interval(0, 10), proportion_interval(10, 10)
    assert (none.low, every.high) == (0, 1)
    assert none.high > 0.1
    assert every.low < 0.9


def test_nothing_observed_is_all_of_the_range():
    found = proportion_interval(0, 0)
    assert math.isnan(found.value)
    assert (found.low, found.high) == (0, 1)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["value"] is None


def test_impossible_counts_are_refused():
    with pytest.raises(DataError, match="5 of 4"):
        proportion_interval(5, 4)
    with pytest.raises(DataError, match="level"):
        proportion_interval(1, 4, level=90)


def test_reads_as_a_person_would_write_it():
    assert str(Interval(0.5, 0.25, 0.75)) == "0.500 (0.250–0.750)"
