"""Passes that leave the running statistics of batch norm as they are, and networks that do without.

A network in training mode takes every batch into its running means; batches that are not data (nudged for a
gradient, mixed) should not be there. A momentum of 0 takes nothing in and still normalises by the batch.
Where real and drawn items are told apart each item is best normalised by itself (group norm, Wu & He 2018,
arXiv:1803.08494): no statistics of others can then give away what it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def still_statistics(network: nn.Module) -> Iterator[None]:
    """Within this block batch norms learn no statistics.

    >>> import torch
    >>> norm = nn.BatchNorm1d(2)
    >>> with still_statistics(norm):
    ...     out = norm(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> norm.running_mean.tolist(), norm.momentum
    ([0.0, 0.0], 0.1)
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    held = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, held, strict=True):
            norm.momentum = momentum


@contextmanager
def running_statistics(network: nn.Module) -> Iterator[None]:
    """Within this block batch norms normalise by their running statistics, and learn none.

    >>> import torch
    >>> norm = nn.BatchNorm1d(1, eps=0.0)
    >>> with running_statistics(norm):
    ...     out = norm(torch.tensor([[3.0], [5.0]]))
    >>> out.tolist(), norm.training
    ([[3.0], [5.0]], True)
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    try:
        for norm in norms:
            norm.training = False
        yield
    finally:
        for norm in norms:
            norm.training = True


def group_normalised(network: nn.Module, groups: int = 8) -> nn.Module:
    """The network with every batch norm of its images replaced by a group norm, in place.

    >>> norm = group_normalised(nn.Sequential(nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12)))[1]
    >>> norm.num_groups, norm.num_channels
    (4, 12)
    """
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.BatchNorm2d):
                channels = part.num_features
                setattr(module, name, nn.GroupNorm(math.gcd(groups, channels), channels, part.eps))
    return network
