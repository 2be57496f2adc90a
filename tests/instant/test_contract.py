"""What every instant model keeps, whatever it is."""

from __future__ import annotations

import numpy as np
import pytest

from sslcore.instant import INSTANT
from sslcore.instant.loop import InstantLoop
from sslcore.instant.view import View
from tests.instant.blobs import blob_view, blobs, some_labels

MODELS = INSTANT.names()


@pytest.fixture(scope="module")
def easy():
    return blob_view()


def check(result, label_N, classes):
    items = len(label_N)
    for proba in (result.proba_NC, result.head_proba_NC):
        assert proba.shape == (items, classes)
        assert proba.dtype == np.float32
        assert (proba >= 0).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    held = np.flatnonzero(label_N >= 0)
    np.testing.assert_array_equal(result.labelled_row_L, held)
    np.testing.assert_array_equal(result.prediction_N[held], label_N[held])
    assert result.out_of_fold_proba_LC.shape == (len(held), classes)
    if len(held):
        np.testing.assert_allclose(result.out_of_fold_proba_LC.sum(axis=1), 1, atol=1e-4)
    assert result.temperature > 0
    assert result.reason.endswith(".")
    assert all(0 <= value <= 1 for value in result.score.values())
    assert result.margin_N.shape == result.entropy_N.shape == result.confidence_N.shape == (items,)
    assert (result.margin_N >= -1e-6).all()
    assert (result.entropy_N >= -1e-6).all()


@pytest.mark.parametrize("model", MODELS)
def test_learns_blobs(model, easy):
    view, truth_N = easy
    label_N = some_labels(truth_N, 4)
    result = InstantLoop([view], classes=3, model=model).fit(label_N)
    check(result, label_N, 3)
    assert (result.prediction_N == truth_N)[label_N < 0].mean() > 0.95
    judged = result.out_of_fold_proba_LC.argmax(axis=1) == truth_N[result.labelled_row_L]
    assert judged.mean() > 0.8


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", ["none", "one label", "one class", "some classes", "single labels", "all"])
def test_edges(model, case, easy):
    view, truth_N = easy
    label_N = np.full(len(truth_N), -1)
    if case == "one label":
        label_N[5] = 2
    elif case == "one class":
        label_N[truth_N == 1] = 1
    elif case == "some classes":
        label_N[[0, 1, 3, 4]] = truth_N[[0, 1, 3, 4]]
    elif case == "single labels":
        label_N[:3] = truth_N[:3]
    elif case == "all":
        label_N = truth_N.copy()
    result = InstantLoop([view], classes=5, model=model).fit(label_N)
    check(result, label_N, 5)
    if case == "none":
        np.testing.assert_allclose(result.proba_NC, 0.2)
    if case == "some classes":  # classes 2, 3 and 4 have no label: alike, unlikely, and not impossible
        free = label_N < 0
        np.testing.assert_allclose(result.proba_NC[free][:, 2:], 1 / (4 + 5), rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_class_numbers_do_not_matter(model, easy):
    view, truth_N = easy
    label_N = some_labels(truth_N, 5)
    turn = np.array([2, 0, 1])
    plain = InstantLoop([view], classes=3, model=model).fit(label_N)
    turned = InstantLoop([view], classes=3, model=model).fit(np.where(label_N >= 0, turn[label_N], -1))
    np.testing.assert_allclose(turned.proba_NC[:, turn], plain.proba_NC, atol=5e-3)


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_says_the_same(model, easy):
    view, truth_N = easy
    label_N = some_labels(truth_N, 5)
    first = InstantLoop([view], classes=3, seed=1, model=model).fit(label_N)
    second = InstantLoop([view], classes=3, seed=1, model=model).fit(label_N)
    np.testing.assert_array_equal(first.proba_NC, second.proba_NC)


@pytest.mark.parametrize("model", MODELS)
def test_warm_says_what_cold_says(model):
    view, truth_N = blob_view(spread=2.0, seed=3)
    label_N = some_labels(truth_N, 3)
    warm = InstantLoop([view], classes=3, model=model)
    rng = np.random.default_rng(0)
    warm.fit(label_N)
    for row in rng.permutation(len(truth_N))[:6]:
        label_N[row] = truth_N[row]
        result = warm.fit(label_N)
    label_N[row] = -1  # undone
    result = warm.fit(label_N)
    cold = InstantLoop([view], classes=3, model=model).fit(label_N)
    assert (result.prediction_N == cold.prediction_N).mean() > 0.97
    assert np.abs(result.proba_NC - cold.proba_NC).mean() < 0.05


@pytest.mark.parametrize("model", MODELS)
def test_duplicates_conflicts_and_groups(model):
    feature_ND, truth_N = blobs(items=60)
    feature_ND = np.repeat(feature_ND, 3, axis=0)
    truth_N = np.repeat(truth_N, 3)
    label_N = some_labels(truth_N, 6)
    label_N[:3] = [0, 1, 2]  # the same item, three answers
    loop = InstantLoop([View.of("twins", feature_ND, k=8)], classes=3, model=model)
    check(loop.fit(label_N, groups=np.arange(180) // 3), label_N, 3)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("items", [1, 2, 3])
def test_tiny_sets(model, items):
    view = View.of("tiny", np.random.default_rng(0).normal(size=(items, 4)))
    label_N = np.arange(items)
    label_N[-1] = -1
    check(InstantLoop([view], classes=3, model=model).fit(label_N), label_N, 3)


@pytest.mark.parametrize("model", MODELS)
def test_constant_features_say_nothing(model):
    view = View.of("flat", np.ones((40, 6)))
    label_N = np.full(40, -1)
    label_N[:6] = [0, 1, 0, 1, 0, 1]
    result = InstantLoop([view], classes=2, model=model).fit(label_N)
    check(result, label_N, 2)
    assert result.confidence_N[label_N < 0].mean() < 0.9
