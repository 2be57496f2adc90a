"""The charts of the Compare page: names have room, marks and numbers at the end are whole."""

import numpy as np
import pytest

from pages.components import charts
from sslcore.quality.intervals import Interval

LONG = "Supervised head alone on efficientnet_lite0 and pixels"
TEXT = 16  # pixels of a line of a name


def rows(count, measure):
    return [(f"{LONG} {i}", True, {measure: Interval(0.9, 0.8, 1.0)}) for i in range(count)]


@pytest.mark.parametrize("measure", ["accuracy", "mae"])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_names_on_several_lines_do_not_run_into_each_other(measure, count):
    picture = charts._dots(rows(count, measure), measure)
    names = {trace.y[0] for trace in picture.data}
    assert len(names) == count
    lines = max(name.count("<br>") + 1 for name in names)
    assert lines >= 3
    around = 60 + (30 if measure == "mae" else 0)  # legend, axis, and what the axis is of
    assert (picture.layout.height - around) / count > TEXT * lines + 8


def test_a_mark_at_the_end_and_its_number_are_whole():
    picture = charts._dots([("One", True, {"accuracy": Interval(1.0, 0.6, 1.0)})], "accuracy")
    assert picture.layout.xaxis.range[1] >= 1.0
    assert picture.layout.margin.r >= 24
    assert all(trace.cliponaxis is False for trace in picture.data)


def test_labels_left_out_in_turn_are_told_from_audit_answers():
    given_J, said_J = np.array([1.0, 2.0, 3.0]), np.array([1.1, 2.2, 2.9])
    picture = charts.beside_chart(given_J, said_J, np.array([False, False, True]))
    marks = {trace.name: (len(trace.x), trace.marker.symbol) for trace in picture.data if trace.name}
    assert marks == {"label left out in turn": (2, "circle-open"), "audit answer": (1, "circle")}
    picture = charts.beside_chart(given_J, said_J, np.ones(3, bool))
    assert [trace.name for trace in picture.data if trace.name] == ["audit answer"]
