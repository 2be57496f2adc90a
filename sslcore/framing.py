"""How an image of any shape becomes a square, with nothing of it cut away.

A network sees squares. Cutting the middle out loses what stands at the side: a third of a 3:2 photo, and of a
panorama all but the middle. Squeezing keeps everything, and up to 4:3 it harms nothing (the crops that
networks are trained on are squeezed as much: Szegedy et al. 2015, arXiv:1409.4842). So images are squeezed by
4:3 at most, and what is longer still is laid on a band of the mean colour of its own border, in which there
is no edge to learn from. Square images are scaled, no more.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

MOST_SQUEEZE = 4 / 3


def inside(height: int, width: int, size: int) -> tuple[int, int]:
    """Height and width that an image takes within a square.

    Args:
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        size: Side of the square.

    >>> inside(28, 28, 28), inside(300, 400, 64), inside(100, 400, 64), inside(400, 200, 60)
    ((28, 28), (64, 64), (21, 64), (60, 40))
    """
    ratio = width / height
    if ratio > MOST_SQUEEZE:
        return max(1, round(size * MOST_SQUEEZE / ratio)), size
    if ratio < 1 / MOST_SQUEEZE:
        return size, max(1, round(size * MOST_SQUEEZE * ratio))
    return size, size


def framed(image: Image.Image, size: int) -> Image.Image:
    """The whole image as a square of side ``size``.

    Args:
        image: Mode "RGB" or "L".
        size: Side in pixels.

    >>> framed(Image.new("L", (40, 10), 90), 8).getcolors()
    [(64, 90)]
    """
    high, wide = inside(image.height, image.width, size)
    scaled = image.resize((wide, high), Image.Resampling.BILINEAR)
    if (high, wide) == (size, size):
        return scaled
    pixels = np.asarray(image, dtype=np.float32).reshape(image.height, image.width, -1)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = tuple(int(value) for value in edges.mean(0).round())
    square = Image.new(image.mode, (size, size), colour if len(colour) > 1 else colour[0])
    square.paste(scaled, ((size - wide) // 2, (size - high) // 2))
    return square
