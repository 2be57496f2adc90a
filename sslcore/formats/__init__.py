"""File formats, one reader and writer per file, found by name or by looking at the source.

>>> "csv" in FORMATS
True
"""

from __future__ import annotations

from pathlib import Path

from sslcore.errors import FormatError
from sslcore.formats.record import (
    ColumnMapping,
    ExportTask,
    Format,
    Inspection,
    ProjectExport,
    Record,
    Skipped,
    TaskColumn,
)
from sslcore.registry import Registry

FORMATS: Registry[type[Format]] = Registry("format", "sslcore.formats")

__all__ = [
    "FORMATS",
    "ColumnMapping",
    "ExportTask",
    "Format",
    "Inspection",
    "ProjectExport",
    "Record",
    "Skipped",
    "TaskColumn",
    "sniff",
]


def sniff(source: Path) -> str:
    """The name of the format that ``source`` is in.

    Contents decide before names do: a spreadsheet called ``.csv`` is still a spreadsheet.

    Raises:
        FormatError: There is nothing there, or no format knows it; names the ones that there are.
    """
    if not source.exists():
        raise FormatError(
            "No such file or folder. Expected a folder of images, a table or an archive.", file=source
        )
    best, name = max((entry.value().sniff(source), entry.name) for entry in FORMATS)
    if best > 0:
        return name
    if source.is_dir():
        held = any(source.iterdir())
        what = "holds neither an image nor a table" if held else "is empty"
        raise FormatError(
            f"The folder {what}. Expected images in one folder per class (class/picture.png), or a table "
            "with a column of texts or of image paths.",
            file=source,
        )
    if source.stat().st_size == 0:
        raise FormatError("The file is empty (zero bytes). Expected a table or an archive.", file=source)
    with source.open("rb") as file:
        begin = file.read(8)
    raise FormatError(
        f"No reader knows this file, which begins with {begin!r}. There are: {', '.join(FORMATS.names())}. "
        "Name the format if it is one of these.",
        file=source,
    )
