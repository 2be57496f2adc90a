"""Image files and paths that nobody vouches for.

Every image that enters goes through :func:`check_image`: its magic bytes decide what it is, six
formats are read, a size that would fill the memory is refused before a pixel is decoded, and the
whole file is decoded once, so that a truncated one is found at import and not in training.
:func:`safe_join` is the only way from a name in somebody's file to a path.

References: CVE-2021-27921, CVE-2019-16865 (image decoders), CVE-2025-25295, CVE-2024-42474 (paths).
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sslcore.errors import ConfigError, DataError, UnsafePathError
from sslcore.framing import framed

IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
)
SUFFIX_OF = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "BMP": ".bmp", "WEBP": ".webp", "TIFF": ".tif"}
MAX_PIXELS = 89_478_485  # Pillow's own limit: 256 MiB of RGB
MAX_BYTES = 512 * 1024**2

# Pillow only warns between its limit and twice its limit; its manual says to make that an error.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class ImageInfo:
    """What is known of an image file that has been decoded once from end to end."""

    format: str  # one of IMAGE_FORMATS
    width: int  # pixels, as shown: after EXIF orientation
    height: int
    mode: str  # Pillow's mode as stored: "RGB", "L", "P", "I;16" …
    sha256: str  # of the bytes as given


def check_image(source: Path | bytes) -> ImageInfo:
    """Decodes an image once and says what it is.

    Args:
        source: A file, or the bytes of one.

    Returns:
        Format, size in pixels, mode, and the sha256 of the bytes.

    Raises:
        DataError: Empty, truncated, too large, or no image of a format that is read.

    >>> buffer = io.BytesIO()
    >>> Image.new("L", (3, 2)).save(buffer, "PNG")
    >>> info = check_image(buffer.getvalue())
    >>> info.format, info.width, info.height, info.mode
    ('PNG', 3, 2, 'L')
    >>> check_image(b"")
    Traceback (most recent call last):
        ...
    sslcore.errors.DataError: The file is empty (zero bytes). Expected an image.
    """
    data, name = _bytes(source)
    with _opened(data, name) as image:
        turned = _orientation(image) >= 5
        mode, size = image.mode, image.size
        _decode(image, name, draft=8)
        width, height = (size[1], size[0]) if turned else size
        return ImageInfo(_format(image), width, height, mode, hashlib.sha256(data).hexdigest())


def open_image(path: Path) -> Image.Image:
    """Reads an image as it is meant to be seen, in mode "RGB" or "L".

    The EXIF orientation is applied, transparency is laid on white, 16 bits become 8, and of an
    animation the first frame is taken.

    Raises:
        DataError: Empty, truncated, too large, or no image of a format that is read.
    """
    data, name = _bytes(path)
    with _opened(data, name) as image:
        return _as_seen(_decode(image, name))


def thumbnail(path: Path, size: int) -> tuple[bytes, str]:
    """A small copy for the screen and its content type.

    The longer side has at most ``size`` pixels; an image is never enlarged. PNG where that is small
    (grey drawings such as digits), JPEG otherwise. Nothing but pixels is in it: no EXIF.

    Raises:
        ConfigError: ``size`` is not in [1, 4096].
        DataError: As :func:`open_image`.
    """
    if not 1 <= size <= 4096:
        raise ConfigError(f"thumbnail size must be in [1, 4096]. Received: {size!r}. It is in pixels.")
    data, name = _bytes(path)
    with _opened(data, name) as image:
        scale = max(image.size) // (2 * size)
        small = _as_seen(_decode(image, name, draft=scale))
    small.thumbnail((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    clean = Image.new(small.mode, small.size)
    clean.paste(small)
    buffer = io.BytesIO()
    if clean.width * clean.height <= 64 * 64:
        clean.save(buffer, "PNG")
        return buffer.getvalue(), "image/png"
    clean.save(buffer, "JPEG", quality=85)
    return buffer.getvalue(), "image/jpeg"


def load_images(
    paths: Sequence[Path],
    size: int | tuple[int, int],
    *,
    mode: Literal["RGB", "L"] = "RGB",
    whole: bool = False,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Images as one array, all of one size.

    Each is scaled until it covers ``size`` and its centre is cut out, as in the evaluation of the
    networks whose weights are used here: proportions are kept, there is no border to learn from.
    With ``whole`` nothing is cut: see :mod:`sslcore.framing`.

    Args:
        paths: Image files; each may be of any format that is read.
        size: Height and width in pixels, or one number for both.
        mode: "RGB" (X = 3) or "L" (X = 1).
        whole: Keep all of each image; for squares only.
        out: Where to write, uint8 of shape ``N×X×H×W``; a memory map will do.

    Returns:
        uint8, ``N×X×H×W``; ``out`` where that was given.

    Raises:
        ConfigError: ``size`` is not positive, or ``out`` is of another shape or type.
        DataError: As :func:`open_image`; names the file.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1 or (whole and height != width):
        square = " and the same both ways, to keep images whole" if whole else ""
        raise ConfigError(f"size must be at least 1 pixel{square}. Received: {size!r}.")
    shape = (len(paths), 3 if mode == "RGB" else 1, height, width)
    if out is None:
        out = np.empty(shape, np.uint8)
    elif out.shape != shape or out.dtype != np.uint8:
        raise ConfigError(f"out must be uint8 of shape {shape}. Received: {out.dtype} of shape {out.shape}.")
    images_NXHW = out

    def fill(row: int) -> None:
        data, name = _bytes(paths[row])
        with _opened(data, name) as image:
            scale = min(image.width // (2 * width), image.height // (2 * height))
            seen = _as_seen(_decode(image, name, draft=scale)).convert(mode)
        fitted = (
            framed(seen, width) if whole else ImageOps.fit(seen, (width, height), Image.Resampling.BILINEAR)
        )
        pixels = np.asarray(fitted)
        images_NXHW[row] = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]

    if len(paths) < 64:
        for row in range(len(paths)):
            fill(row)
    else:  # Pillow lets go of the interpreter lock while it decodes and scales
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for _ in pool.map(fill, range(len(paths)), chunksize=16):
                pass
    return images_NXHW


def safe_join(root: Path, relative: str) -> Path:
    r"""The path of ``relative`` under ``root``, if it stays there.

    Both ways to read the name are tried, as POSIX and as Windows would, since it may come from
    either. A symbolic link on the way is followed, and refused if it leads out of ``root``.

    Raises:
        UnsafePathError: Empty, control character, absolute, drive or UNC, ``..``, or a link that leaves.

    >>> safe_join(Path("/data"), "cats/1.png").as_posix()
    '/data/cats/1.png'
    >>> safe_join(Path("/data"), "..\\secret")
    Traceback (most recent call last):
        ...
    sslcore.errors.UnsafePathError: The path '..\\secret' goes up with '..'. Expected a name inside '/data'.
    """
    problem = _unsafe(relative)
    path = root / relative
    if not problem and not is_inside(root, path):
        problem = "is the folder itself, or a link that leaves it"
    if problem:
        raise UnsafePathError(f"The path {relative!r} {problem}. Expected a name inside {str(root)!r}.")
    return path


def is_inside(root: Path, path: Path) -> bool:
    """Whether ``path``, all links followed, lies under ``root``: for names that the disk itself gave."""
    real_root, real = os.path.realpath(root), os.path.realpath(path)
    return real != real_root and real.startswith(real_root.rstrip(os.sep) + os.sep)


def _unsafe(relative: str) -> str:
    if not relative or not relative.strip():
        return "is empty"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in relative):
        return "holds a NUL or control character"
    windows, posix = PureWindowsPath(relative), PurePosixPath(relative)
    if posix.is_absolute() or windows.drive or windows.root:
        return "is absolute"
    if ".." in posix.parts or ".." in windows.parts:
        return "goes up with '..'"
    if len(relative.encode("utf-8", "replace")) > 4096:
        return "is longer than 4096 bytes"
    return ""


def _bytes(source: Path | bytes) -> tuple[bytes, str | None]:
    if isinstance(source, bytes):
        data, name = source, None
    else:
        name = str(source)
        try:
            if not source.is_file():
                raise DataError("No such file. Expected an image file.", file=name)
            if source.stat().st_size > MAX_BYTES:
                raise DataError(
                    f"The file has {source.stat().st_size:,} bytes. Expected at most {MAX_BYTES:,}.",
                    file=name,
                )
            data = source.read_bytes()
        except OSError as error:
            raise DataError(f"The file cannot be read: {error.strerror or error}.", file=name) from error
    if not data:
        raise DataError("The file is empty (zero bytes). Expected an image.", file=name)
    return data, name


def _opened(data: bytes, name: str | None) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            f"The image claims more than {MAX_PIXELS:,} pixels. It is refused unread: scale it down.",
            file=name,
        ) from None
    except Exception:  # a decoder on hostile bytes may raise anything; whichever it is, it is no image
        raise DataError(
            f"The file is no image that can be read. Expected one of {', '.join(IMAGE_FORMATS)}, judged by "
            f"its first bytes; it begins with {data[:8]!r}.",
            file=name,
        ) from None


def _decode(image: Image.Image, name: str | None, *, draft: int = 1) -> Image.Image:
    """Decodes all pixels; JPEG at 1/2, 1/4 or 1/8 of its size where ``draft`` allows, which is faster."""
    try:
        if draft > 1 and image.format in ("JPEG", "MPO"):
            image.draft(None, (max(1, image.width // draft), max(1, image.height // draft)))
        image.load()
    except Exception as error:  # as above
        raise DataError(
            f"The image is broken or cut short ({error}). Expected a whole {_format(image)} file.", file=name
        ) from None
    return image


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)  # several JPEGs in one file: phones do this


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # EXIF that does not read is EXIF that says nothing
        return 1


def _as_seen(image: Image.Image) -> Image.Image:
    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # EXIF that does not read is EXIF that says nothing
        image = image.copy()
    if image.mode in ("RGB", "L"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        white.alpha_composite(over)
        grey = image.mode in ("LA", "La")
        return white.convert("L" if grey else "RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits are shifted to 8; wider integers and floats are stretched over their own range."""
    values: Any = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray((values >> 8).astype(np.uint8))
    values = np.nan_to_num(values.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 255:
        return Image.fromarray(values.astype(np.uint8))
    if image.mode == "I" and low >= 0 and high <= 65535:  # Pillow reads some 16-bit files as 32-bit
        return Image.fromarray((values / 257).astype(np.uint8))
    return Image.fromarray(((values - low) / (high - low) * 255).astype(np.uint8))
