"""Which column of a table plays which part: a proposal, made from names and from values.

Text and path are found by name first and by what the cells look like second. What is left and has few
different values is a task; floats are numeric tasks; the rest is kept beside the item. A proposal is
always shown before anything is written and every part of it can be overruled.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from sslcore.formats.record import ColumnMapping, Kind, TaskColumn
from sslcore.formats.scales import scale_of
from sslcore.media import IMAGE_SUFFIXES

Cells = Sequence[Any]

PATH_NAMES = (
    "path", "file_name", "filename", "file", "filepath", "file_path", "image_path", "image", "img",
    "image_file",
)  # fmt: skip
TEXT_NAMES = (
    "text", "sentence", "content", "body", "document", "article", "review", "message", "utterance", "query",
    "question", "comment", "tweet", "post", "description", "abstract", "summary", "request", "headline",
    "title",
)  # fmt: skip
LEAD_NAMES = ("title", "headline", "subject")
ID_NAMES = ("id", "key", "uid", "uuid", "guid", "item_id", "doc_id", "text_id", "image_id", "sample_id")
SPLIT_NAMES = ("split", "subset", "set", "fold", "partition")
TASK_NAMES = (
    "label", "labels", "class", "classes", "category", "categories", "target", "sentiment", "topic", "topics",
    "intent", "domain", "tag", "tags", "y", "genre", "emotion", "rating", "stars", "class_index",
    "classindex",
    "label_text", "label_name", "coarse_label", "fine_label", "given_label", "species",
)  # fmt: skip
SIDE_NAMES = ("confidence", "label_source", "annotator")
SERVICE_NAMES = ("status", "run", "model", "updated_at", "sha256")
PROVENANCE = (
    "source", "annotator", "confidence", "purpose", "rejected", "status", "kind", "probs", "classes", "low",
    "high",
)  # fmt: skip
RESERVED = ("id", "path", "text", "split", "meta", *SERVICE_NAMES)
UNLABELLED_NAMES = ("unlabelled", "unlabeled", "_unlabelled", "_unlabeled", "?")
NO_NUMBERS = ("na", "n/a", "nan", "null", "none")
"""What programs write into an empty cell, in small letters; among numbers it is never anything else."""
MANY_CLASSES = 1_000

SEPARATORS = ("|", ";")

_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?\Z")
_INTEGER = re.compile(r"[+-]?\d+\Z")


def is_empty(cell: Any) -> bool:
    """Whether a cell says nothing: None, NaN, or blank.

    >>> is_empty("  "), is_empty(float("nan")), is_empty(0)
    (True, True, False)
    """
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def is_own(columns: Sequence[str]) -> bool:
    """Whether these are the columns of this product's own manifest."""
    return {"id", "status", "sha256"} <= set(columns)


def own_tasks(columns: Sequence[str]) -> list[str]:
    """The task columns of an own manifest: those with a ``__source`` twin."""
    return [name for name in columns if f"{name}__source" in columns]


def column_of(task: str) -> str:
    """The column of a task in an own manifest: its name, unless a column of that name means something else.

    >>> column_of("topic"), column_of("status")
    ('topic', 'task:status')
    """
    taken = (
        task in RESERVED
        or task.startswith("task:")
        or task.endswith(tuple(f"__{part}" for part in PROVENANCE))
    )
    return f"task:{task}" if taken else task


def guess_mapping(
    columns: Sequence[str], sample: Mapping[str, Cells], *, header: bool = True
) -> tuple[ColumnMapping, list[str]]:
    """Proposes a mapping and says what was chosen and what is in doubt.

    Args:
        columns: Names in the order of the table.
        sample: The first rows of every column, by name.
        header: False where the names were made up; all texts are then joined.

    >>> rows = {"text": ["a fine film", "a bad film"] * 9, "mood": ["good", "bad"] * 9}
    >>> guess_mapping(["text", "mood"], rows)[0].tasks[0].task
    'mood'
    """
    if is_own(columns):
        return _own_mapping(columns, sample), ["This is a manifest that Labelloom exported."]
    left = list(columns)
    full = {name: [cell for cell in sample.get(name, ()) if not is_empty(cell)] for name in columns}
    ignored = [name for name in left if not name.strip() or name.startswith("Unnamed:")]
    left = [name for name in left if name not in ignored]

    path = _take(left, _named(left, PATH_NAMES, lambda name: not full[name] or _looks_like_path(full[name])))
    if path is None:
        path = _take(left, next((name for name in left if _looks_like_path(full[name])), None))
    id_ = _take(left, _named(left, ID_NAMES, lambda name: len(set(map(str, full[name]))) == len(full[name])))
    split = _take(left, _named(left, SPLIT_NAMES, lambda name: len(set(map(str, full[name]))) <= 12))
    text, more = (None, ()) if path else _text_columns(left, full, header)
    left = [name for name in left if name != text and name not in more]

    side = [name for name in left if name.lower() in SIDE_NAMES]
    tasks = tuple(
        TaskColumn(
            name,
            name,
            kind,
            separator=(sign := separator_of(full[name]) if kind == "multiple" else None),
            unlabelled=no_label_words(_names_in(full[name]), kind, sign),
        )
        for name in left
        if name not in side and (kind := _task_kind(name, full[name], len(sample[name]))) is not None
    )
    if not header:
        names = ["label", *(f"label_{at}" for at in range(2, len(tasks) + 1))]
        tasks = tuple(dataclasses.replace(task, task=name) for task, name in zip(tasks, names))
    taken = {task.column for task in tasks}
    meta = tuple(name for name in left if name not in taken and full[name])
    mapping = ColumnMapping(path, text, id_, split, tasks, more, meta, tuple(ignored))
    return mapping, _remarks(mapping, columns)


