"""The small networks that stand on the features while views are compared, and are left behind."""

from __future__ import annotations

from torch import nn


def projector(width: int, hidden: int, out: int, *, layers: int = 2) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them (SimCLR, VICReg, BYOL alike).

    >>> projector(8, 16, 4)[-1].out_features
    4
    """
    parts: list[nn.Module] = []
    for _ in range(layers - 1):
        parts += [nn.Linear(width, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
        width = hidden
    return nn.Sequential(*parts, nn.Linear(width, out))
