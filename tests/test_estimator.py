"""The scikit-learn face: scikit-learn's own checks, kinds of input, kinds of labels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import check_estimator

import sslcore
from sslcore import SemiSupervisedClassifier, find_label_issues, select_queries
from sslcore.errors import ConfigError, DataError, UnknownNameError
from tests.instant.blobs import blobs, some_labels


def test_scikit_learns_own_checks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(SemiSupervisedClassifier(), on_fail=None, on_skip=None)
    failed = {result["check_name"] for result in results if result["status"] == "failed"}
    # that check uses -1 as a class; scikit-learn exempts its own semi-supervised estimators from it too
    assert failed <= {"check_classifiers_classes"}
    assert sum(result["status"] == "passed" for result in results) > 40


def test_digits_beat_scikit_learn_on_old_and_new_rows():
    from sklearn.semi_supervised import LabelSpreading

    X, true = load_digits(return_X_y=True)
    y = some_labels(true[:1500], 4)
    clf = SemiSupervisedClassifier(random_state=0).fit(X[:1500], y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rival = LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.9).fit(X[:1500], y)
    assert (clf.transduction_ == true[:1500]).mean() > (rival.transduction_ == true[:1500]).mean()
    assert (clf.predict(X[1500:]) == true[1500:]).mean() > 0.85
    assert clf.chosen_method_ in ("committee", "label_spreading", "linear")
    np.testing.assert_array_equal(clf.transduction_[y >= 0], y[y >= 0])
    np.testing.assert_allclose(clf.predict_proba(X[:5]).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("unlabelled", [-1, None, np.nan, "-1"])
def test_class_names(unlabelled):
    X, truth_N = blobs(items=60, classes=2)
    y = np.full(60, unlabelled, dtype=object)
    for row in range(8):
        y[row] = ["dog", "cat"][truth_N[row]]
    clf = SemiSupervisedClassifier().fit(X, y)
    assert clf.classes_.tolist() == ["cat", "dog"]
    assert (clf.transduction_ == np.array(["dog", "cat"])[truth_N]).mean() > 0.95
    assert clf.predict(X[:2]).tolist() == ["dog", "cat"]


def test_sparse_and_data_frames():
    import pandas as pd

    X, truth_N = blobs(items=80, classes=2)
    y = some_labels(truth_N, 4)
    dense = SemiSupervisedClassifier().fit(X, y)
    thin = SemiSupervisedClassifier().fit(sparse.csr_matrix(X), y)
    np.testing.assert_array_equal(dense.transduction_, thin.transduction_)
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    named = SemiSupervisedClassifier().fit(frame, pd.Series(y))
    np.testing.assert_array_equal(dense.transduction_, named.predict(frame))
    assert named.feature_names_in_[0] == "c0"
    wide = sparse.hstack([sparse.csr_matrix(X), sparse.csr_matrix((80, 400))]).tocsr()
    assert (SemiSupervisedClassifier().fit(wide, y).predict(wide) == truth_N).mean() > 0.95


def test_linear_head_predicts_new_rows_by_itself():
    X, truth_N = blobs(items=120, classes=3)
    clf = SemiSupervisedClassifier(method="linear").fit(X[:90], some_labels(truth_N[:90], 4))
    assert clf.chosen_method_ == "linear"
    assert (clf.predict(X[90:]) == truth_N[90:]).mean() > 0.9


def test_refusals():
    X, truth_N = blobs(items=30)
    with pytest.raises(DataError, match="at least one labelled"):
        SemiSupervisedClassifier().fit(X, np.full(30, -1))
    with pytest.raises(UnknownNameError):
        SemiSupervisedClassifier(method="magic").fit(X, truth_N)
    with pytest.raises(ConfigError, match="k must be"):
        SemiSupervisedClassifier(k=0).fit(X, truth_N)


def test_select_queries_covers_first_and_follows_probabilities_later():
    X, truth_N = blobs(items=90, classes=3, spread=0.5)
    cold = select_queries(X, np.full(90, -1), 3)
    assert sorted(truth_N[cold].tolist()) == [0, 1, 2]
    y = some_labels(truth_N, 5)
    proba = np.full((90, 3), [0.9, 0.05, 0.05])
    unsure = int(np.flatnonzero(y < 0)[4])
    proba[unsure] = [0.4, 0.39, 0.21]
    assert select_queries(X, y, 1, strategy="margin", proba=proba).tolist() == [unsure]
    assert (y[select_queries(X, y, 10)] == -1).all()
    with pytest.raises(UnknownNameError):
        select_queries(X, y, 1, strategy="magic")
    with pytest.raises(DataError, match="must be equal"):
        select_queries(X, y[:5], 1)


@pytest.mark.parametrize("own", [False, True])
def test_find_label_issues_ranks_wrong_labels_first(own):
    X, truth_N = blobs(items=120, classes=3)
    y = truth_N.copy()
    bad = [4, 50, 77]
    y[bad] = (y[bad] + 1) % 3
    y[100:] = -1
    proba = np.eye(3)[truth_N] * 0.9 + 0.1 / 3 if own else None
    rows, scores = find_label_issues(X, y, proba)
    assert sorted(rows[:3].tolist()) == bad
    assert len(rows) == 100
    assert (np.diff(scores) <= 1e-12).all()


def test_the_faces_are_where_they_are_promised():
    assert sslcore.SemiSupervisedClassifier is SemiSupervisedClassifier
    assert callable(sslcore.select_queries)
    assert callable(sslcore.find_label_issues)
