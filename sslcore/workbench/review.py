"""The review desk: pseudo-labels to look through, thresholds that accept them, actions to take back.

What the machine says of an item that has a label is its answer *without* that label (out of fold), for
with it the answer would be the label. A threshold's preview names the evidence that its expected
precision comes from; labels that the machine gave itself are no evidence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np

from sslcore.errors import ConfigError
from sslcore.instant.multiple import MultipleResult, set_confidence
from sslcore.quality.answer_issues import number_differs, set_differs
from sslcore.quality.thresholds import (
    Acceptance,
    acceptance,
    suggest_common_threshold,
    suggest_threshold,
)
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray
from sslcore.store import Task
from sslcore.store.annotations import voided
from sslcore.store.facts import Verb
from sslcore.store.fold import SOURCE_CODE
from sslcore.workbench import bulk, kinds
from sslcore.workbench.corrections import on_card
from sslcore.workbench.desk import Desk
from sslcore.workbench.figures import left_out_of, sets
from sslcore.workbench.map import describe, excerpt, named_value
from sslcore.workbench.snapshot import Snapshot

Show = Literal["machine", "people", "bulk", "imported", "flagged", "aside", "audit", "all"]
Sort = Literal["least", "most", "margin", "disagreement"]
SHOWS: dict[Show, str] = {
    "machine": "Open suggestions",
    "bulk": "Labelled in bulk",
    "people": "Labelled by people",
    "imported": "Imported labels",
    "flagged": "Flagged",
    "aside": "Set aside",
    "audit": "Audit answers",
    "all": "Everything",
}
SORTS: dict[Sort, str] = {
    "least": "Least certain first",
    "most": "Most certain first",
    "margin": "Closest two classes first",
    "disagreement": "Label and machine disagree",
}


def sorts(kind: str) -> dict[Sort, str]:
    """Orders that mean something for a kind of task, with their titles.

    >>> [sorts(kind).get("margin") for kind in ("single", "multiple", "numeric")]
    ['Closest two classes first', 'Least certain class first', None]
    """
    told = SORTS | ({"margin": "Least certain class first"} if kind == "multiple" else {})
    return {sort: title for sort, title in told.items() if kind != "numeric" or sort != "margin"}


@dataclass(frozen=True)
class ReviewFilter:
    """What to look through, and in which order.

    Args:
        show: Which items: a key of :data:`SHOWS`.
        class_index: Only items of this class: their label, or without one their suggestion.
        low: Lowest confidence.
        high: Highest confidence.
        text: Only items whose key or text contains it.
        sort: A key of :data:`SORTS`; ``disagreement`` looks at labelled items only.

    Raises:
        ConfigError: No such ``show`` or ``sort``, or no such range.
    """

    show: Show = "machine"
    class_index: int | None = None
    low: float = 0.0
    high: float = 1.0
    text: str = ""
    sort: Sort = "least"

    def __post_init__(self) -> None:
        if self.show not in SHOWS:
            raise ConfigError(f"ReviewFilter.show is one of {', '.join(SHOWS)}. Received: {self.show!r}.")
        if self.sort not in SORTS:
            raise ConfigError(f"ReviewFilter.sort is one of {', '.join(SORTS)}. Received: {self.sort!r}.")
        if not 0 <= self.low <= self.high <= 1:
            raise ConfigError(
                f"ReviewFilter needs 0 ≤ low ≤ high ≤ 1. Received: low={self.low}, high={self.high}."
            )


@dataclass(frozen=True, eq=False)
class Listing:
    """The items of a filter in order, as of one moment: pages of it do not shift while one labels.

    Attributes:
        item_ids: Their ids in order.
        serial: The snapshot's.
        version: The newest annotation it had seen.
    """

    item_ids: IntArray
    serial: int
    version: int

    def __len__(self) -> int:
        return len(self.item_ids)

    def page(self, number: int, size: int) -> IntArray:
        """The ids on page ``number``, from 1 on."""
        return self.item_ids[(number - 1) * size : number * size]

    def pages(self, size: int) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-len(self) // size))


@dataclass(frozen=True, eq=False)
class Preview:
    """What thresholds accept, overall and by class."""

    overall: Acceptance
    by_class: list[Acceptance]
    serial: int


@dataclass(frozen=True)
class BulkAction:
    """A recent action on many items.

    Attributes:
        batch: Its name, for undo.
        text: "Accepted 412 items as sport".
        time: Seconds since 1970.
        redo: Where it is undone: the undo to undo.
    """

    batch: str
    text: str
    time: float
    redo: str | None = None


@dataclass(frozen=True, eq=False)
class _Opinion:
    """What the machine says of every row, without the row's own label."""

    prediction_N: IntArray
    confidence_N: FloatArray
    margin_N: FloatArray
    said_N: BoolArray
    differs_N: BoolArray


