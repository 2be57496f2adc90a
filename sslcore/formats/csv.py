"""CSV: one row an item, the first row the columns' names, read as RFC 4180 says and a little wider.

Encoding and delimiter are found from the file, and so is whether there is a header: a first row with a
number, an empty cell or a value that comes again below is data, and the columns are then called
column_1, column_2, … Rows with too many cells or broken quotes are told and left out.

Written for spreadsheets by default: text cells that begin with = + - @ tab or return get an apostrophe
(CWE-1236), as do those that begin with apostrophes before one, so that reading can undo it exactly. So
does = or @ after a semicolon, tab or line end within a cell, with blanks between or not, and + or - there
where a function, another program or another sheet is called: where lists are separated by semicolons, a
spreadsheet begins another cell at such places, whatever the quotes. Such files begin with a byte order
mark, which spreadsheets need for UTF-8 and by which the reader knows them.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslcore.config import Config, param
from sslcore.errors import ConfigError, DataError, FormatError
from sslcore.formats import FORMATS
from sslcore.formats.columns import ID_NAMES, PATH_NAMES, SPLIT_NAMES, TASK_NAMES, TEXT_NAMES, is_own
from sslcore.formats.encoding import find_encoding
from sslcore.formats.manifest import text_cells, with_media
from sslcore.formats.record import ProjectExport, Skipped
from sslcore.formats.table import Chunk, Table, TableFormat, chunked, written_whole

csv.field_size_limit(16 * 1024 * 1024)  # the default of 128 KiB is less than a long article

_GUARDED = re.compile(r"'*[=+\-@\t\r]")
# of a sum or a difference only one that calls or refers to something: a list of "- items" is no formula
_FORMULA = r"'*(?:[=@]|[+\-][^;\t\r\n]*(?:\w\(|[|!]))"
_GUARDED_WITHIN = re.compile(rf"[;\t\r\n] *(?={_FORMULA})")
_APOSTROPHE_WITHIN = re.compile(rf"([;\t\r\n] *)'(?={_FORMULA})")
_KNOWN_NAMES = frozenset((*PATH_NAMES, *TEXT_NAMES, *ID_NAMES, *SPLIT_NAMES, *TASK_NAMES))
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


@dataclass(frozen=True)
class CsvOptions(Config):
    """How to read a table of delimited text."""

    encoding: str | None = param(
        None, help="Encoding of the file, such as utf-8 or cp1252; found where not given."
    )
    delimiter: str | None = param(
        None, help="What stands between cells, one character; found where not given."
    )
    header: bool | None = param(None, help="Whether the first row names the columns; found where not given.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ConfigError(f"CsvOptions.delimiter must be one character. Received: {self.delimiter!r}.")


class Delimited(TableFormat):
    """Reader and writer of delimited text; CSV and TSV differ in what they write."""

    delimiter = ","

    def fits(self, file: Path) -> float:
        """By its name where that says so; other text files only if they have columns."""
        with file.open("rb") as stream:
            begin = stream.read(4096)
        if (
            begin[:4] in (b"PAR1", b"PK\x03\x04", b"\x89PNG", b"GIF8", b"%PDF")
            or begin[:3] == b"\xff\xd8\xff"
        ):
            return 0.0
        if file.suffix.lower() in self.suffixes:
            return 0.8
        if file.suffix.lower() not in (".txt", ".data", ".dat", "") or b"\0" in begin:
            return 0.0
        try:
            encoding, _ = find_encoding(file)
            found = _find_delimiter(file, encoding)
        except DataError:
            return 0.0
        return 0.3 if found == self.delimiter or (found in (";", "|") and self.delimiter == ",") else 0.0

    def open(self, file: Path, options: Any) -> Table:
        """As :meth:`TableFormat.open`."""
        options = options or CsvOptions()
        encoding, remark = find_encoding(file, options.encoding)
        delimiter = options.delimiter or _find_delimiter(file, encoding, self.delimiter)
        rows = _rows(file, encoding, delimiter)
        first = list(itertools.islice((row for row in rows if not isinstance(row, Skipped)), 100))
        if not first:
            raise FormatError("The table is empty. Expected a header and rows.", file=file)
        warnings = [remark] if remark else []
        header = options.header
        if header is None:
            header, doubt = _has_header([row for _, row in first])
            if doubt:
                warnings.append(doubt)
        names = first[0][1] if header else [f"column_{place + 1}" for place in range(len(first[0][1]))]
        guarded = encoding == "utf-8-sig" and is_own(names)
        if guarded:
            names = [_unguard(name) for name in names]
        columns = _told_apart(names)
        chunks = _chunks(_rows(file, encoding, delimiter), columns, header, guarded)
        return Table(columns, chunks, None, encoding, delimiter, header, tuple(warnings))

    def write(self, export: ProjectExport, out: Path) -> None:
        """As :meth:`Format.write`; images go to ``<name>-media/`` beside it."""
        table = text_cells(with_media(export, out))
        if export.guard_formulas:
            table = {guard(name): _guarded(cells) for name, cells in table.items()}
        encoding = "utf-8-sig" if export.guard_formulas else "utf-8"
        with written_whole(out) as file, file.open("w", encoding=encoding, newline="") as stream:
            writer = csv.writer(stream, delimiter=self.delimiter, lineterminator="\r\n")
            writer.writerow(table)
            writer.writerows(zip(*table.values()))


@FORMATS.register("csv", title="CSV table", family="format", paper="RFC 4180", config=CsvOptions)
class Csv(Delimited):
    """Comma separated values."""

    name, suffixes, delimiter = "csv", (".csv",), ","


def guard(cell: Any) -> Any:
    """A text cell that no spreadsheet takes for a formula; :func:`unguard` gives it back.

    >>> guard("=1+1"), guard("'=x"), guard("it's"), guard(-1), guard("nice; =1+1"), guard("a;-)")
    ("'=1+1", "''=x", "it's", -1, "nice; '=1+1", 'a;-)')
    """
    if not isinstance(cell, str):
        return cell
    cell = _GUARDED_WITHIN.sub(r"\g<0>'", cell)
    return f"'{cell}" if _GUARDED.match(cell) else cell


def _guarded(cells: list[Any]) -> list[Any]:
    texts = [cell for cell in cells if isinstance(cell, str)]
    begins = {cell[:1] for cell in texts}
    needed = begins & set("'=+-@\t\r") or _GUARDED_WITHIN.search("\0".join(texts))
    return [guard(cell) for cell in cells] if needed else cells


def _unguard(cell: str) -> str:
    if "'" not in cell:
        return cell
    cell = cell[1:] if cell[0] == "'" and _GUARDED.match(cell) else cell
    return _APOSTROPHE_WITHIN.sub(r"\1", cell)


def _rows(file: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]] | Skipped]:
    """The rows that are not blank, with their places counted from 1; broken ones as :class:`Skipped`."""
    place = 0
    with file.open(encoding=encoding, newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise DataError(
                    f"After this row the bytes are not {error.encoding} ({error.reason}). Name the encoding.",
                    file=file,
                    row=place,
                ) from None
            except csv.Error as error:
                place += 1
                if "unexpected end of data" in str(error):
                    raise DataError(
                        f"A quote that opens in line {line} is never closed. Close or double it.",
                        file=file,
                        row=place,
                    ) from None
                yield Skipped(f"line {line}", f"the row does not read as CSV: {error}")
                continue
            if row:
                place += 1
                yield place, row


def _chunks(
    rows: Iterator[tuple[int, list[str]] | Skipped], columns: Sequence[str], header: bool, guarded: bool
) -> Iterator[Chunk | Skipped]:
    width, told = len(columns), []
    shift = 1 if header else 0

    def good() -> Iterator[tuple[int, list[str]]]:
        nonlocal told
        for row in rows:
            if isinstance(row, Skipped):
                told.append(row)
                continue
            place, cells = row
            if place <= shift:
                continue
            if len(cells) != width:
                if len(cells) > width and any(cell.strip() for cell in cells[width:]):
                    told.append(Skipped(f"row {place - shift}", f"{len(cells)} cells, expected {width}"))
                    continue
                cells = (cells + [""] * width)[:width]  # spreadsheets leave out empty cells at the end
            yield place - shift, cells

    for chunk in chunked(good(), columns):
        if guarded:
            undone = {name: [_unguard(cell) for cell in cells] for name, cells in chunk.columns.items()}
            chunk = Chunk(undone, chunk.numbers)
        yield chunk
        yield from told
        told = []
    yield from told


def _find_delimiter(file: Path, encoding: str, preferred: str = ",") -> str:
    """The character that cuts the first rows into the same number of cells, at least two."""
    best, found = 0.0, preferred
    for delimiter in dict.fromkeys((preferred, ",", "\t", ";", "|")):
        rows = (row[1] for row in _rows(file, encoding, delimiter) if not isinstance(row, Skipped))
        try:
            widths = [len(row) for row in itertools.islice(rows, 50)]
        except DataError:
            continue
        if not widths or widths[0] < 2:
            continue
        steady = sum(width == widths[0] for width in widths) / len(widths)
        score = steady + 0.01 * min(widths[0], 10)
        if steady >= 0.8 and score > best + 1e-9:
            best, found = score, delimiter
    return found


def _has_header(rows: Sequence[Sequence[str]]) -> tuple[bool, str | None]:
    """Whether the first row names the columns, and a remark where that is not plain."""
    first, below = [cell.strip() for cell in rows[0]], rows[1:]
    lowered = [cell.lower().replace(" ", "_") for cell in first]
    if is_own(first) or any(name in _KNOWN_NAMES for name in lowered):
        return True, None
    names = [name for name in first if name]
    looks_like_data = (
        any(_NUMBER.match(name) for name in names)
        or len(set(names)) < len(names)
        or any(len(name) > 100 for name in names)
        or not names
        or any(
            name and any(row[at].strip() == name for row in below if at < len(row))
            for at, name in enumerate(first)
        )
    )
    if looks_like_data:
        columns = ", ".join(f"column_{place + 1}" for place in range(len(first)))
        return (
            False,
            f"The first row looks like data, so the columns are called {columns}. Say if it names them.",
        )
    if not below:
        return True, None
    numeric_below = any(
        all(at < len(row) and _NUMBER.match(row[at].strip()) for row in below) for at in range(len(first))
    )
    if numeric_below:
        return True, None
    return (
        True,
        f"The first row was taken as the columns' names: {', '.join(map(repr, first))}. Say if it is data.",
    )


def _told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Names made unique: a second "label" becomes "label (2)"."""
    seen: dict[str, int] = {}
    out = []
    for name in (name.strip() for name in names):
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(out)
