"""Rows to records: what CSV, TSV, JSONL, Parquet and Excel manifests have in common.

A table reader gives chunks of columns; everything that is about meaning (which column is the text,
what an empty cell says, where a picture lies) is here, once, and works a chunk at a time.
"""

from __future__ import annotations

import json
import os
import unicodedata
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslcore.errors import DataError, FormatError, UnsafePathError
from sslcore.formats.columns import (
    MANY_CLASSES,
    PROVENANCE,
    Cells,
    class_name,
    guess_mapping,
    is_empty,
    is_own,
    parse_label,
    value_names,
)
from sslcore.formats.record import (
    SPLIT_SYNONYMS,
    ColumnMapping,
    Inspection,
    Label,
    Record,
    Skipped,
    TaskColumn,
)
from sslcore.media import IMAGE_SUFFIXES, safe_join

SAMPLE_ROWS = 2_000
SHOWN_ROWS = 24
CHUNK_ROWS = 8_192
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".xlsx")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a table, by column. ``numbers`` are their 1-based places, the header not counted."""

    columns: Mapping[str, Cells]
    numbers: Sequence[int]


@dataclass(frozen=True)
class Table:
    """An open table: its columns and a single pass over its rows.

    ``late`` holds the first cells of columns that are empty in the sample, where the reader knows them.
    """

    columns: tuple[str, ...]
    chunks: Iterator[Chunk | Skipped]
    count: int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    warnings: tuple[str, ...] = ()
    late: Mapping[str, Cells] = field(default_factory=dict)


class TableFormat:
    """Base of the table formats; one of them says only how a file becomes chunks and back."""

    can_write = True
    name: str
    suffixes: tuple[str, ...]

    def open(self, file: Path, options: Any) -> Table:
        """Opens the file; the chunks may be read once."""
        raise NotImplementedError

    def fits(self, file: Path) -> float:
        """How sure it is that the file's contents are of this format, from 0 to 1."""
        raise NotImplementedError

    def sniff(self, source: Path) -> float:
        """As :meth:`Format.sniff`; a folder that holds one table and its images is that table's."""
        if not source.is_dir():
            return self.fits(source) if source.is_file() and source.stat().st_size else 0.0
        tables = _tables_in(source)
        if not tables or tables[0].suffix.lower() not in self.suffixes:
            return 0.0
        if not _has_images(source):
            return 0.9
        if len(tables) > 1 or not self.fits(tables[0]):
            return 0.0
        try:  # images and a table: it is the table's if the table speaks of images
            return 0.95 if self.inspect(source, None).mapping.path else 0.0
        except DataError:
            return 0.0

    def inspect(self, source: Path, options: Any) -> Inspection:
        """As :meth:`Format.inspect`."""
        file = self._file(source)
        table = self.open(file, options)
        chunks: list[Chunk] = []
        rows = 0
        for part in table.chunks:
            if isinstance(part, Chunk):
                chunks.append(part)
                rows += len(part.numbers)
                if rows >= SAMPLE_ROWS:
                    break
        sample = {
            name: [cell for chunk in chunks for cell in chunk.columns.get(name, ())][:SAMPLE_ROWS]
            for name in table.columns
        }
        sample |= {name: [*sample.get(name, ()), *cells] for name, cells in table.late.items()}
        mapping, remarks = guess_mapping(table.columns, sample, header=table.header is not False)
        if rows == 0:
            remarks.append("The table has a header and no rows.")
        numbers = [number for chunk in chunks for number in chunk.numbers][:SHOWN_ROWS]
        first = Chunk({name: cells[:SHOWN_ROWS] for name, cells in sample.items()}, numbers)
        shown: tuple[Record, ...] = ()
        if mapping.path or mapping.text:
            found = _records(first, _Plan(mapping, table.columns, file))
            shown = tuple(record for record in found if isinstance(record, Record))
        classes = {task.task: _class_counts(sample.get(task.column, ()), task) for task in mapping.tasks}
        remarks += [
            f"Task {task!r} has over {MANY_CLASSES:,} classes in the first rows. Is it a label?"
            for task, counts in classes.items()
            if len(counts) > MANY_CLASSES
        ]
        return Inspection(
            format=self.name,
            title=file.name,
            modality="image" if mapping.path else "text",
            columns=table.columns,
            mapping=mapping,
            sample=shown,
            count=table.count if table.count is not None else (rows if rows < SAMPLE_ROWS else None),
            classes=classes,
            names={} if is_own(table.columns) else _value_names(sample, mapping),
            warnings=(*table.warnings, *remarks),
            encoding=table.encoding,
            delimiter=table.delimiter,
            header=table.header,
        )

    def read(self, source: Path, mapping: ColumnMapping | None, options: Any) -> Iterator[Record | Skipped]:
        """As :meth:`Format.read`; without a mapping the proposed one is used.

        Raises:
            DataError: The mapping names a column that is not there, or neither texts nor paths.
        """
        file = self._file(source)
        if mapping is None:
            mapping = self.inspect(source, options).mapping
        table = self.open(file, options)
        plan = _Plan(mapping, table.columns, file)
        for part in table.chunks:
            if isinstance(part, Skipped):
                yield part
            else:
                yield from _records(part, plan)

    def _file(self, source: Path) -> Path:
        if not source.is_dir():
            return source
        tables = _tables_in(source)
        if len(tables) != 1:
            names = ", ".join(file.name for file in tables[:10]) or "none"
            raise FormatError(
                f"Expected one table in the folder. Found: {names}. Name one of them.", file=source
            )
        return tables[0]