@dataclass
class _Cache:
    """What is kept between two reruns of the page."""

    opinion: dict[int, tuple[int, _Opinion]] = field(default_factory=dict)
    preview: dict[int, tuple[tuple[int, bytes], Preview]] = field(default_factory=dict)
    recent: dict[int, tuple[int, list[BulkAction]]] = field(default_factory=dict)


class ReviewDesk(Desk):
    """Is the machine right?"""

    # --- looking -----------------------------------------------------------------------------

    def listing(self, task: Task, wanted: ReviewFilter) -> Listing:
        """The items of a filter, in its order."""
        snapshot = self.snapshot(task)
        opinion = self._opinion(snapshot)
        shown_N = self._shown(snapshot, opinion, wanted)
        if wanted.text.strip():
            shown_N &= _containing(self, wanted.text.strip(), len(shown_N))
        row_M = np.flatnonzero(shown_N)
        score_M = {
            "least": opinion.confidence_N,
            "most": -opinion.confidence_N,
            "margin": opinion.margin_N,
            "disagreement": -opinion.confidence_N,
        }[wanted.sort][row_M]
        order_M = np.argsort(score_M, kind="stable")
        return Listing(bulk.bench_item_ids(self.bench)[row_M[order_M]], snapshot.serial, snapshot.version)

    def cards(self, task: Task, item_ids: Sequence[int] | IntArray) -> list[dict[str, Any]]:
        """Items as the wall and the table show them, JSON-ready, in the order asked for."""
        snapshot = self.snapshot(task)
        opinion = self._opinion(snapshot)
        ids = [int(item_id) for item_id in item_ids]
        rows = np.searchsorted(bulk.bench_item_ids(self.bench), ids).tolist()
        corrected = self.bench.corrections.of_rows(task, rows)
        cards = []
        for row, item in zip(rows, self.store.items(ids)):
            card = describe(snapshot, row) | {"corrections": on_card(corrected.get(row, ()))}
            said = int(opinion.prediction_N[row])
            if task.kind in kinds.CHOICE and card["label"] is not None and said >= 0:
                card |= {
                    "prediction": named_value(task, said),
                    "confidence": round(float(opinion.confidence_N[row]), 4),
                }
            cards.append(
                card
                | {
                    "item_id": item.id,
                    "key": item.key,
                    "sha": item.sha256[:16] if item.media is not None else None,
                    "text": None if item.text is None else excerpt(item.text, 420),
                    "margin": round(float(opinion.margin_N[row]), 4),
                }
            )
        return cards

    def counts(self, task: Task) -> dict[Show, int]:
        """How many items each choice of ``show`` has."""
        snapshot = self.snapshot(task)
        opinion = self._opinion(snapshot)
        return {show: int(_status(snapshot, opinion, show).sum()) for show in SHOWS}

    def suggested_classes(self, task: Task) -> IntArray:
        """How many open items the machine puts into each class."""
        snapshot = self.snapshot(task)
        open_N = self._candidates(snapshot)
        suggested_M = bulk.suggested_N(snapshot)[open_N]
        return np.bincount(suggested_M[suggested_M >= 0], minlength=len(task.classes))

    def _shown(self, snapshot: Snapshot, opinion: _Opinion, wanted: ReviewFilter) -> BoolArray:
        label_N = snapshot.state.label_N
        if wanted.sort == "disagreement":
            shown_N = opinion.differs_N.copy()
            if wanted.show != "machine":  # "machine" has no labels to disagree with
                shown_N &= _status(snapshot, opinion, wanted.show)
        else:
            shown_N = _status(snapshot, opinion, wanted.show).copy()
        if wanted.class_index is not None and snapshot.multiple:
            shown_N &= _with_class(snapshot, wanted.class_index)
        elif wanted.class_index is not None:
            shown_N &= np.where(label_N >= 0, label_N, opinion.prediction_N) == wanted.class_index
        if wanted.low > 0:
            shown_N &= opinion.confidence_N >= wanted.low
        if wanted.high < 1:
            shown_N &= opinion.confidence_N <= wanted.high
        return shown_N

    def _opinion(self, snapshot: Snapshot) -> _Opinion:
        held = self._cache.opinion.get(snapshot.task.id)
        if held is None or held[0] != snapshot.serial:
            held = (snapshot.serial, _opinion(snapshot))
            self._cache.opinion[snapshot.task.id] = held
        return held[1]

    @cached_property
    def _cache(self) -> _Cache:
        return _Cache()

    # --- thresholds --------------------------------------------------------------------------

    def preview(self, task: Task, threshold: float | FloatArray) -> Preview | None:
        """What thresholds would accept now; None while there are no predictions.

        Of a multiple-choice task whole sets are accepted, by one threshold on the probability that all
        their classes are right; ``by_class`` then has that one row. A class that is newer than the
        predictions accepts nothing.

        Args:
            task: The task.
            threshold: Lowest confidence, one number or one a class.
        """
        snapshot = self.snapshot(task)
        if not self.predicts(snapshot):
            return None
        key = (snapshot.serial, np.asarray(threshold, dtype=np.float64).tobytes())
        held = self._cache.preview.get(task.id)
        if held is None or held[0] != key:
            judged_NC = _judged_NC(snapshot)
            known = judged_NC.shape[1]
            fitted = threshold if snapshot.multiple else _threshold_C(threshold, known)
            overall, *by_class = acceptance(judged_NC, threshold=fitted, **self._evidence(snapshot))
            if not snapshot.multiple:
                by_class += [_nothing_accepted(c) for c in range(known, len(task.classes))]
            held = (key, Preview(overall, by_class, snapshot.serial))
            self._cache.preview[task.id] = held
        return held[1]

    def predicts(self, snapshot: Snapshot) -> bool:
        """Whether the machine says anything yet that a threshold can accept: classes, not numbers."""
        return snapshot.proba_NC is not None and self.suggests(snapshot)

    def suggests(self, snapshot: Snapshot) -> bool:
        """Whether the machine says anything yet, of any kind of task."""
        return bool(bulk.suggestions_N(snapshot).any())

    def suggest(self, task: Task, target: float = 0.95) -> list[float | None]:
        """For each class the lowest threshold whose expected precision reaches ``target``, or None."""
        snapshot = self.snapshot(task)
        if not self.predicts(snapshot):
            return [None] * len(task.classes)
        if snapshot.multiple:
            return [self.suggest_common(task, target)] * len(task.classes)
        judged_NC = _judged_NC(snapshot)
        found = suggest_threshold(judged_NC, target_precision=target, **self._evidence(snapshot))
        return found + [None] * (len(task.classes) - len(found))

    def suggest_common(self, task: Task, target: float = 0.95) -> float | None:
        """The lowest threshold for all classes together whose expected precision reaches ``target``."""
        snapshot = self.snapshot(task)
        if not self.predicts(snapshot):
            return None
        return suggest_common_threshold(
            _judged_NC(snapshot), target_precision=target, **self._evidence(snapshot)
        )

    def _evidence(self, snapshot: Snapshot) -> dict[str, Any]:
        state = snapshot.state
        audit_row_A = np.flatnonzero(state.audit_N)
        label_A = state.label_N[audit_row_A]
        if snapshot.multiple:
            assert snapshot.proba_NC is not None
            label_A = _sets_wrong(snapshot, audit_row_A, snapshot.proba_NC[audit_row_A])
        return {
            "candidate_N": self._candidates(snapshot),
            "audit_row_A": audit_row_A,
            "audit_label_A": label_A,
            "out_of_fold": _left_out(snapshot),
        }

    def _candidates(self, snapshot: Snapshot) -> BoolArray:
        """Items that a threshold may accept: suggested, nobody's, neither flagged nor set aside."""
        state = snapshot.state
        untouched_N = ~state.labelled_N & ~state.flagged_N & ~state.skipped_N & ~state.audit_N
        return untouched_N & bulk.suggestions_N(snapshot)

    # --- acting ------------------------------------------------------------------------------

    def accept(
        self,
        task: Task,
        threshold: float | FloatArray,
        *,
        class_index: int | None = None,
        annotator: str | None = None,
    ) -> bulk.Done:
        """Gives the machine's class to all open items that pass, as one action.

        Args:
            task: The task.
            threshold: Lowest confidence, one number or one a class.
            class_index: Only items that the machine puts into this class.
            annotator: Who does it.

        Raises:
            StoreBusyError: Nothing was stored; try again.
        """
        snapshot = bulk.current(self.bench, task)
        prediction_N = bulk.suggested_N(snapshot)
        row_M = np.flatnonzero(self._candidates(snapshot))
        if snapshot.multiple:
            row_M = row_M[snapshot.confidence_N[row_M] >= float(np.max(threshold))]
        else:
            threshold_C = _threshold_C(threshold, len(snapshot.task.classes))
            row_M = row_M[snapshot.confidence_N[row_M] >= threshold_C[prediction_N[row_M]]]
            if class_index is not None:
                row_M = row_M[prediction_N[row_M] == class_index]
        return bulk.commit(self.bench, snapshot, bulk.plan(snapshot, row_M, "accept"), annotator=annotator)

    def act(
        self,
        task: Task,
        item_ids: Sequence[int] | IntArray,
        verb: Verb,
        *,
        value: int | None = None,
        people: bool = False,
        annotator: str | None = None,
    ) -> bulk.Done:
        """Does one thing to many items, as one action; see :func:`sslcore.workbench.bulk.plan`."""
        snapshot = bulk.current(self.bench, task)
        rows = np.searchsorted(bulk.bench_item_ids(self.bench), np.asarray(item_ids, dtype=np.int64))
        planned = bulk.plan(snapshot, rows, verb, value=value, people=people)
        return bulk.commit(self.bench, snapshot, planned, annotator=annotator)

    def undo(self, batch: str, *, annotator: str | None = None) -> int:
        """Takes an action back as a whole (or an undo, which does it again)."""
        return bulk.undo(self.bench, batch, annotator=annotator)

    def settle(self, task: Task, version: int, *, seconds: float = 2.0) -> None:
        """Waits, not for long, until what was just stored is in the snapshot."""
        if version:
            self.bench.live.wait(task.id, version=version, seconds=seconds)

    def recent(self, task: Task, n: int = 8) -> list[BulkAction]:
        """The last actions on many items, newest first; those that are undone can be done again."""
        newest = self.store.annotations.newest()
        held = self._cache.recent.get(task.id)
        if held is None or held[0] != newest:
            held = (newest, self._recent(task, n))
            self._cache.recent[task.id] = held
        return held[1]

    def _recent(self, task: Task, n: int) -> list[BulkAction]:
        undos = self.store.annotations.undos()
        void = voided(undos)
        redo = {target: batch for _, batch, target in undos if batch not in void}
        rows = self.store.annotations.recent_batches(4 * n, source="bulk")
        return [
            BulkAction(
                batch=row.batch,
                text=_past(task, row.verb, row.size, row.value, row.value_high),
                time=row.time,
                redo=redo.get(row.batch) if row.batch in void else None,
            )
            for row in rows
            if row.undoes is None and row.task_id == task.id
        ][:n]


