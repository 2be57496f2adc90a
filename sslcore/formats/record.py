"""What passes between a file format and the rest: records in, one table out.

A reader gives :class:`Record` for what it understood and :class:`Skipped` for what it did not, in the
order of the file; a writer gets a :class:`ProjectExport`. Formats know nothing of the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from sslcore.config import Config

Kind = Literal["single", "multiple", "ordinal", "numeric"]
Modality = Literal["image", "text"]
Label = str | float | tuple[str, ...]

SPLIT_SYNONYMS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One item as a source tells it.

    ``labels`` holds a class name for a single-choice task, a tuple of names for a multiple-choice
    one, a number for a numeric one; a task that is not in it is unlabelled here. ``provenance`` holds,
    per task, what an own manifest says of a label: source, annotator, confidence, time. ``no_number``
    holds, per numeric task, the word that stood for an empty cell, such as "NA". ``left_out`` holds, per
    task, where a cell is that cannot be its label, and why.
    """

    key: str  # stable within the source
    text: str | None = None
    media: Path | None = None  # a file inside the source
    split: str | None = None
    labels: Mapping[str, Label] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    no_number: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, Skipped] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in the source that gives no item, or no label, and why."""

    place: str  # "row 17" or a path inside the source
    reason: str


@dataclass(frozen=True)
class TaskColumn:
    """A column that holds the labels of one task."""

    column: str
    task: str
    kind: Kind = "single"
    separator: str | None = None  # splits a multiple-choice cell; None: the cell is a list already
    unlabelled: tuple[str, ...] = ()  # values that mean "no label", besides the empty cell
    order: tuple[str, ...] = ()  # of an ordinal task, lowest first; found from the names where not given


@dataclass(frozen=True)
class ColumnMapping:
    """Which column plays which part. One of ``path`` and ``text`` is needed.

    ``more_text`` are columns appended to ``text``, one paragraph each. ``meta`` columns are kept with
    the item and shown, ``ignored`` ones are not read.
    """

    path: str | None = None
    text: str | None = None
    id: str | None = None
    split: str | None = None
    tasks: tuple[TaskColumn, ...] = ()
    more_text: tuple[str, ...] = ()
    meta: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; :meth:`from_dict` reads it back."""
        import dataclasses

        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ColumnMapping:
        """A mapping from plain data; a task may be given as the name of its column alone.

        >>> ColumnMapping.from_dict({"text": "body", "tasks": ["topic"]}).tasks[0].task
        'topic'
        """
        tasks = []
        for task in values.get("tasks") or ():
            if isinstance(task, TaskColumn):
                tasks.append(task)
            elif isinstance(task, str):
                tasks.append(TaskColumn(column=task, task=task))
            else:
                made = {"task": task["column"], **task}
                listed = {part: tuple(made.get(part, ())) for part in ("unlabelled", "order")}
                tasks.append(TaskColumn(**(made | listed)))
        return cls(
            path=values.get("path"),
            text=values.get("text"),
            id=values.get("id"),
            split=values.get("split"),
            tasks=tuple(tasks),
            more_text=tuple(values.get("more_text") or ()),
            meta=tuple(values.get("meta") or ()),
            ignored=tuple(values.get("ignored") or ()),
        )


@dataclass(frozen=True)
class Inspection:
    """What a source is, before anything is written."""

    format: str
    title: str
    modality: Modality
    columns: tuple[str, ...]
    mapping: ColumnMapping
    sample: tuple[Record, ...]
    count: int | None  # items, where that is known without reading all
    classes: Mapping[str, Mapping[str, int]] = field(
        default_factory=dict
    )  # task → class → seen in the sample
    names: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # column → its different values in the sample, as class names; of columns that could be labels
    warnings: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class ExportTask:
    """A task as a writer needs it."""

    name: str
    kind: Kind
    classes: tuple[str, ...]


@dataclass(frozen=True)
class ProjectExport:
    """All that a writer writes.

    ``table`` has the manifest's columns by name, one cell an item, None where there is nothing; cells of
    multiple-choice tasks are lists, of numeric ones floats, ``__probs`` and ``meta`` are dicts. For images
    ``files`` are the media files and ``names`` safe and different file names for them, in the same order.
    """

    modality: Modality
    tasks: tuple[ExportTask, ...]
    table: Mapping[str, Sequence[Any]]
    files: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    main_task: str | None = None  # the one that names class folders
    guard_formulas: bool = True
    copy_media: bool = True


class Format(Protocol):
    """A reader and, where ``can_write``, a writer of one file format.

    ``options`` is an instance of the config that the format is registered with.
    """

    can_write: bool

    def sniff(self, source: Path) -> float:
        """How sure this reader is that ``source`` is its own, from 0 (no) to 1."""

    def inspect(self, source: Path, options: Any) -> Inspection:
        """What the source holds, from its beginning; writes nothing."""

    def read(self, source: Path, mapping: ColumnMapping | None, options: Any) -> Iterator[Record | Skipped]:
        """Every item of the source, in order."""

    def write(self, export: ProjectExport, out: Path) -> None:
        """Writes an export to ``out``, whole or not at all."""


@dataclass(frozen=True)
class NoOptions(Config):
    """A format that needs no telling."""
