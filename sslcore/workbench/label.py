"""The Label page's desk: what is asked next, what was answered, how far we are.

The order of the questions comes from a query strategy over the newest snapshot, kept until the next
snapshot, so that asking again costs nothing. Audit questions (see ``audit.py``) stand between them and
carry no suggestion. Answers are stored first; everything else happens afterwards, elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sslcore.errors import ConfigError, DataError
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store import Event, Item, Task
from sslcore.store.annotations import voided
from sslcore.store.fold import SOURCE_CODE, TaskState, state_of_items
from sslcore.workbench import kinds
from sslcore.workbench.audit import (
    AUDIT_SHARE,
    AUDIT_TARGET,
    answered_by_people,
    audit_due,
    audit_rows,
    outside_audit,
)
from sslcore.workbench.desk import Desk
from sslcore.workbench.handed import FIRST, Handed
from sslcore.workbench.label_events import read_client, read_event, read_seq
from sslcore.workbench.snapshot import Snapshot
from sslcore.workbench.twins import SHARING, Twin, Twins, handed_on, once, served

if TYPE_CHECKING:
    from sslcore.queries.why import Why

Order = Literal["auto", "uncertain", "diverse", "random"]
ORDERS: Mapping[str, str] = {"auto": "auto", "uncertain": "margin", "diverse": "kmeans", "random": "random"}
"""Orders a person can choose, and the query strategy behind each."""
MOST_TEXT = 20_000
"""Characters of a text that a card carries; the page says where it was cut."""
PAUSE_SECONDS = 8.0
"""Without an answer for so long a person pauses, and slow figures may be computed."""
_AHEAD = 32
"""Questions that a strategy picks in one go, at least; what comes after them waits for newer labels."""
_REMEMBERED = 1000
"""Reasons kept of earlier choices, whose items a page may still hold."""
_SOURCES = {code: name for name, code in SOURCE_CODE.items()}


@dataclass(frozen=True)
class Card:
    """One question, or one item looked at again.

    Attributes:
        item_id: The item.
        key: Its name in the import.
        text: The text, at most ``MOST_TEXT`` characters (``clipped`` says whether more there is).
        sha: First letters of the content's hash, for the address of an image; None for a text.
        suggestion: Most probable class and its probability; None before the first model and on audit
            questions, which are answered without the machine.
        runner_up: The second of them.
        proba: Probabilities worth showing, most probable first.
        why: One line on why this item is asked.
        audit: Whether the answer goes into the audit split.
        label: Current answer (position, positions or number), None without one; never told on an audit
            question.
        source: Where that answer is from.
        said: The machine's suggestion of any kind of task; see :class:`~sslcore.workbench.kinds.Said`.
        twins: Near-duplicates without a label, which may take over the answer; none on audit questions.
    """

    item_id: int
    key: str
    text: str | None
    clipped: bool
    sha: str | None
    suggestion: tuple[int, float] | None
    runner_up: tuple[int, float] | None
    proba: tuple[tuple[int, float], ...]
    why: str
    audit: bool
    label: Any
    source: str | None
    flagged: bool
    skipped: bool
    said: Mapping[str, Any] | None = None
    twins: tuple[Twin, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Receipt:
    """What became of the events sent: all up to ``ack`` are settled, stored or refused for good."""

    ack: int
    newest: int
    refused: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far we are. ``figure`` and ``head_figure`` are those of the snapshot, JSON-ready.

    ``scale`` is the range of the numbers given so far, of a numeric task; ``prospect`` what more labels
    would bring, once that is known.
    """

    mine: int
    everyone: int
    labelled: int
    items: int
    skipped: int
    audit: int
    audit_target: int
    figure: dict[str, Any]
    head_figure: dict[str, Any]
    key_accuracy: float | None
    key_head_accuracy: float | None
    follows: str
    reason: str
    encoder: str | None
    version: int
    serial: int
    error: str | None
    prospect: dict[str, Any] | None
    scale: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


