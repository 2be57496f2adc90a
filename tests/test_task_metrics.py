"""Figures of sets: the F1 of items, and an interval that all right does not make certain."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from sslcore.quality.intervals import proportion_interval
from sslcore.task_metrics import LEAD, TITLES, multiple_report, numeric_figures, set_scores


def test_the_f1_of_items_is_scikit_learns():
    rng = np.random.default_rng(0)
    answer_AC, proba_AC = rng.random((60, 4)) < 0.4, rng.random((60, 4))
    found = multiple_report(answer_AC, proba_AC, list("abcd"), threshold=0.4).figures["sample_f1"]
    wanted = f1_score(answer_AC, proba_AC >= 0.4, average="samples", zero_division=1.0)
    assert found.value == pytest.approx(wanted)
    assert found.low < found.value < found.high


def test_the_score_of_one_set_by_hand():
    answer_AC = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)
    said_AC = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]], dtype=bool)
    assert set_scores(answer_AC, said_AC).tolist() == [0.5, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("right", [20, 17, 10, 0])
def test_sets_that_are_right_or_wrong_have_jeffreys_interval(right):
    """The law: with one class scores are 0 and 1, and the interval that of a proportion."""
    answer_A1 = np.ones((20, 1), dtype=bool)
    proba_A1 = np.where(np.arange(20) < right, 0.9, 0.1)[:, None]
    found = multiple_report(answer_A1, proba_A1, ["a"]).figures["sample_f1"]
    wanted = proportion_interval(right, 20)
    assert found.value == wanted.value
    assert found.low == pytest.approx(wanted.low, abs=0.03)
    assert found.high == pytest.approx(wanted.high, abs=0.03)


@pytest.mark.parametrize(
    "name", ["sample_f1", "micro_f1", "macro_f1", "subset_accuracy", "mean_average_precision"]
)
def test_all_right_is_no_certainty(name):
    """The law: nothing wrong among 20 items says of each figure what it says of a share."""
    answer_AC = np.random.default_rng(1).random((20, 3)) < 0.5
    answer_AC[:3] = True
    found = multiple_report(answer_AC, np.where(answer_AC, 0.9, 0.1), list("abc")).figures
    wanted = proportion_interval(20, 20)
    assert found[name].value == 1.0
    assert found[name].low == pytest.approx(wanted.low, abs=0.03)
    assert 0.0 == found["hamming_loss"].value < found["hamming_loss"].high < 0.06


def test_figures_of_sets_lie_within_their_intervals():
    rng = np.random.default_rng(2)
    answer_AC = rng.random((80, 3)) < 0.4
    proba_AC = np.clip(0.35 + 0.4 * answer_AC + rng.normal(0, 0.2, answer_AC.shape), 0, 1)
    for name, held in multiple_report(answer_AC, proba_AC, list("abc")).figures.items():
        assert held.low < held.value < held.high, name


def test_unknown_classes_count_for_nothing():
    rng = np.random.default_rng(3)
    answer_AC, proba_AC = rng.random((60, 3)) < 0.5, rng.random((60, 3))
    known_AC = np.ones((60, 3), dtype=bool)
    known_AC[:20, 1], known_AC[50:] = False, False
    found = multiple_report(answer_AC, proba_AC, list("abc"), known_AC=known_AC)
    other = multiple_report(answer_AC ^ ~known_AC, proba_AC, list("abc"), known_AC=known_AC)
    assert found.figures == other.figures  # whatever stands in the cells that are unknown
    assert found.size == 50
    wrong_AC = (proba_AC >= 0.5) != answer_AC
    value = {name: held.value for name, held in found.figures.items()}
    assert value["subset_accuracy"] == pytest.approx((~wrong_AC[20:50].any(axis=1)).mean())
    assert value["hamming_loss"] == pytest.approx(
        np.mean([*wrong_AC[:20, [0, 2]].mean(axis=1), *wrong_AC[20:50].mean(axis=1)])
    )
    rows = [np.flatnonzero(known_AC[:, c]) for c in range(3)]
    wanted = [f1_score(answer_AC[row_J, c], proba_AC[row_J, c] >= 0.5) for c, row_J in enumerate(rows)]
    assert value["macro_f1"] == pytest.approx(np.mean(wanted))
    wanted = [
        average_precision_score(answer_AC[row_J, c], proba_AC[row_J, c]) for c, row_J in enumerate(rows)
    ]
    assert value["mean_average_precision"] == pytest.approx(np.mean(wanted))
    assert [row.support for row in found.per_class] == [answer_AC[rows[c], c].sum() for c in range(3)]


def test_all_classes_right_is_asked_of_items_that_are_known_whole():
    known_AC = np.array([[True, False], [False, True], [False, False]])
    found = multiple_report(known_AC, np.full((3, 2), 0.9), ["a", "b"], known_AC=known_AC)
    assert (found.size, found.figures["micro_f1"].value) == (2, 1.0)
    assert "subset_accuracy" not in found.figures


def test_every_kind_has_a_figure_that_ranks():
    assert set(LEAD) == {"single", "ordinal", "multiple", "numeric"}
    assert set(LEAD.values()) <= set(TITLES)


def test_intervals_of_few_numbers_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    for size, least in ((5, 0.8), (20, 0.84)):
        held = 0
        for _ in range(200):
            error_A = rng.normal(size=size)
            found = numeric_figures(np.zeros(size), error_A)["mae"]
            held += found.low <= np.sqrt(2 / np.pi) <= found.high
        assert least <= held / 200 <= 0.97