def _own_mapping(columns: Sequence[str], sample: Mapping[str, Cells]) -> ColumnMapping:
    tasks = []
    for name in own_tasks(columns):
        kinds = {str(cell) for cell in sample.get(f"{name}__kind", ()) if not is_empty(cell)}
        kind: Any = kinds.pop() if len(kinds) == 1 else "single"
        tasks.append(TaskColumn(name, name.removeprefix("task:"), kind))
    service = {f"{name}__{part}" for name in own_tasks(columns) for part in PROVENANCE}
    known = {*RESERVED, *service, *(task.column for task in tasks)}
    return ColumnMapping(
        path="path" if "path" in columns else None,
        text="text" if "text" in columns and "path" not in columns else None,
        id="id",
        split="split" if "split" in columns else None,
        tasks=tuple(tasks),
        meta=tuple(name for name in columns if name not in known),
        ignored=tuple(name for name in SERVICE_NAMES if name in columns),
    )


def _take(left: list[str], name: str | None) -> str | None:
    if name is not None:
        left.remove(name)
    return name


def _named(left: Sequence[str], names: Sequence[str], fits: Any) -> str | None:
    """The first of ``names`` that is a column and whose cells fit."""
    lowered = {name.strip().lower().replace(" ", "_"): name for name in reversed(left)}
    return next((lowered[name] for name in names if name in lowered and fits(lowered[name])), None)


def _looks_like_path(cells: Cells) -> bool:
    strings = [cell for cell in cells if isinstance(cell, str)]
    hits = sum(
        PurePosixPath(cell.strip()).suffix.lower() in IMAGE_SUFFIXES for cell in strings if len(cell) < 1024
    )
    return bool(strings) and hits >= 0.8 * len(cells)


def _text_columns(
    left: Sequence[str], full: Mapping[str, Cells], header: bool
) -> tuple[str | None, tuple[str, ...]]:
    """The column of texts, or several that read on: a title before its body, or all of a headerless table."""
    wordy = [name for name in left if _looks_like_text(full[name])]
    named = _named(left, TEXT_NAMES, lambda name: not full[name] or isinstance(full[name][0], str))
    if not header and wordy:
        return wordy[0], tuple(wordy[1:])
    if named is not None:
        lead = _named([name for name in left if name != named], LEAD_NAMES, lambda name: name in wordy)
        if lead is not None and named.strip().lower() != "text":
            return lead, (named,)
        return named, ()
    if not wordy:  # texts that come again and again, if nothing else is there
        wordy = [name for name in left if _looks_like_text(full[name], least_varied=0)]
    if wordy:
        return max(wordy, key=lambda name: sum(map(len, full[name])) / len(full[name])), ()
    return None, ()


def _looks_like_text(cells: Cells, *, least_varied: float = 0.5) -> bool:
    if not cells or not all(isinstance(cell, str) for cell in cells):
        return False
    spaced = sum(" " in cell.strip() for cell in cells) / len(cells)
    mean = sum(map(len, cells)) / len(cells)
    varied = len(set(cells)) / len(cells)
    return varied >= least_varied and (mean >= 60 or (mean >= 12 and spaced >= 0.5))