class LabelDesk(Desk):
    """What is this?"""

    def __init__(self, bench: Any) -> None:
        super().__init__(bench)
        self._selections: dict[tuple[int, str], _Choice] = {}
        self._asked: dict[tuple[int, str], dict[int, Why]] = {}
        self._choosing: dict[tuple[int, str], threading.Lock] = {}
        self._permutations: dict[tuple[int, int], IntArray] = {}
        self._mine: dict[tuple[int, str], tuple[int, int]] = {}
        self._count = 0
        self._taken = time.monotonic()  # when the last answer came, or work began
        self._settings: tuple[float, dict[str, Any]] = (-1.0, {})
        self._handed = Handed()
        self.twins = Twins()

    # --- asking ------------------------------------------------------------------------------

    def queue(
        self, task: Task, n: int, *, order: str = "auto", exclude: Iterable[int] = (), page: str | None = None
    ) -> list[Card]:
        """The next questions, most wanted first, audit questions among them.

        Args:
            task: Of any kind.
            n: How many at most.
            order: One of ``ORDERS``.
            exclude: Items that the caller holds already or has just answered.
            page: Who asks. What lies before other pages comes last, so that people who label at once
                share the work.

        Raises:
            ConfigError: An order that there is none of.
        """
        snapshot = self.snapshot(task)
        exclude_ids = np.asarray(sorted(set(exclude)), dtype=np.int64)
        row_Q, audit_Q = self._next_rows(snapshot, max(n, 0), order, exclude_ids, page)
        if page is not None and n > 0:
            self._note(snapshot, exclude_ids, row_Q, page)
        held = self._selections.get((task.id, order))
        told = self._told(snapshot, held.why if held is not None else {})
        why_Q = [told(row) or self._unchosen(snapshot, row, order) for row in row_Q.tolist()]
        return self._cards(snapshot, row_Q, audit_Q, why_Q)

    def _note(self, snapshot: Snapshot, exclude_ids: IntArray, row_Q: IntArray, page: str) -> None:
        open_N = snapshot.state.open_N
        held_Q = exclude_ids[(exclude_ids >= 1) & (exclude_ids <= len(open_N))] - 1
        self._handed.note(snapshot.task.id, page, np.concatenate([row_Q[:FIRST], held_Q[open_N[held_Q]]]))

    def cards(self, task: Task, item_ids: Sequence[int], *, order: str | None = None) -> list[Card]:
        """Items as cards, in the order asked for; unanswered audit items as audit questions.

        Args:
            task: Of any kind.
            item_ids: The items.
            order: That of the queue they were asked in, to tell why by the figures of now.

        Raises:
            DataError: An item that the project does not have.
        """
        snapshot = self.snapshot(task)
        row_Q = np.asarray(item_ids, dtype=np.int64) - 1
        wrong = [i for i in item_ids if not 1 <= i <= len(snapshot.state.label_N)]
        if wrong:
            raise DataError(
                f"The project has items 1 to {len(snapshot.state.label_N)}. Received: {wrong[0]}."
            )
        audit_Q = np.isin(row_Q, self._audit_rows(snapshot.state))
        told = self._told(snapshot, self._asked.get((task.id, order or ""), {}))
        return self._cards(snapshot, row_Q, audit_Q, [told(row) for row in row_Q.tolist()])

    def card(self, task: Task, item_id: int) -> Card:
        """One item as a card."""
        return self.cards(task, [item_id])[0]

    def find(self, task: Task, text: str, *, limit: int = 20) -> list[Card]:
        """Items whose name or text contains ``text``."""
        return self.cards(task, self.store.find(text, limit=limit)) if text.strip() else []

    def history(self, item_id: int) -> list[dict[str, Any]]:
        """What was done to an item, oldest first; ``undone`` where it was taken back."""
        gone = voided(self.store.annotations.undos())
        return [
            {
                "time": row.time,
                "verb": row.verb,
                "task": row.task_id,
                "value": row.value,
                "source": row.source,
                "purpose": row.purpose,
                "annotator": row.annotator,
                "undone": row.batch in gone,
            }
            for row in self.store.annotations.of_items([item_id])
        ]

    # --- answering ---------------------------------------------------------------------------

    def take(self, client: Any, events: Sequence[Any], *, annotator: str) -> Receipt:
        """Stores what a page sent; when this returns it is on the disk.

        An event that makes no sense is refused alone, so that one of them cannot hold up the rest.

        Raises:
            DataError: No client, or an event without a number: nothing was stored.
            StoreBusyError: Nothing was stored; send them again.
        """
        self._taken = time.monotonic()
        name = read_client(client)
        seqs = [read_seq(raw) for raw in events]
        tasks = {task.id: task for task in self.bench.tasks()}
        count = self._item_count(events)
        good: list[Event] = []
        refused: list[tuple[int, str]] = []
        for seq, raw in zip(seqs, events):
            try:
                event = read_event(raw, client=name, annotator=annotator, tasks=tasks, count=count)
                if raw.get("shared") is True:
                    event = self._shared(event, tasks, good)
                elif event.verb == "accept":
                    event = outside_audit(event, self.snapshot(tasks[event.task_id]).state)
                good.append(event)
            except DataError as error:
                refused.append((seq, str(error)))
        newest = self.bench.record(good) if good else 0
        return Receipt(ack=max(seqs, default=0), newest=newest, refused=tuple(refused))

    def _shared(self, event: Event, tasks: Mapping[int, Task], earlier: Sequence[Event]) -> Event:
        """An answer handed on to near-duplicates, less those that may not take it.

        Args:
            event: As the page sent it.
            tasks: The project's tasks by id.
            earlier: What the page sent before it and is not stored yet.

        Raises:
            DataError: None of them may.
        """
        task = tasks[event.task_id]
        held = state_of_items(self.store, task, event.item_ids, coming=earlier)
        return handed_on(event, held, self._audit_rows(self.snapshot(task).state))

    def _item_count(self, events: Sequence[Any]) -> int:
        """Items never go, so a count is only asked for again when an event names one beyond it."""
        named = [raw.get("items") for raw in events]
        highest = max(
            (i for ids in named if isinstance(ids, list) for i in ids if isinstance(i, int)), default=0
        )
        if highest > self._count:
            self._count = self.store.count()
        return self._count

    def add_class(self, task: Task, name: str) -> int:
        """Adds a class and returns its position.

        Raises:
            DataError: An empty name.
        """
        if not name.strip():
            raise DataError("A class needs a name. Received: an empty one.")
        position = self.store.add_class(task.id, name.strip()).position
        self.bench.live.poke()
        return position

    def add_classes(self, task: Task, names: str) -> list[int]:
        """Adds the classes named, with commas between them; those that are there stay as they are.

        Returns:
            Their positions.

        Raises:
            DataError: No name among them, or a task of numbers.
        """
        wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
        if not wanted:
            raise DataError("A class needs a name. Received: an empty one.")
        if task.kind == "numeric":
            raise DataError(f"The task {task.name!r} asks for a number: it has no classes.")
        return [self.add_class(task, name) for name in wanted]

    # --- how far we are ----------------------------------------------------------------------

    def progress(self, task: Task, annotator: str) -> Progress:
        """The counts and figures of the newest snapshot; cheap, nothing is computed twice for one."""
        snapshot = self.snapshot(task)
        state = snapshot.state
        by_people_N = np.isin(state.source_N, (SOURCE_CODE["human"], SOURCE_CODE["bulk"]))
        return Progress(
            mine=self._labelled_by(snapshot, annotator, by_people_N),
            everyone=int(by_people_N.sum()),
            labelled=int(state.labelled_N.sum()),
            items=len(state.label_N),
            skipped=int(state.skipped_N.sum()),
            audit=len(state.audit_row_A),
            audit_target=self.audit_target,
            figure=snapshot.figure.as_dict(),
            head_figure=snapshot.head_figure.as_dict(),
            key_accuracy=snapshot.key_accuracy,
            key_head_accuracy=snapshot.key_head_accuracy,
            follows=snapshot.follows.title,
            reason=snapshot.follows.reason,
            encoder=snapshot.follows.encoder,
            version=snapshot.version,
            serial=snapshot.serial,
            error=self.bench.live.error,
            prospect=self._prospect(snapshot),
            scale=None if (range_ := kinds.scale(snapshot)) is None else asdict(range_),
        )

    def _prospect(self, snapshot: Snapshot) -> dict[str, Any] | None:
        """What twenty more labels would bring, asked for in a pause so that no key waits for it."""
        task, quality = snapshot.task, self.bench.quality
        if not quality.foresees(task):
            return None
        if time.monotonic() - self._taken > PAUSE_SECONDS and len(snapshot.views) > 0:
            advice = quality.advice(task, patience=0).value
        else:
            advice = quality.newest_advice(task)
        if advice is None or advice.gain is None:
            return None
        return {
            "labels": advice.gain.more,
            "gain": str(advice.gain),
            "rough": advice.rough,
            "text": advice.text,
        }

    def _labelled_by(self, snapshot: Snapshot, annotator: str, by_people_N: BoolArray) -> int:
        key = (snapshot.task.id, annotator)
        held = self._mine.get(key)
        if held is None or held[0] != snapshot.serial:
            mine = sum(
                who == annotator and bool(by_people_N[row]) for row, who in snapshot.state.annotator.items()
            )
            self._mine[key] = held = (snapshot.serial, mine)
        return held[1]

    # --- audit -------------------------------------------------------------------------------

    @property
    def audit_share(self) -> float:
        """Share of the questions that are audit questions."""
        return float(self._setting("audit_share", AUDIT_SHARE))

    @property
    def audit_target(self) -> int:
        """Audit items after which no more are asked."""
        return int(self._setting("audit_target", AUDIT_TARGET))

    def set_audit(self, *, share: float | None = None, target: int | None = None) -> None:
        """Changes the share of audit questions or how many there shall be.

        Raises:
            ConfigError: A share not in [0, 0.5], or a negative target.
        """
        if share is not None and not 0 <= share <= 0.5:
            raise ConfigError(f"audit share must be in [0, 0.5]. Received: {share!r}.")
        if target is not None and target < 0:
            raise ConfigError(f"audit target must be at least 0. Received: {target!r}.")
        values = {"audit_share": share, "audit_target": target}
        self.store.set_settings({key: value for key, value in values.items() if value is not None})
        self._settings = (-1.0, {})

    def _setting(self, key: str, default: Any) -> Any:
        now = time.monotonic()
        if now - self._settings[0] > 1.0:  # another page or process may have changed them
            self._settings = (now, self.store.settings())
        return self._settings[1].get(key, default)

    @property
    def sharing(self) -> str:
        """What becomes of an answer whose item has near-duplicates; one of ``SHARING``."""
        return str(self._setting("share_with_duplicates", SHARING[0]))

    def set_sharing(self, sharing: str) -> None:
        """Changes it for the project.

        Raises:
            ConfigError: None of ``SHARING``.
        """
        if sharing not in SHARING:
            raise ConfigError(f"sharing is one of {', '.join(SHARING)}. Received: {sharing!r}.")
        self.store.set_settings({"share_with_duplicates": sharing})
        self._settings = (-1.0, {})

    def duplicate_groups(self, task: Task) -> int:
        """How many groups of near-duplicates the set holds."""
        return self.twins.count(self.snapshot(task))

    def _audit_rows(self, state: TaskState) -> IntArray:
        permutation_N = self._permutation(len(state.label_N), salt=1)
        return audit_rows(state, permutation_N, share=self.audit_share, target=self.audit_target)

    # --- choosing ----------------------------------------------------------------------------

    def _next_rows(
        self, snapshot: Snapshot, n: int, order: str, exclude_ids: IntArray, page: str | None
    ) -> tuple[IntArray, BoolArray]:
        state = snapshot.state
        held_N = np.zeros(len(state.label_N), dtype=bool)
        held_N[exclude_ids[(exclude_ids >= 1) & (exclude_ids <= len(held_N))] - 1] = True
        set_aside = self._audit_rows(state)
        waiting = set_aside[held_N[set_aside]]
        away_N = self._elsewhere(snapshot, page)
        audits = [int(row) for row in set_aside if not held_N[row]]
        audits.sort(key=lambda row: bool(away_N[row]))

        open_N = state.open_N & ~held_N
        open_N[set_aside] = False
        once_N = self._once(snapshot, order, open_N, held_N)
        chosen = [int(row) for row in self._selection(snapshot, order, set_aside) if once_N[row]]
        wanted = [row for row in chosen if not away_N[row]]
        # labelled faster than a new selection came, or few are left; near-duplicates come late, and last
        # of all what lies before others
        for rest_N in (once_N & ~away_N, open_N & ~away_N):
            self._fill(wanted, n, rest_N)
        if len(wanted) < n:
            wanted += [row for row in chosen if away_N[row]]
            for rest_N in (once_N, open_N):
                self._fill(wanted, n, rest_N)

        answered, audited = answered_by_people(state)
        answered += int((held_N & state.open_N).sum())
        audited += len(waiting)
        return _interleave(wanted, audits, n, answered=answered, audited=audited, share=self.audit_share)

    def _fill(self, wanted: list[int], n: int, rest_N: BoolArray) -> None:
        """Adds rows of ``rest_N`` by chance until there are ``n``."""
        if len(wanted) < n:
            rest_N[wanted] = False
            shuffled = self._permutation(len(rest_N), salt=2)
            wanted += [int(row) for row in shuffled[rest_N[shuffled]][: n - len(wanted)]]

    def _elsewhere(self, snapshot: Snapshot, page: str | None) -> BoolArray:
        away_N = np.zeros(len(snapshot.state.label_N), dtype=bool)
        if page is not None:
            row_Q = self._handed.elsewhere(snapshot.task.id, page)
            away_N[row_Q[row_Q < len(away_N)]] = True
        return away_N

    def _once(self, snapshot: Snapshot, order: str, open_N: BoolArray, held_N: BoolArray) -> BoolArray:
        """The open rows that may be asked; near-duplicates once, except by the random control."""
        group_N = None if order == "random" else self.twins.groups(snapshot)
        return open_N.copy() if group_N is None else once(group_N, open_N, served(snapshot.state) | held_N)

    def _selection(self, snapshot: Snapshot, order: str, set_aside: IntArray) -> IntArray:
        """The strategy's choice for a snapshot; whoever comes while it is made gets the one before."""
        if order not in ORDERS:
            raise ConfigError(f"An order is one of {', '.join(ORDERS)}. Received: {order!r}.")
        key = (snapshot.task.id, order)
        lock = self._choosing.setdefault(key, threading.Lock())
        held = self._selections.get(key)
        if held is not None and held.serial == snapshot.serial:
            return held.row_Q
        if not lock.acquire(blocking=held is None):
            return held.row_Q[snapshot.state.open_N[held.row_Q]] if held else np.zeros(0, np.int64)
        try:
            held = self._selections.get(key)
            if held is None or held.serial != snapshot.serial:
                self._selections[key] = held = self._choose(snapshot, order, set_aside)
            return held.row_Q
        finally:
            lock.release()

    def _choose(self, snapshot: Snapshot, order: str, set_aside: IntArray) -> _Choice:
        from sslcore.queries import QUERIES, Pool
        from sslcore.queries.why import reasons_of, whys

        key = (snapshot.task.id, order)
        state, view = snapshot.state, snapshot.view
        open_N = state.open_N.copy()
        open_N[set_aside] = False
        if order == "random" or view is None or len(view.feature_ND) != len(open_N):
            # One fixed order for a project: a random choice needs no new dice at every label.
            shuffled = self._permutation(len(open_N), salt=2)
            return _Choice(snapshot.serial, shuffled[open_N[shuffled]][: 8 * _AHEAD], {})
        choice = snapshot.task.kind in kinds.CHOICE
        pool = Pool(
            feature_ND=view.feature_ND,
            label_N=kinds.training_label_N(snapshot),
            candidate_U=np.flatnonzero(self._once(snapshot, order, open_N, np.zeros_like(open_N))),
            proba_NC=kinds.doubt_N2(snapshot),
            knn=view.knn,
            committee=_committee(snapshot) if choice else (),
            classes=len(snapshot.task.classes) if choice else 0,
        )
        rng = np.random.default_rng([self._seed, snapshot.version])
        chosen = QUERIES[ORDERS[order]].value(pool, self._batch(snapshot), rng=rng)
        reasons = reasons_of(chosen, ORDERS[order]) if choice else ()
        seen = pool if choice else replace(pool, proba_NC=None)
        told = whys(seen, chosen.row_Q, class_names=snapshot.task.class_names, reasons=reasons)
        why = dict(zip(chosen.row_Q.tolist(), told))
        kept = self._asked.get(key, {}) | why
        self._asked[key] = dict(list(kept.items())[-_REMEMBERED:])
        return _Choice(snapshot.serial, chosen.row_Q, why)

    def _told(self, snapshot: Snapshot, why: Mapping[int, Why]) -> Callable[[int], str]:
        """Says why a row was asked, by the figures of now; "" where it was not chosen."""
        from sslcore.queries import Pool
        from sslcore.queries.why import retold

        names, view = snapshot.task.class_names, snapshot.view
        if not why or view is None or len(view.feature_ND) != len(snapshot.state.open_N):
            return lambda row: ""
        if snapshot.task.kind not in kinds.CHOICE:
            return lambda row: kinds.sentence(snapshot, row, why[row].text) if row in why else ""
        pool = Pool(
            feature_ND=view.feature_ND,
            label_N=kinds.training_label_N(snapshot),
            candidate_U=np.zeros(0, np.int64),
            proba_NC=kinds.doubt_N2(snapshot),
            committee=_committee(snapshot),
            classes=len(names),
        )
        return lambda row: retold(why[row], pool, row, class_names=names).text if row in why else ""

    def _batch(self, snapshot: Snapshot) -> int:
        """How many to choose at once.

        While labels are few the strategies cluster into as many groups as they are asked for, so the
        number should be that of the labels still missing, two a class, not the length of a buffer.
        """
        missing = 2 * len(snapshot.task.classes) - int((kinds.training_label_N(snapshot) >= 0).sum())
        return int(np.clip(missing, 8, 2 * _AHEAD)) if missing > 0 else _AHEAD

    @property
    def _seed(self) -> int:
        return int(self._setting("seed", 0))

    def _permutation(self, n: int, *, salt: int) -> IntArray:
        key = (n, salt)
        if key not in self._permutations:
            # Ranks of one random number a row, drawn in row order: items imported later do not
            # change the order among the earlier ones.
            rank_N = np.random.default_rng([self._seed, salt]).random(n)
            self._permutations[key] = np.argsort(rank_N)  # all differ, so that no stable sort is needed
        return self._permutations[key]

    # --- cards -------------------------------------------------------------------------------

    def _cards(
        self, snapshot: Snapshot, row_Q: IntArray, audit_Q: BoolArray, why_Q: Sequence[str]
    ) -> list[Card]:
        items = self.store.items((row_Q + 1).tolist())
        twins = self._twins(snapshot, row_Q[~audit_Q])
        return [
            replace(
                _card(snapshot, int(row), item, audit=bool(audit), why=why), twins=twins.get(int(row), ())
            )
            for row, item, audit, why in zip(row_Q, items, audit_Q, why_Q)
        ]

    def _unchosen(self, snapshot: Snapshot, row: int, order: str) -> str:
        """Why an item is asked that no strategy chose: it was drawn."""
        group_N = self.twins.groups(snapshot)
        if order == "random" or group_N is None:
            return "Drawn at random."
        if group_N[row] >= 0 and served(snapshot.state)[group_N == group_N[row]].any():
            return "A near-duplicate of one that was answered; nothing else is left to ask."
        return "Drawn at random while the next choice is made."

    def _twins(self, snapshot: Snapshot, row_Q: IntArray) -> dict[int, tuple[Twin, ...]]:
        """The near-duplicates of each row that may share its answer."""
        if self.sharing == "never" or self.twins.groups(snapshot) is None:
            return {}
        set_aside = self._audit_rows(snapshot.state)
        found = {int(row): self.twins.of(snapshot, int(row), set_aside) for row in row_Q}
        wanted = [row + 1 for rows in found.values() for row in rows]
        twin = {item.id - 1: Twin.of(item) for item in self.store.items(wanted)} if wanted else {}
        return {row: tuple(twin[one] for one in rows) for row, rows in found.items() if rows}