# --- words -------------------------------------------------------------------------------------


def means(found: Acceptance) -> str:
    """What accepting means, in words.

    >>> from sslcore.quality.intervals import Interval
    >>> means(Acceptance(None, 0.9, 412, Interval(0.97, 0.94, 0.99), "audit", 83, 81))
    "412 items get the machine's label; about 97 % of them right (94–99 %, from 83 audit answers)."
    """
    if not found.accepted:
        return "No item passes. Lower the threshold, or label some more."
    get = "gets" if found.accepted == 1 else "get"
    return f"{bulk.items(found.accepted)} {get} the machine's label; {expectation(found)}."


def expectation(found: Acceptance) -> str:
    """How many of the accepted will be right, and how that is known."""
    if found.precision is None:
        return "how many are right is not known yet (there is no audit answer)"
    range_ = found.precision
    return (
        f"about {_percent(range_.value)} % of them right "
        f"({_percent(range_.low)}–{_percent(range_.high)} %, {evidence(found)})"
    )


def evidence(found: Acceptance) -> str:
    """Where a precision comes from, in words: what passes the threshold, else what it is inferred from.

    >>> evidence(Acceptance(1, 0.9, 12, None, "audit", 0, 0, 60))
    'from 60 audit answers, none of which passes'
    """
    count = found.checked or found.evidence
    s = "" if count == 1 else "s"
    if found.source == "audit":
        said = f"from {count:,} audit answer{s}"
    else:
        said = f"rough: from {count:,} label{s} left out in turn"
    return said if found.checked or not count else f"{said}, none of which passes"


