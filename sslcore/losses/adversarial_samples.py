"""Telling drawn items from real ones with a classifier's own logits (Salimans et al. 2016, arXiv:1606.03498).

A class K + 1, "drawn", whose logit is fixed at 0: ``p(real|x) = Z / (Z + 1)`` with ``Z = sum_k exp(l_k)``,
so ``log p(real) = -softplus(-log Z)`` and ``log p(drawn) = -softplus(log Z)``. The one who draws is asked to
match the mean features of real items, not to fool anyone.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def real_from_drawn(real_logits_UC: Tensor, drawn_logits_UC: Tensor) -> Tensor:
    """``-mean log p(real|real) - mean log p(drawn|drawn)``.

    >>> import torch
    >>> sure = torch.tensor([[50.0, 0.0]])
    >>> round(real_from_drawn(sure, -sure - 50).item(), 6)
    0.0
    """
    return F.softplus(-real_logits_UC.logsumexp(1)).mean() + F.softplus(drawn_logits_UC.logsumexp(1)).mean()


def feature_matching(real_feature_UD: Tensor, drawn_feature_UD: Tensor) -> Tensor:
    """``|| mean f(real) - mean f(drawn) ||^2``.

    >>> import torch
    >>> feature_matching(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[1.0, 2.0]])).item()
    4.0
    """
    return (real_feature_UD.mean(0) - drawn_feature_UD.mean(0)).square().sum()
