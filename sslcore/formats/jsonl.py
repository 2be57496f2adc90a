"""JSON Lines: one object a line, its keys the columns; a JSON file with one list of objects is read too.

Lists in a label are several labels, numbers are class names unless they have fractions, and a key that
is missing or null is an empty cell. The keys of all lines are columns, whichever line has them first. A
line that is no object is told and left out.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sslcore.config import Config, param
from sslcore.errors import DataError, FormatError
from sslcore.formats import FORMATS
from sslcore.formats.columns import Cells, is_empty
from sslcore.formats.encoding import find_encoding
from sslcore.formats.manifest import with_media
from sslcore.formats.record import ProjectExport, Skipped
from sslcore.formats.table import CHUNK_ROWS, SAMPLE_ROWS, Chunk, Table, TableFormat, written_whole

_MOST_KEYS = 1_000  # of the lines after the sample
_LATE_CELLS = 200
_MAX_JSON = 512 * 1024**2


@dataclass(frozen=True)
class JsonOptions(Config):
    """How to read JSON."""

    encoding: str | None = param(None, help="Encoding of the file; UTF-8 or found where not given.")


@FORMATS.register(
    "jsonl", title="JSON Lines", family="format", paper="RFC 8259, jsonlines.org", config=JsonOptions
)
class Jsonl(TableFormat):
    """One JSON object a line."""

    name, suffixes = "jsonl", (".jsonl", ".ndjson", ".json")

    def fits(self, file: Path) -> float:
        """By its first character that is no blank."""
        with file.open("rb") as stream:
            begin = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        if begin[:1] not in (b"{", b"["):
            return 0.0
        return 0.9 if file.suffix.lower() in self.suffixes else 0.4

    def open(self, file: Path, options: Any) -> Table:
        """As :meth:`TableFormat.open`."""
        encoding, remark = find_encoding(file, options.encoding if options else None)
        held = file.stat()
        keys = _keys(file, encoding, held.st_size, held.st_mtime_ns)
        if not keys.objects:
            raise FormatError(
                'The file holds no JSON object. Expected lines such as {"text": "…"}.', file=file
            )
        warnings = [remark] if remark else []
        if keys.left_out:
            warnings.append(f"There are more than {_MOST_KEYS:,} different keys; the last ones are not read.")
        chunks = _chunks(_objects(file, encoding), keys.columns)
        return Table(keys.columns, chunks, None, encoding, warnings=tuple(warnings), late=keys.late)

    def write(self, export: ProjectExport, out: Path) -> None:
        """As :meth:`Format.write`; images go to ``<name>-media/`` beside it."""
        table = with_media(export, out).table
        encode = json.JSONEncoder(ensure_ascii=False).encode
        names = list(table)
        with written_whole(out) as file, file.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(encode(dict(zip(names, row))) + "\n" for row in zip(*table.values()))


@dataclass(frozen=True)
class _Keys:
    """The keys of all objects in order, and the first cells of those that are empty in the sample."""

    columns: tuple[str, ...]
    objects: int
    late: Mapping[str, Cells]
    left_out: bool


@lru_cache(maxsize=4)
def _keys(file: Path, encoding: str, size: int, changed: int) -> _Keys:
    """Goes through the whole file, a line at a time: the labels may begin at its end.

    ``size`` and ``changed`` (nanoseconds) tell the file from what was there before, so that looking at a
    file and then reading it goes through it once.
    """
    names: dict[str, None] = {}
    seen: set[str] = set()  # keys that need no further cell
    late: dict[str, list[Any]] = {}
    objects, left_out = 0, False
    for row in _objects(file, encoding):
        if isinstance(row, Skipped):
            continue
        objects += 1
        if row[1].keys() <= seen:
            continue
        in_sample = objects <= SAMPLE_ROWS
        for name in [name for name in row[1] if name not in seen]:
            if name not in names and not in_sample and len(names) >= _MOST_KEYS:
                left_out = True
                continue
            names[name] = None
            if is_empty(row[1][name]):
                continue
            if not in_sample:
                late.setdefault(name, []).append(row[1][name])
            if in_sample or len(late[name]) == _LATE_CELLS:
                seen.add(name)
    return _Keys(tuple(names), objects, late, left_out)


def _objects(file: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]] | Skipped]:
    with file.open(encoding=encoding) as stream:
        try:
            begin = next((line for line in stream if line.strip()), "").lstrip("\ufeff \t")
            stream.seek(0)
            lines = iter(enumerate(stream, start=1))
            if begin.startswith("["):
                lines = iter(enumerate(_list_of(file, stream.read()), start=1))
            for place, line in lines:
                row = line
                if isinstance(line, str):
                    if not line.strip():
                        continue
                    try:
                        row = json.loads(line.lstrip("\ufeff"))
                    except ValueError as error:
                        yield Skipped(f"row {place}", f"the line is no JSON: {error}")
                        continue
                if isinstance(row, dict):
                    yield place, row
                else:
                    yield Skipped(f"row {place}", f"expected a JSON object, found {type(row).__name__}")
        except UnicodeDecodeError as error:
            raise DataError(
                f"The bytes are not {error.encoding} ({error.reason}). Name the file's encoding.", file=file
            ) from None
        except RecursionError:
            raise FormatError("The JSON is nested too deeply. Expected flat objects.", file=file) from None


def _list_of(file: Path, text: str) -> Any:
    if len(text) > _MAX_JSON:
        raise FormatError(
            "A JSON list is read at once and this one is too large. Write it as JSON Lines.", file=file
        )
    try:
        value = json.loads(text.lstrip("\ufeff"))
    except ValueError as error:
        raise FormatError(f"The file is no JSON: {error}.", file=file) from None
    if not isinstance(value, list):
        raise FormatError("Expected a list of objects, or one object a line.", file=file)
    return value


def _chunks(
    rows: Iterator[tuple[int, dict[str, Any]] | Skipped], columns: Sequence[str]
) -> Iterator[Chunk | Skipped]:
    while block := list(itertools.islice(rows, CHUNK_ROWS)):
        good = [row for row in block if not isinstance(row, Skipped)]
        if good:
            yield Chunk(
                {name: [row.get(name) for _, row in good] for name in columns}, [place for place, _ in good]
            )
        yield from (row for row in block if isinstance(row, Skipped))
