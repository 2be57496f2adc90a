"""Tar, plain or with gzip, bzip2 or xz: the same as zip, for reading only.

Read through :mod:`sslcore.formats.unpack`.
"""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

from sslcore.errors import FormatError
from sslcore.formats import FORMATS
from sslcore.formats.record import ProjectExport
from sslcore.formats.unpack import ArchiveFormat, ArchiveOptions, Member, tar_members


@FORMATS.register(
    "tar", title="Tar archive", family="format", paper="POSIX.1-2001 pax", config=ArchiveOptions
)
class Tar(ArchiveFormat):
    """Tar files."""

    name = "tar"

    def sniff(self, source: Path) -> float:
        """By its first header."""
        try:
            return 0.85 if source.is_file() and source.stat().st_size and tarfile.is_tarfile(source) else 0.0
        except (OSError, EOFError):
            return 0.0

    def members(self, source: Path) -> contextlib.AbstractContextManager[Iterator[Member]]:
        """As :meth:`ArchiveFormat.members`."""
        return tar_members(source)

    def write(self, export: ProjectExport, out: Path) -> None:
        """Not written: zip opens everywhere.

        Raises:
            FormatError: Always.
        """
        raise FormatError("Tar is read and not written. Export as zip.", file=out)
