"""Archives that nobody vouches for, unpacked.

Every member's path is checked before a byte of it is written; links, devices and doubled names are
refused, and so is an archive that grows beyond the caps: the bytes that come out are counted, whatever
the archive says of itself. Then what is in it is read as if it had been there as a folder.

References: zip-slip (Snyk 2018), CVE-2007-4559 (tar), D. Fifield, "A better zip bomb" (WOOT 2019).
"""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from sslcore.config import Config, param
from sslcore.errors import DataError, FormatError, UnsafePathError
from sslcore.formats import FORMATS, sniff
from sslcore.formats.record import ColumnMapping, Format, Inspection, Record, Skipped
from sslcore.media import IMAGE_SUFFIXES, safe_join

MAX_MEMBERS = 2_000_000
MAX_TOTAL = 64 * 1024**3
MAX_RATIO = 200
RATIO_FROM = 64 * 1024**2  # small files may compress as well as they like
PREVIEW_BYTES = 256 * 1024**2
PREVIEW_IMAGES = 500


@dataclass(frozen=True)
class ArchiveOptions(Config):
    """How to read an archive; all but ``spool`` is for the table or folder in it."""

    encoding: str | None = param(None, help="Encoding of the table in it; found where not given.")
    delimiter: str | None = param(None, help="The character between the cells of the table in it.")
    header: bool | None = param(None, help="Whether the first row of the table in it names the columns.")
    sheet: str | None = param(None, help="Sheet of the workbook in it.")
    task: str | None = param(None, help="Name of the task that class folders answer.")
    spool: str | None = param(None, help="Folder to unpack in; the system's where not given.")


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    size: int
    is_folder: bool
    problem: str  # why it is refused, or ""
    open: Callable[[], IO[bytes]]


class ArchiveFormat:
    """Base of the archive formats; one of them says only how to list members."""

    can_write = False
    name: str

    def members(self, source: Path) -> contextlib.AbstractContextManager[Iterator[Member]]:
        """The members, in order, while the archive is open."""
        raise NotImplementedError

    def inspect(self, source: Path, options: Any) -> Inspection:
        """As :meth:`Format.inspect`; a large archive is unpacked in part.

        The files of the sample are there for as long as the inspection is.
        """
        with self.members(source) as found:
            listed = [(member.name, member.size) for member in found if not member.is_folder]
        images = [name for name, _ in listed if _is_image(name)]
        wanted: set[str] | None = None
        if sum(size for _, size in listed) > PREVIEW_BYTES:
            step = max(1, len(images) // PREVIEW_IMAGES)
            wanted = {name for name, size in listed if not _is_image(name) and size <= PREVIEW_BYTES}
            wanted |= set(images[::step])
        folder = _new_folder(options)
        try:
            self.unpack(source, folder, only=wanted)
            inner, reader, inner_options = _reader(folder, options)
            seen = reader.inspect(inner, inner_options)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        seen = replace(seen, title=f"{source.name}: {seen.title if seen.modality == 'text' else seen.format}")
        if wanted is not None:
            partly = f"The archive is large: the preview shows {len(wanted):,} of {len(listed):,} files."
            count = len(images) if seen.format == "image_folder" else seen.count
            seen = replace(seen, count=count, warnings=(*seen.warnings, partly))
        weakref.finalize(seen, shutil.rmtree, folder, True)
        return seen

    def read(self, source: Path, mapping: ColumnMapping | None, options: Any) -> Iterator[Record | Skipped]:
        """As :meth:`Format.read`. The files of a record are there until the next one is asked for."""
        with self.opened(source, options) as (inner, reader, inner_options):
            yield from reader.read(inner, mapping, inner_options)

    @contextlib.contextmanager
    def opened(self, source: Path, options: Any) -> Iterator[tuple[Path, Format, Config | None]]:
        """What is in the archive as if it were not: where it lies, its reader and that one's options."""
        folder = _new_folder(options)
        try:
            self.unpack(source, folder)
            yield _reader(folder, options)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def unpack(self, source: Path, folder: Path, *, only: set[str] | None = None) -> None:
        """Writes the members under ``folder``.

        Raises:
            UnsafePathError: A member's path leaves the folder, or is a link or a device.
            DataError: Too many, too large, compressed beyond reason, encrypted, or no room for it.
            FormatError: The archive is broken.
        """
        packed = max(1, source.stat().st_size)
        total = count = 0
        try:
            with self.members(source) as found:
                for member in found:
                    count += 1
                    if count > MAX_MEMBERS:
                        raise DataError(f"The archive has more than {MAX_MEMBERS:,} files.", file=source)
                    place = _place(source, folder, member)
                    if place is None or (only is not None and member.name not in only):
                        continue
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with member.open() as packed_file, place.open("xb") as out:
                        while block := packed_file.read(1 << 20):
                            total += len(block)
                            _check_size(source, total, packed)
                            out.write(block)
        except FileExistsError as error:
            raise DataError(
                f"The archive has two files of one name: {error.filename}.", file=source
            ) from None
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
            raise FormatError(f"The archive is broken: {error}.", file=source) from None
        except (RuntimeError, NotImplementedError) as error:  # zipfile: encrypted, or packed some odd way
            raise DataError(f"The archive cannot be unpacked: {error}.", file=source) from None
        except OSError as error:
            raise DataError(
                f"The archive cannot be unpacked: {error.strerror or error}.", file=source
            ) from error


def _place(source: Path, folder: Path, member: Member) -> Path | None:
    """Where a member goes; None for a folder. Its name may be Windows' or anybody's."""
    if member.problem:
        raise UnsafePathError(
            f"The archive is refused: {member.name!r} {member.problem}. Expected plain files.", file=source
        )
    name = member.name.replace("\\", "/")
    try:
        place = safe_join(folder, name.rstrip("/") or name)
    except UnsafePathError as error:
        if member.is_folder and name.strip("./") == "" and ".." not in name:
            return None  # tar writes "./" for the folder itself
        raise UnsafePathError(f"The archive is refused: {error.problem}", file=source) from None
    return None if member.is_folder else place


def _check_size(source: Path, total: int, packed: int) -> None:
    if total > MAX_TOTAL:
        raise DataError(f"The archive unpacks to more than {MAX_TOTAL:,} bytes.", file=source)
    if total > RATIO_FROM and total > MAX_RATIO * packed:
        raise DataError(
            f"The archive unpacks to more than {MAX_RATIO} times its size, as a bomb does. If it is genuine, "
            "unpack it yourself and import the folder.",
            file=source,
        )


@contextlib.contextmanager
def zip_members(source: Path) -> Iterator[Iterator[Member]]:
    """The members of a zip file."""
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise FormatError(f"The zip file is broken: {error}.", file=source) from None

    def each() -> Iterator[Member]:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode)
            odd = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
            problem = "is a link or a device" if odd else "is encrypted" if info.flag_bits & 1 else ""
            name = info.orig_filename if "\0" in info.orig_filename else info.filename
            yield Member(
                _name_in_utf8(name, info.flag_bits),
                info.file_size,
                info.is_dir(),
                problem,
                partial(archive.open, info),
            )

    with archive:
        yield each()


