"""Zip: a table, an image folder, or a table with its images, in one file.

Read through :mod:`sslcore.formats.unpack`. Written as what there is to write of a project: the image
folder with its manifest, or the table.
"""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sslcore.formats import FORMATS
from sslcore.formats.record import Format, ProjectExport
from sslcore.formats.table import written_whole
from sslcore.formats.unpack import ArchiveFormat, ArchiveOptions, Member, zip_members
from sslcore.media import IMAGE_SUFFIXES


@FORMATS.register("zip", title="Zip archive", family="format", paper="PKWARE APPNOTE", config=ArchiveOptions)
class Zip(ArchiveFormat):
    """Zip files."""

    name, can_write = "zip", True

    def sniff(self, source: Path) -> float:
        """By its directory; workbooks are zip files too and say so with more weight."""
        return 0.9 if source.is_file() and zipfile.is_zipfile(source) else 0.0

    def members(self, source: Path) -> contextlib.AbstractContextManager[Iterator[Member]]:
        """As :meth:`ArchiveFormat.members`."""
        return zip_members(source)

    def write(self, export: ProjectExport, out: Path) -> None:
        """As :meth:`Format.write`."""
        inner = FORMATS["image_folder" if export.modality == "image" else "csv"].value()
        write_zipped(inner, export, out, name="labels.csv")


def write_zipped(inner: Format, export: ProjectExport, out: Path, *, name: str) -> None:
    """Writes an export as ``name`` in a zip file; images are stored as they are, tables are compressed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".part-") as folder:
        root = Path(folder)
        one_folder = type(inner).__name__ == "ImageFolder"
        inner.write(export, root / "images" if one_folder else root / name)
        base = root / "images" if one_folder else root
        with written_whole(out) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            for path in sorted(path for path in base.rglob("*") if path.is_file()):
                packed = path.suffix.lower() in IMAGE_SUFFIXES
                archive.write(
                    path,
                    path.relative_to(base).as_posix(),
                    compress_type=zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED,
                )
