"""All images of a project at one size in one file, decoded once and read by every run of that size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sslcore.features.images import image_traits
from sslcore.media import load_images

_BLOCK = 1024


def outline(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """An array of the shape of a set's images as they are, which takes no memory: what sizes are chosen by.

    Args:
        paths: All images in row order.

    Returns:
        uint8, ``N×X×H×W``, one channel where all images are grey; the side is the shorter sides' median.
    """
    traits = image_traits(paths)
    side, channels = max(1, traits.short_side), 1 if traits.grey else 3
    return np.broadcast_to(np.zeros((1, 1, 1, 1), dtype=np.uint8), (len(paths), channels, side, side))


def cached_images(
    project_folder: Path,
    paths: Sequence[Path],
    *,
    size: int,
    report: Callable[[str, float, float], None] = lambda stage, done, total: None,
) -> NDArray[np.uint8]:
    """The images as one memory-mapped array; made on the first call, lengthened after an import.

    Args:
        project_folder: The project's folder; the file is kept under ``cache/``.
        paths: All images in row order; earlier ones never change.
        size: Side in pixels; images of another shape are kept whole (:mod:`sslcore.framing`).
        report: Told the stage and rows done; may raise to stop.

    Returns:
        uint8, ``N×X×H×W``; one channel where all images are grey.
    """
    traits = image_traits(paths)
    mode, channels = ("L", 1) if traits.grey else ("RGB", 3)
    folder = project_folder / "cache"
    folder.mkdir(exist_ok=True)
    path = folder / f"images_{mode}_{size}_whole.npy"
    done = 0
    if path.is_file():
        held_NXHW = np.load(path, mmap_mode="r", allow_pickle=False)
        if len(held_NXHW) == len(paths):
            return held_NXHW
        done = min(len(held_NXHW), len(paths))
    growing = folder / f".{path.name}.growing"
    shape = (len(paths), channels, size, size)
    grown_NXHW = np.lib.format.open_memmap(growing, mode="w+", dtype=np.uint8, shape=shape)
    if done:
        grown_NXHW[:done] = np.load(path, mmap_mode="r", allow_pickle=False)[:done]
    for first in range(done, len(paths), _BLOCK):
        report("reading images", first, len(paths))
        last = min(first + _BLOCK, len(paths))
        mode_read: Literal["RGB", "L"] = "L" if channels == 1 else "RGB"
        load_images(paths[first:last], size, mode=mode_read, whole=True, out=grown_NXHW[first:last])
    grown_NXHW.flush()
    growing.replace(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