def _name_in_utf8(name: str, flag_bits: int) -> str:
    """A member's name; many programs write UTF-8 without the flag that says so, and it is read as CP437.

    >>> _name_in_utf8("B├ñr/1.png", 0), _name_in_utf8("Bär/1.png", 0)
    ('Bär/1.png', 'Bär/1.png')
    """
    if flag_bits & 0x800:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


@contextlib.contextmanager
def tar_members(source: Path) -> Iterator[Iterator[Member]]:
    """The members of a tar file, plain or compressed with gzip, bzip2 or xz."""
    try:
        archive = tarfile.open(source, "r:*")  # noqa: SIM115 - closed below
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise FormatError(f"The tar file is broken: {error}.", file=source) from None

    def opened(info: tarfile.TarInfo) -> IO[bytes]:
        file = archive.extractfile(info)
        if file is None:
            raise FormatError(f"The tar file has no contents for {info.name!r}.", file=source)
        return file

    def each() -> Iterator[Member]:
        for info in archive:
            plain = info.isreg() or info.isdir()
            problem = "" if plain else "is a link or a device"
            yield Member(info.name, info.size, info.isdir(), problem, partial(opened, info))

    with archive:
        yield each()


def _new_folder(options: Any) -> Path:
    spool = options.spool if isinstance(options, ArchiveOptions) else None
    if spool:
        Path(spool).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"unpacked-{os.getpid()}-", dir=spool))


def _reader(folder: Path, options: Any) -> tuple[Path, Format, Config | None]:
    """Where in the unpacked folder the data are, their reader, and what of the options is for it."""
    while True:
        held = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(held) != 1:
            break
        if held[0].is_file():
            folder = held[0]
            break
        if any(path.is_file() for path in held[0].iterdir()) and not _holds_table(held[0]):
            break  # a lone class folder: its name is the class
        folder = held[0]
    entry = FORMATS[sniff(folder)]
    reader = entry.value()
    if isinstance(reader, ArchiveFormat):
        raise FormatError("There is an archive in the archive. Unpack the outer one first.", file=folder.name)
    if not isinstance(options, ArchiveOptions):
        return folder, reader, None
    known = {field.name for field in fields(entry.config)}
    given = {name: value for name, value in options.as_dict().items() if name in known and value is not None}
    return folder, reader, entry.config(**given)


def _holds_table(folder: Path) -> bool:
    from sslcore.formats.table import TABLE_SUFFIXES

    return any(path.suffix.lower() in TABLE_SUFFIXES for path in folder.iterdir())


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
