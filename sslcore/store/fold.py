"""The current labels, folded from what people did.

Rules, per item and task, over the actions that no undo has taken back, in order:

- ``label`` and ``accept`` set the value; ``clear`` takes it away; ``reject`` remembers the class it is
  not (negative evidence) until that class is given after all, and takes the value away where it is of
  that class;
- ``skip`` sets the item aside without touching a value; the next label brings it back;
- ``flag`` and ``unflag`` mark the item and touch nothing else;
- an item whose label was asked as an audit question stays in the audit split for good;
- a person who labels an item that has a label already has looked twice: the label is *confirmed* until
  another one takes its place.

The state is kept in arrays by row and moves forward with the new rows alone; only an undo looks
back, at the items that it touched.
"""

from __future__ import annotations

import itertools
import json
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import sqlalchemy as sa

from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray
from sslcore.store.annotations import event_rows, voided
from sslcore.store.facts import SOURCES, VERBS, Event, Task
from sslcore.store.project import Store
from sslcore.store.schema import annotation

SOURCE_CODE = {name: code for code, name in enumerate(SOURCES, start=1)}
"""Codes of ``TaskState.source_N``; 0 means no label."""
VERB_CODE = {name: code for code, name in enumerate(VERBS, start=1)}
"""Codes of ``TaskState.verb_N``; 0 means nobody did anything yet."""
_SETTING = {"label", "accept"}
_UNCHANGED = {"flag", "unflag"}
_SHARED = ("task_id", "verb", "source", "purpose", "annotator", "run_id")
_MANY = 64
_batch = operator.attrgetter("batch")


@dataclass
class TaskState:
    """The current labels of one task, by row."""

    task: Task
    label_N: IntArray  # class position; -1 without a label, and always -1 for other kinds of task
    value: dict[int, Any]  # row → value of multiple-choice and numeric tasks
    source_N: IntArray
    verb_N: IntArray
    skipped_N: BoolArray
    flagged_N: BoolArray
    audit_N: BoolArray
    confirmed_N: BoolArray  # a person gave the label, knowing of one before
    time_N: FloatArray
    row_id_N: IntArray  # id of the deciding annotation row
    run_N: IntArray
    confidence_N: FloatArray
    annotator: dict[int, str] = field(default_factory=dict)
    rejected: dict[int, set[int]] = field(default_factory=dict)

    @property
    def labelled_N(self) -> BoolArray:
        """Whether the row has a value, from whichever source."""
        return self.source_N > 0

    @property
    def training_label_N(self) -> IntArray:
        """The labels to train on: the audit split's are left out."""
        return np.where(self.audit_N, UNLABELLED, self.label_N)

    @property
    def audit_row_A(self) -> IntArray:
        """The rows of the audit split that have a label."""
        return np.flatnonzero(self.audit_N & self.labelled_N)

    @property
    def open_N(self) -> BoolArray:
        """Rows that may still be asked: no label, not set aside."""
        return ~self.labelled_N & ~self.skipped_N

    @property
    def echo_N(self) -> BoolArray:
        """Rows whose label a model gave and a person at most accepted, with many others."""
        accepted_N = (self.source_N == SOURCE_CODE["bulk"]) & (self.verb_N == VERB_CODE["accept"])
        return accepted_N | (self.source_N == SOURCE_CODE["pseudo"])

    def value_of(self, row: int) -> Any:
        """The value of a row: class position, positions or number; None without a label."""
        if self.source_N[row] == 0:
            return None
        return int(self.label_N[row]) if self.label_N[row] >= 0 else self.value.get(row)

    def rejected_pairs(self) -> list[tuple[int, int]]:
        """``(row, class)`` for every class that an item was said not to be.

        Audit items are left out, as from the labels: a model that is told what they are not would be
        measured on what it was told.
        """
        return [
            (row, c)
            for row, classes in self.rejected.items()
            if not self.audit_N[row]
            for c in sorted(classes)
        ]