def _percent(share: float) -> str:
    """Whole percents; tenths near the ends, where they matter; never 100 where it is less."""
    value = 100 * share
    if value >= 99.95 or value <= 0.05:
        return f"{value:.0f}"
    return f"{value:.1f}" if value > 99.05 or value < 0.95 else f"{value:.0f}"


def _past(task: Task, verb: str, size: int, value: str | None, value_high: str | None) -> str:
    word = {
        "label": "Labelled",
        "accept": "Accepted",
        "reject": "Rejected",
        "flag": "Flagged",
        "unflag": "Unflagged",
        "clear": "Cleared",
        "skip": "Set aside",
    }.get(verb, verb)
    text = f"{word} {bulk.items(size)}"
    if value is None or value != value_high:
        return text
    position = json.loads(value)
    position = position[0] if isinstance(position, list) and len(position) == 1 else position
    if isinstance(position, int) and 0 <= position < len(task.classes):
        text += f" as {task.classes[position].name}"
    return text


# --- arrays ------------------------------------------------------------------------------------


def _opinion(snapshot: Snapshot) -> _Opinion:
    if snapshot.task.kind == "numeric":
        return _number_opinion(snapshot)
    if snapshot.multiple:
        return _set_opinion(snapshot)
    prediction_N = bulk.suggested_N(snapshot).copy()
    confidence_N = np.asarray(snapshot.confidence_N, dtype=np.float32).copy()
    margin_N = np.asarray(snapshot.margin_N, dtype=np.float32).copy()
    confidence_N[prediction_N < 0] = 0
    result = snapshot.result
    if snapshot.follows.kind == "instant" and result is not None and len(result.labelled_row_L):
        proba_LC = result.out_of_fold_proba_LC
        prediction_N[result.labelled_row_L] = proba_LC.argmax(axis=1)
        confidence_N[result.labelled_row_L] = proba_LC.max(axis=1)
        if proba_LC.shape[1] > 1:
            top_L2 = np.partition(proba_LC, -2, axis=1)[:, -2:]
            margin_N[result.labelled_row_L] = top_L2[:, 1] - top_L2[:, 0]
    label_N = snapshot.state.label_N
    differs_N = (label_N >= 0) & (prediction_N >= 0) & (prediction_N != label_N)
    return _Opinion(prediction_N, confidence_N, margin_N, prediction_N >= 0, differs_N)


