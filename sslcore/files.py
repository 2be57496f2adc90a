"""Files written whole or not at all: a temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


def make_folder(root: Path, *parts: str) -> Path:
    """Makes ``root / parts[0] / parts[1] …`` where it is missing, but never ``root`` itself.

    So work that goes on while its project is deleted cannot bring the project's folder back.

    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> make_folder(root, "runs", "7").relative_to(root).as_posix()
    'runs/7'
    >>> make_folder(root / "deleted", "runs", "7")
    Traceback (most recent call last):
    FileNotFoundError: ...

    Raises:
        FileNotFoundError: ``root`` is not there.
    """
    folder = root
    for part in parts:
        folder = folder / part
        folder.mkdir(exist_ok=True)
    return folder


def write_whole(path: Path, content: bytes | Callable[[IO[bytes]], Any]) -> None:
    """Writes a file; a reader, a kill or a power cut leaves the old file or the new one, whole.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_whole(path, b"whole")
    >>> path.read_text()
    'whole'

    Args:
        path: Its folder is made where it is missing, but not what that lies in (see :func:`make_folder`).
        content: The bytes, or what writes them into the open file.
    """
    make_folder(path.parent.parent, path.parent.name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            content(file) if callable(content) else file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)  # the rename itself is durable only once the folder is


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes an array as ``.npy``, whole."""
    write_whole(path, lambda file: np.save(file, array, allow_pickle=False))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file, whole."""
    write_whole(path, json.dumps(value).encode())


def sync_folder(folder: Path) -> None:
    """Makes renames in ``folder`` durable, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open a folder; its renames need no such call
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