class LabelState:
    """The current labels of a project.

    Args:
        store: The project.
        upto: Fold only rows up to this annotation id: the labels that an earlier run saw.
    """

    def __init__(self, store: Store, *, upto: int | None = None) -> None:
        self._store = store
        self._upto = upto
        self.newest = 0
        self._undos: list[tuple[int, str, str]] = []
        self._void: set[str] = set()
        self.item_id_N: IntArray = np.zeros(0, dtype=np.int64)
        self.tasks: dict[int, TaskState] = {}
        self.update()

    def update(self) -> bool:
        """Takes in what was appended since; returns whether anything was."""
        rows = self._store.annotations.since(self.newest, upto=self._upto)
        # Read after the rows: items and tasks come with their labels in one commit and never go, so all
        # that the rows name is known. The other way round, rows committed in between would be passed over.
        self._grow()
        if not rows:
            return False
        undos = [(row.id, row.batch, row.undoes) for row in rows if row.undoes is not None]
        if undos:
            self._undos += undos
            void = voided(self._undos)
            changed = void ^ self._void
            self._void = void
        self._apply([row for row in rows if row.undoes is None])
        self.newest = rows[-1].id
        if undos:
            self._refold(self._store.annotations.items_of_batches(changed))
        return True

    def rows(self, item_ids: Iterable[int]) -> IntArray:
        """Rows of item ids."""
        return np.searchsorted(self.item_id_N, np.asarray(list(item_ids), dtype=np.int64))

    def __getitem__(self, task_id: int) -> TaskState:
        return self.tasks[task_id]

    def _grow(self) -> None:
        if self._store.count() != len(self.item_id_N):
            self.item_id_N = self._store.item_ids()
        count = len(self.item_id_N)
        for task in self._store.tasks():
            held = self.tasks.get(task.id)
            if held is None:
                self.tasks[task.id] = _empty(task, count)
                continue
            held.task = task
            if len(held.label_N) != count:
                extra = _empty(task, count - len(held.label_N))
                for name in _ARRAYS:
                    setattr(held, name, np.concatenate([getattr(held, name), getattr(extra, name)]))

    def _refold(self, item_ids: set[int]) -> None:
        ids = sorted(item_ids)
        row_of = self.rows(ids)
        for state in self.tasks.values():
            fresh = _empty(state.task, len(ids))
            for name in _ARRAYS:
                getattr(state, name)[row_of] = getattr(fresh, name)
            for row in row_of.tolist():
                state.value.pop(row, None)
                state.annotator.pop(row, None)
                state.rejected.pop(row, None)
        history = self._store.annotations.of_items(ids, upto=self.newest)
        self._apply([row for row in history if row.undoes is None])

    def _apply(self, rows: Sequence[sa.Row[Any]]) -> None:
        for batch, group in itertools.groupby(rows, key=_batch):
            if batch not in self._void:
                held = list(group)
                if len(held) < _MANY or not self._apply_many(held):
                    self._apply_each(held)

    def _apply_each(self, rows: Iterable[sa.Row[Any]]) -> None:
        ids = self.item_id_N
        dense = len(ids) > 0 and int(ids[0]) == 1 and int(ids[-1]) == len(ids)
        for entry in rows:
            state = self.tasks.get(entry.task_id)
            row = entry.item_id - 1 if dense else int(np.searchsorted(ids, entry.item_id))
            if state is not None and row < len(ids):
                _fold(state, row, entry)

    def _apply_many(self, rows: Sequence[sa.Row[Any]]) -> bool:
        """An import or a bulk action in one go; False where its order matters, and nothing is done then."""
        column = dict(zip(annotation.c.keys(), zip(*rows)))
        deciding = [
            (item_id, task_id)
            for item_id, task_id, verb in zip(column["item_id"], column["task_id"], column["verb"])
            if verb not in _UNCHANGED
        ]
        if len(set(deciding)) < len(deciding):
            return False
        alike: dict[tuple[Any, ...], list[int]] = {}
        for at, key in enumerate(zip(*(column[name] for name in _SHARED))):
            alike.setdefault(key, []).append(at)
        for key, places in alike.items():
            shared = dict(zip(_SHARED, key))
            state = self.tasks.get(shared["task_id"])
            values = [column["value"][at] for at in places]
            plain = all(value is not None and value.isdecimal() for value in values)
            choice = state is not None and state.task.kind in ("single", "ordinal")
            if state is None or not choice or not plain or shared["verb"] not in _SETTING:
                self._apply_each(rows[at] for at in places)
                continue
            row_M = self.rows([column["item_id"][at] for at in places])
            value_M = np.fromiter(map(int, values), np.int32, len(values))
            had_M = state.source_N[row_M] > 0
            kept_M = had_M & (state.label_N[row_M] == value_M) & state.confirmed_N[row_M]
            state.confirmed_N[row_M] = had_M if shared["source"] == "human" else kept_M
            state.label_N[row_M] = value_M
            state.row_id_N[row_M] = [column["id"][at] for at in places]
            state.time_N[row_M] = [column["time"][at] for at in places]
            state.confidence_N[row_M] = np.array(
                [column["confidence"][at] for at in places], dtype=np.float32
            )
            state.verb_N[row_M] = VERB_CODE[shared["verb"]]
            state.source_N[row_M] = SOURCE_CODE[shared["source"]]
            state.run_N[row_M] = shared["run_id"] or 0
            state.skipped_N[row_M] = False
            if shared["purpose"] == "audit":
                state.audit_N[row_M] = True
            if shared["annotator"]:
                state.annotator.update(dict.fromkeys(row_M.tolist(), shared["annotator"]))
            if state.rejected:
                for row in row_M.tolist():
                    state.rejected.get(row, set()).discard(int(state.label_N[row]))
        return True


