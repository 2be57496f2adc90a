"""Files written whole or not at all: a temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


def write_whole(path: Path, fill: Callable[[IO[bytes]], Any]) -> None:
    """Writes ``path`` by ``fill(file)``; a reader or a kill sees the old file or the new one, whole.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_whole(path, lambda file: file.write(b"whole"))
    >>> path.read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes an array as ``.npy``, whole."""
    write_whole(path, lambda file: np.save(file, array, allow_pickle=False))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file, whole."""
    write_whole(path, lambda file: file.write(json.dumps(value).encode()))


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
