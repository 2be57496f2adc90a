"""The library's scikit-learn face: one estimator, two functions, kept stable.

``SemiSupervisedClassifier`` follows scikit-learn's own semi-supervised estimators: ``y == -1`` marks an
unlabelled row, ``transduction_`` holds the label given to every training row, ``predict`` works on new
rows. With class names, an unlabelled row is ``-1``, ``"-1"``, ``None`` or NaN. New rows are predicted
from the training rows nearest to them (Delalleau, Bengio & Le Roux 2005, "Efficient Non-Parametric
Function Induction in Semi-Supervised Learning"), or by the linear head where that was chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sslcore.errors import ConfigError, DataError
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray

_SPARSE_DIMENSIONS = 256
_SHARP = 4.0  # as in graph/affinity.py: the same scale-free weights, seen from a new row
_BLOCK = 4_096


class SemiSupervisedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier that learns from labelled and unlabelled rows together.

    Args:
        method: A name of :data:`sslcore.instant.INSTANT`; "auto" chooses by the labels at hand.
        k: Neighbours a row has in the graph.
        random_state: Seed.

    Attributes:
        classes_: Class values, sorted.
        transduction_: Class value given to each training row.
        proba_: Probabilities (rows, classes) of the training rows.
        chosen_method_: The model that "auto" took, or ``method``.
        reason_: Why, in one sentence.
        result_: The :class:`~sslcore.instant.loop.InstantResult` behind it.
        n_features_in_: Columns of X.

    Raises:
        DataError: No row has a label.
        UnknownNameError: No such method.

    >>> from sklearn.datasets import load_digits
    >>> X, true = load_digits(return_X_y=True)
    >>> y = np.full(len(true), -1)
    >>> y[::30] = true[::30]
    >>> clf = SemiSupervisedClassifier(random_state=0).fit(X, y)
    >>> bool((clf.transduction_ == true).mean() > 0.9)
    True
    """

    def __init__(self, method: str = "auto", *, k: int = 15, random_state: int | None = 0) -> None:
        self.method = method
        self.k = k
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any) -> SemiSupervisedClassifier:
        """Learns from rows X and their labels y, -1 where there is none.

        Args:
            X: Array, sparse matrix or DataFrame of shape (rows, features).
            y: One value a row.
        """
        from sslcore.instant.loop import InstantLoop
        from sslcore.instant.view import View

        if not isinstance(self.k, int | np.integer) or self.k < 1:
            raise ConfigError(
                f"SemiSupervisedClassifier.k must be a whole number of at least 1. Received: {self.k!r}."
            )
        X = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32, np.float16])
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        value_N = _column(y)
        if len(value_N) != X.shape[0]:
            raise DataError(f"fit needs one label a row ({X.shape[0]}). Received: {len(value_N)}.")
        self.classes_, label_N = encode_labels(value_N)
        if len(self.classes_) == 0:
            raise DataError(
                "fit needs at least one labelled row. Received: none. Use select_queries for rows to label."
            )
        feature_ND = self._dense(X, fit=True)
        view = View.of("features", feature_ND, k=int(self.k), seed=int(self.random_state or 0))
        loop = InstantLoop(
            [view], classes=len(self.classes_), seed=int(self.random_state or 0), model=self.method
        )
        self.result_ = loop.fit(label_N)
        self.view_ = view
        self.proba_ = self.result_.proba_NC
        self.transduction_ = self.classes_[self.result_.prediction_N]
        self.chosen_method_, self.reason_ = self.result_.method, self.result_.reason
        self._head = _head_of(view, label_N, len(self.classes_)) if self.chosen_method_ == "linear" else None
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities of shape (rows, classes) for new rows."""
        check_is_fitted(self, "result_")
        X = validate_data(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32, np.float16], reset=False
        )
        feature_MD = self._dense(X, fit=False)
        if self._head is not None:
            return _by_head(self.view_.project(feature_MD), *self._head)
        return _by_neighbours(self.view_.feature_ND, self.proba_, feature_MD, k=int(self.k))

    def predict(self, X: Any) -> Any:
        """Most likely class value of each new row."""
        proba_MC = self.predict_proba(X)
        return self.classes_[proba_MC.argmax(axis=1)]

    def _dense(self, X: Any, *, fit: bool) -> FloatArray:
        """Sparse rows (TF-IDF, one-hot) become their leading components; dense ones stay."""
        from scipy import sparse

        if fit:
            self._svd = None
            if sparse.issparse(X) and X.shape[1] > _SPARSE_DIMENSIONS:
                from sklearn.decomposition import TruncatedSVD

                width = max(1, min(_SPARSE_DIMENSIONS, X.shape[0] - 1))
                self._svd = TruncatedSVD(width, random_state=self.random_state).fit(X)
        if self._svd is not None:
            X = self._svd.transform(X)
        return np.ascontiguousarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float32)


def select_queries(
    X: Any,
    y: Any,
    n: int,
    *,
    strategy: str = "auto",
    proba: FloatArray | None = None,
    random_state: int = 0,
) -> IntArray:
    """The rows to label next, most wanted first.

    Args:
        X: Features, one row an item; array, sparse matrix or DataFrame.
        y: Labels so far, -1 (or None, NaN) for none.
        n: How many rows; fewer come back where fewer are unlabelled.
        strategy: A name of :data:`sslcore.queries.QUERIES`.
        proba: Class probabilities of your own model; otherwise ours are computed where labels allow.
        random_state: Seed.

    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-3, 1, (20, 4)), rng.normal(3, 1, (20, 4))])
    >>> rows = select_queries(X, np.full(40, -1), 2)
    >>> sorted(int(row) // 20 for row in rows)  # one from each cluster
    [0, 1]
    """
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View
    from sslcore.queries import QUERIES, Pool

    feature_ND = _features(X)
    classes, label_N = encode_labels(_column(y))
    _same_length(feature_ND, label_N)
    entry = QUERIES[strategy]
    view = View.of("features", feature_ND, seed=random_state)
    if proba is None and len(classes) > 1:
        proba = InstantLoop([view], classes=len(classes), seed=random_state).fit(label_N).proba_NC
    pool = Pool(
        feature_ND,
        label_N,
        np.flatnonzero(label_N == UNLABELLED),
        proba_NC=None if proba is None else np.asarray(proba),
        knn=view.knn,
    )
    chosen = entry.value(pool, n, rng=np.random.default_rng(random_state))
    return np.asarray(chosen.row_Q)


def find_label_issues(X: Any, y: Any, proba: FloatArray | None = None) -> tuple[IntArray, FloatArray]:
    """Labelled rows whose label looks wrong, worst first, and how wrong each looks.

    Args:
        X: Features, one row an item; array, sparse matrix or DataFrame.
        y: Labels, -1 (or None, NaN) for none.
        proba: Probabilities of your own model, made without each row's own label (rows of X × sorted
            classes of y); otherwise ours are computed.

    Returns:
        ``(rows, scores)``: labelled rows ranked, and scores in [0, 1].

    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-3, 1, (20, 4)), rng.normal(3, 1, (20, 4))])
    >>> y = np.repeat([0, 1], 20)
    >>> y[7] = 1
    >>> rows, scores = find_label_issues(X, y)
    >>> int(rows[0])
    7
    """
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View
    from sslcore.quality.label_issues import label_issues, neighbour_vote

    feature_ND = _features(X)
    classes, label_N = encode_labels(_column(y))
    _same_length(feature_ND, label_N)
    row_L = np.flatnonzero(label_N != UNLABELLED)
    if len(classes) < 2:
        return row_L, np.zeros(len(row_L))
    view = View.of("features", feature_ND)
    if proba is None:
        result = InstantLoop([view], classes=len(classes)).fit(label_N)
        out_of_fold_proba_LC = result.out_of_fold_proba_LC
    else:
        out_of_fold_proba_LC = np.asarray(proba)[row_L]
    vote_LC = None
    if view.knn is not None and view.knn.k:
        vote_LC = neighbour_vote(view.knn.neighbour_NK[row_L], view.knn.similarity_NK[row_L], label_N)
        if vote_LC.shape[1] != len(classes):
            vote_LC = None
    issues = label_issues(out_of_fold_proba_LC, label_N[row_L], vote_LC=vote_LC)
    return row_L[issues.row_ranked], np.asarray(issues.score)


def encode_labels(value_N: Any) -> tuple[Any, IntArray]:
    """Sorted class values, and each row's class by index, -1 where it has none.

    >>> encode_labels(np.array(["cat", None, "ant", -1], dtype=object))
    (array(['ant', 'cat'], dtype='<U3'), array([ 1, -1,  0, -1]))
    >>> encode_labels(np.array([3, -1, 5]))
    (array([3, 5]), array([ 0, -1,  1]))
    """
    has_N = ~_missing(value_N)
    label_N = np.full(len(value_N), UNLABELLED, np.int64)
    if not has_N.any():
        return np.zeros(0, np.int64), label_N
    given_L = value_N[has_N]
    if given_L.dtype == object:
        # names from mixed columns become plain arrays, so that sorting and comparing are defined
        given_L = np.array([str(value) for value in given_L]) if _names(given_L) else np.array(list(given_L))
    check_classification_targets(given_L)
    classes, label_N[has_N] = np.unique(given_L, return_inverse=True)
    return classes, label_N


def _names(value_L: Any) -> bool:
    return any(isinstance(value, str) for value in value_L)


def _missing(value_N: Any) -> BoolArray:
    if value_N.dtype.kind == "f":
        if np.isinf(value_N).any():
            raise DataError("Input y contains infinity. Labels are class values, -1 or NaN for none.")
        return np.asarray(np.isnan(value_N) | (value_N == UNLABELLED))
    if value_N.dtype.kind in "iu":
        return np.asarray(value_N == UNLABELLED)
    return np.array(
        [value is None or value != value or value == UNLABELLED or value == "-1" for value in value_N], bool
    )


def _column(y: Any) -> Any:
    value_N = np.asarray(y)
    if value_N.ndim == 2 and value_N.shape[1] == 1:
        import warnings

        from sklearn.exceptions import DataConversionWarning

        warnings.warn(
            "A column-vector y was passed when a 1d array was expected.", DataConversionWarning, stacklevel=3
        )
        value_N = value_N.ravel()
    if value_N.ndim != 1:
        raise DataError(f"Labels must be one value a row. Received: an array of shape {value_N.shape}.")
    return value_N


def _features(X: Any) -> FloatArray:
    from scipy import sparse

    if sparse.issparse(X):
        if X.shape[1] > _SPARSE_DIMENSIONS:
            from sklearn.decomposition import TruncatedSVD

            width = max(1, min(_SPARSE_DIMENSIONS, X.shape[0] - 1))
            return np.asarray(TruncatedSVD(width, random_state=0).fit_transform(X), dtype=np.float32)
        X = X.toarray()
    feature_ND = np.asarray(X)
    if feature_ND.ndim != 2 or feature_ND.dtype.kind not in "fiub":
        raise DataError(
            f"X must be numbers of shape (rows, features). Received: shape {feature_ND.shape}, "
            f"type {feature_ND.dtype}. Encode texts and images first."
        )
    return feature_ND if feature_ND.dtype.kind == "f" else feature_ND.astype(np.float32)


def _same_length(feature_ND: FloatArray, label_N: IntArray) -> None:
    if len(feature_ND) != len(label_N):
        raise DataError(f"X has {len(feature_ND)} rows and y has {len(label_N)}: they must be equal.")


def _head_of(view: Any, label_N: IntArray, classes: int) -> tuple[FloatArray, FloatArray] | None:
    """Coefficients of the calibrated head on all labels."""
    from sslcore.instant.linear import LinearHead
    from sslcore.instant.model import Known

    row_L = np.flatnonzero(label_N != UNLABELLED)
    head = LinearHead()
    if classes < 2:
        return None
    power = dict(head.fit([view], Known(row_L, label_N[row_L], classes)).weights)["linear"]
    if head.coef_DC is None or head.bias_C is None:
        return None
    return head.coef_DC * np.float32(power), head.bias_C * np.float32(power)


def _by_head(feature_MD: FloatArray, coef_DC: FloatArray, bias_C: FloatArray) -> FloatArray:
    from sslcore.instant.model import log_softmax

    return np.asarray(np.exp(log_softmax(feature_MD @ coef_DC + bias_C)))


def _by_neighbours(
    feature_ND: FloatArray, proba_NC: FloatArray, feature_MD: FloatArray, *, k: int
) -> FloatArray:
    """``Σ_j w(x, x_j) p_j / Σ_j w(x, x_j)`` over the k training rows nearest to each new row."""
    from sslcore.graph.knn import nearest

    out_MC = np.empty((len(feature_MD), proba_NC.shape[1]))
    for start in range(0, len(feature_MD), _BLOCK):
        near_BK, cosine_BK = nearest(feature_ND, feature_MD[start : start + _BLOCK], k=k)
        square_BK = np.maximum(2.0 - 2.0 * cosine_BK.astype(np.float64), 0.0)
        weight_BK = np.exp(-_SHARP * square_BK / np.maximum(square_BK[:, -1:], 1e-6))
        weight_BK /= weight_BK.sum(axis=1, keepdims=True)
        out_MC[start : start + _BLOCK] = np.einsum("bk,bkc->bc", weight_BK, proba_NC[near_BK])
    return out_MC / out_MC.sum(axis=1, keepdims=True)
