"""Losses of tasks whose answers are numbers.

Huber's loss (1964, doi:10.1214/aoms/1177703732) on numbers brought to mean 0 and spread 1, so that a task in
thousands does not drown one in tenths and a slip of the keyboard costs its distance, not the square of it.
From unlabelled items: two views of an item get the same number (Laine & Aila 2017, arXiv:1610.02242), the
harder one learning from the easier; there is no confidence to ask of a number. Compared is where an item
stands among those of the batch, not the number itself: that is had most cheaply by numbers that all shrink
towards the mean, and the targets shrink with them (measured: twice the error of no such loss at all).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_huber(value_B: Tensor, target_B: Tensor) -> Tensor:
    """Mean Huber loss over the labelled rows; squares up to 1 spread, distances beyond.

    Args:
        value_B: What the network says, in spreads from the mean.
        target_B: The labels likewise, NaN where there is none.

    Returns:
        A scalar, 0 where no row is labelled.

    >>> masked_huber(torch.tensor([1.0, 3.0, 7.0]), torch.tensor([0.0, 0.0, float("nan")])).item()
    1.5
    """
    known_B = ~target_B.isnan()
    loss_B = F.huber_loss(value_B, torch.where(known_B, target_B, 0.0).to(value_B), reduction="none")
    return (loss_B * known_B).sum() / known_B.sum().clamp(min=1)


def same_number(value_U: Tensor, target_U: Tensor) -> Tensor:
    """Mean Huber loss of one view's numbers to the other's, each in spreads from its batch's mean.

    Args:
        value_U: Of the harder view.
        target_U: Of the easier one, without gradient.

    >>> same_number(torch.tensor([1.0, 3.0]), torch.tensor([10.0, 20.0])).item() < 1e-6
    True
    >>> round(same_number(torch.tensor([3.0, 1.0]), torch.tensor([10.0, 20.0])).item(), 2)
    1.5
    """
    return F.huber_loss(_standing(value_U), _standing(target_U))


def _standing(value_U: Tensor) -> Tensor:
    centred_U = value_U - value_U.mean()
    return centred_U / (centred_U.square().mean() + 1e-6).sqrt()


def scale_of(target_N: Tensor) -> tuple[float, float]:
    """Mean and spread of the labels, (0, 1) without any; a single value has the spread 1.

    >>> scale_of(torch.tensor([1.0, 3.0, float("nan")]))
    (2.0, 1.0)
    """
    known = target_N[~target_N.isnan()].double()
    if not len(known):
        return 0.0, 1.0
    spread = known.std(correction=0).item()
    return known.mean().item(), spread if spread > 0 else 1.0