@dataclass(frozen=True)
class _Choice:
    """A strategy's answer to one snapshot, and why it chose each row."""

    serial: int
    row_Q: IntArray
    why: Mapping[int, Why]


def _committee(snapshot: Snapshot) -> tuple[FloatArray, ...]:
    """The models that strategies compare: what is followed, and the supervised head."""
    head_NC = None if snapshot.result is None else getattr(snapshot.result, "head_proba_NC", None)
    if snapshot.proba_NC is None or head_NC is None or head_NC.shape != snapshot.proba_NC.shape:
        return ()
    return (snapshot.proba_NC, head_NC)


def _interleave(
    wanted: Sequence[int], audits: Sequence[int], n: int, *, answered: int, audited: int, share: float
) -> tuple[IntArray, BoolArray]:
    """Audit questions where they are due, never two in a row while others are left."""
    rows: list[int] = []
    is_audit: list[bool] = []
    ordinary, blind = iter(wanted), iter(audits)
    while len(rows) < n:
        due = audit_due(answered, audited, share=share) and not (is_audit and is_audit[-1])
        row, asks_audit = (next(blind, None), True) if due else (next(ordinary, None), False)
        if row is None:
            row, asks_audit = (next(ordinary, None), False) if due else (next(blind, None), True)
        if row is None:
            break
        rows.append(row)
        is_audit.append(asks_audit)
        answered += 1
        audited += asks_audit
    return np.asarray(rows, dtype=np.int64), np.asarray(is_audit, dtype=bool)


