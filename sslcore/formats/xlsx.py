"""Excel: the first sheet of a workbook, its first row the columns' names.

Formulas count with the value that was stored for them. Text is written as text, so that no cell becomes
a formula, and characters that XML cannot hold are written in the format's own ``_x0000_`` form.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslcore.config import Config, param
from sslcore.errors import DataError, FormatError
from sslcore.formats import FORMATS
from sslcore.formats.columns import is_empty, is_own
from sslcore.formats.manifest import text_cells, with_media
from sslcore.formats.record import ProjectExport
from sslcore.formats.table import Chunk, Table, TableFormat, chunked, written_whole

_MAX_CELL = 32_767
_MAX_ROWS = 1_048_575
_MAX_UNPACKED = 2 * 1024**3

# What XML has no place for or changes (a return), and an underscore that would read as an escape.
_UNHOLDABLE = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")

_Row = tuple[int, tuple[Any, ...]]


@dataclass(frozen=True)
class XlsxOptions(Config):
    """Which part of a workbook to read."""

    sheet: str | None = param(None, help="Name of the sheet; the first one where not given.")


@FORMATS.register(
    "xlsx", title="Excel workbook", family="format", paper="ECMA-376 Office Open XML", config=XlsxOptions
)
class Xlsx(TableFormat):
    """Office Open XML workbooks."""

    name, suffixes = "xlsx", (".xlsx", ".xlsm")

    def fits(self, file: Path) -> float:
        """By what is in the zip file."""
        if not zipfile.is_zipfile(file):
            return 0.0
        with zipfile.ZipFile(file) as archive:
            return 1.0 if "xl/workbook.xml" in archive.namelist() else 0.0

    def open(self, file: Path, options: Any) -> Table:
        """As :meth:`TableFormat.open`."""
        book = _book(file)
        wanted = options.sheet if options else None
        if wanted is not None and wanted not in book.sheetnames:
            names = ", ".join(map(repr, book.sheetnames))
            book.close()
            raise FormatError(f"There is no sheet {wanted!r}. There are: {names}.", file=file)
        sheet = book[wanted or book.sheetnames[0]]
        sheet.reset_dimensions()  # what the file claims of its size is not always so
        rows = _rows(book, sheet, file)
        first = next(rows, None)
        if first is None:
            raise FormatError("The sheet is empty. Expected a header and rows.", file=file)
        columns = tuple(
            f"column_{at}" if is_empty(name) else str(name).strip()
            for at, name in enumerate(first[1], start=1)
        )
        others = book.sheetnames[1:] if wanted is None else []
        said = (
            (f"Only the first sheet is read; there are also {', '.join(map(repr, others))}.",)
            if others
            else ()
        )
        return Table(columns, _chunks(rows, columns), warnings=said)

    def write(self, export: ProjectExport, out: Path) -> None:
        """As :meth:`Format.write`.

        Raises:
            DataError: More rows, or a longer text, than a sheet can hold.
        """
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell

        table = text_cells(with_media(export, out))
        rows = max(map(len, table.values()), default=0)
        if rows > _MAX_ROWS:
            raise DataError(
                f"A sheet holds {_MAX_ROWS:,} rows, there are {rows:,}. Export as CSV or Parquet."
            )
        book = Workbook(write_only=True)
        sheet = book.create_sheet("labels")

        def cell(value: Any) -> Any:
            if not isinstance(value, str):
                return value
            value = _escape(value)
            if len(value) > _MAX_CELL:
                raise DataError(
                    f"A cell holds {_MAX_CELL:,} characters, a text has {len(value):,}. Export as CSV."
                )
            made = WriteOnlyCell(sheet, value=value)
            made.data_type = "s"  # and not a formula, whatever it begins with
            return made

        sheet.append([cell(name) for name in table])
        for row in zip(*table.values()):
            sheet.append([cell(value) for value in row])
        with written_whole(out) as file:
            book.save(file)


def _book(file: Path) -> Any:
    import openpyxl

    with zipfile.ZipFile(file) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > _MAX_UNPACKED:
        raise FormatError(
            f"The workbook unpacks to {size:,} bytes, the limit is {_MAX_UNPACKED:,}.", file=file
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations that are not read anyway
            # by its bytes, since openpyxl goes by the name otherwise
            return openpyxl.load_workbook(io.BytesIO(file.read_bytes()), read_only=True, data_only=True)
    except Exception as error:  # openpyxl lets through whatever zipfile and the XML parser raise
        raise FormatError(f"The workbook does not read: {error}.", file=file) from None


def _rows(book: Any, sheet: Any, file: Path) -> Iterator[_Row]:
    try:
        for place, row in enumerate(sheet.iter_rows(values_only=True)):
            if not all(is_empty(cell) for cell in row):
                yield place, row
    except (ValueError, KeyError, zipfile.BadZipFile, SyntaxError) as error:
        raise FormatError(f"The sheet does not read: {error}.", file=file) from None
    finally:
        book.close()


def _chunks(rows: Iterator[_Row], columns: tuple[str, ...]) -> Iterator[Chunk]:
    escaped = is_own(columns)

    def even() -> Iterator[_Row]:
        for place, row in rows:
            if escaped:
                row = tuple(_unescape(cell) if isinstance(cell, str) else cell for cell in row)
            yield place, (row + (None,) * len(columns))[: len(columns)]

    return chunked(even(), columns)


def _escape(text: str) -> str:
    return _UNHOLDABLE.sub(lambda hit: f"_x{ord(hit[0]):04X}_", text)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda hit: chr(int(hit[1], 16)), text)
