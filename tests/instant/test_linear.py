"""The linear head: scikit-learn as oracle, left-out answers by refitting, class means for many classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sslcore.instant import linear
from sslcore.instant.linear import LinearConfig, LinearHead
from sslcore.instant.logistic import logistic
from sslcore.instant.model import Known, log_softmax
from tests.instant.blobs import blob_view, some_labels


def known_of(label_N):
    row_L = np.flatnonzero(label_N >= 0)
    return Known(row_L, label_N[row_L], int(label_N.max()) + 1)


@pytest.mark.parametrize(("rows", "dims"), [(60, 8), (12, 40)])
@pytest.mark.parametrize("strength", [0.5, 10.0])
def test_logistic_equals_scikit_learn(rows, dims, strength):
    rng = np.random.default_rng(0)
    feature_LD = rng.normal(size=(rows, dims)).astype(np.float32)
    label_L = np.arange(rows) % 3
    coef_FDC, bias_FC = logistic(feature_LD, label_L, np.ones((1, rows)), classes=3, strength=strength)
    oracle = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(feature_LD, label_L)
    ours = np.exp(log_softmax(feature_LD @ coef_FDC[0] + bias_FC[0]))
    np.testing.assert_allclose(ours, oracle.predict_proba(feature_LD), atol=0.02)


def test_fits_solved_together_are_those_solved_alone():
    rng = np.random.default_rng(1)
    feature_LD, label_L = rng.normal(size=(30, 6)), np.arange(30) % 2
    weight_FL = np.ones((3, 30))
    weight_FL[1, :10] = weight_FL[2, 10:20] = 0
    together, _ = logistic(feature_LD, label_L, weight_FL, classes=2)
    for f in range(3):
        alone, _ = logistic(feature_LD, label_L, weight_FL[f : f + 1], classes=2)
        np.testing.assert_allclose(together[f], alone[0], atol=0.05)


def test_a_warm_start_ends_where_a_cold_one_does():
    rng = np.random.default_rng(2)
    for dims in (4, 50):
        feature_LD, label_L = rng.normal(size=(20, dims)), np.arange(20) % 2
        weight_FL = np.ones((1, 20))
        cold = logistic(feature_LD, label_L, weight_FL, classes=2)
        far = (cold[0] + rng.normal(size=cold[0].shape), cold[1] - 1)
        warm = logistic(feature_LD, label_L, weight_FL, classes=2, start=far)
        logits = [feature_LD @ coef_FDC[0] + bias_FC[0] for coef_FDC, bias_FC in (cold, warm)]
        np.testing.assert_allclose(*(np.exp(log_softmax(part)) for part in logits), atol=0.02)


def test_left_out_answers_come_from_a_fit_without_them():
    view, truth_N = blob_view(spread=3.0)
    known = known_of(some_labels(truth_N, 12))
    raw = LinearHead(LinearConfig(strength=10.0)).raw(view, known)
    feature_LD = view.head_ND[known.row_L]
    for fold in range(3):
        out_L = known.fold_L == fold
        oracle = LogisticRegression(C=10.0, tol=1e-8, max_iter=5000).fit(
            feature_LD[~out_L], known.label_L[~out_L]
        )
        np.testing.assert_allclose(
            np.exp(raw.left_out_LC[out_L]), oracle.predict_proba(feature_LD[out_L]), atol=0.03
        )


def test_flipping_one_label_does_not_move_its_own_left_out_answer():
    view, truth_N = blob_view(spread=3.0)
    label_N = some_labels(truth_N, 8)
    row = int(np.flatnonzero(label_N >= 0)[-1])
    known = known_of(label_N)
    fold = known.fold_L[-1]
    at = np.flatnonzero(known.fold_L == fold)
    assert len(at) >= 1
    kept = known.fold_L != fold
    assert row == known.row_L[-1]
    before = LinearHead(LinearConfig(strength=10.0)).raw(view, known).left_out_LC[-1]
    oracle = LogisticRegression(C=10.0, tol=1e-8, max_iter=5000).fit(
        view.head_ND[known.row_L[kept]], known.label_L[kept]
    )
    np.testing.assert_allclose(np.exp(before), oracle.predict_proba(view.head_ND[[row]])[0], atol=0.03)


def test_strength_changes_only_for_a_gain_beyond_noise():
    view, truth_N = blob_view(spread=0.3)  # any strength separates these: the plain one stays
    head = LinearHead()
    head.raw(view, known_of(some_labels(truth_N, 2)))
    assert head._strength == 10.0


def test_many_classes_fall_back_to_class_means(monkeypatch):
    monkeypatch.setattr(linear, "PROTOTYPES", 2)
    view, truth_N = blob_view()
    known = known_of(some_labels(truth_N, 3))
    guess = LinearHead().fit([view], known)
    mean_CD = np.stack([view.head_ND[known.row_L[known.label_L == c]].mean(axis=0) for c in range(3)])
    distance_NC = ((view.head_ND[:, None] - mean_CD[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(guess.log_NC.argmax(axis=1), distance_NC.argmin(axis=1))
    assert not guess.judged_L.any()
