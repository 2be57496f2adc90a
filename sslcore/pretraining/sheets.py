"""Normalised images as pictures to look at: uint8, each channel from its darkest to its lightest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MOST = 16  # images of a sheet


def to_pictures(views: Mapping[str, Tensor], scale_by: str) -> dict[str, Tensor]:
    """Images ``KXHW`` as uint8, all on the scale of one of them.

    Args:
        views: Images by name.
        scale_by: Name of those whose darkest and lightest values are black and white.

    >>> import torch
    >>> view_KXHW = torch.tensor([[[[-1.0, 3.0]]]])
    >>> to_pictures({"plain": view_KXHW, "other": view_KXHW - 1}, "plain")["other"].tolist()
    [[[[0, 191]]]]
    """
    scale_KXHW = views[scale_by].float()
    low_X11 = scale_KXHW.amin((0, 2, 3))[:, None, None]
    range_X11 = (scale_KXHW.amax((0, 2, 3))[:, None, None] - low_X11).clamp(min=1e-6)
    return {
        name: ((view_KXHW.float() - low_X11) / range_X11 * 255).clamp(0, 255).byte().contiguous()
        for name, view_KXHW in views.items()
    }
