"""The library's scikit-learn face: one estimator, two functions, kept stable.

``SemiSupervisedClassifier`` follows scikit-learn's own semi-supervised estimators: ``y == -1`` marks an
unlabelled row (so do None, NaN, ``pandas.NA``, a blank text and the text "-1"), ``transduction_`` holds
the label given to every fitted row, ``predict`` works on new rows (``induction.py``). All three faces
take arrays, scipy sparse matrices and DataFrames, and answer alike whatever order the rows are in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sslcore.errors import ConfigError, DataError
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray
from sslcore.tabular import as_features, canonical_order, read_labels, read_rows, reduce_rows, same_length

_FLOATS = [np.float64, np.float32, np.float16]


class SemiSupervisedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier that learns from labelled and unlabelled rows together.

    Args:
        method: A name of :data:`sslcore.instant.INSTANT`; "auto" chooses by the labels at hand.
        k: Neighbours a row has in the graph, and neighbours that speak for a new row.
        random_state: Seed: a whole number, a ``numpy.random.RandomState``, or None for another each time.

    Attributes:
        classes_: Class values (C,), sorted; numbers or names as y has them.
        transduction_: Class value (N,) given to each fitted row; labelled rows keep their label.
        proba_: Probabilities (N, C), float32, of the fitted rows; labelled rows are certain.
        chosen_method_: The model that "auto" took, or ``method``.
        reason_: Why, in one sentence.
        result_: The :class:`~sslcore.instant.loop.InstantResult` behind it, with what each labelled row
            would be called without its own label (``out_of_fold_proba_LC``, rows ``labelled_row_L``).
        n_features_in_: Columns of X.
        feature_names_in_: Names of the columns (D,), where X was a DataFrame whose names are all texts.

    Notes:
        A class whose value is -1 cannot be told from "unlabelled": call it something else.
        scikit-learn's ``cross_val_predict(method="predict_proba")`` numbers the values of y anew before
        it calls ``fit``, -1 among them: use ``result_.out_of_fold_proba_LC`` instead.

    Source: Zhou et al. 2004 (spreading); Delalleau et al. 2005 (new rows); each model names its own.

    >>> from sklearn.datasets import load_digits
    >>> X, true = load_digits(return_X_y=True)
    >>> y = np.full(len(true), -1)
    >>> y[::30] = true[::30]
    >>> clf = SemiSupervisedClassifier().fit(X, y)
    >>> bool((clf.transduction_ == true).mean() > 0.9)
    True
    >>> clf.predict_proba(X[:3]).shape
    (3, 10)
    """

    def __init__(
        self, method: str = "auto", *, k: int = 15, random_state: int | np.random.RandomState | None = 0
    ) -> None:
        self.method = method
        self.k = k
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any) -> SemiSupervisedClassifier:
        """Learns from rows and the labels that some of them have.

        Args:
            X: Array, sparse matrix or DataFrame of shape (N, D), finite numbers.
            y: One value a row (N,): numbers or names; -1, None, NaN or a blank text for no label.

        Raises:
            DataError: No row has a label, lengths differ, or y is no column of classes.
            ConfigError: ``method`` is no text or ``k`` no whole number of at least 1.
            UnknownNameError: No such method.
            ValueError: X is not what scikit-learn takes: no numbers, NaN, no rows.
        """
        from sslcore.instant.loop import InstantLoop
        from sslcore.instant.view import View

        k = _whole(self.k, "SemiSupervisedClassifier.k", least=1)
        method = _text(self.method, "SemiSupervisedClassifier.method")
        X = validate_data(self, X, accept_sparse="csr", dtype=_FLOATS)
        if y is None:  # in scikit-learn's words, which its own checks look for
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        self.classes_, label_N = read_labels(y)
        same_length(X.shape[0], len(label_N))
        if len(self.classes_) == 0:
            raise DataError(
                "fit needs at least one labelled row. Received: none. Use select_queries for rows to label."
            )
        seed = _seed(self.random_state)
        order_N = canonical_order(X, label_N)
        feature_ND, self._direction_DV = reduce_rows(X, order_N, seed=seed)
        view = View.of("features", feature_ND, k=k, seed=seed)
        loop = InstantLoop([view], classes=len(self.classes_), seed=seed, model=method)
        ordered = loop.fit(label_N[order_N])
        self.result_ = _as_given(ordered, order_N)
        self.proba_ = self.result_.proba_NC
        self.transduction_ = self.classes_[self.result_.prediction_N]
        self.chosen_method_, self.reason_ = self.result_.method, self.result_.reason
        self._induction = _induction(view, ordered, k=k)
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities (M, C) of new rows, columns as ``classes_``; each row sums to 1.

        Args:
            X: Array, sparse matrix or DataFrame of shape (M, D), the columns that were fitted.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: Other columns than were fitted.
        """
        check_is_fitted(self, "result_")
        X = validate_data(self, X, accept_sparse="csr", dtype=_FLOATS, reset=False)
        return self._induction.predict_proba(as_features(X, self._direction_DV))

    def predict(self, X: Any) -> Any:
        """Most likely class value (M,) of each new row; input and errors as :meth:`predict_proba`.

        Of fitted rows it may differ from ``transduction_``: here a row is one more neighbour, nothing else.
        """
        proba_MC = self.predict_proba(X)
        return self.classes_[proba_MC.argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy, 0 … 1, over the rows of X that have a label in y; the others are left out.

        Cross-validation over partly labelled rows (``cross_val_score``, ``GridSearchCV``) is sound with
        this score, which is their default; ``scoring="accuracy"`` would count unlabelled rows as wrong.

        Args:
            X: As in :meth:`predict`.
            y: One value a row (M,), as in :meth:`fit`.
            sample_weight: One weight a row (M,).

        Raises:
            DataError: No row has a label, or lengths differ.
        """
        proba_MC = self.predict_proba(X)
        classes, label_M = read_labels(y)
        same_length(len(proba_MC), len(label_M))
        if len(classes) == 0:
            raise DataError("score needs at least one labelled row. Received: none.")
        place = {value: at for at, value in enumerate(self.classes_.tolist())}
        # a class that was not there to be learnt is never predicted: -1 equals no column
        known_C = np.array([place.get(value, -1) for value in classes.tolist()])
        row_L = np.flatnonzero(label_M != UNLABELLED)
        hit_L = proba_MC[row_L].argmax(axis=1) == known_C[label_M[row_L]]
        weight_L = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)[row_L]
        return float(np.average(hit_L, weights=weight_L))


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """Labelled rows by how wrong their label looks, worst first. Unpacks as ``rows, scores``.

    Attributes:
        rows: Rows of X (L,), every labelled one.
        scores: How wrong each looks, 0 … 1: the probability that the label is wrong.
        suggested: Class value (L,) that fits better, or the given one.
        flagged: Whether the label is held to be wrong (L,).
        noise_rate: Estimated share of wrong labels.
    """

    rows: IntArray
    scores: FloatArray
    suggested: Any
    flagged: BoolArray
    noise_rate: float

    def __iter__(self) -> Iterator[Any]:
        return iter((self.rows, self.scores))

    def __getitem__(self, at: int) -> Any:
        return (self.rows, self.scores)[at]

    def __len__(self) -> int:
        return 2