def _card(snapshot: Snapshot, row: int, item: Item, *, audit: bool, why: str) -> Card:
    state = snapshot.state
    choice = snapshot.task.kind in kinds.CHOICE
    proba = (
        () if audit or not choice else tuple((c, round(p, 4)) for c, p in snapshot.suggestion(row, top=20))
    )
    said = None if audit else kinds.said(snapshot, row)
    text = item.text or "" if item.media is None else None
    labelled = bool(state.labelled_N[row]) and not audit
    value = state.value_of(row)
    return Card(
        item_id=item.id,
        key=item.key,
        text=None if text is None else text[:MOST_TEXT],
        clipped=text is not None and len(text) > MOST_TEXT,
        sha=None if item.media is None else item.sha256[:12],
        suggestion=proba[0] if proba else None,
        runner_up=proba[1] if len(proba) > 1 else None,
        proba=tuple(pair for pair in proba if pair[1] >= 0.005)
        if choice or audit
        else kinds.shown_proba(snapshot, row),
        why="Audit question: answer without the machine's help." if audit else why,
        audit=audit,
        label=value if labelled else None,
        source=_SOURCES.get(int(state.source_N[row])) if labelled else None,
        flagged=bool(state.flagged_N[row]),
        skipped=bool(state.skipped_N[row]),
        said=None if said is None else said.as_dict(),
    )
