"""One action on many items: which of them it touches, which it leaves alone, and the event it becomes.

The rules, the same on the Map and on the Review page:

- an answer that a person gave (or that came with the data) and an item of the audit split are left
  alone, unless the person says otherwise;
- *accept* gives the machine's class to items that have no label; it never touches the audit split, whose
  answers judge the machine and so must not come from it;
- *reject* says "not this class" of the suggestion, or of a label that was given in bulk;
- whatever is done is one event, and one undo takes it back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslcore.errors import DataError
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray
from sslcore.store import Event, Task
from sslcore.store.facts import Verb
from sslcore.store.fold import SOURCE_CODE
from sslcore.workbench import figures, kinds
from sslcore.workbench.snapshot import Snapshot

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench

BULK_VERBS: tuple[Verb, ...] = ("label", "accept", "reject", "flag", "unflag", "clear")
CHOICE_KINDS = ("single", "ordinal", "multiple")
_REASONS = {
    "people": ("keeps the label a person gave it", "keep the label a person gave them"),
    "audit": ("is an audit item", "are audit items"),
    "labelled": ("has a label already", "have a label already"),
    "same": ("has this label already", "have this label already"),
    "nothing": ("has nothing to act on", "have nothing to act on"),
    "changed": ("was changed meanwhile", "were changed meanwhile"),
}


@dataclass(frozen=True)
class Plan:
    """What an action will do, before it is done.

    Attributes:
        verb: The action.
        row_M: The rows it touches.
        value: The value of all of them, or None where ``value_M`` has one for each.
        value_M: One answer for each row: a class, a list of classes, or a number.
        confidence_M: How sure the machine was of it.
        left_out: Reason (``people``, ``audit``, ``labelled``, ``same``, ``nothing``, ``changed``) → number
            of items.
    """

    verb: Verb
    row_M: IntArray
    value: Any = None
    value_M: NDArray[Any] | None = None
    confidence_M: FloatArray | None = None
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row_M)


@dataclass(frozen=True)
class Done:
    """What an action did.

    Attributes:
        batch: The name under which it can be undone; None where nothing was done.
        row_M: The rows that it touched.
        sentence: For the person: "Labelled 143 items as sport; 3 keep the label a person gave them."
        version: The newest annotation afterwards.
    """

    batch: str | None
    verb: str
    row_M: IntArray
    left_out: dict[str, int]
    sentence: str
    version: int


def current(bench: Workbench, task: Task) -> Snapshot:
    """The snapshot to plan on: the newest there is, or a new one where an undo waits to be seen."""
    snapshot = bench.snapshot(task)
    if any(row.undoes is not None for row in bench.store.annotations.since(snapshot.version)):
        bench.live.refresh()
        snapshot = bench.snapshot(task)
    return snapshot


def by_people(snapshot: Snapshot) -> BoolArray:
    """Rows whose label a person gave one by one, or that came with the data."""
    return figures.by_people(snapshot.state)


def suggested_N(snapshot: Snapshot) -> IntArray:
    """The machine's class by row; -1 while it has learnt from no label, for then it says nothing.

    Of several choices the most probable one, where any applies; of numbers none.
    """
    if snapshot.multiple and snapshot.predicts:
        assert snapshot.proba_NC is not None
        return np.where(snapshot.proba_NC.max(axis=1) >= 0.5, snapshot.prediction_N, UNLABELLED)
    if snapshot.follows.kind == "run" or (snapshot.state.training_label_N >= 0).any():
        return snapshot.prediction_N
    return np.full(len(snapshot.state.label_N), UNLABELLED, dtype=np.int32)


def suggestions_N(snapshot: Snapshot) -> BoolArray:
    """Rows that the machine has an answer for, of any kind of task."""
    if snapshot.task.kind in kinds.CHOICE:
        return suggested_N(snapshot) >= 0
    return np.full(len(snapshot.state.label_N), snapshot.predicts)


def plan(
    snapshot: Snapshot, rows: Sequence[int] | IntArray, verb: Verb, *, value: Any = None, people: bool = False
) -> Plan:
    """Which of ``rows`` an action touches.

    Args:
        snapshot: What is known now.
        rows: The chosen rows; doubles count once.
        verb: ``label``, ``accept``, ``reject``, ``flag``, ``unflag`` or ``clear``.
        value: The class position, for ``label``.
        people: Also change labels that people gave, and audit answers; never for ``accept``.

    Raises:
        DataError: An action that cannot be done in bulk, a row or a class that does not exist.
    """
    count = len(snapshot.state.label_N)
    row_M = np.unique(np.asarray(rows, dtype=np.int64))
    if len(row_M) and not (row_M[0] >= 0 and row_M[-1] < count):
        raise DataError(f"The project has {count} items. Received: item {int(row_M[-1]) + 1}.")
    if verb not in BULK_VERBS:
        raise DataError(f"A bulk action is one of {', '.join(BULK_VERBS)}. Received: {verb!r}.")
    if verb in ("flag", "unflag"):
        return _leave_out(Plan(verb, row_M), snapshot.state.flagged_N[row_M] == (verb == "flag"), "same")
    if verb == "accept":
        return _accept(snapshot, row_M)
    planned = Plan(verb, row_M)
    if not people:
        planned = _leave_out(planned, snapshot.state.audit_N[row_M], "audit")
        planned = _leave_out(planned, by_people(snapshot)[planned.row_M], "people")
    return {"label": _label, "reject": _reject, "clear": _clear}[verb](snapshot, planned, value)


def _accept(snapshot: Snapshot, row_M: IntArray) -> Plan:
    state = snapshot.state
    planned = _leave_out(Plan("accept", row_M), state.audit_N[row_M], "audit")
    taken_N = state.labelled_N & (state.source_N != SOURCE_CODE["pseudo"])
    planned = _leave_out(planned, taken_N[planned.row_M], "labelled")
    planned = _leave_out(planned, ~suggestions_N(snapshot)[planned.row_M], "nothing")
    row_M = planned.row_M
    if snapshot.task.kind in kinds.CHOICE:
        return _with(planned, row_M, suggested_N(snapshot)[row_M], snapshot.confidence_N[row_M])
    said_M = np.empty(len(row_M), dtype=object)
    for at, row in enumerate(row_M.tolist()):
        held = kinds.said(snapshot, row)
        said_M[at] = None if held is None else held.value
    sure_M = snapshot.confidence_N[row_M] if snapshot.multiple else None
    return _with(planned, row_M, said_M, sure_M)


def _label(snapshot: Snapshot, planned: Plan, value: Any) -> Plan:
    task = snapshot.task
    if task.kind not in CHOICE_KINDS:
        raise DataError(f"The task {task.name!r} asks for a number: label its items one by one.")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(task.classes):
        raise DataError(
            f"The task {task.name!r} has classes 0 to {len(task.classes) - 1}. Received: {value!r}."
        )
    planned = _leave_out(planned, snapshot.state.label_N[planned.row_M] == value, "same")
    if task.kind == "multiple":  # on top of nothing: a selection is given this class and no other
        same_M = np.array(
            [snapshot.state.value.get(row) == [value] for row in planned.row_M.tolist()], dtype=bool
        )
        planned = _leave_out(planned, same_M, "same")
    stored: Any = [value] if task.kind == "multiple" else value
    return Plan("label", planned.row_M, value=stored, left_out=planned.left_out)


def _reject(snapshot: Snapshot, planned: Plan, _value: Any) -> Plan:
    if snapshot.task.kind not in kinds.CHOICE:
        raise DataError(f"The task {snapshot.task.name!r} has no single class to reject: say what it is.")
    label_M = snapshot.state.label_N[planned.row_M]
    wrong_M = np.where(label_M >= 0, label_M, suggested_N(snapshot)[planned.row_M])
    kept = _leave_out(planned, wrong_M < 0, "nothing")
    return _with(kept, kept.row_M, wrong_M[wrong_M >= 0], None)


def _clear(snapshot: Snapshot, planned: Plan, _value: Any) -> Plan:
    return _leave_out(planned, ~snapshot.state.labelled_N[planned.row_M], "nothing")


def _with(planned: Plan, row_M: IntArray, value_M: NDArray[Any], confidence_M: FloatArray | None) -> Plan:
    return Plan(planned.verb, row_M, None, value_M, confidence_M, planned.left_out)


def _leave_out(planned: Plan, out_M: BoolArray, reason: str) -> Plan:
    number = int(out_M.sum())
    if not number:
        return planned
    return Plan(planned.verb, planned.row_M[~out_M], left_out=planned.left_out | {reason: number})


def commit(
    bench: Workbench,
    snapshot: Snapshot,
    planned: Plan,
    *,
    annotator: str | None = None,
    client: str | None = None,
    seq: int = 1,
) -> Done:
    """Stores a planned action as one event; when this returns it is on the disk.

    Args:
        bench: The project.
        snapshot: The one that the plan was made from.
        planned: What to do; nothing is stored where it touches no item.
        annotator: Who does it.
        client: With ``seq`` the event's name, so that sending it again stores it once; by default new.
        seq: See ``client``.

    Raises:
        StoreBusyError: Nothing was stored; try again.
    """
    planned = _recheck(bench, snapshot, planned)
    if not len(planned):
        return Done(None, planned.verb, planned.row_M, planned.left_out, sentence(snapshot.task, planned), 0)
    event = Event(
        client=client or new_client(),
        seq=seq,
        verb=planned.verb,
        task_id=snapshot.task.id,
        item_ids=bench_item_ids(bench)[planned.row_M].tolist(),
        value=planned.value,
        values=None if planned.value_M is None else planned.value_M.tolist(),
        confidences=None if planned.confidence_M is None else planned.confidence_M.tolist(),
        source="bulk",
        annotator=annotator,
        run_id=snapshot.follows.run_id,
    )
    version = bench.record([event])
    done = sentence(snapshot.task, planned)
    return Done(event.batch, planned.verb, planned.row_M, planned.left_out, done, version)


def _recheck(bench: Workbench, snapshot: Snapshot, planned: Plan) -> Plan:
    """Leaves out what somebody answered after the snapshot was taken: it lags a refit behind the store."""
    since = bench.store.annotations.since(snapshot.version)
    touched = {
        row.item_id
        for row in since
        if row.task_id == snapshot.task.id
        and row.verb not in ("flag", "unflag", "skip", "undo")
        and (planned.verb == "accept" or row.source == "human")
    }
    if not touched or planned.verb in ("flag", "unflag"):
        return planned
    out_M = np.isin(bench_item_ids(bench)[planned.row_M], list(touched))
    kept = _leave_out(planned, out_M, "changed")
    return Plan(
        planned.verb,
        kept.row_M,
        planned.value,
        None if planned.value_M is None else planned.value_M[~out_M],
        None if planned.confidence_M is None else planned.confidence_M[~out_M],
        kept.left_out,
    )


def undo(
    bench: Workbench, batch: str, *, annotator: str | None = None, client: str | None = None, seq: int = 1
) -> int:
    """Takes an action back as a whole; returns the newest annotation."""
    event = Event(
        client=client or new_client(), seq=seq, verb="undo", undoes=batch, source="bulk", annotator=annotator
    )
    return bench.record([event])


def new_client() -> str:
    """A name that no other sender of events has."""
    return f"bulk-{secrets.token_hex(10)}"


_item_ids: dict[tuple[str, int], IntArray] = {}


def bench_item_ids(bench: Workbench) -> IntArray:
    """Item ids by row; ids are given out without gaps, so a longer table keeps the old rows."""
    key = (str(bench.folder), bench.store.count())
    if key not in _item_ids:
        _item_ids.clear()
        _item_ids[key] = bench.store.item_ids()
    return _item_ids[key]


def sentence(task: Task, planned: Plan) -> str:
    """What an action did, for the person who asked for it."""
    n = len(planned)
    say: dict[str, Callable[[], str]] = {
        "label": lambda: f"Labelled {items(n)} as {_class_of(task, planned)}",
        "accept": lambda: f"Accepted {items(n)}{_as_class(task, planned)}",
        "reject": lambda: f"Rejected {items(n)}{_as_class(task, planned)}",
        "flag": lambda: f"Flagged {items(n)}",
        "unflag": lambda: f"Took the flag off {items(n)}",
        "clear": lambda: f"Cleared the label of {items(n)}",
    }
    text = say[planned.verb]() if n else "Nothing to do"
    reasons = [f"{number:,} {_REASONS[reason][number != 1]}" for reason, number in planned.left_out.items()]
    return text + (": " if not n and reasons else "; " if reasons else "") + ", ".join(reasons) + "."


def items(n: int) -> str:
    """A number of items in words.

    >>> items(1), items(1234)
    ('1 item', '1,234 items')
    """
    return f"{n:,} item" + ("" if n == 1 else "s")


def _class_of(task: Task, planned: Plan) -> str:
    position = planned.value[0] if isinstance(planned.value, list) else planned.value
    return task.classes[position].name


def _as_class(task: Task, planned: Plan) -> str:
    if planned.value_M is None or not len(planned.value_M) or planned.value_M.dtype == object:
        return ""
    distinct = np.unique(planned.value_M)
    if len(distinct) == 1:
        return f" as {task.classes[int(distinct[0])].name}"
    return f" of {len(distinct):,} classes"
