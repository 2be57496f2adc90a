"""All images of a project at one small size in one file, decoded once and read by every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslcore.features.images import image_traits
from sslcore.media import load_images

SMALL, LARGE = 32, 64
_BLOCK = 1024


def cached_images(
    project_folder: Path,
    paths: Sequence[Path],
    *,
    size: int = 0,
    report: Callable[[str, float, float], None] = lambda stage, done, total: None,
) -> NDArray[np.uint8]:
    """The images as one memory-mapped array; made on the first call, lengthened after an import.

    Args:
        project_folder: The project's folder; the file is kept under ``cache/``.
        paths: All images in row order; earlier ones never change.
        size: Side in pixels; 0: the images' own up to 28, else 32 (64 where there is a GPU and the
            images have it), the sizes that networks here are trained at.
        report: Told the stage and rows done; may raise to stop.

    Returns:
        uint8, ``N×X×H×W``; one channel where all images are grey.
    """
    traits = image_traits(paths)
    side = size or _side(traits.short_side)
    mode, channels = ("L", 1) if traits.grey else ("RGB", 3)
    folder = project_folder / "cache"
    folder.mkdir(exist_ok=True)
    path = folder / f"images_{mode}_{side}.npy"
    done = 0
    if path.is_file():
        held_NXHW = np.load(path, mmap_mode="r", allow_pickle=False)
        if len(held_NXHW) == len(paths):
            return held_NXHW
        done = min(len(held_NXHW), len(paths))
    growing = folder / f".{path.name}.growing"
    shape = (len(paths), channels, side, side)
    grown_NXHW = np.lib.format.open_memmap(growing, mode="w+", dtype=np.uint8, shape=shape)
    if done:
        grown_NXHW[:done] = np.load(path, mmap_mode="r", allow_pickle=False)[:done]
    for first in range(done, len(paths), _BLOCK):
        report("reading images", first, len(paths))
        last = min(first + _BLOCK, len(paths))
        load_images(paths[first:last], side, mode="L" if channels == 1 else "RGB", out=grown_NXHW[first:last])
    grown_NXHW.flush()
    growing.replace(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def _side(short_side: int) -> int:
    if short_side <= 28:
        return max(8, short_side)
    return LARGE if short_side >= LARGE and _has_gpu() else SMALL


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
