"""What an ordered class costs beyond a class: how far off the wrong answer is.

The squared earth mover's distance of Hou et al. 2016, arXiv:1611.05916: ``sum_c (P(<= c) - 1[y <= c])^2``,
0 for the right class, more the more places lie between. It stands beside the cross-entropy, which alone
takes the neighbour for as wrong as the far end; all that works on softmax answers works on these too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslcore.shapes import UNLABELLED


def masked_order_distance(logits_BC: Tensor, label_B: Tensor) -> Tensor:
    """Mean squared distance of the cumulative probabilities over the labelled rows.

    Args:
        logits_BC: Scores before the softmax, the classes in their order.
        label_B: Class indices, -1 where there is none.

    Returns:
        A scalar, 0 where no row is labelled.

    >>> near = masked_order_distance(torch.tensor([[0.0, 9.0, 0.0, 0.0]]), torch.tensor([0]))
    >>> far = masked_order_distance(torch.tensor([[0.0, 0.0, 0.0, 9.0]]), torch.tensor([0]))
    >>> round(near.item(), 1), round(far.item(), 1)
    (1.0, 3.0)
    """
    known_B = label_B != UNLABELLED
    below_BC = logits_BC.softmax(1).cumsum(1)
    place_C = torch.arange(logits_BC.shape[1], device=logits_BC.device)
    true_BC = (label_B[:, None] <= place_C).to(below_BC.dtype)
    distance_B = (below_BC - true_BC).square().sum(1)
    return (distance_B * known_B).sum() / known_B.sum().clamp(min=1)
