from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics as sk

from sslcore.errors import DataError
from sslcore.metrics import report


def draw(n: int, *, classes: int = 4, skill: float = 3.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    label_A = rng.choice(classes, n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    logits_AC = rng.normal(size=(n, classes))
    logits_AC[np.arange(n), label_A] += skill
    proba_AC = np.exp(logits_AC) / np.exp(logits_AC).sum(axis=1, keepdims=True)
    return label_A, proba_AC


def test_figures_are_those_of_scikit_learn():
    label_A, proba_AC = draw(150, skill=1.0)
    names = list("abcd")
    found = report(label_A, proba_AC, names)
    predicted_A = proba_AC.argmax(axis=1)
    assert found.accuracy.value == pytest.approx(sk.accuracy_score(label_A, predicted_A))
    assert found.balanced_accuracy.value == pytest.approx(sk.balanced_accuracy_score(label_A, predicted_A))
    for kind in ("macro", "micro"):
        p, r, f, _ = sk.precision_recall_fscore_support(label_A, predicted_A, average=kind)
        for name, value in (("precision", p), ("recall", r), ("f1", f)):
            assert getattr(found, f"{kind}_{name}").value == pytest.approx(value)
    p_C, r_C, f_C, s_C = sk.precision_recall_fscore_support(label_A, predicted_A)
    for c, row in enumerate(found.per_class):
        figures = (row.precision.value, row.recall.value, row.f1.value)
        assert figures == pytest.approx((p_C[c], r_C[c], f_C[c]))
        assert (row.name, row.support) == (names[c], s_C[c])
    np.testing.assert_array_equal(found.confusion_CC, sk.confusion_matrix(label_A, predicted_A))
    assert found.log_loss == pytest.approx(sk.log_loss(label_A, proba_AC))


def test_every_value_lies_in_its_interval_and_more_items_narrow_it():
    widths = []
    for n in (30, 300, 3000):
        found = report(*draw(n), list("abcd"))
        for interval in (found.accuracy, found.balanced_accuracy, found.macro_f1, found.macro_precision):
            assert 0 <= interval.low <= interval.value <= interval.high <= 1
        widths.append(found.macro_f1.high - found.macro_f1.low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_intervals_hold_the_truth_as_often_as_they_say():
    names = ("accuracy", "balanced_accuracy", "macro_f1", "macro_precision")
    label_N, proba_NC = draw(40_000, skill=1.5, seed=1)
    whole = report(label_N, proba_NC, list("abcd"))
    rng = np.random.default_rng(2)
    held = dict.fromkeys(names, 0)
    for _ in range(200):
        row_A = rng.choice(len(label_N), 120, replace=False)
        found = report(label_N[row_A], proba_NC[row_A], list("abcd"))
        for name in names:
            interval = getattr(found, name)
            held[name] += interval.low <= getattr(whole, name).value <= interval.high
    assert all(165 <= count <= 195 for count in held.values()), held  # 180 ± 3.5 standard deviations


def test_all_right_is_not_certain():
    label_A = np.arange(20) % 4
    found = report(label_A, np.eye(4)[label_A], list("abcd"))
    assert found.macro_f1.value == 1
    assert found.macro_f1.high == 1
    assert found.macro_f1.low < 0.97
    assert found.balanced_accuracy.low < 0.97


def test_unlabelled_rows_are_left_out_and_nothing_is_nan():
    label_A, proba_AC = draw(50)
    masked_A = np.append(label_A, [-1, -1])
    padded_AC = np.vstack([proba_AC, [[1, 0, 0, 0]] * 2])
    plain = report(label_A, proba_AC, list("abcd"))
    assert report(masked_A, padded_AC, list("abcd")).as_dict() == plain.as_dict()
    empty = report(np.array([-1]), np.full((1, 4), 0.25), list("abcd"))
    assert empty.size == 0
    assert math.isnan(empty.accuracy.value)
    assert json.loads(json.dumps(empty.as_dict(), allow_nan=False))["accuracy"]["value"] is None


def test_classes_that_never_occur_stay_out_of_macro_figures():
    label_A, proba_AC = draw(60, classes=3)
    wide_AC = np.hstack([proba_AC, np.zeros((60, 2))])
    few, many = report(label_A, proba_AC, list("abc")), report(label_A, wide_AC, list("abcde"))
    assert many.macro_f1.value == pytest.approx(few.macro_f1.value)
    assert many.macro_f1.low == pytest.approx(few.macro_f1.low, abs=0.05)
    assert math.isnan(many.per_class[4].recall.value)
    json.dumps(many.as_dict(), allow_nan=False)


def test_wrong_shapes_are_refused():
    with pytest.raises(DataError, match="3 probabilities"):
        report(np.array([0, 1]), np.ones((2, 2)) / 2, list("abc"))
    with pytest.raises(DataError, match="below 2"):
        report(np.array([2]), np.ones((1, 2)) / 2, list("ab"))
