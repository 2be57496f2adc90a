"""Change the colours of a batch of images, each by its own amount.

Pixels are floats from 0 to 1. "Blend" operations follow the convention of PIL: 1 leaves the image as it is,
0 removes the property, above 1 adds to it. Equalise and autocontrast have no amount.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601, what PIL's "L" uses


def _per_image(amount_B: Tensor) -> Tensor:
    return amount_B[:, None, None, None]


def to_grey(image_BXHW: Tensor) -> Tensor:
    """One channel: the luma of colour images, the channel itself of grey ones."""
    if image_BXHW.shape[1] != 3:
        return image_BXHW[:, :1]
    weight_X = torch.tensor(_GREY_WEIGHTS, device=image_BXHW.device).to(image_BXHW.dtype)
    return (image_BXHW * weight_X[None, :, None, None]).sum(1, keepdim=True)


def blend(image_BXHW: Tensor, other_BXHW: Tensor, amount_B: Tensor) -> Tensor:
    """``other + amount * (image - other)``, clamped to 0 … 1."""
    return (other_BXHW + _per_image(amount_B) * (image_BXHW - other_BXHW)).clamp(0, 1)


def brightness(image_BXHW: Tensor, amount_B: Tensor) -> Tensor:
    """Blends with black."""
    return (image_BXHW * _per_image(amount_B)).clamp(0, 1)


def contrast(image_BXHW: Tensor, amount_B: Tensor) -> Tensor:
    """Blends with the image's mean grey."""
    return blend(image_BXHW, to_grey(image_BXHW).mean((2, 3), keepdim=True), amount_B)


def saturation(image_BXHW: Tensor, amount_B: Tensor) -> Tensor:
    """Blends with the grey image."""
    return blend(image_BXHW, to_grey(image_BXHW), amount_B)


def sharpness(image_BXHW: Tensor, amount_B: Tensor) -> Tensor:
    """Blends with a 3 x 3 blur (below 1 softens, above 1 sharpens)."""
    channels = image_BXHW.shape[1]
    kernel_X133 = torch.ones(channels, 1, 3, 3, device=image_BXHW.device, dtype=image_BXHW.dtype)
    kernel_X133[:, :, 1, 1] = 5.0  # PIL's SMOOTH filter
    padded_BXHW = F.pad(image_BXHW, (1, 1, 1, 1), mode="replicate")
    return blend(image_BXHW, F.conv2d(padded_BXHW, kernel_X133 / 13.0, groups=channels), amount_B)


def posterize(image_BXHW: Tensor, bits_B: Tensor) -> Tensor:
    """Keeps the upper ``bits`` of 8 of each pixel."""
    step_B = _per_image(2.0 ** (8 - bits_B.round()))
    return ((image_BXHW * 255).round() / step_B).floor() * step_B / 255


def solarize(image_BXHW: Tensor, threshold_B: Tensor) -> Tensor:
    """Inverts the pixels from the threshold up."""
    return torch.where(image_BXHW >= _per_image(threshold_B), 1 - image_BXHW, image_BXHW)


def autocontrast(image_BXHW: Tensor) -> Tensor:
    """Stretches each channel of each image to 0 … 1; a flat channel stays as it is."""
    low_BX11 = image_BXHW.amin((2, 3), keepdim=True)
    span_BX11 = image_BXHW.amax((2, 3), keepdim=True) - low_BX11
    stretched_BXHW = (image_BXHW - low_BX11) / span_BX11.clamp(min=1e-6)
    return torch.where(span_BX11 > 1e-6, stretched_BXHW, image_BXHW)


def equalize(image_BXHW: Tensor) -> Tensor:
    """Flattens the histogram of each channel of each image; a flat channel stays as it is."""
    batch, channels, height, width = image_BXHW.shape
    level_RP = (image_BXHW.reshape(batch * channels, -1) * 255).round().clamp(0, 255).long()
    count_RV = torch.zeros(len(level_RP), 256, device=image_BXHW.device).scatter_add_(
        1, level_RP, torch.ones_like(level_RP, dtype=torch.float32)
    )
    below_RV = count_RV.cumsum(1) - count_RV / 2
    flat_RP = (below_RV / (height * width)).gather(1, level_RP)
    flat_BXHW = flat_RP.reshape(image_BXHW.shape).to(image_BXHW.dtype)
    varied_BX11 = image_BXHW.amax((2, 3), keepdim=True) > image_BXHW.amin((2, 3), keepdim=True)
    return torch.where(varied_BX11, flat_BXHW, image_BXHW)