def select_queries(
    X: Any,
    y: Any,
    n: int,
    *,
    strategy: str = "auto",
    proba: FloatArray | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> IntArray:
    """The rows to label next, most wanted first.

    Args:
        X: Features (N, D), one row an item; array, sparse matrix or DataFrame, finite numbers.
        y: Labels so far (N,): -1, None, NaN or a blank text for none. None of them needs a label.
        n: How many rows; fewer come back where fewer are unlabelled.
        strategy: A name of :data:`sslcore.queries.QUERIES`.
        proba: Class probabilities (N, C) of your own model, columns in the order of the sorted class
            values of y; where y holds whole numbers 0 … C − 1, column c is class c, seen yet or not.
            Without it ours are computed as soon as two classes have labels.
        random_state: Seed, as in :class:`SemiSupervisedClassifier`.

    Returns:
        Distinct unlabelled rows of X, int64.

    Raises:
        DataError: X, y or proba of other shapes, or no finite numbers.
        ConfigError: ``n`` is no whole number of at least 0.
        UnknownNameError: No such strategy.

    Source: each strategy names its own; "auto": Hacohen et al. 2022, Bae et al. 2025.

    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-3, 1, (20, 4)), rng.normal(3, 1, (20, 4))])
    >>> rows = select_queries(X, np.full(40, -1), 2)
    >>> sorted(int(row) // 20 for row in rows)  # one from each cluster
    [0, 1]
    """
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View
    from sslcore.queries import QUERIES, Pool

    n = _whole(n, "select_queries n", least=0)
    query = QUERIES[_text(strategy, "select_queries strategy")].value
    X = read_rows(X)
    classes, label_N = read_labels(y)
    same_length(X.shape[0], len(label_N))
    width = len(classes)
    if proba is not None:
        proba, label_N = _own_proba(proba, classes, label_N)
        width = proba.shape[1]
    seed = _seed(random_state)
    order_N = canonical_order(X, label_N)
    feature_ND, _ = reduce_rows(X, order_N, seed=seed)
    label_N = label_N[order_N]
    view = View.of("features", feature_ND, seed=seed)
    if proba is not None:
        proba_NC: FloatArray | None = proba[order_N]
    elif width > 1:
        proba_NC = InstantLoop([view], classes=width, seed=seed).fit(label_N).proba_NC
    else:
        proba_NC = None
    pool = Pool(feature_ND, label_N, np.flatnonzero(label_N == UNLABELLED), proba_NC, view.knn, classes=width)
    return np.asarray(order_N[query(pool, n, rng=np.random.default_rng(seed)).row_Q])


def find_label_issues(X: Any, y: Any, proba: FloatArray | None = None) -> LabelIssues:
    """Labelled rows whose label looks wrong, worst first, and how wrong each looks.

    Judged by probabilities that did not see the row's own label, and by the labels of the 15 labelled rows
    nearest to it. Unlabelled rows help to judge and are not listed, nor is the only label of a class: without
    it no model could name that class.

    Args:
        X: Features (N, D), one row an item; array, sparse matrix or DataFrame, finite numbers.
        y: Labels (N,): -1, None, NaN or a blank text for none.
        proba: Probabilities (N, C) of your own model, made without each row's own label; columns as in
            :func:`select_queries`. Without it ours are computed.

    Returns:
        A :class:`LabelIssues`; with fewer than two classes among the labels nothing is doubted.

    Raises:
        DataError: X, y or proba of other shapes, or no finite numbers.

    Source: Northcutt, Jiang & Chuang 2021, with neighbours (``sslcore.quality.label_issues``).

    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-3, 1, (20, 4)), rng.normal(3, 1, (20, 4))])
    >>> y = np.repeat(["cat", "dog"], 20)
    >>> y[7] = "dog"
    >>> issues = find_label_issues(X, y)
    >>> int(issues.rows[0]), str(issues.suggested[0]), issues.rows[issues.flagged].tolist()
    (7, 'cat', [7])
    >>> rows, scores = issues
    """
    from sslcore.graph.knn import knn_graph
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View
    from sslcore.quality.label_issues import label_issues, neighbour_vote

    X = read_rows(X)
    classes, label_N = read_labels(y)
    same_length(X.shape[0], len(label_N))
    if len(classes) < 2:
        rows = np.flatnonzero(label_N != UNLABELLED)
        return LabelIssues(
            rows, np.zeros(len(rows)), classes[label_N[rows]], np.zeros(len(rows), dtype=bool), 0.0
        )
    value_C = classes
    if proba is not None:
        proba, label_N = _own_proba(proba, classes, label_N)
        value_C = np.arange(proba.shape[1]) if proba.shape[1] > len(classes) else classes
    order_N = canonical_order(X, label_N)
    feature_ND, _ = reduce_rows(X, order_N, seed=0)
    label_N = label_N[order_N]
    row_L = np.flatnonzero(label_N != UNLABELLED)
    if proba is None:
        result = InstantLoop([View.of("features", feature_ND)], classes=len(classes)).fit(label_N)
        left_out_LC, row_L = result.out_of_fold_proba_LC[result.evidence_L], row_L[result.evidence_L]
    else:
        left_out_LC = proba[order_N[row_L]]
    if not len(row_L):
        return LabelIssues(row_L, np.zeros(0), value_C[row_L], np.zeros(0, dtype=bool), 0.0)
    near = knn_graph(feature_ND[row_L])  # among labelled rows alone: the others have no vote
    vote_LC = neighbour_vote(
        near.neighbour_NK, near.similarity_NK, label_N[row_L], classes=left_out_LC.shape[1]
    )
    found = label_issues(left_out_LC, label_N[row_L], vote_LC=vote_LC)
    return LabelIssues(
        order_N[row_L[found.row_ranked]],
        np.asarray(found.score),
        value_C[found.suggested],
        found.flagged,
        found.noise_rate,
    )


def _whole(value: Any, name: str, *, least: int) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}. Received: {value!r}.")
    return int(value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a text. Received: {value!r} ({type(value).__name__}).")
    return value


def _seed(random_state: Any) -> int:
    """A whole number stays itself; a generator gives its next one."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return _whole(random_state, "random_state", least=0)
    from sklearn.utils import check_random_state

    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise ConfigError(
            f"random_state must be a whole number, None or a numpy.random.RandomState. "
            f"Received: {random_state!r}."
        ) from error


def _own_proba(proba: Any, classes: Any, label_N: IntArray) -> tuple[FloatArray, IntArray]:
    """The user's probabilities, checked, and the labels numbered as their columns are."""
    proba_NC = np.asarray(proba)
    rows = len(label_N)
    if proba_NC.ndim != 2 or len(proba_NC) != rows or proba_NC.dtype.kind not in "fiu":
        raise DataError(
            f"proba must be numbers of shape ({rows}, classes). Received: shape {proba_NC.shape}, "
            f"type {proba_NC.dtype}."
        )
    if not np.isfinite(proba_NC).all() or proba_NC.min(initial=0.0) < 0:
        raise DataError("proba must hold probabilities. Received: a value that is negative, NaN or infinite.")
    total_N = proba_NC.sum(axis=1, dtype=np.float64)
    if np.abs(total_N - 1.0).max(initial=0.0) > 0.01:
        far = int(np.abs(total_N - 1.0).argmax())
        raise DataError(
            f"Each row of proba must sum to 1. Received: {total_N[far]:.3g} in row {far}. Is it a softmax?"
        )
    columns = proba_NC.shape[1]
    if columns == len(classes) or len(classes) == 0:
        return proba_NC, label_N
    numbered = classes.dtype.kind in "iuf" and classes.min() >= 0 and classes.max() < columns
    if not numbered:
        raise DataError(
            f"proba has {columns} columns, and y has {len(classes)} classes: they must be equal. For classes "
            "without a label yet, number the classes 0 … C − 1 in y as the columns are."
        )
    known_N = label_N != UNLABELLED
    label_N = label_N.copy()
    label_N[known_N] = classes[label_N[known_N]]
    return proba_NC, label_N


def _as_given(ordered: Any, order_N: IntArray) -> Any:
    """A fit's result with its rows in the order they came in."""
    back_N = np.empty_like(order_N)
    back_N[order_N] = np.arange(len(order_N))
    row_L = order_N[ordered.labelled_row_L]
    sorted_L = np.argsort(row_L)
    return replace(
        ordered,
        proba_NC=ordered.proba_NC[back_N],
        label_N=ordered.label_N[back_N],
        head_proba_NC=ordered.head_proba_NC[back_N],
        out_of_fold_proba_LC=ordered.out_of_fold_proba_LC[sorted_L],
        labelled_row_L=row_L[sorted_L],
        evidence_L=ordered.evidence_L[sorted_L],
    )


def _induction(view: Any, result: Any, *, k: int) -> Any:
    """What answers for new rows: the head where that is the model, else the nearest fitted rows."""
    from sslcore.induction import Head, Neighbourhood
    from sslcore.instant.linear import LinearHead
    from sslcore.instant.model import Known

    row_L, classes = result.labelled_row_L, result.proba_NC.shape[1]
    if result.method == "linear" and classes > 1:
        head = LinearHead()
        power = np.float32(
            dict(head.fit([view], Known(row_L, result.label_N[row_L], classes)).weights)["linear"]
        )
        if head.coef_DC is not None and head.bias_C is not None:
            return Head.of(view, head.coef_DC * power, head.bias_C * power)
    return Neighbourhood.of(view.feature_ND, result.proba_NC, k=k)
