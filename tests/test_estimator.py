"""The scikit-learn face: scikit-learn's own checks, its tools, and what the three faces promise."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_classifiers_classes,
    check_classifiers_predictions,
    parametrize_with_checks,
)

import sslcore
from sslcore import SemiSupervisedClassifier, find_label_issues, select_queries
from sslcore.errors import ConfigError, DataError, UnknownNameError
from sslcore.instant import INSTANT
from sslcore.queries import QUERIES
from tests.instant.blobs import blobs, some_labels

NAMES = np.array(["ant", "bee", "cow"])


# --- scikit-learn's own checks ---------------------------------------------------------------


def not_applicable(estimator):
    return {"check_classifiers_classes": "its last part has -1 for a class; here -1 marks unlabelled rows"}


@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [SemiSupervisedClassifier(), SemiSupervisedClassifier("linear")],
    expected_failed_checks=not_applicable,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_the_rest_of_the_check_that_cannot_apply():
    # under this name the check takes labels without -1, as for scikit-learn's own estimator of that name
    check_classifiers_classes("SelfTrainingClassifier", SemiSupervisedClassifier())
    X, truth_N = blobs(items=30, classes=3, spread=0.1)
    for names in (NAMES, NAMES.astype(object)):
        check_classifiers_predictions(X, names[truth_N], "ours", SemiSupervisedClassifier())
    unlabelled = SemiSupervisedClassifier().fit(X[truth_N != 2], np.array([-1, 1])[truth_N[truth_N != 2]])
    assert unlabelled.classes_.tolist() == [1]


# --- what it learns --------------------------------------------------------------------------


def test_digits_beat_scikit_learn_on_old_and_new_rows():
    from sklearn.semi_supervised import LabelSpreading

    X, true = load_digits(return_X_y=True)
    y = some_labels(true[:1500], 4)
    clf = SemiSupervisedClassifier().fit(X[:1500], y)
    rival = LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.9, max_iter=100).fit(X[:1500], y)
    assert (clf.transduction_ == true[:1500]).mean() > (rival.transduction_ == true[:1500]).mean()
    assert (clf.predict(X[1500:]) == true[1500:]).mean() > 0.85
    assert clf.chosen_method_ in ("committee", "label_spreading", "linear")
    assert clf.reason_
    np.testing.assert_array_equal(clf.transduction_[y >= 0], y[y >= 0])


@pytest.mark.parametrize("method", INSTANT.names())
def test_every_instant_model_serves(method):
    X, truth_N = blobs(items=120, classes=3)
    y = some_labels(truth_N[:90], 6)
    clf = SemiSupervisedClassifier(method).fit(X[:90], y)
    right = (clf.transduction_ == truth_N[:90]).mean()
    assert right > 0.6  # each model's own test asks for more
    assert (clf.predict(X[90:]) == truth_N[90:]).mean() > right - 0.1
    proba_MC = clf.predict_proba(X[90:])
    assert proba_MC.shape == (30, 3)
    np.testing.assert_allclose(proba_MC.sum(axis=1), 1, atol=1e-6)
    assert clf.proba_.shape == (90, 3)
    assert method in ("auto", clf.chosen_method_)


def test_the_order_of_rows_changes_nothing():
    X, truth_N = blobs(items=150, classes=3, spread=2.5)
    y = some_labels(truth_N, 5)
    other = np.random.default_rng(3).permutation(150)
    here, there = SemiSupervisedClassifier().fit(X, y), SemiSupervisedClassifier().fit(X[other], y[other])
    np.testing.assert_array_equal(here.proba_[other], there.proba_)
    np.testing.assert_array_equal(here.predict_proba(X), there.predict_proba(X))
    np.testing.assert_array_equal(here.transduction_[other], there.transduction_)
    np.testing.assert_array_equal(here.result_.label_N, y)
    np.testing.assert_array_equal(here.result_.labelled_row_L, np.flatnonzero(y >= 0))
    left, right = here.result_, there.result_
    at = np.argsort(other)[left.labelled_row_L]  # where these rows went
    np.testing.assert_array_equal(
        left.out_of_fold_proba_LC, right.out_of_fold_proba_LC[np.searchsorted(right.labelled_row_L, at)]
    )
    for strategy in ("auto", "random", "margin"):
        asked = select_queries(X, y, 7, strategy=strategy)
        np.testing.assert_array_equal(asked, other[select_queries(X[other], y[other], 7, strategy=strategy)])
    found = find_label_issues(X, truth_N)
    np.testing.assert_array_equal(found.rows, other[find_label_issues(X[other], truth_N[other]).rows])


def test_the_same_again_with_the_same_seed():
    X, truth_N = blobs(items=80, spread=2.0)
    y = some_labels(truth_N, 3)
    first, second = SemiSupervisedClassifier().fit(X, y), SemiSupervisedClassifier().fit(X, y)
    np.testing.assert_array_equal(first.proba_, second.proba_)
    assert (
        select_queries(X, y, 5, strategy="random").tolist()
        == select_queries(X, y, 5, strategy="random").tolist()
    )
    draws = {
        tuple(select_queries(X, y, 5, strategy="random", random_state=seed))
        for seed in (0, 1, np.random.RandomState(2), None)
    }
    assert len(draws) == 4


# --- labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("unlabelled", [-1, None, np.nan, "-1", "", "  "])
def test_class_names(unlabelled):
    X, truth_N = blobs(items=60, classes=2)
    y = np.full(60, unlabelled, dtype=object)
    for row in range(8):
        y[row] = ["dog", "cat"][truth_N[row]]
    clf = SemiSupervisedClassifier().fit(X, y)
    assert clf.classes_.tolist() == ["cat", "dog"]
    assert (clf.transduction_ == np.array(["dog", "cat"])[truth_N]).mean() > 0.95
    assert clf.predict(X[:2]).tolist() == ["dog", "cat"]
    assert SemiSupervisedClassifier().fit(X, y.tolist()).classes_.tolist() == ["cat", "dog"]
    assert (select_queries(X, y, 60) >= 8).all()
    assert sorted(find_label_issues(X, y).rows.tolist()) == list(range(8))


def test_refusals():
    X, truth_N = blobs(items=30)
    with pytest.raises(DataError, match="at least one labelled"):
        SemiSupervisedClassifier().fit(X, np.full(30, -1))
    with pytest.raises(UnknownNameError, match="magic"):
        SemiSupervisedClassifier(method="magic").fit(X, truth_N)
    with pytest.raises(ConfigError, match="method must be a text"):
        SemiSupervisedClassifier(method=None).fit(X, truth_N)
    for k in (0, 2.5, True):
        with pytest.raises(ConfigError, match="k must be"):
            SemiSupervisedClassifier(k=k).fit(X, truth_N)
    with pytest.raises(ConfigError, match="random_state must be"):
        SemiSupervisedClassifier(random_state="now").fit(X, truth_N)
    with pytest.raises(DataError, match="must be equal"):
        SemiSupervisedClassifier().fit(X, truth_N[:5])
    with pytest.raises(NotFittedError):
        SemiSupervisedClassifier().predict(X)


# --- tables ----------------------------------------------------------------------------------


def test_sparse_and_data_frames():
    import pandas as pd

    X, truth_N = blobs(items=80, classes=2)
    y = some_labels(truth_N, 4)
    dense = SemiSupervisedClassifier().fit(X, y)
    thin = SemiSupervisedClassifier().fit(sparse.csc_array(X), y)
    np.testing.assert_array_equal(dense.transduction_, thin.transduction_)
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    named = SemiSupervisedClassifier().fit(frame, pd.Series(y))
    np.testing.assert_array_equal(dense.predict(X), named.predict(frame))
    assert named.feature_names_in_.tolist() == list(frame.columns)
    assert named.n_features_in_ == X.shape[1]
    with pytest.raises(ValueError, match="feature names"):
        named.predict(frame.rename(columns={"c0": "other"}))
    assert select_queries(frame, y, 5).tolist() == select_queries(X, y, 5).tolist()
    assert find_label_issues(frame, truth_N).rows.tolist() == find_label_issues(X, truth_N).rows.tolist()
    wide = sparse.hstack([sparse.csr_matrix(X), sparse.csr_matrix((80, 400))]).tocsr()
    assert (SemiSupervisedClassifier().fit(wide, y).predict(wide) == truth_N).mean() > 0.95
    assert len(select_queries(wide, y, 5)) == 5
    assert len(find_label_issues(wide, truth_N).rows) == 80


def test_wide_sparse_rows_are_never_made_dense(monkeypatch):
    rng = np.random.default_rng(0)
    truth_N = rng.integers(0, 3, 400)
    own_NW = rng.random((400, 30)) < 0.5
    word_NW = np.where(own_NW, truth_N[:, None] * 3_000, 0) + rng.integers(0, 80, (400, 30))
    rows = (np.ones(word_NW.size), (np.repeat(np.arange(400), 30), word_NW.ravel()))
    X = sparse.csr_matrix(rows, shape=(400, 9_000))
    for kind in (sparse.csr_matrix, sparse.csr_array):
        monkeypatch.setattr(kind, "toarray", lambda self, *args, **kwargs: pytest.fail("made dense"))
    y = some_labels(truth_N, 20)
    clf = SemiSupervisedClassifier().fit(X[:300], y[:300])
    assert (clf.predict(X[300:]) == truth_N[300:]).mean() > 0.8
    assert len(select_queries(X, y, 3)) == 3
    assert len(find_label_issues(X, y).rows) == 60


# --- scikit-learn's tools --------------------------------------------------------------------


def test_in_a_pipeline_of_texts():
    words = {"ant": "hill antenna worker queen colony", "bee": "honey hive wax nectar queen"}
    rng = np.random.default_rng(0)
    truth = [name for name in words for _ in range(40)]
    texts = [" ".join(rng.choice(words[name].split(), 6)) for name in truth]
    y = [name if row % 10 == 0 else None for row, name in enumerate(truth)]
    model = make_pipeline(TfidfVectorizer(), SemiSupervisedClassifier()).fit(texts, y)
    assert (model[-1].transduction_ == truth).mean() > 0.95
    assert model.predict(["honey wax", "antenna hill"]).tolist() == ["bee", "ant"]
    assert model.score(texts, y) == 1.0


def test_search_and_cross_validation_over_partly_labelled_rows():
    X, truth_N = blobs(items=120, classes=3)
    y = some_labels(truth_N, 10)
    model = make_pipeline(StandardScaler(), SemiSupervisedClassifier())
    grid = {"semisupervisedclassifier__method": ["linear", "auto"], "semisupervisedclassifier__k": [5]}
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.9  # as a share of all rows it could not pass a quarter
    assert cross_val_score(SemiSupervisedClassifier(), X, y, cv=3).min() > 0.9
    assert (cross_val_predict(SemiSupervisedClassifier(), X, y, cv=3) == truth_N).mean() > 0.9
    named = np.where(y < 0, None, NAMES[y])
    assert (cross_val_predict(SemiSupervisedClassifier(), X, named, cv=3) == NAMES[truth_N]).mean() > 0.9


def test_score_is_over_labelled_rows():
    X, truth_N = blobs(items=60, classes=3)
    clf = SemiSupervisedClassifier().fit(X, NAMES[truth_N])
    y = NAMES[truth_N].astype(object)
    y[[0, 1]] = y[[1, 0]]  # two wrong answers
    y[10:] = None
    assert clf.score(X, y) == pytest.approx(0.8)
    assert clf.score(X, y, sample_weight=np.r_[0.0, 0.0, np.ones(58)]) == 1.0
    y[2] = "yak"
    assert clf.score(X, y) == pytest.approx(0.7)
    with pytest.raises(DataError, match="at least one labelled"):
        clf.score(X, np.full(60, -1))


def test_clones_keep_settings_and_nothing_else():
    X, truth_N = blobs(items=40)
    clf = SemiSupervisedClassifier("linear", k=7, random_state=3).fit(X, truth_N)
    other = clone(clf)
    assert other.get_params() == {"method": "linear", "k": 7, "random_state": 3}
    assert not hasattr(other, "classes_")
    assert clf.set_params(method="auto").fit(X, truth_N).chosen_method_ != "auto"


# --- queries ---------------------------------------------------------------------------------


def test_select_queries_covers_first_and_follows_probabilities_later():
    X, truth_N = blobs(items=90, classes=3, spread=0.5)
    cold = select_queries(X, np.full(90, -1), 3)
    assert sorted(truth_N[cold].tolist()) == [0, 1, 2]
    y = some_labels(truth_N, 5)
    proba = np.full((90, 3), [0.9, 0.05, 0.05])
    unsure = int(np.flatnonzero(y < 0)[4])
    proba[unsure] = [0.4, 0.39, 0.21]
    assert select_queries(X, y, 1, strategy="margin", proba=proba).tolist() == [unsure]


@pytest.mark.parametrize("strategy", QUERIES.names())
def test_every_strategy_serves(strategy):
    X, truth_N = blobs(items=60, classes=3)
    y = some_labels(truth_N, 4)
    for label_N in (np.full(60, -1), y):
        rows = select_queries(X, label_N, 5, strategy=strategy)
        assert len(set(rows.tolist())) == 5
        assert (label_N[rows] == -1).all()
    assert len(select_queries(X, y, 1000, strategy=strategy)) == 48
    assert len(select_queries(X, truth_N, 3, strategy=strategy)) == 0


def test_queries_refuse():
    X, truth_N = blobs(items=30)
    y = some_labels(truth_N, 2)
    for n in (-1, 2.0, True):
        with pytest.raises(ConfigError, match="n must be a whole number"):
            select_queries(X, y, n)
    with pytest.raises(UnknownNameError, match="magic"):
        select_queries(X, y, 1, strategy="magic")
    with pytest.raises(DataError, match="must be equal"):
        select_queries(X, y[:5], 1)
    with pytest.raises(DataError, match="NaN"):
        select_queries(np.where(X > 2, np.nan, X), y, 1)


@pytest.mark.parametrize("face", [lambda X, y, p: select_queries(X, y, 1, proba=p), find_label_issues])
def test_own_probabilities_are_checked(face):
    X, truth_N = blobs(items=30)
    even = np.full((30, 3), 1 / 3)
    for wrong, problem in (
        (even[:9], "shape"),
        (even * np.nan, "NaN"),
        (even * 2, "sum to 1"),
        (even[:, :2] * 1.5, "must be equal"),
        ([["a"]] * 30, "numbers"),
    ):
        with pytest.raises(DataError, match=problem):
            face(X, truth_N, wrong)


def test_own_probabilities_may_know_classes_without_a_label():
    X, truth_N = blobs(items=60, classes=4)
    proba = np.eye(4)[truth_N] * 0.8 + 0.05
    y = np.where(truth_N < 2, -1, truth_N)  # labels of classes 2 and 3 alone
    assert (y[select_queries(X, y, 4, proba=proba)] == -1).all()
    y[[2, 3]] = y[[3, 2]]  # the two first labelled rows, exchanged
    found = find_label_issues(X, y, proba)
    assert sorted(found.rows[:2].tolist()) == [2, 3]
    assert found.suggested[:2].tolist() == truth_N[found.rows[:2]].tolist()
    with pytest.raises(DataError, match="must be equal"):
        find_label_issues(X, np.where(y < 0, "", NAMES[y - 2]), proba)


# --- label issues ----------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
def test_find_label_issues_ranks_wrong_labels_first(own):
    X, truth_N = blobs(items=120, classes=3)
    y = truth_N.copy()
    bad = [4, 50, 77]
    y[bad] = (y[bad] + 1) % 3
    y[100:] = -1
    proba = np.eye(3)[truth_N] * 0.9 + 0.1 / 3 if own else None
    issues = find_label_issues(X, y, proba)
    rows, scores = issues
    assert sorted(rows[:3].tolist()) == bad
    assert sorted(rows.tolist()) == list(range(100))
    assert (np.diff(scores) <= 1e-12).all()
    held = rows[issues.flagged].tolist()  # no right label among them, and most of the wrong ones
    assert set(held) <= set(bad)
    assert len(held) >= 2
    assert issues.suggested[:3].tolist() == truth_N[rows[:3]].tolist()
    assert 0.01 < issues.noise_rate < 0.1


def test_few_labels_are_judged_by_the_labelled_rows_near_by():
    X, true = load_digits(return_X_y=True)
    rng = np.random.default_rng(1)
    labelled = rng.random(len(true)) < 0.1
    wrong = labelled & (rng.random(len(true)) < 0.1)
    y = np.where(labelled, np.where(wrong, (true + rng.integers(1, 10, len(true))) % 10, true), -1)
    issues = find_label_issues(X, y)
    assert wrong[issues.rows[: wrong.sum()]].mean() > 0.8
    held = issues.rows[issues.flagged]
    assert wrong[held].mean() > 0.8
    assert wrong[held].sum() > 0.7 * wrong.sum()


def test_nothing_to_doubt():
    X, truth_N = blobs(items=30)
    none = find_label_issues(X, np.full(30, -1))
    assert len(none.rows) == len(none.scores) == 0
    one = find_label_issues(X, np.where(truth_N == 1, "bee", ""))
    assert truth_N[one.rows].tolist() == [1] * 10
    assert not one.flagged.any()
    assert set(one.suggested.tolist()) == {"bee"}


# --- where they are --------------------------------------------------------------------------


def test_the_faces_are_where_they_are_promised_and_cost_nothing_until_used():
    assert sslcore.SemiSupervisedClassifier is SemiSupervisedClassifier
    assert set(sslcore.__all__) <= set(dir(sslcore))
    for name in sslcore.__all__:
        assert getattr(sslcore, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        sslcore.nonsense  # noqa: B018
    code = (
        "import sys, sslcore\n"
        "assert not {'numpy', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "sslcore.SemiSupervisedClassifier().fit([[0.0, 1], [1, 0], [1, 1]], [0, 1, -1])\n"
        "assert not {'torch', 'streamlit'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(sslcore.__file__).parents[1])


def test_the_page_about_it_runs():
    page = Path(sslcore.__file__).parents[1] / "docs" / "library.md"
    outcome = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 15
    assert outcome.failed == 0


def test_the_only_label_of_a_class_is_not_doubted():
    rng = np.random.default_rng(0)
    point_ND = np.concatenate([rng.normal(at, 1, (12, 4)) for at in (-4, 0, 4)])
    answer_N = np.repeat([0, 1, 2], 12)
    answer_N[25:] = -1  # of the last class one label is left
    found = find_label_issues(point_ND, answer_N)
    assert 24 not in found.rows
    assert len(found.rows) == 24
    one_each = np.where(np.arange(36) % 12 == 0, np.repeat([0, 1, 2], 12), -1)
    assert len(find_label_issues(point_ND, one_each).rows) == 0