def _tables_in(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if not file.name.startswith((".", "_", "~")))
    found = [file for file in files if file.is_file() and file.suffix.lower() in TABLE_SUFFIXES]
    known = [file for file in found if file.stem.lower() in ("metadata", "manifest", "labels", "labelloom")]
    return known if len(known) == 1 else found


def _has_images(folder: Path) -> bool:
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        if any(os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES for name in files):
            return True
    return False


class _Plan:
    """A mapping that has been held against the columns that there are."""

    def __init__(self, mapping: ColumnMapping, columns: Sequence[str], file: Path) -> None:
        self.mapping, self.file, self.root = mapping, file, file.parent
        wanted = [mapping.path, mapping.text, mapping.id, mapping.split, *mapping.more_text, *mapping.meta]
        for name in (*wanted, *(task.column for task in mapping.tasks)):
            if name is not None and name not in columns:
                raise DataError(
                    f"There is no such column. There are: {', '.join(map(repr, columns))}.",
                    file=file,
                    column=name,
                )
        if not mapping.path and not mapping.text:
            raise DataError(
                "No column holds texts or image paths. Expected a column 'text' or 'path', or a mapping that "
                f"says which one it is. Received: {', '.join(map(repr, columns)) or 'no columns'}.",
                file=file,
            )
        names = [task.task for task in mapping.tasks]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError("Two columns are mapped to this task. Name them apart.", file=file, column=twice)
        self.parsers = [_LabelReader(task) for task in mapping.tasks]
        self.provenance = _provenance_columns(mapping, columns)
        self.more_meta = "meta" if "meta" in columns and is_own(columns) else None


class _LabelReader:
    """Cells of one task to labels; every distinct cell is understood once."""

    def __init__(self, column: TaskColumn) -> None:
        self.column = column
        self._known: dict[Any, Label | None] = {}

    def __call__(self, cell: Any) -> Label | None:
        if cell is None or cell == "" or cell != cell:
            return None
        try:
            return self._known[cell.__class__, cell]  # the class, since True == 1 == 1.0
        except KeyError:
            label = self._known[cell.__class__, cell] = parse_label(cell, self.column)
            return label
        except TypeError:  # a list
            return parse_label(cell, self.column)


