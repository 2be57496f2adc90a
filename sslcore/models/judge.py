"""A judge of pairs of image and code, for adversarial training (Donahue et al. 2017, arXiv:1605.09782).

Two strided convolutions, pooled to 4 x 4 so that images of any size will do, and a perceptron over what was
seen and the code. No batch norm: true pairs and false ones come in one batch and must not tell on each other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Judge(nn.Module):
    """How true a pair of image and code looks, as a logit.

    Args:
        channels: Channels of an image.
        latent: Length of a code.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, stride=2, padding=1),
            nn.GroupNorm(8, 64),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
        )
        self.tell = nn.Sequential(nn.Linear(64 * 16 + latent, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))

    def forward(self, image_BXHW: Tensor, code_BD: Tensor) -> Tensor:
        """Logits ``B``."""
        out_B1: Tensor = self.tell(torch.cat([self.look(image_BXHW), code_BD], 1))
        return out_B1[:, 0].float()
