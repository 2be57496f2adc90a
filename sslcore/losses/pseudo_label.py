"""Cross-entropy to the model's own answers (Lee 2013; Sohn et al. 2020, arXiv:2001.07685).

``mean_u weight_u * CE(p_u, y_u)``: ``y`` is the answer on an easy view, ``p`` the prediction on a harder
one, the weight says how far the answer is trusted. The mean is over all u and not over the trusted ones,
as in the paper: when few are trusted their pull is small.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def weighted_pseudo_label(logits_UC: Tensor, label_U: Tensor, weight_U: Tensor) -> Tensor:
    """Cross-entropy to hard pseudo-labels, each with its weight; the mean is over all rows.

    >>> import torch
    >>> logits_UC = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    >>> round(weighted_pseudo_label(logits_UC, torch.tensor([0, 1]), torch.tensor([1.0, 0.0])).item(), 4)
    0.0635
    """
    return (F.cross_entropy(logits_UC, label_U, reduction="none") * weight_U).mean()


def weighted_soft_label(logits_UC: Tensor, target_UC: Tensor, weight_U: Tensor) -> Tensor:
    """Cross-entropy to a target distribution, each row with its weight; the mean is over all rows.

    Args:
        logits_UC: Scores before the softmax.
        target_UC: Probabilities, rows summing to 1.
        weight_U: Trust in each row, 0 to 1.
    """
    return (F.cross_entropy(logits_UC, target_UC, reduction="none") * weight_U).mean()


def sharpen(proba_UC: Tensor, temperature: float) -> Tensor:
    """``p^(1/T)`` normalised: below 1 it makes the top class stand out.

    >>> import torch
    >>> sharpen(torch.tensor([[0.6, 0.4]]), 0.5).mul(1000).round().tolist()
    [[692.0, 308.0]]
    """
    power_UC = proba_UC.clamp(min=1e-12).pow(1 / temperature)
    return power_UC / power_UC.sum(1, keepdim=True)
