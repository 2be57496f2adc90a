"""Pictures that a method or a warm start shows while it learns, as small PNG sheets.

``<name>-<step>.png``: the images side by side in a sheet about as wide as high. The last dozen of each name
stays.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from sslcore.files import write_whole
from sslcore.shapes import IntArray

FOLDER = "pictures"
KEPT = 12
MOST_IMAGES = 100  # of a sheet
LEAST_SIDE = 32  # pixels an image takes on the sheet: small ones are shown larger


def sheet(image_KXHW: IntArray) -> IntArray:
    """Images side by side with a gap of two pixels, ``HWX`` uint8.

    >>> sheet(np.zeros((5, 1, 8, 8), dtype=np.uint8)).shape  # three by two, each four times as large
    (70, 104, 3)
    """
    image_KXHW = np.asarray(image_KXHW[:MOST_IMAGES], dtype=np.uint8)
    grow = max(1, math.ceil(LEAST_SIDE / image_KXHW.shape[-1]))
    image_KHWX = image_KXHW.repeat(grow, 2).repeat(grow, 3).transpose(0, 2, 3, 1)
    if image_KHWX.shape[-1] == 1:
        image_KHWX = image_KHWX.repeat(3, -1)
    count, height, width, _ = image_KHWX.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    whole = np.full((rows * (height + 2) + 2, columns * (width + 2) + 2, 3), 255, dtype=np.uint8)
    for index, image_HWX in enumerate(image_KHWX):
        top, left = 2 + index // columns * (height + 2), 2 + index % columns * (width + 2)
        whole[top : top + height, left : left + width] = image_HWX
    return whole


def write_pictures(folder: Path, step: int, images: Mapping[str, Tensor] | None) -> list[Path]:
    """Writes one sheet a name and removes the oldest ones; the files written.

    Args:
        folder: The run's.
        step: Goes into the name.
        images: uint8 ``KXHW`` by name; None for none.
    """
    from PIL import Image

    written = []
    for name, image_KXHW in (images or {}).items():
        if not len(image_KXHW):
            continue
        plain = re.sub(r"[^a-z0-9_]+", "_", name.lower())
        content = io.BytesIO()
        Image.fromarray(sheet(image_KXHW.cpu().numpy())).save(content, "png")
        path = folder / FOLDER / f"{plain}-{step:08d}.png"
        write_whole(path, content.getvalue())
        written.append(path)
        for old in sorted(path.parent.glob(f"{plain}-????????.png"))[:-KEPT]:
            old.unlink(missing_ok=True)
    return written
