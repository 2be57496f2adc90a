"""Passes that leave the running statistics of batch norm as they are, and networks that do without.

A network in training mode takes every batch into its running means; batches that are not data (nudged for a
gradient, mixed) should not be there. A momentum of 0 takes nothing in and still normalises by the batch.
Where real and drawn items are told apart no statistics of a batch may give away what an item is: channels are
then normalised by those of the first batch (data-dependent initialisation, Salimans & Kingma 2016,
arXiv:1602.07868; as a layer of its own ActNorm, Kingma & Dhariwal 2018, arXiv:1807.03039), or each item by
itself (group norm, Wu & He 2018, arXiv:1803.08494).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
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


def stand_still(network: nn.Module) -> None:
    """Puts batch norms in evaluation mode, whatever the mode of the rest.

    >>> network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    >>> stand_still(network)
    >>> [part.training for part in network]
    [True, False]
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


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


class ActNorm2d(nn.Module):
    """Channels normalised by the mean and variance of the first batch learned from, then scaled and shifted.

    Args:
        channels: Of the images.
        eps: Added to the variance.

    >>> norm = ActNorm2d(1)
    >>> first, other = norm(torch.tensor([[[[1.0, 3.0]]]])), norm(torch.tensor([[[[5.0, 7.0]]]]))
    >>> first.detach().ravel().round().tolist(), other.detach().ravel().round().tolist()
    ([-1.0, 1.0], [3.0, 5.0])
    """

    mean: Tensor
    variance: Tensor
    met: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("met", torch.zeros((), dtype=torch.bool))  # for checkpoints
        self.eps, self._met = eps, False  # asking the buffer would stall a GPU at every step

    def forward(self, image_BXHW: Tensor) -> Tensor:
        """The same shape."""
        if self.training and not self._met and torch.is_grad_enabled():
            with torch.no_grad():
                variance, mean = torch.var_mean(image_BXHW.float(), (0, 2, 3), correction=0)
                self.mean.copy_(mean)
                self.variance.copy_(variance)
                self.met.fill_(True)
            self._met = True
        return F.batch_norm(image_BXHW, self.mean, self.variance, self.weight, self.bias, eps=self.eps)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._met = bool(self.met)


def act_normalised(network: nn.Module) -> nn.Module:
    """The network with every batch norm of its images replaced by the statistics of a first batch, in place.

    >>> act_normalised(nn.Sequential(nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12)))[1].mean.shape
    torch.Size([12])
    """
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.BatchNorm2d):
                setattr(module, name, ActNorm2d(part.num_features, part.eps))
    return network
