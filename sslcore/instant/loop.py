"""The instant loop: labels in, everything known about every item out, in a fraction of a second.

Holds one model warm between labels (:data:`~sslcore.instant.INSTANT`), numbers the classes that have
labels, calibrates on answers that did not see their label (temperature, Guo et al. 2017), and puts back
what a model does not know of: classes without a label, answers a person has ruled out, and labels
themselves, which are facts. A class without a label gets the share 1/(n + C) of Laplace's rule of
succession: after five labels it is still likely, after five hundred it is not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sslcore.errors import DataError
from sslcore.graph.groups import labelled_groups
from sslcore.instant import INSTANT
from sslcore.instant.linear import LinearHead
from sslcore.instant.model import Guess, Known
from sslcore.instant.view import View, check_views
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray

MOST_ENTRIES = 1_000_000_000
"""Items × classes beyond which no table of probabilities is made (4 GB)."""


@dataclass(frozen=True, eq=False)
class InstantResult:
    """All that one fit says.

    Args:
        proba_NC: Calibrated probabilities, float32; labelled rows are certain of their label.
        label_N: The labels it saw, -1 for none.
        method: Name of the chosen model.
        reason: One sentence for the user: what was chosen, and why.
        score: Share of left-out labels each candidate got right. Rough: labels at hand, no audit.
        temperature: What the left-out probabilities were divided by, as logits.
        head_proba_NC: The supervised linear head's probabilities, for comparison.
        out_of_fold_proba_LC: For labelled rows, said without their own label.
        labelled_row_L: Which rows these are, ascending.
        evidence_L: Of these rows those on which left-out answers may be judged: their class had another
            label, without which no model could have named it, and the label is no echo of a model.
        seconds: Time the fit took.
        weights: What was weighed against what.
    """

    proba_NC: FloatArray
    label_N: IntArray
    method: str
    reason: str
    score: Mapping[str, float]
    temperature: float
    head_proba_NC: FloatArray
    out_of_fold_proba_LC: FloatArray
    labelled_row_L: IntArray
    evidence_L: BoolArray
    seconds: float
    weights: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def prediction_N(self) -> IntArray:
        """Most likely class."""
        return np.asarray(self.proba_NC.argmax(axis=1))

    @cached_property
    def confidence_N(self) -> FloatArray:
        """Probability of the most likely class."""
        return np.asarray(self.proba_NC.max(axis=1))

    @cached_property
    def margin_N(self) -> FloatArray:
        """Most likely minus second most likely, in [0, 1]; small is uncertain."""
        if self.proba_NC.shape[1] < 2:
            return np.ones(len(self.proba_NC), np.float32)
        # the second is found by masking the first: many times faster than a partial sort of each row
        rest_NC = self.proba_NC.copy()
        np.put_along_axis(rest_NC, self.prediction_N[:, None], -1.0, axis=1)
        return np.asarray(self.confidence_N - rest_NC.max(axis=1))

    @cached_property
    def entropy_N(self) -> FloatArray:
        """Shannon entropy in nats."""
        return -(self.proba_NC * np.log(np.maximum(self.proba_NC, 1e-12))).sum(axis=1)


class InstantLoop:
    """Frozen features of a project, and a model kept warm on them.

    Args:
        views: One or more feature views of the same items; models of one view use the first.
        classes: Number of classes of the task, labelled or not.
        seed: Reserved for models that draw; those here do not.
        model: A name of :data:`~sslcore.instant.INSTANT`.

    Raises:
        DataError: No view, views of different length, or a table too large to make.
        UnknownNameError: No such model.

    >>> rng = np.random.default_rng(0)
    >>> blobs_ND = np.concatenate([rng.normal(-2, 1, (30, 5)), rng.normal(2, 1, (30, 5))])
    >>> loop = InstantLoop([View.of("toy", blobs_ND)], classes=2)
    >>> label_N = np.full(60, -1)
    >>> label_N[[0, 1, 58, 59]] = [0, 0, 1, 1]
    >>> result = loop.fit(label_N)
    >>> bool((result.prediction_N == np.repeat([0, 1], 30)).all())
    True
    """

    def __init__(self, views: Sequence[View], *, classes: int, seed: int = 0, model: str = "auto") -> None:
        check_views("InstantLoop", views, classes, most=MOST_ENTRIES)
        self.views, self.classes, self.seed, self.model_name = list(views), classes, seed, model
        entry = INSTANT[model]
        self._model = entry.value(entry.config())
        self._head = LinearHead()
        self._turn: dict[int, tuple[int, int]] = {}  # row: its class, and which label of it this was
        self._order: list[int] = []  # classes with labels, in order of arrival

    def fit(
        self,
        label_N: IntArray,
        *,
        rejected: Sequence[tuple[int, int]] = (),
        groups: IntArray | None = None,
        echo_N: BoolArray | None = None,
    ) -> InstantResult:
        """Fits on the labels at hand, warm from the previous fit.

        Args:
            label_N: Classes by index, -1 for none.
            rejected: (row, class) pairs that a person said it is not.
            groups: A group number for each item: items of one group are left out together when
                predictions without an item's own label are made. By default near-duplicates are a group
                (:attr:`~sslcore.instant.view.View.group_N` of the first view): they would vouch for each
                other.
            echo_N: Labels that a model gave and a person merely accepted. They are learned from, but
                nothing is weighed, calibrated or judged by them: they agree with their model anyway.

        Raises:
            DataError: A wrong length, or a class or row that there is not.
        """
        started = time.perf_counter()
        label_N = self._checked(label_N)
        not_NC = self._ruled_out(rejected, label_N)
        taught_N = self._with_implied(label_N, not_NC)
        row_L = np.flatnonzero(taught_N != UNLABELLED)
        echo_L = None if echo_N is None else self._per_item("echo_N", echo_N)[row_L].astype(bool)
        known = self._known(taught_N, row_L, groups, echo_L)
        if known.classes < 2:
            guess = self._trivial(known)
        else:
            guess = self._model.fit(self.views, known)
        evidence_L = known.evidence(guess.judged_L)
        temperature, score = self._judged(guess, known, evidence_L)
        unit = np.float32(1.0 / temperature)
        proba_NC = self._expanded(guess.log_NC * unit, len(row_L))
        head_proba_NC = self._expanded(self._head_logs(guess, known), len(row_L))
        out_LC = self._expanded(guess.left_out_LC.astype(np.float32) * unit, len(row_L))
        for proba in (proba_NC, head_proba_NC):
            _apply_facts(proba, label_N, not_NC)
        seen_L = label_N[row_L] != UNLABELLED
        return InstantResult(
            proba_NC=proba_NC,
            label_N=label_N,
            method=self.model_name if self.model_name != "auto" else _method(guess),
            reason=guess.reason,
            score=score,
            temperature=temperature,
            head_proba_NC=head_proba_NC,
            out_of_fold_proba_LC=out_LC[seen_L],
            labelled_row_L=row_L[seen_L],
            evidence_L=evidence_L[seen_L],
            seconds=time.perf_counter() - started,
            weights=dict(guess.weights),
        )

    def _checked(self, label_N: IntArray) -> IntArray:
        label_N = np.array(label_N, dtype=np.int64)  # a copy: the result keeps what it saw
        items = len(self.views[0])
        if label_N.shape != (items,):
            raise DataError(
                f"fit needs one label for each of {items} items. Received: shape {label_N.shape}."
            )
        if label_N.size and (label_N.min() < UNLABELLED or label_N.max() >= self.classes):
            raise DataError(
                f"fit needs labels in 0…{self.classes - 1}, or -1 for none. "
                f"Received: {label_N.min()}…{label_N.max()}."
            )
        return label_N

    def _ruled_out(self, rejected: Sequence[tuple[int, int]], label_N: IntArray) -> dict[int, set[int]]:
        ruled: dict[int, set[int]] = {}
        for row, label in rejected:
            if not (0 <= row < len(label_N) and 0 <= label < self.classes):
                raise DataError(
                    f"rejected must name rows below {len(label_N)} and classes below {self.classes}. "
                    f"Received: ({row}, {label})."
                )
            ruled.setdefault(int(row), set()).add(int(label))
        # an item that is none of the classes tells nothing about which of them it is
        return {row: labels for row, labels in ruled.items() if len(labels) < self.classes}

    def _with_implied(self, label_N: IntArray, ruled: Mapping[int, set[int]]) -> IntArray:
        """Not all but one is that one: with two classes every rejection teaches."""
        taught_N = label_N.copy()
        for row, labels in ruled.items():
            if label_N[row] == UNLABELLED and len(labels) == self.classes - 1:
                taught_N[row] = next(iter(set(range(self.classes)) - labels))
        return taught_N

    def _per_item(self, name: str, given_N: Any) -> Any:
        if np.shape(given_N) != (len(self.views[0]),):
            raise DataError(
                f"{name} must have one value for each of {len(self.views[0])} items. "
                f"Received: shape {np.shape(given_N)}."
            )
        return np.asarray(given_N)

    def _known(
        self,
        taught_N: IntArray,
        row_L: IntArray,
        groups: IntArray | None = None,
        echo_L: BoolArray | None = None,
    ) -> Known:
        present = np.unique(taught_N[row_L]).tolist()
        if not set(self._order) <= set(present):
            self._order = [label for label in self._order if label in set(present)]
        held = set(self._order)
        # columns keep their place when a class gets its first label, so warm starts stay valid
        self._order += [label for label in present if label not in held]
        place_C = np.full(self.classes, -1)
        place_C[self._order] = np.arange(len(self._order))
        group_N = self.views[0].group_N if groups is None else self._per_item("groups", groups)
        group_L = labelled_groups(group_N, row_L)
        turn_L = self._turns(taught_N, row_L)
        return Known(row_L, place_C[taught_N[row_L]], len(self._order), group_L, turn_L, echo_L)

    def _turns(self, taught_N: IntArray, row_L: IntArray) -> IntArray:
        """The place of each label among those of its class, kept while the label stays."""
        before = self._turn
        self._turn = {row: (label, -1) for row, label in zip(row_L.tolist(), taught_N[row_L].tolist())}
        last: dict[int, int] = {}
        for row, (label, _) in self._turn.items():
            held, turn = before.get(row, (-1, -1))
            if held == label:
                self._turn[row] = (label, turn)
                last[label] = max(last.get(label, -1), turn)
        for row, (label, turn) in self._turn.items():
            if turn < 0:
                last[label] = last.get(label, -1) + 1
                self._turn[row] = (label, last[label])
        return np.array([turn for _, turn in self._turn.values()], np.int64)

    def _trivial(self, known: Known) -> Guess:
        reason = (
            "No labels yet: every class is as likely." if known.classes == 0 else "Only one class has labels."
        )
        items, labelled = len(self.views[0]), len(known.row_L)
        return Guess(
            np.zeros((items, known.classes), np.float32),
            np.zeros((labelled, known.classes), np.float32),
            np.zeros(labelled, bool),
            reason,
            head_NC=np.zeros((items, known.classes), np.float32),
        )

    def _judged(self, guess: Guess, known: Known, evidence_L: BoolArray) -> tuple[float, dict[str, float]]:
        if not evidence_L.any():
            return 1.0, {}
        from sslcore.quality.calibration import fit_temperature

        label_J = known.label_L[evidence_L]
        temperature = fit_temperature(np.exp(guess.left_out_LC[evidence_L]), label_J)
        parts = dict(guess.parts) or {self.model_name: guess.left_out_LC}
        score = {
            name: float((left_out_LC[evidence_L].argmax(axis=1) == label_J).mean())
            for name, left_out_LC in parts.items()
        }
        return temperature, score

    def _head_logs(self, guess: Guess, known: Known) -> FloatArray:
        if guess.head_NC is not None:
            return guess.head_NC
        return guess.log_NC if self.model_name == "linear" else self._head.fit(self.views, known).log_NC

    def _expanded(self, log_NS: FloatArray, labelled: int) -> FloatArray:
        """Probabilities over all classes: those without a label share what Laplace's rule leaves."""
        rows, seen = log_NS.shape
        unseen = self.classes - seen
        each = 1.0 / self.classes if seen == 0 else 1.0 / (labelled + self.classes)
        if seen == 0:
            return np.full((rows, self.classes), each, np.float32)
        proba_NS = np.exp(log_NS - log_NS.max(axis=1, keepdims=True, initial=-np.inf))
        proba_NS *= (1.0 - unseen * each) / proba_NS.sum(axis=1, keepdims=True)
        if unseen == 0 and self._order == list(range(self.classes)):
            return np.asarray(proba_NS, np.float32)
        proba_NC = np.full((rows, self.classes), each, np.float32)
        proba_NC[:, self._order] = proba_NS
        return proba_NC


def _method(guess: Guess) -> str:
    """The candidate whose left-out answers the model's are."""
    return next((name for name, left_LC in guess.parts if left_LC is guess.left_out_LC), "auto")


def _apply_facts(proba_NC: FloatArray, label_N: IntArray, ruled: Mapping[int, set[int]]) -> None:
    for row, labels in ruled.items():
        proba_NC[row, list(labels)] = 0.0
        total = proba_NC[row].sum()
        if total > 0:
            proba_NC[row] /= total
        else:  # all that is left had probability 0 in float32
            proba_NC[row] = 1.0 / (proba_NC.shape[1] - len(labels))
            proba_NC[row, list(labels)] = 0.0
    row_L = np.flatnonzero(label_N != UNLABELLED)
    proba_NC[row_L] = 0.0
    proba_NC[row_L, label_N[row_L]] = 1.0
