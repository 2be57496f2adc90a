"""Views of frozen feature vectors: noise and dropout.

Weak: Gaussian noise half as large as the features' spread. Strong: noise half as large again as the spread,
and a fifth of the entries gone, the rest scaled up to keep the sum. Features have unit length and one common
scale, so that directions that hardly vary stay small. It is the cheapest consistency there is; cf. dropout as
augmentation in SimCSE (Gao et al. 2021, arXiv:2104.08821).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sslcore.augment.dice import Dice


class FeatureViews:
    """Makes the views of feature batches.

    Args:
        mean_D: Mean of each feature of vectors of unit length.
        scale: One number that brings the features to unit spread.
    """

    weak_noise = 0.5
    strong_noise = 1.5
    strong_drop = 0.2

    def __init__(self, mean_D: Tensor, scale: float) -> None:
        self.mean_D, self.scale = mean_D, scale

    def plain(self, feature_BD: Tensor) -> Tensor:
        """Unit length, then centred, unit spread."""
        return (F.normalize(feature_BD.float(), dim=1) - self.mean_D) / self.scale

    def weak(self, feature_BD: Tensor, dice: Dice) -> Tensor:
        """Plain with a little noise."""
        return self._noisy(self.plain(feature_BD), self.weak_noise, dice)

    def strong(self, feature_BD: Tensor, dice: Dice) -> Tensor:
        """Plain with much noise and with entries missing."""
        view_BD = self._noisy(self.plain(feature_BD), self.strong_noise, dice)
        kept_BD = torch.rand(view_BD.shape, generator=dice.rng, device=view_BD.device) >= self.strong_drop
        return view_BD * kept_BD / (1 - self.strong_drop)

    def _noisy(self, view_BD: Tensor, size: float, dice: Dice) -> Tensor:
        return view_BD + size * torch.randn(view_BD.shape, generator=dice.rng, device=view_BD.device)
