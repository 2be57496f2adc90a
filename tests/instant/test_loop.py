"""The loop: facts beat models, refusals say why, confidence means something."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sslcore.errors import DataError, UnknownNameError
from sslcore.instant.loop import InstantLoop
from sslcore.instant.view import View
from sslcore.quality.calibration import expected_calibration_error
from tests.instant.blobs import blob_view, some_labels


def test_rejected_answers_have_probability_zero():
    view, truth_N = blob_view()
    label_N = some_labels(truth_N, 4)
    row = int(np.flatnonzero(label_N < 0)[0])
    loop = InstantLoop([view], classes=3)
    before = loop.fit(label_N)
    after = loop.fit(label_N, rejected=[(row, int(before.prediction_N[row]))])
    assert after.proba_NC[row, before.prediction_N[row]] == 0
    assert after.proba_NC[row].sum() == pytest.approx(1)
    assert after.prediction_N[row] != before.prediction_N[row]


def test_all_but_one_rejected_is_a_label_that_teaches():
    view, truth_N = blob_view(classes=2, items=100)
    label_N = np.full(100, -1)
    rejected = [(row, 1 - int(truth_N[row])) for row in range(8)]
    result = InstantLoop([view], classes=2).fit(label_N, rejected=rejected)
    assert (result.prediction_N == truth_N).mean() > 0.95
    assert len(result.labelled_row_L) == 0
    assert (result.label_N == -1).all()


def test_rejecting_everything_says_nothing():
    view, _ = blob_view()
    result = InstantLoop([view], classes=3).fit(np.full(240, -1), rejected=[(0, 0), (0, 1), (0, 2)])
    np.testing.assert_allclose(result.proba_NC[0], 1 / 3, rtol=1e-5)


def test_the_result_keeps_what_it_saw():
    view, truth_N = blob_view()
    label_N = some_labels(truth_N, 2)
    result = InstantLoop([view], classes=3).fit(label_N)
    seen = label_N.copy()
    label_N[:] = 0
    np.testing.assert_array_equal(result.label_N, seen)


def test_margin_and_entropy_by_hand():
    view, truth_N = blob_view(spread=3.0)
    result = InstantLoop([view], classes=3).fit(some_labels(truth_N, 2))
    ranked = np.sort(result.proba_NC, axis=1)
    np.testing.assert_allclose(result.margin_N, ranked[:, -1] - ranked[:, -2], atol=1e-6)
    positive = np.where(result.proba_NC > 0, result.proba_NC, 1)
    np.testing.assert_allclose(result.entropy_N, -(positive * np.log(positive)).sum(axis=1), atol=1e-5)


def test_confidence_means_something_on_digits():
    feature_ND, truth_N = load_digits(return_X_y=True)
    view = View.of("pixels", feature_ND)
    errors = []
    for seed in range(3):
        label_N = some_labels(truth_N, 4, seed)
        result = InstantLoop([view], classes=10).fit(label_N)
        errors.append(expected_calibration_error(result.proba_NC[label_N < 0], truth_N[label_N < 0]))
    assert np.mean(errors) < 0.06


def test_out_of_fold_answers_do_not_see_their_own_label():
    """Wrong labels must be contradicted by their own out-of-fold answer."""
    feature_ND, truth_N = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    label_N = np.full(len(truth_N), -1)
    row_L = np.sort(rng.permutation(len(truth_N))[:300])
    label_N[row_L] = truth_N[row_L]
    bad = rng.choice(row_L, 30, replace=False)
    label_N[bad] = (truth_N[bad] + 1 + rng.integers(0, 9, 30)) % 10
    result = InstantLoop([View.of("pixels", feature_ND)], classes=10).fit(label_N)
    given = result.out_of_fold_proba_LC[np.arange(300), label_N[row_L]]
    is_bad = np.isin(row_L, bad)
    assert (given[is_bad] < 0.5).mean() > 0.9
    assert (given[~is_bad] > 0.5).mean() > 0.85


def test_ten_thousand_classes_do_not_crash():
    rng = np.random.default_rng(0)
    view = View.of("ids", rng.normal(size=(2000, 8)))
    label_N = np.arange(2000) % 1900
    label_N[-50:] = -1
    result = InstantLoop([view], classes=10_000).fit(label_N)
    assert result.proba_NC.shape == (2000, 10_000)
    assert result.proba_NC.dtype == np.float32
    np.testing.assert_allclose(result.proba_NC.sum(axis=1), 1, atol=1e-3)


def test_refusals_say_what_was_wrong():
    view, _ = blob_view()
    with pytest.raises(DataError, match="at least one view"):
        InstantLoop([], classes=2)
    with pytest.raises(DataError, match="same items"):
        InstantLoop([view, View.of("b", np.eye(4))], classes=2)
    with pytest.raises(DataError, match="identifier"):
        InstantLoop([view], classes=1_000_000_000)
    with pytest.raises(UnknownNameError, match="Did you mean 'auto'"):
        InstantLoop([view], classes=2, model="auo")
    loop = InstantLoop([view], classes=3)
    with pytest.raises(DataError, match="one label"):
        loop.fit(np.zeros(3))
    with pytest.raises(DataError, match=r"0…2"):
        loop.fit(np.full(240, 3))
    with pytest.raises(DataError, match="rejected"):
        loop.fit(np.full(240, -1), rejected=[(0, 3)])
    with pytest.raises(DataError, match="groups"):
        loop.fit(np.full(240, -1), groups=np.zeros(3))


def test_a_new_label_moves_no_other_label_to_another_fold():
    view, truth_N = blob_view()
    loop, label_N = InstantLoop([view], classes=3), np.full(len(truth_N), -1)
    seen = {}
    for row in np.random.default_rng(0).permutation(len(truth_N))[:30]:
        label_N[row] = truth_N[row]
        row_L = np.flatnonzero(label_N >= 0)
        now = dict(zip(row_L.tolist(), loop._known(label_N, row_L).turn_L.tolist(), strict=True))
        assert {other: now[other] for other in seen} == seen
        seen = now
    for label in range(3):
        of_class = [turn for row, turn in seen.items() if truth_N[row] == label]
        assert sorted(of_class) == list(range(len(of_class)))


def test_the_only_label_of_a_class_is_no_evidence():
    view, truth_N = blob_view(classes=4)
    label_N = some_labels(truth_N, 8)
    rare = np.flatnonzero(label_N == 3)
    label_N[rare[1:]] = -1
    result = InstantLoop([view], classes=4).fit(label_N)
    assert set(result.labelled_row_L[~result.evidence_L]) == {rare[0]}
    each = InstantLoop([view], classes=4).fit(
        np.where(np.isin(np.arange(len(truth_N)), [0, 1, 2, 3]), truth_N, -1)
    )
    assert not each.evidence_L.any()
    assert each.score == {}


def test_labels_that_echo_the_model_are_learned_but_calibrate_nothing():
    view, truth_N = blob_view(spread=3.0, items=600)
    label_N = some_labels(truth_N, 6)
    loop = InstantLoop([view], classes=3)
    before = loop.fit(label_N)
    free = np.flatnonzero(label_N < 0)
    sure = free[np.argsort(-before.confidence_N[free])[:300]]
    echo_N = np.zeros(len(truth_N), dtype=bool)
    echo_N[sure] = True
    label_N[sure] = before.prediction_N[sure]
    trusting = InstantLoop([view], classes=3).fit(label_N)
    after = InstantLoop([view], classes=3).fit(label_N, echo_N=echo_N)
    assert not after.evidence_L[echo_N[after.labelled_row_L]].any()
    rest = np.flatnonzero(label_N < 0)
    right = float((after.prediction_N[rest] == truth_N[rest]).mean())
    over = float(trusting.confidence_N[rest].mean()) - right
    assert over > 0.05, "taking its own word for true makes the model too sure"
    assert float(after.confidence_N[rest].mean()) - right < over - 0.03
    with pytest.raises(DataError, match="echo_N must have one value for each"):
        loop.fit(label_N, echo_N=echo_N[:3])


def test_near_duplicates_do_not_vouch_for_each_other():
    from tests.instant.blobs import blobs

    feature_ND, truth_N = blobs(items=200, spread=4.0)
    rng = np.random.default_rng(1)
    threefold_ND = np.repeat(feature_ND, 3, axis=0)
    threefold_ND = threefold_ND + rng.normal(0, 1e-4, threefold_ND.shape)
    truth_N = np.repeat(truth_N, 3)
    view = View.of("copies", threefold_ND, k=10)
    label_N = np.full(len(truth_N), -1)
    label_N[:120] = truth_N[:120]
    honest = InstantLoop([view], classes=3).fit(label_N)
    alone = InstantLoop([view], classes=3).fit(label_N, groups=np.arange(len(truth_N)))
    rest = np.arange(120, len(truth_N))
    right = float((honest.prediction_N[rest] == truth_N[rest]).mean())

    def said(result):
        return float((result.out_of_fold_proba_LC.argmax(axis=1) == truth_N[result.labelled_row_L]).mean())

    assert said(alone) > right + 0.15
    assert abs(said(honest) - right) < 0.1
    assert honest.confidence_N[rest].mean() < alone.confidence_N[rest].mean()