def _set_opinion(snapshot: Snapshot) -> _Opinion:
    """Of whole sets: the probability that all classes are right, and where a label is another set."""
    said_N = bulk.suggestions_N(snapshot)
    differs_N = np.zeros(len(said_N), dtype=bool)
    result = snapshot.answer
    if snapshot.proba_NC is None or not isinstance(result, MultipleResult):
        nothing_N = np.zeros(len(said_N), dtype=np.float32)
        return _Opinion(bulk.suggested_N(snapshot), nothing_N, nothing_N, said_N, differs_N)
    proba_NC = snapshot.proba_NC.copy()
    proba_NC[result.labelled_row_L] = result.out_of_fold_proba_LC
    answered = np.flatnonzero(snapshot.state.labelled_N)
    differs_N[answered] = set_differs(proba_NC[answered], sets(snapshot.state, answered))
    return _Opinion(
        bulk.suggested_N(snapshot),
        set_confidence(proba_NC).astype(np.float32),
        np.abs(2 * proba_NC - 1).min(axis=1),
        said_N,
        differs_N,
    )


def _number_opinion(snapshot: Snapshot) -> _Opinion:
    """Of numbers: the narrower the interval, the surer; a label differs where it is farther off than most."""
    count = len(snapshot.state.label_N)
    nothing_N, differs_N = np.full(count, UNLABELLED), np.zeros(count, dtype=bool)
    result = snapshot.number
    if result is None:
        zero_N = np.zeros(count, dtype=np.float32)
        return _Opinion(nothing_N, zero_N, zero_N, np.zeros(count, dtype=bool), differs_N)
    most = float(result.uncertainty_N.max()) or 1.0
    sure_N = (1.0 - result.uncertainty_N / most).astype(np.float32)
    differs_N[result.labelled_row_L] = number_differs(result.value_L - result.out_of_fold_L)
    return _Opinion(nothing_N, sure_N, sure_N, np.ones(count, dtype=bool), differs_N)


