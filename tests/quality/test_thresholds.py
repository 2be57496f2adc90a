import json

import numpy as np
import pytest

from sslcore.errors import DataError
from sslcore.quality.calibration import apply_temperature
from sslcore.quality.thresholds import (
    acceptance,
    expected_precision,
    suggest_common_threshold,
    suggest_threshold,
)


def world(seed, *, n=4000, classes=4, bent=1.0):
    """A pool with known truth; ``bent < 1`` makes the model overconfident."""
    rng = np.random.default_rng(seed)
    true_NC = rng.dirichlet(np.full(classes, 0.25), n)
    truth_N = (rng.random((n, 1)) > np.cumsum(true_NC, axis=1)).sum(axis=1).clip(max=classes - 1)
    audit_A = rng.choice(n, 150, replace=False)
    return apply_temperature(true_NC, bent), truth_N, audit_A


def accept(proba_NC, truth_N, audit_A, threshold, **more):
    everything_N = np.ones(len(proba_NC), dtype=bool)
    return acceptance(
        proba_NC,
        threshold=threshold,
        candidate_N=everything_N,
        audit_row_A=audit_A,
        audit_label_A=truth_N[audit_A],
        **more,
    )


@pytest.mark.parametrize("bent", [1.0, 0.6, 1.5])
def test_interval_holds_the_true_precision_as_often_as_it_says(bent):
    rng = np.random.default_rng(5)
    overall, by_class, asked = 0, 0, 0
    for seed in range(200):
        proba_NC, truth_N, audit_A = world(seed, bent=bent)
        threshold = rng.uniform(0.4, 0.95)
        open_N = np.ones(len(truth_N), dtype=bool)
        open_N[audit_A] = False
        passes_N = open_N & (proba_NC.max(axis=1) >= threshold)
        right_N = proba_NC.argmax(axis=1) == truth_N
        rows = accept(proba_NC, truth_N, audit_A, threshold)
        overall += rows[0].precision.low <= right_N[passes_N].mean() <= rows[0].precision.high
        for row in rows[1:]:
            of_class_N = passes_N & (proba_NC.argmax(axis=1) == row.class_index)
            if row.precision is not None and of_class_N.any():
                asked += 1
                by_class += row.precision.low <= right_N[of_class_N].mean() <= row.precision.high
    assert 0.85 <= overall / 200 <= 0.95
    assert 0.85 <= by_class / asked <= 0.96


def test_a_handful_of_accepted_items_varies_more_than_many():
    few = expected_precision(48, 50, confidence=0.95, accepted=8)
    many = expected_precision(48, 50, confidence=0.95, accepted=100_000)
    assert few.value == many.value
    assert few.high - few.low > 1.4 * (many.high - many.low)
    one = expected_precision(48, 50, confidence=0.95, accepted=1)
    assert (one.low, one.high) == (0, 1)


def test_the_models_word_counts_as_two_items():
    # law: with no evidence the figure is the confidence, drawn to a half by Jeffreys' one item
    found = expected_precision(0, 0, confidence=0.9, accepted=1000)
    assert found.value == pytest.approx((0.5 + 1.8) / 3)
    sure = expected_precision(900, 1000, confidence=0.5, accepted=10**9)
    assert sure.value == pytest.approx(0.9, abs=0.002)


def test_counts_one_item_at_a_time():
    proba_NC, truth_N, audit_A = world(3)
    threshold_C = np.array([0.5, 0.6, 0.7, 0.8])
    rows = accept(proba_NC, truth_N, audit_A, threshold_C)
    accepted, checked, correct = np.zeros(4, int), np.zeros(4, int), np.zeros(4, int)
    audit = set(audit_A.tolist())
    for i, p in enumerate(proba_NC):
        c = int(p.argmax())
        if p[c] >= threshold_C[c]:
            accepted[c] += i not in audit
            checked[c] += i in audit
            correct[c] += i in audit and truth_N[i] == c
    assert [row.accepted for row in rows] == [accepted.sum(), *accepted]
    assert [row.checked for row in rows] == [checked.sum(), *checked]
    assert [row.correct for row in rows] == [correct.sum(), *correct]
    assert rows[0].source == "audit"
    json.dumps([row.as_dict() for row in rows], allow_nan=False)


def test_few_audit_items_give_way_to_out_of_fold_and_say_so():
    proba_NC, truth_N, audit_A = world(3)
    out_of_fold = (proba_NC[:80], truth_N[:80])
    rows = accept(proba_NC, truth_N, audit_A[:19], 0.6, out_of_fold=out_of_fold)
    assert rows[0].source == "out-of-fold (rough)"
    assert rows[0].checked == (proba_NC[:80].max(axis=1) >= 0.6).sum()
    assert accept(proba_NC, truth_N, audit_A[:20], 0.6, out_of_fold=out_of_fold)[0].source == "audit"
    nothing = accept(proba_NC, truth_N, audit_A[:0], 0.6)[0]
    assert (nothing.source, nothing.precision) == ("none", None)


def test_raising_the_threshold_accepts_less():
    proba_NC, truth_N, audit_A = world(3)
    taken = [accept(proba_NC, truth_N, audit_A, t)[0].accepted for t in (0.0, 0.5, 0.9, 1.1)]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] == len(truth_N) - len(audit_A)
    assert taken[-1] == 0


def test_suggestion_is_the_lowest_on_target():
    proba_NC, truth_N, audit_A = world(3)
    arguments = {
        "candidate_N": np.ones(len(truth_N), bool),
        "audit_row_A": audit_A,
        "audit_label_A": truth_N[audit_A],
    }
    found = suggest_threshold(proba_NC, **arguments, target_precision=0.9)
    assert any(t is not None for t in found)
    confidence_A, predicted_A = proba_NC[audit_A].max(axis=1), proba_NC[audit_A].argmax(axis=1)
    for c, suggested in enumerate(found):
        on_target = []
        for t in confidence_A[predicted_A == c]:
            row = acceptance(proba_NC, threshold=t, **arguments)[1 + c]
            if row.precision is not None and row.precision.value >= 0.9:
                on_target.append(t)
        assert suggested == (min(on_target) if on_target else None)
    common = suggest_common_threshold(proba_NC, **arguments, target_precision=0.9)
    assert acceptance(proba_NC, threshold=common, **arguments)[0].precision.value >= 0.9


def test_suggested_thresholds_reach_about_their_target():
    reached = []
    for seed in range(60):
        proba_NC, truth_N, audit_A = world(seed, bent=0.7)
        t = suggest_common_threshold(
            proba_NC,
            candidate_N=np.ones(len(truth_N), bool),
            audit_row_A=audit_A,
            audit_label_A=truth_N[audit_A],
            target_precision=0.9,
        )
        if t is not None:
            passes_N = proba_NC.max(axis=1) >= t
            reached.append((proba_NC.argmax(axis=1) == truth_N)[passes_N].mean())
    assert len(reached) > 40
    assert np.mean(reached) > 0.88


def test_wrong_number_of_thresholds_is_refused():
    proba_NC, truth_N, audit_A = world(3)
    with pytest.raises(DataError, match="4 classes"):
        accept(proba_NC, truth_N, audit_A, np.array([0.5, 0.6]))
