"""How large and how coloured a set of images is, judged by a sample of their headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

_SAMPLE = 64


@dataclass(frozen=True)
class ImageTraits:
    """What most images of a set are like."""

    short_side: int  # median of the shorter side, pixels
    grey: bool  # all of the sample are stored without colour


def image_traits(paths: Sequence[Path]) -> ImageTraits:
    """Reads the headers of at most 64 images, spread over the set; broken ones are passed over."""
    from PIL import Image

    sides, grey = [], True
    for row in np.linspace(0, len(paths) - 1, min(_SAMPLE, len(paths))).astype(int):
        try:
            with Image.open(paths[row]) as image:
                sides.append(min(image.size))
                grey = grey and image.mode in ("1", "L", "LA", "I", "I;16", "F")
        except Exception:  # a broken file is reported where its pixels are needed, not here
            continue
    return ImageTraits(int(median(sides)) if sides else 64, grey and bool(sides))
