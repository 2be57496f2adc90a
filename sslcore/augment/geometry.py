"""Turn, shear, shift, zoom and flip a batch, each image by its own amount.

Every move is a 2 x 3 matrix from output to input coordinates in [-1, 1]; moves of one image multiply to one
matrix, so the batch is sampled once, bilinearly. Shear and turn are taken in pixels' proportions of a square.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def identity(count: int, device: torch.device) -> Tensor:
    """``count`` 3 x 3 unit matrices."""
    return torch.eye(3, device=device).repeat(count, 1, 1)


def rotation(angle_B: Tensor) -> Tensor:
    """Matrices ``B33`` that turn by an angle in radians."""
    matrix_B33 = identity(len(angle_B), angle_B.device)
    cos_B, sin_B = angle_B.cos(), angle_B.sin()
    matrix_B33[:, 0, 0], matrix_B33[:, 0, 1] = cos_B, -sin_B
    matrix_B33[:, 1, 0], matrix_B33[:, 1, 1] = sin_B, cos_B
    return matrix_B33


def shear(x_B: Tensor, y_B: Tensor) -> Tensor:
    """Matrices ``B33`` that shear along x and y."""
    matrix_B33 = identity(len(x_B), x_B.device)
    matrix_B33[:, 0, 1], matrix_B33[:, 1, 0] = x_B, y_B
    return matrix_B33


def shift(x_B: Tensor, y_B: Tensor) -> Tensor:
    """Matrices ``B33`` that move by a share of the width and the height."""
    matrix_B33 = identity(len(x_B), x_B.device)
    matrix_B33[:, 0, 2], matrix_B33[:, 1, 2] = 2 * x_B, 2 * y_B
    return matrix_B33


def zoom(factor_B: Tensor) -> Tensor:
    """Matrices ``B33`` that enlarge (above 1) or shrink what is seen."""
    matrix_B33 = identity(len(factor_B), factor_B.device)
    matrix_B33[:, 0, 0] = matrix_B33[:, 1, 1] = 1 / factor_B
    return matrix_B33


def warp(image_BXHW: Tensor, matrix_B33: Tensor, *, padding: str = "border") -> Tensor:
    """Samples each image through its matrix.

    Args:
        image_BXHW: Floats.
        matrix_B33: From output to input coordinates.
        padding: "border", "zeros" or "reflection": what lies outside.

    >>> image_BXHW = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> torch.equal(warp(image_BXHW, identity(1, image_BXHW.device)), image_BXHW)
    True
    """
    grid_BHW2 = F.affine_grid(matrix_B33[:, :2], list(image_BXHW.shape), align_corners=False)
    return F.grid_sample(image_BXHW, grid_BHW2, padding_mode=padding, align_corners=False)


def shift_pixels(image_BXHW: Tensor, down_B: Tensor, right_B: Tensor) -> Tensor:
    """Moves each image by whole pixels, edge pixels repeated; exact, and works on uint8.

    >>> image_BXHW = torch.arange(3, dtype=torch.uint8).reshape(1, 1, 1, 3)
    >>> shift_pixels(image_BXHW, torch.tensor([0]), torch.tensor([1])).flatten().tolist()
    [0, 0, 1]
    """
    batch, _, height, width = image_BXHW.shape
    device = image_BXHW.device
    row_BH = (torch.arange(height, device=device) - down_B[:, None]).clamp(0, height - 1)
    column_BW = (torch.arange(width, device=device) - right_B[:, None]).clamp(0, width - 1)
    item_B = torch.arange(batch, device=device)
    # advanced indices around a slice put the sliced axis last: B H W X
    moved_BHWX = image_BXHW[item_B[:, None, None], :, row_BH[:, :, None], column_BW[:, None, :]]
    return moved_BHWX.permute(0, 3, 1, 2)


def flip(image_BXHW: Tensor, which_B: Tensor) -> Tensor:
    """Mirrors the images that ``which_B`` marks, left to right."""
    return torch.where(which_B[:, None, None, None], image_BXHW.flip(3), image_BXHW)


def quarter_turns(image_BXHW: Tensor, turns_B: Tensor) -> Tensor:
    """Turns each square image by 0, 1, 2 or 3 quarters against the clock; exact.

    >>> image_BXHW = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> quarter_turns(image_BXHW, torch.tensor([1])).flatten().tolist()
    [2.0, 4.0, 1.0, 3.0]
    """
    all_4BXHW = torch.stack([image_BXHW.rot90(turns, (2, 3)) for turns in range(4)])
    return all_4BXHW[turns_B, torch.arange(len(image_BXHW), device=image_BXHW.device)]


def cut_out(image_BXHW: Tensor, centre_B2: Tensor, half: int, fill_X: Tensor) -> Tensor:
    """Covers a square of side ``2 * half`` around each image's centre point (DeVries & Taylor 2017).

    Args:
        image_BXHW: Floats.
        centre_B2: Row and column of the first pixel beyond the centre; the square may reach over the edge.
        half: Half the side in pixels.
        fill_X: What the square is filled with, per channel.
    """
    height, width = image_BXHW.shape[2:]
    down_BH = torch.arange(height, device=image_BXHW.device) - centre_B2[:, :1]
    right_BW = torch.arange(width, device=image_BXHW.device) - centre_B2[:, 1:]
    row_BH = (down_BH >= -half) & (down_BH < half)
    column_BW = (right_BW >= -half) & (right_BW < half)
    inside_BHW = row_BH[:, :, None] & column_BW[:, None, :]
    return torch.where(inside_BHW[:, None], fill_X[None, :, None, None], image_BXHW)
