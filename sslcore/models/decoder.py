"""From a short code back to an item: small decoders for images of any size and for feature vectors.

Images: a linear layer onto a grid of at most 8 x 8, then transposed convolutions that double it (as DCGAN's
generator does, Radford et al. 2016, arXiv:1511.06434), cropped to the size. 32 channels at first, half as
many after each doubling, at least 8: a laptop has to decode a thousand images in a step. What comes out is
unbounded: logits of pixels, or values, as whoever uses it sees fit.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

GRID = 8  # the largest side of the first grid
FIRST, LEAST = 32, 8  # channels of the first grid, and of any


class ImageDecoder(nn.Module):
    """Codes to square images.

    Args:
        latent: Length of a code.
        channels: Channels of an image.
        size: Side of an image in pixels.
        batch_norm: Normalise each layer over the batch: a generator that is only told what its mean should
            be needs it, or it learns to draw one image. A decoder of a single item must do without.

    >>> import torch
    >>> ImageDecoder(10, channels=3, size=28)(torch.zeros(2, 10)).shape
    torch.Size([2, 3, 28, 28])
    """

    def __init__(self, latent: int, channels: int, size: int, *, batch_norm: bool = False) -> None:
        super().__init__()
        doublings = 1
        while -(-size // 2**doublings) > GRID:
            doublings += 1
        self.grid, self.size = -(-size // 2**doublings), size
        width = FIRST
        self.into = nn.Linear(latent, width * self.grid**2)
        layers: list[nn.Module] = []
        for doubling in range(doublings):
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            after = channels if doubling == doublings - 1 else max(width // 2, LEAST)
            layers += [nn.ReLU(), nn.ConvTranspose2d(width, after, 4, stride=2, padding=1)]
            width = after
        self.grow = nn.Sequential(*layers)

    def forward(self, code_BD: Tensor) -> Tensor:
        """Images ``BXHW`` of codes ``BD``."""
        grid_BXHW = self.into(code_BD).view(len(code_BD), -1, self.grid, self.grid)
        grown_BXHW: Tensor = self.grow(grid_BXHW)
        return grown_BXHW[:, :, : self.size, : self.size]


class VectorDecoder(nn.Module):
    """Codes to feature vectors, by one hidden layer.

    Args:
        latent: Length of a code.
        dim: Length of a feature vector.
        hidden: Hidden units.
        batch_norm: As in :class:`ImageDecoder`.

    >>> import torch
    >>> VectorDecoder(10, dim=384)(torch.zeros(2, 10)).shape
    torch.Size([2, 384])
    """

    def __init__(self, latent: int, dim: int, *, hidden: int = 256, batch_norm: bool = False) -> None:
        super().__init__()
        self.into = nn.Linear(latent, hidden)
        self.norm = nn.BatchNorm1d(hidden) if batch_norm else nn.Identity()
        self.out = nn.Linear(hidden, dim)

    def forward(self, code_BD: Tensor) -> Tensor:
        """Vectors ``BD`` of codes ``BD``."""
        out_BD: Tensor = self.out(F.relu(self.norm(self.into(code_BD))))
        return out_BD
