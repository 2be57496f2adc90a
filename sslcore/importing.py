"""From a source to a project, all of it or nothing.

Records are read, checked and hashed first, images are copied into a folder of their own inside the
project, and only then one transaction writes every item and label, so a kill at any moment leaves the
project as it was. Content is known by its sha256: what is there already is not brought again, which
makes a second run of the same import do nothing.

Images are copied into ``media/<first two of sha256>/<sha256>.<type>`` without their EXIF (files of an
unpacked archive are linked, since nobody else has them): uploads vanish and folders get tidied. Where an
import brings 100 or more labels of a task, a stratified fifth of them, at most 300, becomes the audit
split that nothing is ever trained on.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sslcore.config import Config, parse
from sslcore.errors import DataError, LabelloomError, StoreBusyError
from sslcore.formats import FORMATS, sniff
from sslcore.formats.columns import no_label_words, takes_numbers_as_names, task_remarks
from sslcore.formats.record import (
    ColumnMapping,
    Format,
    Inspection,
    Label,
    Modality,
    Record,
    Skipped,
    TaskColumn,
)
from sslcore.formats.scales import in_order, natural
from sslcore.formats.unpack import ArchiveFormat, ArchiveOptions
from sslcore.image_metadata import without_metadata
from sslcore.media import MAX_BYTES, SUFFIX_OF, check_image
from sslcore.store import LabelState, NewItem, NewLabel, Store, Task
from sslcore.store.facts import SOURCES
from sslcore.store.fold import TaskState
from sslcore.store.looks import checked_colour, checked_key
from sslcore.store.project import ImportBatch

AUDIT_FROM = 100
AUDIT_SHARE = 0.2
AUDIT_MOST = 300
TOLD = 1_000
DEFAULT_TASK = "label"
_MACHINE_SOURCES = frozenset({"pseudo", "model", "machine", "predicted", "prediction"})
_CHUNK = 5_000

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class ImportReport:
    """What an import did."""

    imported: int  # new items
    labelled: int  # of them with a label of at least one task
    skipped: tuple[Skipped, ...]  # the first thousand
    skipped_count: int
    duplicates: int  # left out because the same content is there already
    conflicts: tuple[Skipped, ...]  # duplicates whose label differs from the one that was kept
    updated: int  # items that were there and got a label, a flag or a rejection they lacked
    tasks: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]  # of each task, all that the project has now
    format: str
    audit: int  # labels set aside
    seconds: float
    warnings: tuple[str, ...] = ()
    left_out: tuple[Skipped, ...] = ()  # labels that could not be read, of items that came in
    left_out_count: int = 0
    doubled: tuple[Skipped, ...] = ()  # duplicates within the source, and of what; the first thousand

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


_Fact = tuple[str, NewLabel]  # a task, and a flag, a skip or a rejection


@dataclass
class _Row:
    """An item on its way in; its labels may still grow by a duplicate's."""

    record: Record
    sha256: str
    media: str | None
    key: str
    labels: dict[str, NewLabel]
    more: list[_Fact] = field(default_factory=list)


@dataclass
class _Prepared:
    rows: list[_Row] = field(default_factory=list)
    late: dict[str, dict[str, NewLabel]] = field(default_factory=dict)  # sha256 in the store → labels
    late_more: dict[str, list[_Fact]] = field(default_factory=dict)  # the same, further facts
    skipped: list[Skipped] = field(default_factory=list)
    skipped_count: int = 0
    duplicates: int = 0
    doubled: list[Skipped] = field(default_factory=list)
    conflicts: list[Skipped] = field(default_factory=list)
    machine: int = 0
    no_number: dict[str, Counter[str]] = field(default_factory=dict)  # task → word → cells
    left_out: list[Skipped] = field(default_factory=list)
    unread: dict[str, Skipped] = field(default_factory=dict)  # task → its first cell left out
    left_out_count: int = 0
    read: set[str] = field(default_factory=set)  # tasks of which a cell was read
    purposes: bool = False  # whether the source says which labels are audit
    classes: dict[str, list[dict[str, Any]]] = field(
        default_factory=dict
    )  # as the source tells them, in order
    remarks: list[str] = field(default_factory=list)

    def skip(self, place: str, reason: str) -> None:
        self.skipped_count += 1
        if len(self.skipped) < TOLD:
            self.skipped.append(Skipped(place, reason))

    def double(self, key: str, of: str) -> None:
        self.duplicates += 1
        if len(self.doubled) < TOLD:
            self.doubled.append(Skipped(key, f"the same content as {of}"))

    def leave_out(self, task: str, cell: Skipped) -> None:
        self.left_out_count += 1
        self.unread.setdefault(task, cell)
        if len(self.left_out) < TOLD:
            self.left_out.append(cell)