def _judged_NC(snapshot: Snapshot) -> FloatArray:
    """The probabilities that a threshold is held against: of classes, or of whole sets in one column."""
    assert snapshot.proba_NC is not None
    return set_confidence(snapshot.proba_NC)[:, None] if snapshot.multiple else snapshot.proba_NC


def _threshold_C(threshold: float | FloatArray, classes: int) -> FloatArray:
    """One threshold a class: the task may have more classes by now than the predictions, or fewer.

    A class without a threshold accepts nothing.
    """
    given = np.asarray(threshold, dtype=np.float64)
    if given.ndim == 0:
        return np.full(classes, float(given))
    threshold_C = np.full(classes, np.inf)
    threshold_C[: len(given)] = given[:classes]
    return threshold_C


def _nothing_accepted(position: int) -> Acceptance:
    return Acceptance(position, np.nan, 0, None, "none", 0, 0)


def _sets_wrong(snapshot: Snapshot, row_J: IntArray, proba_JC: FloatArray) -> IntArray:
    """0 where the likeliest set is the answer, 1 where not, -1 without an answer: classes of one column."""
    wrong_J = set_differs(proba_JC, sets(snapshot.state, row_J)).astype(np.int64)
    wrong_J[~snapshot.state.labelled_N[row_J]] = UNLABELLED
    return wrong_J


def _with_class(snapshot: Snapshot, position: int) -> BoolArray:
    """Rows whose set, given or without one suggested, has a class."""
    labelled = np.flatnonzero(snapshot.state.labelled_N)
    has_N = np.zeros(len(snapshot.state.label_N), dtype=bool)
    if position >= len(snapshot.task.classes):  # a class that is newer than the snapshot
        return has_N
    if snapshot.proba_NC is not None and snapshot.predicts and position < snapshot.proba_NC.shape[1]:
        has_N = snapshot.proba_NC[:, position] >= 0.5
    has_N[labelled] = sets(snapshot.state, labelled)[:, position]
    return has_N


def _left_out(snapshot: Snapshot) -> tuple[FloatArray, IntArray] | None:
    """Out-of-fold answers and the labels they are held against: those of people, not the machine's own."""
    sets_ = snapshot.answer
    if snapshot.follows.kind != "instant":
        return None  # a run may have learned from the labels
    if snapshot.multiple and isinstance(sets_, MultipleResult) and len(sets_.labelled_row_L):
        wrong_L = _sets_wrong(snapshot, sets_.labelled_row_L, sets_.out_of_fold_proba_LC)
        wrong_L[~bulk.by_people(snapshot)[sets_.labelled_row_L]] = UNLABELLED
        return set_confidence(sets_.out_of_fold_proba_LC)[:, None], wrong_L
    result = snapshot.result
    if result is None or not len(result.labelled_row_L):
        return None
    row_L, proba_LC = left_out_of(snapshot.state, result)
    return proba_LC, snapshot.state.label_N[row_L]


def _status(snapshot: Snapshot, opinion: _Opinion, show: Show) -> BoolArray:
    state = snapshot.state
    if show == "machine":
        return ~state.labelled_N & ~state.skipped_N & opinion.said_N
    if show == "people":
        return state.source_N == SOURCE_CODE["human"]
    if show == "bulk":
        return (state.source_N == SOURCE_CODE["bulk"]) | (state.source_N == SOURCE_CODE["pseudo"])
    if show == "imported":
        return state.source_N == SOURCE_CODE["imported"]
    if show == "flagged":
        return state.flagged_N
    if show == "aside":
        return state.skipped_N & ~state.labelled_N
    if show == "audit":
        return state.audit_N & state.labelled_N
    return np.ones(len(state.label_N), dtype=bool)


@lru_cache(maxsize=4)
def _containing(desk: ReviewDesk, text: str, count: int) -> BoolArray:
    """Rows whose key or text contains ``text``; kept, so that paging does not search again."""
    found_N = np.zeros(count, dtype=bool)
    ids = desk.store.find(text, limit=count)
    found_N[np.searchsorted(bulk.bench_item_ids(desk.bench), ids)] = True
    return found_N