def state_of_items(
    store: Store, task: Task, item_ids: Sequence[int], *, coming: Sequence[Event] = ()
) -> TaskState:
    """The labels of a few items as the store has them now, read from their history.

    Args:
        store: The project.
        task: The task.
        item_ids: Distinct items; row k of the answer is the k-th of them.
        coming: Events that are about to be stored, in order; they count as well.
    """
    row_of = {item_id: row for row, item_id in enumerate(item_ids)}
    undos = store.annotations.undos() + [(0, e.batch, e.undoes) for e in coming if e.undoes is not None]
    gone = voided(undos)
    entries: list[Any] = list(store.annotations.of_items(item_ids))
    entries += [SimpleNamespace(id=0, **row) for event in coming for row in event_rows(event)]
    state = _empty(task, len(row_of))
    for entry in entries:
        ours = entry.task_id == task.id and entry.item_id in row_of
        if ours and entry.undoes is None and entry.batch not in gone:
            _fold(state, row_of[entry.item_id], entry)
    return state


def _fold(state: TaskState, row: int, entry: sa.Row[Any]) -> None:
    verb = entry.verb
    if verb in _UNCHANGED:
        state.flagged_N[row] = verb == "flag"
        return
    if verb == "skip":
        state.skipped_N[row] = True
        if state.source_N[row] == 0:
            state.verb_N[row] = VERB_CODE["skip"]
        return
    if verb == "reject" and entry.value is not None:
        wrong = _classes(json.loads(entry.value))
        state.rejected.setdefault(row, set()).update(wrong)
        if state.source_N[row] > 0 and wrong.isdisjoint(_classes(state.value_of(row))):
            return  # it is something else, as was said before
    state.verb_N[row] = VERB_CODE[verb]
    state.time_N[row] = entry.time
    state.row_id_N[row] = entry.id
    if verb in _SETTING and entry.value is not None:
        value = json.loads(entry.value)
        if state.source_N[row] > 0:
            kept = bool(state.confirmed_N[row]) and value == state.value_of(row)
            state.confirmed_N[row] = entry.source == "human" or kept
        if isinstance(value, int) and state.task.kind in ("single", "ordinal"):
            state.label_N[row] = value
        else:
            state.value[row] = value
        state.rejected.get(row, set()).difference_update(_classes(value))
        state.source_N[row] = SOURCE_CODE[entry.source]
        state.skipped_N[row] = False
        state.run_N[row] = entry.run_id or 0
        state.confidence_N[row] = np.nan if entry.confidence is None else entry.confidence
        if entry.annotator:
            state.annotator[row] = entry.annotator
        if entry.purpose == "audit":
            state.audit_N[row] = True
        return
    state.label_N[row] = UNLABELLED
    state.value.pop(row, None)
    state.source_N[row] = 0
    state.confirmed_N[row] = False
    state.confidence_N[row] = np.nan


def _classes(value: Any) -> set[Any]:
    return set(value) if isinstance(value, list) else {value}


_ARRAYS = (
    "label_N",
    "source_N",
    "verb_N",
    "skipped_N",
    "flagged_N",
    "audit_N",
    "confirmed_N",
    "time_N",
    "row_id_N",
    "run_N",
    "confidence_N",
)


def _empty(task: Task, n: int) -> TaskState:
    return TaskState(
        task=task,
        label_N=np.full(n, UNLABELLED, dtype=np.int32),
        value={},
        source_N=np.zeros(n, dtype=np.int8),
        verb_N=np.zeros(n, dtype=np.int8),
        skipped_N=np.zeros(n, dtype=bool),
        flagged_N=np.zeros(n, dtype=bool),
        audit_N=np.zeros(n, dtype=bool),
        confirmed_N=np.zeros(n, dtype=bool),
        time_N=np.zeros(n, dtype=np.float64),
        row_id_N=np.zeros(n, dtype=np.int64),
        run_N=np.zeros(n, dtype=np.int32),
        confidence_N=np.full(n, np.nan, dtype=np.float32),
    )