def preview(source: Path, *, format: str | None = None, options: Any = None) -> Inspection:
    """What a source holds and how it would be read; writes nothing to any project.

    Args:
        source: A table, an archive, or a folder.
        format: Its format's name; found by looking where not given.
        options: That format's config, or a mapping of its settings, in which ``mapping`` may stand too.

    Raises:
        FormatError: No reader knows the source, or it breaks its format.
        ConfigError: A setting that the format does not have.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "films.csv"
    >>> _ = file.write_text("text,mood\\na fine film,good\\na dull film,\\n")
    >>> preview(file).mapping.tasks[0].task
    'mood'
    """
    source = Path(source).expanduser()
    name = format or sniff(source)
    mapping, options = _split_mapping(None, options)
    with _file_errors(source):
        settings = _options(name, options)
        seen = FORMATS[name].value().inspect(source, settings)
        return seen if mapping is None else _remapped(seen, mapping, name, source, settings)


def import_source(
    store: Store,
    source: Path,
    *,
    format: str | None = None,
    mapping: ColumnMapping | Mapping[str, Any] | None = None,
    options: Any = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> ImportReport:
    """Brings the items and labels of a source into a project.

    Args:
        store: The project.
        source: A table, an archive, or a folder.
        format: Its format's name; found by looking where not given.
        mapping: Which column plays which part; :func:`preview` proposes one.
        options: The format's config, or a mapping of its settings.
        progress: Called with items read so far and how many there are, if known. It may raise to cancel.
        seed: Draws the audit split.

    Returns:
        What was imported, what was left out and why.

    Raises:
        DataError: The source cannot be read, or nothing in it can. Nothing was stored.
        StoreBusyError: The disk is full or the project is locked. Nothing was stored.

    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> _ = (home / "films.csv").write_text("text,mood\\na fine film,good\\na dull film,\\n")
    >>> store = Store.create(home / "films", modality="text")
    >>> report = import_source(store, home / "films.csv")
    >>> report.imported, report.labelled, report.classes
    (2, 1, {'mood': ('good',)})
    >>> import_source(store, home / "films.csv").duplicates
    2
    """
    started = time.monotonic()
    source = Path(source).expanduser()
    name = format or sniff(source)
    mapping, options = _split_mapping(mapping, options)
    _sweep(store)
    with (
        _file_errors(source),
        _opened(name, source, _options(name, options, store.folder / "spool")) as (place, reader, settings),
        _Media(store.folder / "media", link=place != source) as media,
    ):
        seen = reader.inspect(place, settings)
        mapping = mapping or seen.mapping
        _check_modality(store, "image" if mapping.path else "text", source)
        records = reader.read(place, mapping, settings)
        found = _prepare(store, records, media, (progress, seen.count))
        if not found.rows and not found.duplicates:
            first = (
                f" The first: {found.skipped[0].place}: {found.skipped[0].reason}." if found.skipped else ""
            )
            raise DataError(
                f"Nothing in it can be imported; {found.skipped_count:,} left out.{first}", file=source
            )
        _refuse_unread(found, mapping, source)
        tasks = _tasks_of(store, mapping)
        held = LabelState(store)
        _merge_late(store, held, found)
        audit = 0 if found.purposes else _set_audit(found.rows, tasks, held, seed)
        media.settle()
        updated = _write(store, found, tasks)
        media.keep()
    if found.purposes:
        audit = sum(label.purpose == "audit" for row in found.rows for label in row.labels.values())
    if progress:
        progress(len(found.rows), len(found.rows))
    warnings = list(seen.warnings)
    if found.machine:
        warnings.append(f"{found.machine:,} labels were made by a machine and are not taken as labels.")
    warnings += found.remarks
    for task, words in found.no_number.items():
        said = ", ".join(repr(word) for word, _ in words.most_common(5))
        cells = "1 cell holds" if words.total() == 1 else f"{words.total():,} cells hold"
        warnings.append(f"Task {task!r}: {cells} no number but {said}, and no label was read from there.")
    classes = {task.name: tuple(task.class_names) for task in store.tasks()}
    warnings += [f"Task {task!r} has {len(of):,} classes." for task, of in classes.items() if len(of) > 1000]
    warnings += [
        f"Task {task.task!r}: whole numbers are read as names of classes. Where they are amounts or steps of "
        "a scale, say numeric or ordinal."
        for task in mapping.tasks
        if seen.columns and takes_numbers_as_names(task, classes.get(task.task, ()))
    ]
    return ImportReport(
        imported=len(found.rows),
        labelled=sum(bool(row.labels) for row in found.rows),
        skipped=tuple(found.skipped),
        skipped_count=found.skipped_count,
        duplicates=found.duplicates,
        conflicts=tuple(found.conflicts),
        updated=updated,
        tasks=tuple(task.task for task in tasks),
        classes=classes,
        format=name,
        audit=audit,
        seconds=time.monotonic() - started,
        warnings=tuple(warnings),
        left_out=tuple(found.left_out),
        left_out_count=found.left_out_count,
        doubled=tuple(found.doubled),
    )


def _split_mapping(
    mapping: ColumnMapping | Mapping[str, Any] | None, options: Any
) -> tuple[ColumnMapping | None, Any]:
    """The mapping, which may come among the options, and the other options."""
    if isinstance(options, Mapping) and "mapping" in options:
        mapping = mapping or options["mapping"]
        options = {name: value for name, value in options.items() if name != "mapping"}
    if mapping is not None and not isinstance(mapping, ColumnMapping):
        mapping = ColumnMapping.from_dict(mapping)
    return mapping, options


def _remapped(
    seen: Inspection, mapping: ColumnMapping, name: str, source: Path, settings: Config
) -> Inspection:
    """The preview under a mapping that the user chose. An archive's files are not unpacked twice for it."""
    unread = isinstance(FORMATS[name].value(), ArchiveFormat)
    sample = seen.sample
    if not unread:
        records = FORMATS[name].value().read(source, mapping, settings)
        sample = tuple(islice((one for one in records if isinstance(one, Record)), len(seen.sample) or 24))
    modality: Modality = "image" if mapping.path else "text"
    said = [remark for task in seen.mapping.tasks for remark in task_remarks(task)]
    warnings = [warning for warning in seen.warnings if warning not in said]
    warnings += [remark for task in mapping.tasks for remark in task_remarks(task)]
    return replace(seen, mapping=mapping, sample=sample, modality=modality, warnings=tuple(warnings))


def _options(name: str, options: Any, spool: Path | None = None) -> Config:
    config = FORMATS[name].config
    made = options if isinstance(options, config) else parse(config, dict(options or {}))
    return replace(made, spool=str(spool)) if spool and isinstance(made, ArchiveOptions) else made


@contextlib.contextmanager
def _opened(name: str, source: Path, options: Config) -> Iterator[tuple[Path, Format, Config | None]]:
    reader = FORMATS[name].value()
    if isinstance(reader, ArchiveFormat):
        with reader.opened(source, options) as inside:
            yield inside
    else:
        yield source, reader, options


@contextlib.contextmanager
def _file_errors(source: Path) -> Iterator[None]:
    """What the system says of files, as errors that tell what to do."""
    try:
        yield
    except LabelloomError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreBusyError(
                "Nothing was stored. The disk is full. Free some space and try again."
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise DataError(
                f"It cannot be read, or the project cannot be written: {error.strerror}.",
                file=error.filename or source,
            ) from error
        raise DataError(
            f"It cannot be read: {error.strerror or error}.", file=error.filename or source
        ) from error


def _check_modality(store: Store, modality: str, source: Path) -> None:
    if store.modality != modality:
        raise DataError(
            f"The project is of {store.modality}s and this holds {modality}s. Make another project "
            "for it, or map another column.",
            file=source,
        )


def _prepare(
    store: Store,
    records: Iterator[Record | Skipped],
    media: _Media,
    telling: tuple[Progress | None, int | None],
) -> _Prepared:
    """Reads and checks every record; writes nothing but staged images."""
    found = _Prepared()
    known = store.known_content()
    keys = store.keys()
    by_hash: dict[str, _Row] = {}
    for done, (record, content) in enumerate(_contents(records, media), start=1):
        if telling[0] and (done % 256 == 0 or done == 1):
            telling[0](done, telling[1])
        if isinstance(record, Skipped):
            found.skip(record.place, record.reason)
            continue
        if isinstance(content, str):
            found.skip(record.key, content)
            continue
        for task, word in record.no_number.items():
            found.no_number.setdefault(task, Counter())[word] += 1
        for task, cell in record.left_out.items():
            found.leave_out(task, cell)
        found.read.update(record.labels)
        sha256, name = content
        labels, more = _labels_of(record, found)
        if sha256 in known:
            found.duplicates += 1
            if labels:
                found.late.setdefault(sha256, {}).update(
                    {task: label for task, label in labels.items() if task not in found.late.get(sha256, {})}
                )
            if more:
                _add_facts(found.late_more.setdefault(sha256, []), more)
            continue
        first = by_hash.get(sha256)
        if first is not None:
            found.double(record.key, first.key)
            _merge(first.labels, labels, found, f"{record.key} (same content as {first.key})")
            _add_facts(first.more, more)
            continue
        row = _Row(record, sha256, name, _free_key(_clean(record.key), keys), labels, more)
        by_hash[sha256] = row
        found.rows.append(row)
    return found


def _refuse_unread(found: _Prepared, mapping: ColumnMapping, source: Path) -> None:
    """Refuses a column of which cells were left out and none was read: it is taken for what it is not."""
    for task in mapping.tasks:
        if task.task in found.unread and task.task not in found.read:
            cell = found.unread[task.task]
            raise DataError(
                f"No cell of it can be read as its kind, {task.kind}. The first: {cell.place}: "
                f"{cell.reason}. Take the column as another kind, or as no labels.",
                file=source,
                column=task.column,
            )


_Content = tuple[str, str | None] | str  # (sha256, media reference), or why there is none


def _contents(
    records: Iterator[Record | Skipped], media: _Media
) -> Iterator[tuple[Record | Skipped, _Content]]:
    """Each record with its hash, in order; images are checked and copied by a few threads ahead."""
    waiting: deque[tuple[Record, Future[_Content]]] = deque()
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for record in records:
            if isinstance(record, Skipped):
                yield record, ""
            elif record.media is None:
                text = record.text or ""
                try:
                    data = text.encode()
                except UnicodeEncodeError:  # half a surrogate pair, as broken JSON has it
                    text = _clean(text)
                    record, data = replace(record, text=text), text.encode()
                yield record, (hashlib.sha256(data).hexdigest(), None)
            else:
                waiting.append((record, pool.submit(media.take, record.media)))
                if len(waiting) >= 64:
                    oldest, future = waiting.popleft()
                    yield oldest, future.result()
        while waiting:
            oldest, future = waiting.popleft()
            yield oldest, future.result()


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _free_key(key: str, keys: set[str]) -> str:
    key = key[:1000]
    free, number = key, 1
    while free in keys:
        number += 1
        free = f"{key} ({number})"
    keys.add(free)
    return free


def _labels_of(record: Record, found: _Prepared) -> tuple[dict[str, NewLabel], list[_Fact]]:
    """A record's labels and further facts; what a machine labelled is counted and left out."""
    if not record.provenance:
        return {task: _imported(label) for task, label in record.labels.items()}, []
    labels: dict[str, NewLabel] = {}
    more: list[_Fact] = []
    for task in {**record.provenance, **record.labels}:
        told = record.provenance.get(task, {})
        source = str(told.get("source", "imported")).strip().lower()
        status = str(told.get("status", ""))
        rejected = told.get("rejected")
        if rejected:
            more.append((task, NewLabel(_names(rejected), verb="reject", source="human")))
        if status in ("flagged", "skipped"):
            more.append(
                (task, NewLabel(None, verb="flag" if status == "flagged" else "skip", source="human"))
            )
        if told.get("classes") and task not in found.classes:
            found.classes[task] = _class_specs(told["classes"])
        if task not in record.labels:
            continue
        if source in _MACHINE_SOURCES:
            found.machine += 1
            continue
        purpose = told.get("purpose")
        found.purposes = found.purposes or purpose in ("audit", "train")
        labels[task] = NewLabel(
            _value(record.labels[task]),
            source=source if source in SOURCES else "imported",
            purpose="audit" if purpose == "audit" else "train",
            annotator=str(told["annotator"]) if told.get("annotator") is not None else None,
            confidence=_number(told.get("confidence")),
            verb="accept" if status == "accepted" else "label",
        )
    return labels, more


@lru_cache(maxsize=100_000, typed=True)
def _imported(label: Label) -> NewLabel:
    """A label of which nothing else is known; few are different, so they are shared."""
    return NewLabel(_value(label))


def _value(label: Label) -> Any:
    if isinstance(label, tuple):
        return [_clean(name) for name in label]
    return _clean(label) if isinstance(label, str) else label


def _class_specs(value: Any) -> list[dict[str, Any]]:
    """Classes with key and colour as an own manifest tells them; nothing where that does not read."""
    if isinstance(value, str):
        import json

        try:
            value = json.loads(value)
        except ValueError:
            return []
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, list):
        return []
    return [
        {key: _clean(str(spec[key])) for key in ("name", "hotkey", "colour") if spec.get(key) is not None}
        for spec in value
        if isinstance(spec, Mapping) and spec.get("name") is not None
    ]


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        import json

        with contextlib.suppress(ValueError):
            value = json.loads(value)
    return [str(name) for name in value] if isinstance(value, list) else [str(value)]


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _merge(kept: dict[str, NewLabel], new: Mapping[str, NewLabel], found: _Prepared, place: str) -> None:
    """Adds the labels that ``kept`` lacks; one that differs is told."""
    for task, label in new.items():
        if task not in kept:
            kept[task] = label
        elif kept[task].value != label.value and len(found.conflicts) < TOLD:
            reason = f"task {task!r}: {label.value!r} differs from {kept[task].value!r}, which was kept"
            found.conflicts.append(Skipped(place, reason))


def _add_facts(kept: list[_Fact], new: Sequence[_Fact]) -> None:
    kept += [fact for fact in new if fact not in kept]


def _merge_late(store: Store, held: LabelState, found: _Prepared) -> None:
    """Of the facts for items that are there, leaves those that are news; tells those that differ."""
    wanted = found.late.keys() | found.late_more.keys()
    if not wanted:
        return
    tasks = {task.name: task for task in store.tasks()}
    row_of = {
        item.sha256: (row, item.key) for row, item in enumerate(store.iterate()) if item.sha256 in wanted
    }
    for sha256, more in found.late_more.items():
        row, key = row_of[sha256]
        states = {name: held[task.id] for name, task in tasks.items()}
        more[:] = [fact for fact in more if _is_news(fact, states.get(fact[0]), row, key, found)]
    found.late_more = {sha256: more for sha256, more in found.late_more.items() if more}
    for sha256, labels in list(found.late.items()):
        row, key = row_of[sha256]
        fresh = {}
        for name, label in labels.items():
            task = tasks.get(name)
            now = held[task.id].value_of(row) if task else None
            if task is None or now is None:
                fresh[name] = label
                continue
            names: Any = now
            if task.kind != "numeric":
                names = [task.class_names[at] for at in (now if isinstance(now, list) else [now])]
            given = label.value if isinstance(label.value, list) or task.kind == "numeric" else [label.value]
            if names != given and len(found.conflicts) < TOLD:
                found.conflicts.append(
                    Skipped(key, f"task {name!r}: {given} differs from {names}, which was kept")
                )
        found.late[sha256] = fresh
    found.late = {sha256: labels for sha256, labels in found.late.items() if labels}


def _is_news(fact: _Fact, state: TaskState | None, row: int, key: str, found: _Prepared) -> bool:
    """Whether a flag, a skip or a rejection says something new of an item that is there.

    A label that the item has by now is kept: neither a skip nor a rejection takes it away.
    """
    name, told = fact
    if state is None:
        return True
    if told.verb == "flag":
        return not state.flagged_N[row]
    if told.verb == "skip":
        return bool(state.open_N[row])
    names = state.task.class_names
    label = int(state.label_N[row])
    if label >= 0 and names[label] in told.value and len(found.conflicts) < TOLD:
        reason = f"task {name!r}: not {names[label]!r} differs from {names[label]!r}, which was kept"
        found.conflicts.append(Skipped(key, reason))
    rejected = {names[at] for at in state.rejected.get(row, ())}
    return not state.labelled_N[row] and not rejected.issuperset(told.value)


def _tasks_of(store: Store, mapping: ColumnMapping) -> list[TaskColumn]:
    """The tasks of the import; one called "label" where neither it nor the project has any."""
    tasks = [replace(task, task=_clean(task.task)) for task in mapping.tasks]
    if not tasks and not store.tasks():
        return [TaskColumn(DEFAULT_TASK, DEFAULT_TASK)]
    return tasks


def audit_sample(class_L: Sequence[str], size: int, rng: np.random.Generator) -> list[int]:
    """Positions of a random sample in which every class has its share; no class gives its last label.

    Args:
        class_L: The class of each label.
        size: How many are wanted; fewer come where classes are too small.
        rng: The source of chance.

    >>> audit_sample(["a"] * 8 + ["b"] * 4 + ["c"], 3, np.random.default_rng(0)) == [2, 5, 8]
    False
    >>> len(audit_sample(["a"] * 8 + ["b"] * 4 + ["c"], 3, np.random.default_rng(0)))
    3
    """
    if not len(class_L) or size < 1:
        return []
    names, code_L, count_C = np.unique(np.asarray(class_L, dtype=object).astype(str), False, True, True)
    room_C = count_C - 1
    share_C = count_C * min(size, int(room_C.sum())) / len(class_L)
    take_C = np.minimum(np.floor(share_C).astype(int), room_C)
    # largest remainders first; equal ones by lot, so that no class is favoured by its name
    order_C = np.lexsort((rng.random(len(names)), -(share_C - np.floor(share_C))))
    while (missing := min(size, int(room_C.sum())) - int(take_C.sum())) > 0:
        for position in [c for c in order_C if take_C[c] < room_C[c]][:missing]:
            take_C[position] += 1
    chosen: list[int] = []
    for position, take in enumerate(take_C):
        if take:
            rows = np.flatnonzero(code_L == position)
            chosen += rng.choice(rows, size=int(take), replace=False).tolist()
    return sorted(chosen)


def _set_audit(rows: Sequence[_Row], tasks: Sequence[TaskColumn], held: LabelState, seed: int) -> int:
    """Sets a stratified fifth of every task with enough labels aside; returns how many of the first task.

    An item that is audit for one task is audit for all: no label of it is trained on.
    """
    rng = np.random.default_rng(seed)
    chosen: set[int] = set()
    there = {state.task.name: int(state.audit_N.sum()) for state in held.tasks.values()}
    for task in tasks:
        labelled = [at for at, row in enumerate(rows) if task.task in row.labels]
        if len(labelled) < AUDIT_FROM:
            continue
        size = min(AUDIT_MOST - there.get(task.task, 0), int(AUDIT_SHARE * len(labelled)))
        left = [at for at in labelled if at not in chosen]
        size -= len(labelled) - len(left)
        classes = _strata([rows[at].labels[task.task].value for at in left], task.kind)
        chosen.update(left[at] for at in audit_sample(classes, size, rng))
    for at in chosen:
        labels = rows[at].labels
        for name, label in labels.items():
            labels[name] = replace(label, purpose="audit")
    return len(chosen)


def _strata(values: Sequence[Any], kind: str) -> list[str]:
    """What each label counts as where a sample is drawn: its class, the fifth a number is in, or all one.

    Sets of classes are too many to be strata.
    """
    if kind == "numeric":
        number_L = np.array(values, dtype=np.float64)
        return [str(fifth) for fifth in np.digitize(number_L, np.quantile(number_L, [0.2, 0.4, 0.6, 0.8]))]
    return ["" if kind == "multiple" else str(value) for value in values]


def _write(store: Store, found: _Prepared, tasks: Sequence[TaskColumn]) -> int:
    """The one transaction; returns how many items that were there got a label."""
    classes: dict[str, dict[str, None]] = {task.task: {} for task in tasks}
    kinds = {task.task: task.kind for task in tasks}
    orders = {task.task: [_clean(name) for name in task.order] for task in tasks if task.kind == "ordinal"}
    tasks_now = {task.name: task for task in store.tasks()}
    held = {name: task.kind for name, task in tasks_now.items()}
    for row in found.rows:
        for task, label in [*row.labels.items(), *row.more]:
            _note(classes.setdefault(task, {}), label.value)
    late = list(dict.fromkeys([*found.late, *found.late_more]))
    for sha256 in late:
        for task, label in [*found.late.get(sha256, {}).items(), *found.late_more.get(sha256, ())]:
            _note(classes.setdefault(task, {}), label.value)
    id_of: dict[str, int] = {}
    if late:
        ids = store.item_ids().tolist()
        id_of = {
            item.sha256: ids[row]
            for row, item in enumerate(store.iterate())
            if item.sha256 in found.late or item.sha256 in found.late_more
        }
    with store.importing() as batch:
        for task, names in classes.items():
            kind = held.get(task, kinds.get(task, "single"))
            if held.get(task) == "ordinal" or kind == kinds.get(task, kind):
                told = found.classes.get(task, [])
                first = [spec["name"] for spec in told]
                ordered = in_order(names) if kind == "ordinal" else sorted(names, key=natural)
                asked = orders.get(task, ())
                made = batch.ensure_task(task, kind=kind, classes=[*first, *asked, *ordered])
                _tell_order(made, asked, found)
                _tell_words(made, tasks_now.get(task), found)
                batch.set_looks(task, _looks(task, told, tasks_now.get(task), found))
            else:
                raise DataError(
                    f"The project's task {task!r} is of kind {kind!r}, the source's of kind {kinds[task]!r}. "
                    "Map the column to a task of another name."
                )
        for start in range(0, len(found.rows), _CHUNK):
            rows = found.rows[start : start + _CHUNK]
            ids = batch.add([_new_item(row) for row in rows])
            later = [(item_id, row) for item_id, row in zip(ids, rows) if row.more]
            for item_id, row in later:
                _write_facts(batch, item_id, row.labels, row.more)
        for sha256, more in found.late_more.items():
            _write_facts(batch, id_of[sha256], found.late.pop(sha256, {}), more)
        batch.add_labels([(id_of[sha256], labels) for sha256, labels in found.late.items()])
    return len(late)


def _tell_order(task: Task, asked: Sequence[str], found: _Prepared) -> None:
    """Tells where the classes stand in another order than was asked for."""
    if asked and task.class_names[: len(asked)] != list(asked):
        found.remarks.append(f"Task {task.name!r} had an order already, which was kept.")
    elif asked and (late := task.class_names[len(asked) :]):
        said = ", ".join(map(repr, late[:5]))
        found.remarks.append(f"Task {task.name!r}: the order did not name {said}: they come last.")


def _tell_words(task: Task, before: Task | None, found: _Prepared) -> None:
    """Tells of new classes whose names often mean "no label": a column's first rows may not have had them."""
    known = set(before.class_names) if before else set()
    if words := [name for name in no_label_words(task.class_names, task.kind) if name not in known]:
        said = ", ".join(map(repr, words))
        found.remarks.append(
            f"Task {task.name!r} has got {said} as a class. If that means no label, import it into a new "
            "project with it among the values that are taken so."
        )


def _write_facts(
    batch: ImportBatch, item_id: int, labels: Mapping[str, NewLabel], more: Sequence[_Fact]
) -> None:
    """The facts of one item in the order in which they hold: a rejection comes before the label after it."""
    batch.add_labels([(item_id, {task: fact}) for task, fact in more if fact.verb == "reject"])
    batch.add_labels([(item_id, labels)])
    batch.add_labels([(item_id, {task: fact}) for task, fact in more if fact.verb != "reject"])


def _looks(
    name: str, told: Sequence[Mapping[str, str]], task: Task | None, found: _Prepared
) -> list[dict[str, str]]:
    """Keys and colours of classes as they may be set; what may not be is left out, and told."""
    own = {info.name: info.hotkey for info in task.classes} if task else {}
    owner = {key: of for of, key in own.items() if key}
    looks, problems = [], []
    for spec in told:
        of = spec["name"]
        look = {"name": of}
        for part, checked in (("hotkey", checked_key), ("colour", checked_colour)):
            try:
                look[part] = checked(spec[part]) if part in spec else ""
            except DataError as error:
                problems.append(f"{of!r}: {error.problem}")
        key = look.get("hotkey")
        if key and not own.get(of) and owner.setdefault(key, of) != of:
            look["hotkey"] = ""
            problems.append(f"{of!r}: The key {key!r} belongs to {owner[key]!r}.")
        looks.append(look)
    if problems:
        counted = "1 key or colour" if len(problems) == 1 else f"{len(problems):,} keys or colours"
        found.remarks.append(
            f"Task {name!r}: {counted} of classes left out. The first, of {problems[0][:300]}"
        )
    return looks


def _note(names: dict[str, None], value: Any) -> None:
    if isinstance(value, str):
        names[value] = None
    elif isinstance(value, list):
        names.update(dict.fromkeys(value))


def _new_item(row: _Row) -> NewItem:
    record = row.record
    return NewItem(
        key=row.key,
        sha256=row.sha256,
        text=record.text if row.media is None else None,
        media=row.media,
        split=record.split,
        meta=record.meta,
        labels={} if row.more else row.labels,  # a rejection comes before the label that follows it
    )


class _Media:
    """Images on their way into ``media/``: staged, put in place before the commit, taken back if it fails."""

    def __init__(self, folder: Path, *, link: bool) -> None:
        self.folder, self.link = folder, link
        self.stage = folder / f".incoming-{os.getpid()}-{uuid.uuid4().hex}"
        self._placed: list[Path] = []

    def __enter__(self) -> _Media:
        return self

    def __exit__(self, *_: object) -> None:
        for path in self._placed:
            path.unlink(missing_ok=True)
        shutil.rmtree(self.stage, ignore_errors=True)

    def take(self, path: Path) -> _Content:
        """Checks one image and stages its copy; returns its hash and reference, or why it is left out."""
        try:
            if path.stat().st_size > MAX_BYTES:
                return f"the file is larger than {MAX_BYTES:,} bytes"
            given = path.read_bytes()
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"
        try:
            data = without_metadata(given)
            info = check_image(data)
        except DataError as error:
            return error.problem
        reference = f"{info.sha256[:2]}/{info.sha256}{SUFFIX_OF[info.format]}"
        staged = self.stage / reference
        if staged.exists() or (self.folder / reference).exists():
            return info.sha256, reference
        staged.parent.mkdir(parents=True, exist_ok=True)
        temporary = staged.with_name(f"{uuid.uuid4().hex}.part")
        linked = False
        if self.link and data == given:
            with contextlib.suppress(OSError):
                os.link(path, temporary)
                linked = True
        if not linked:
            temporary.write_bytes(data)
        temporary.replace(staged)
        return info.sha256, reference

    def settle(self) -> None:
        """Moves the staged images to their places and has the system write them to the disk."""
        if not self.stage.exists():
            return
        for folder in self.stage.iterdir():
            target = self.folder / folder.name
            target.mkdir(exist_ok=True)
            for staged in folder.iterdir():
                place = target / staged.name
                if not place.exists():
                    staged.replace(place)
                    self._placed.append(place)
        os.sync()  # one call for all: an fsync for each of 100,000 files takes minutes

    def keep(self) -> None:
        """The items are committed: the images stay."""
        self._placed = []


def _sweep(store: Store) -> None:
    """Removes what imports that were killed left behind; those of living processes stay."""
    left = [*(store.folder / "media").glob(".incoming-*"), *(store.folder / "spool").glob("unpacked-*")]
    for folder in left:
        pid = folder.name.split("-")[1]
        if not pid.isdigit() or not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
