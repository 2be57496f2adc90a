"""Arrays of images as squares, whole batches at once: :mod:`sslcore.framing` in torch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from sslcore.errors import DataError
from sslcore.framing import inside
from sslcore.shapes import IntArray

_BLOCK_VALUES = 2**26  # values scaled at once: a quarter of a gigabyte in float32


def to_nxhw(image: IntArray, channels: int) -> IntArray:
    """uint8 images as N x X x H x W with the wished number of channels.

    Args:
        image: N x H x W (grey), N x X x H x W or N x H x W x X.
        channels: 1 or 3; colour is turned to grey by its luma, grey is repeated.

    Raises:
        DataError: No such shape, or not uint8.

    >>> to_nxhw(np.zeros((2, 8, 8, 3), dtype=np.uint8), 1).shape
    (2, 1, 8, 8)
    """
    if image.dtype != np.uint8 or image.ndim not in (3, 4):
        raise DataError(
            "Images must be uint8 of shape N x H x W, N x X x H x W or N x H x W x X. "
            f"Received: {image.dtype} of shape {image.shape}."
        )
    if image.ndim == 3:
        image = image[:, None]
    elif image.shape[1] not in (1, 3) and image.shape[3] in (1, 3):
        image = image.transpose(0, 3, 1, 2)
    if image.shape[1] == channels:
        return image
    if channels == 3:
        return np.repeat(image[:, :1], 3, axis=1)
    luma_NHW = np.tensordot(image[:, :3].astype(np.float32), [0.299, 0.587, 0.114], axes=(1, 0))
    return luma_NHW.round().astype(np.uint8)[:, None]


def resize(image_NXHW: IntArray, size: int) -> IntArray:
    """uint8 images as squares of side ``size``; as they are where they are that already.

    >>> resize(np.full((1, 1, 8, 6), 7, dtype=np.uint8), 2).tolist()
    [[[[7, 7], [7, 7]]]]
    """
    height, width = image_NXHW.shape[2:]
    if (height, width) == (size, size):
        return image_NXHW
    high, wide = inside(height, width, size)
    top, left = (size - high) // 2, (size - wide) // 2
    out_NXHW = np.empty((*image_NXHW.shape[:2], size, size), dtype=np.uint8)
    step = max(1, _BLOCK_VALUES // max(1, int(np.prod(image_NXHW.shape[1:]))))
    for start in range(0, len(image_NXHW), step):
        part = torch.from_numpy(np.array(image_NXHW[start : start + step])).float()
        scaled = F.interpolate(part, size=(high, wide), mode="bilinear", antialias=True)
        whole = border_colour(part)[:, :, None, None].repeat(1, 1, size, size)
        whole[:, :, top : top + high, left : left + wide] = scaled
        out_NXHW[start : start + len(part)] = whole.round().clamp(0, 255).byte().numpy()
    return out_NXHW


def border_colour(image_BXHW: torch.Tensor) -> torch.Tensor:
    """Mean ``BX`` of the pixels along the four edges of each image."""
    edges = [
        image_BXHW[:, :, 0],
        image_BXHW[:, :, -1],
        image_BXHW[:, :, :, 0],
        image_BXHW[:, :, :, -1],
    ]
    return torch.cat(edges, dim=2).mean(2)