def _provenance_columns(mapping: ColumnMapping, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Per task, the columns that say where its labels are from."""
    found: dict[str, dict[str, str]] = {}
    for task in mapping.tasks:
        names = {
            part: f"{task.column}__{part}"
            for part in PROVENANCE
            if part not in ("kind", "probs", "low", "high") and f"{task.column}__{part}" in columns
        }
        if is_own(columns):
            names.setdefault("status", "status")
        if names:
            found[task.task] = names
    if not found and mapping.tasks:  # the short form: confidence and label_source speak of the first task
        lowered = {name.lower(): name for name in columns}
        short = {
            part: lowered[name]
            for part, name in (
                ("confidence", "confidence"),
                ("source", "label_source"),
                ("annotator", "annotator"),
            )
            if name in lowered
        }
        if short and not set(short.values()) & {task.column for task in mapping.tasks}:
            found[mapping.tasks[0].task] = short
    return found


def _records(chunk: Chunk, plan: _Plan) -> Iterator[Record | Skipped]:
    mapping, rows = plan.mapping, len(chunk.numbers)
    nothing: Cells = [None] * rows

    def column(name: str | None) -> Cells:
        return nothing if name is None else chunk.columns.get(name, nothing)

    texts, paths, ids, splits = (
        column(name) for name in (mapping.text, mapping.path, mapping.id, mapping.split)
    )
    more = [column(name) for name in mapping.more_text]
    labelled = [(reader.column, reader, column(reader.column.column)) for reader in plan.parsers]
    metas = [(name, column(name)) for name in mapping.meta]
    packed = column(plan.more_meta)
    provenance = {
        task: [(part, column(name)) for part, name in names.items()]
        for task, names in plan.provenance.items()
    }
    name = plan.file.name
    for row, number in enumerate(chunk.numbers):
        place = f"row {number}"
        media: Path | None = None
        text: str | None = None
        if mapping.path:
            found = _media(paths[row], plan.root)
            if isinstance(found, str):
                yield Skipped(place, found)
                continue
            media = found
        else:
            text = _text(texts[row], [cells[row] for cells in more])
            if not text.strip():
                yield Skipped(place, "the text is empty")
                continue
        labels: dict[str, Label] = {}
        no_number: dict[str, str] = {}
        left_out: dict[str, Skipped] = {}
        for task, reader, cells in labelled:
            try:
                label = reader(cells[row])
            except ValueError as error:
                left_out[task.task] = Skipped(f"{place}, column {task.column!r}", str(error))
                continue
            if label is not None:
                labels[task.task] = label
            elif task.kind == "numeric" and isinstance(cells[row], str) and cells[row].strip():
                no_number[task.task] = cells[row].strip()
        meta = {name: _plain(cells[row]) for name, cells in metas if not is_empty_or_list(cells[row])}
        if packed[row]:
            meta |= _unpacked(packed[row])
        if not is_empty(ids[row]):
            key = class_name(ids[row]) if not isinstance(ids[row], str) else ids[row]
        else:
            key = str(paths[row]).strip() if media is not None else f"{name}#{number}"
        yield Record(
            key,
            text,
            media,
            _split(splits[row]),
            labels,
            meta,
            {task: _told(parts, row) for task, parts in provenance.items()} if provenance else {},
            no_number,
            left_out,
        )


def is_empty_or_list(cell: Any) -> bool:
    """Whether there is nothing in a cell worth keeping beside the item: empty, or bytes."""
    return isinstance(cell, bytes) or (not isinstance(cell, list | dict | tuple) and is_empty(cell))


def _told(parts: Sequence[tuple[str, Cells]], row: int) -> dict[str, Any]:
    return {part: _plain(cells[row]) for part, cells in parts if not is_empty(cells[row])}


def _media(cell: Any, root: Path) -> Path | str:
    """The file that a cell names, or why it names none."""
    if is_empty(cell):
        return "the path is empty"
    relative = str(cell).strip()
    if "://" in relative:
        return f"{relative!r} is a web address; images are read from files only"
    try:
        found = (safe_join(root, spelling) for spelling in _spellings(relative))
        path = next((path for path in found if path.is_file()), None)
    except UnsafePathError as error:
        return error.problem
    return path or f"there is no file {relative!r} beside the table"


def _spellings(relative: str) -> Iterator[str]:
    """A path as it is told, then as Windows means it, then with its accents as other systems write them."""
    yield relative
    posix = relative.replace("\\", "/")
    if posix != relative:
        yield posix
    for form in ("NFC", "NFD"):
        if (other := unicodedata.normalize(form, posix)) != posix:
            yield other


def _text(cell: Any, more: Sequence[Any]) -> str:
    if not more:
        return cell if isinstance(cell, str) else "" if is_empty(cell) else str(cell)
    return "\n".join(str(part) for part in (cell, *more) if not is_empty(part))


def _split(cell: Any) -> str | None:
    if is_empty(cell):
        return None
    name = class_name(cell)
    return SPLIT_SYNONYMS.get(name.lower(), name)[:32]


def _plain(cell: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(cell, str | int | bool) or cell is None:
        return cell
    if isinstance(cell, float):
        return cell if abs(cell) < float("inf") else str(cell)
    if isinstance(cell, list | tuple):
        return [_plain(part) for part in cell]
    if isinstance(cell, dict):
        return {str(name): _plain(part) for name, part in cell.items()}
    return str(cell)


def _unpacked(cell: Any) -> dict[str, Any]:
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            return {}
    return {str(name): _plain(part) for name, part in cell.items()} if isinstance(cell, dict) else {}


def _value_names(sample: Mapping[str, Cells], mapping: ColumnMapping) -> dict[str, tuple[str, ...]]:
    """The values of every column that could hold labels."""
    other = (mapping.text, mapping.path, mapping.id, *mapping.more_text)
    found = {column: value_names(cells) for column, cells in sample.items() if column not in other}
    return {column: names for column, names in found.items() if names}


def _class_counts(cells: Cells, task: TaskColumn) -> dict[str, int]:
    counts: dict[str, int] = {}
    if task.kind == "numeric":
        return counts
    reader = _LabelReader(task)
    for cell in cells:
        try:
            label = reader(cell)
        except ValueError:
            continue
        for name in label if isinstance(label, tuple) else (label,):
            if name is not None:
                counts[str(name)] = counts.get(str(name), 0) + 1
    return counts


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A temporary file beside ``out`` that takes its place when the block ends well.

    Raises:
        DataError: The folder cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = out.parent / f".{uuid.uuid4().hex}.part"
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise DataError(f"The folder cannot be written: {error.strerror}.", file=out.parent) from error
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def chunked(rows: Iterator[tuple[int, Sequence[Any]]], columns: Sequence[str]) -> Iterator[Chunk]:
    """Numbered rows of equal width, gathered into chunks of columns."""
    numbers: list[int] = []
    held: list[Sequence[Any]] = []
    for number, row in rows:
        numbers.append(number)
        held.append(row)
        if len(held) == CHUNK_ROWS:
            yield Chunk(dict(zip(columns, zip(*held))), numbers)
            numbers, held = [], []
    if held:
        yield Chunk(dict(zip(columns, zip(*held))), numbers)