def _task_kind(name: str, cells: Cells, rows: int) -> Kind | None:
    """The kind of task that a column with these filled cells would be, or None where it is none."""
    plain = name.strip().lower().replace(" ", "_")
    named = plain in TASK_NAMES or plain.endswith(("_label", "_class", "_category"))
    if not cells:  # nothing labelled yet, or nothing at all
        return "single" if named else None
    if any(isinstance(cell, dict) for cell in cells):
        return None
    if all(isinstance(cell, list | tuple) for cell in cells):
        flat = [item for cell in cells for item in cell]
        return "multiple" if flat and all(isinstance(item, str | int) for item in flat) else None
    if any(isinstance(cell, list | tuple) for cell in cells):
        return None
    strings = [str(cell).strip() for cell in cells]
    numbers = [value for value in strings if value.lower() not in NO_NUMBERS]
    if all(map(_FLOAT.match, numbers)) and not all(map(_INTEGER.match, numbers)):
        whole = all(float(value).is_integer() for value in numbers)  # 1.0, 2.0: integers with gaps in them
        if not whole:
            return "numeric"
    distinct = len(set(strings))
    if sum(map(len, strings)) > 64 * len(strings):
        return None
    if separator_of(cells) is not None:
        return "multiple"
    if named:
        return "single"
    partly = len(strings) < rows  # as labels are; one value alone in a full column says nothing
    few = distinct <= max(2, min(200, len(strings) // (2 if partly else 4)))  # empty cells speak for labels
    return "single" if few and (partly or len(strings) >= 2) else None


def separator_of(cells: Cells) -> str | None:
    """The sign between several classes in one cell, where there is one: the parts must come again and again.

    A comma is not looked for: it stands in names too.

    >>> separator_of(["sport|music", "music", "sport", "music|sport", "sport|music"])
    '|'
    >>> separator_of(["red; green", "blue"]) is None
    True
    """
    if not all(isinstance(cell, str) for cell in cells):
        return None
    for sign in SEPARATORS:
        parts = [part.strip() for cell in cells if sign in cell for part in cell.split(sign)]
        names = {*parts, *(cell.strip() for cell in cells if sign not in cell)}
        if parts and len(parts) >= 2 * len(set(parts)) and len(names) <= max(2, len(cells) // 2):
            return sign
    return None


def value_names(cells: Cells) -> tuple[str, ...]:
    """The different values of a column as class names, in order; none where they are too many or too long.

    >>> value_names(["b", 3.0, None, ["a", "b"]])
    ('3', 'a', 'b')
    """
    names = _names_in(cell for cell in cells if not is_empty(cell))
    fits = len(names) <= MANY_CLASSES and all(len(name) <= 200 for name in names)
    return tuple(sorted(names)) if fits else ()


def _names_in(cells: Iterable[Any]) -> set[str]:
    names = set()
    for cell in cells:
        for one in cell if isinstance(cell, list | tuple) else (cell,):
            if not is_empty(one) and not isinstance(one, list | tuple | dict | bytes):
                names.add(str(one).strip() if isinstance(one, str) else class_name(one))
    return names


def no_label_words(names: Iterable[str], kind: Kind, separator: str | None = None) -> tuple[str, ...]:
    """Of a column's values those that mean "no label": "?", "unlabelled", "NA", -1 among counting numbers.

    "None" is a label where it is the lowest step of a known scale.

    >>> no_label_words(["good", "bad", "nan"], "ordinal"), no_label_words(["none", "low", "high"], "ordinal")
    (('nan',), ())
    >>> no_label_words(["sport|music", "sport|N/A"], "multiple", "|")
    ('N/A',)
    """
    known = set(names)
    if kind == "multiple" and separator:
        known = {part.strip() for name in known for part in name.split(separator)}
    found = offered_words(known)
    if kind == "numeric":
        return tuple(word for word in found if word.lower() in NO_NUMBERS)
    others = known.difference(found)
    steps = {word for word in found if word.lower() == "none"}
    if steps and others and scale_of({*others, *steps}) is not None:
        found = tuple(word for word in found if word not in steps)
    others = known - {"-1"}
    if kind == "single" and "-1" in known and others and all(value.isdecimal() for value in others):
        found = (*found, "-1")
    return found


def offered_words(names: Iterable[str]) -> tuple[str, ...]:
    """The names that often mean "no label", in order.

    >>> offered_words(["NA", "sport", "?"])
    ('?', 'NA')
    """
    return tuple(sorted({name for name in names if name.lower() in (*UNLABELLED_NAMES, *NO_NUMBERS)}))


def _remarks(mapping: ColumnMapping, columns: Sequence[str]) -> list[str]:
    said = []
    if mapping.path is None and mapping.text is None:
        said.append(
            f"No column was recognised as texts or as image paths. Columns: {', '.join(map(repr, columns))}. "
            "Choose one."
        )
    if not mapping.tasks:
        said.append("No column was recognised as labels: everything will be unlabelled.")
    for task in mapping.tasks:
        said += task_remarks(task)
    if mapping.more_text:
        joined = ", ".join(map(repr, (mapping.text, *mapping.more_text)))
        said.append(f"The columns {joined} are joined to one text.")
    return said


def task_remarks(task: TaskColumn) -> list[str]:
    """What is to be told of how a column of labels is read."""
    said = []
    if task.separator:
        said.append(
            f"In column {task.column!r}, {task.separator!r} stands between the classes of an item: "
            "any number of them each."
        )
    if task.unlabelled:
        values = ", ".join(map(repr, task.unlabelled))
        said.append(f"In column {task.column!r}, {values} is taken as 'no label'.")
    return said


def takes_numbers_as_names(task: TaskColumn, names: Iterable[str]) -> bool:
    """Whether whole numbers, three at least, are read as the names of classes that have no order.

    >>> takes_numbers_as_names(TaskColumn("age", "age"), ["31", "45", "7"])
    True
    >>> takes_numbers_as_names(TaskColumn("age", "age", "numeric"), ["31", "45", "7"])
    False
    """
    held = [name for name in names if name not in task.unlabelled]
    return task.kind == "single" and len(held) >= 3 and all(map(_INTEGER.match, held))


def parse_label(cell: Any, column: TaskColumn) -> str | float | tuple[str, ...] | None:
    """One cell as a label; None where it holds none, which among numbers "NA", "nan" and the like say.

    Raises:
        ValueError: The cell does not fit the task's kind; the message says how.

    >>> parse_label(3.0, TaskColumn("y", "y")), parse_label("a|b", TaskColumn("y", "y", "multiple", "|"))
    ('3', ('a', 'b'))
    >>> (
    ...     parse_label("2,5", TaskColumn("y", "y", "numeric")),
    ...     parse_label("N/A", TaskColumn("y", "y", "numeric")),
    ... )
    (2.5, None)
    """
    if isinstance(cell, list | tuple) or (hasattr(cell, "tolist") and not isinstance(cell, str)):
        cell = cell if isinstance(cell, list | tuple) else cell.tolist()
    if column.kind == "multiple":
        return _parse_several(cell, column)
    if isinstance(cell, list | tuple):
        if len(cell) > 1:
            raise ValueError(f"{len(cell)} labels where one is expected; map the column as multiple choice")
        cell = cell[0] if cell else None
    if is_empty(cell):
        return None
    if column.kind == "numeric":
        return _parse_number(cell, column)
    name = class_name(cell)
    return None if name in column.unlabelled else name


def _parse_number(cell: Any, column: TaskColumn) -> float | None:
    text = str(cell).strip()
    if text in column.unlabelled or text.lower() in NO_NUMBERS:
        return None
    try:  # one comma may stand for the point, as where numbers are typed: "1,234" is a little over one
        number = float(cell.replace(",", ".", 1) if isinstance(cell, str) else cell)
    except (TypeError, ValueError):
        raise ValueError(f"{_short(cell)} is no number") from None
    except OverflowError:
        number = math.inf
    if math.isnan(number):  # written in some other way, such as "-nan"
        return None
    if math.isinf(number):
        raise ValueError(f"{text[:40]!r} is not finite")
    return number


def _short(cell: Any) -> str:
    said = repr(cell)
    return said if len(said) <= 80 else f"{said[:79]}…"


def _parse_several(cell: Any, column: TaskColumn) -> tuple[str, ...] | None:
    if isinstance(cell, str):
        if is_empty(cell):
            return None
        if column.separator:
            cell = cell.split(column.separator)
        elif cell.lstrip().startswith("["):
            try:
                cell = json.loads(cell)
            except ValueError:
                raise ValueError(f"{_short(cell)} begins like a list and is none") from None
        else:
            cell = [cell]
    if not isinstance(cell, list | tuple):
        return None if is_empty(cell) else (class_name(cell),)
    names = dict.fromkeys(class_name(name) for name in cell if not is_empty(name))
    left = tuple(name for name in names if name not in column.unlabelled)
    return left if left or not names else None


def class_name(cell: Any) -> str:
    """A class as text: 3.0 is "3", True is "true", and blanks at either end go.

    Raises:
        ValueError: A dict, bytes, or longer than 500 characters.
    """
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, dict | bytes):
        raise ValueError(f"a {type(cell).__name__} is no class name")
    name = str(cell).strip()
    if len(name) > 500:
        raise ValueError(f"the class name has {len(name)} characters, at most 500 are allowed")
    return name
