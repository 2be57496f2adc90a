"""Losses of tasks of which several classes may apply to an item: every class is a yes or a no of its own.

Supervised: sigmoid cross-entropy averaged over the classes that are known, NaN where a class is not. From
unlabelled items: FixMatch (Sohn et al. 2020, arXiv:2001.07685) class by class, ``mean_uc 1[max(p, 1 - p) >=
tau] BCE(s, 1[p >= 1/2])`` with the weak view's p and the strong view's s; the mean is over all u and c.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_binary_cross_entropy(logits_BC: Tensor, target_BC: Tensor) -> Tensor:
    """Mean sigmoid cross-entropy over what is known.

    Args:
        logits_BC: Scores before the sigmoid.
        target_BC: 1 where a class applies, 0 where it does not, NaN where nobody said.

    Returns:
        A scalar, 0 where nothing is known.

    >>> target_BC = torch.tensor([[1.0, float("nan")], [float("nan"), float("nan")]])
    >>> round(masked_binary_cross_entropy(torch.tensor([[2.0, 9.0], [0.0, 0.0]]), target_BC).item(), 4)
    0.1269
    """
    known_BC = ~target_BC.isnan()
    # the unknown become 0 before the loss: NaN times 0 is NaN, in the gradient as well
    loss_BC = F.binary_cross_entropy_with_logits(
        logits_BC, torch.where(known_BC, target_BC, 0.0).to(logits_BC), reduction="none"
    )
    return (loss_BC * known_BC).sum() / known_BC.sum().clamp(min=1)


def sure_classes(proba_UC: Tensor, threshold: float) -> Tensor:
    """1 where a class is surely there or surely not, else 0.

    >>> sure_classes(torch.tensor([[0.97, 0.6, 0.02]]), 0.95).tolist()
    [[1.0, 0.0, 1.0]]
    """
    return (torch.maximum(proba_UC, 1 - proba_UC) >= threshold).to(proba_UC.dtype)


def binary_pseudo_label(logits_UC: Tensor, proba_UC: Tensor, *, threshold: float) -> Tensor:
    """Sigmoid cross-entropy of one view to what the other is sure of, averaged over all items and classes.

    Args:
        logits_UC: Scores of the harder view.
        proba_UC: Probabilities of the easy view, without gradient.
        threshold: How sure a yes or a no must be.

    >>> proba_UC = torch.tensor([[0.99, 0.5], [0.5, 0.5]])
    >>> round(binary_pseudo_label(torch.tensor([[2.0, 9.0], [0.0, 0.0]]), proba_UC, threshold=0.95).item(), 4)
    0.0317
    """
    answer_UC = (proba_UC >= 0.5).to(logits_UC.dtype)
    loss_UC = F.binary_cross_entropy_with_logits(logits_UC, answer_UC, reduction="none")
    return (loss_UC * sure_classes(proba_UC, threshold)).mean()
