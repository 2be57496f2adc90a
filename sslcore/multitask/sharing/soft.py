"""Soft sharing: a tower for each task, held near the others.

L2 (Duong et al. 2015, ACL P15-2139): ``weight * sum |w_i - w_j|^2`` over pairs of towers. Trace norm (Yang &
Hospedales 2017, arXiv:1606.04038): ``weight * sum_layers |W|_*``, W the layer's weights with one row a tower;
few directions are left in which towers differ. Towers start from the same weights, so a weight means the same
in all; weight 0 is a network for each task.

When: tasks that need different features, and labels enough for a tower each. Time and memory grow with the
tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sslcore.config import Config, param
from sslcore.models import TaskShape
from sslcore.models.traits import Traits
from sslcore.multitask import SHARINGS
from sslcore.multitask.base import Sharing

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.models.network import Backbone
    from sslcore.multitask.trunks import Towers


@dataclass(frozen=True)
class SoftConfig(Config):
    """Settings of soft sharing."""

    norm: str = param("l2", choices=("l2", "trace"), help="What is kept small: distances or the rank.")
    weight: float = param(0.01, low=0, high=1000, help="How strongly towers are held; 0: not at all.")


def squared_distances(tied: Sequence[Sequence[Tensor]]) -> Tensor:
    """``sum_{i<j} |w_i - w_j|^2`` over all places.

    Args:
        tied: For each place the weight of every tower.

    >>> import torch
    >>> squared_distances([[torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0])]]).item()
    4.0
    """
    import torch

    total = torch.zeros((), device=tied[0][0].device)
    for held in tied:
        stack_TP = torch.stack([weight.float().flatten() for weight in held])
        # sum over pairs of squared distances = T sum |w - mean|^2
        total = total + len(held) * (stack_TP - stack_TP.mean(0)).square().sum()
    return total


def trace_norms(tied: Sequence[Sequence[Tensor]]) -> Tensor:
    """The sum over places of the nuclear norm of the weights, one row a tower.

    By the eigenvalues of the small Gramian, whose gradient stays finite where towers are equal.

    >>> import torch
    >>> round(trace_norms([[torch.tensor([3.0, 4.0]), torch.tensor([0.0, 0.0])]]).item(), 2)
    5.0
    """
    import torch

    total = torch.zeros((), device=tied[0][0].device)
    for held in tied:
        stack_TP = torch.stack([weight.float().flatten() for weight in held])
        inner_TT = stack_TP @ stack_TP.T
        least = 1e-6 * inner_TT.detach().diagonal().mean() + 1e-12
        ridge_TT = least * torch.eye(len(held), device=inner_TT.device)
        total = total + torch.linalg.eigvalsh(inner_TT + ridge_TT).clamp(min=0.1 * least).sqrt().sum()
    return total


@SHARINGS.register(
    "soft",
    title="Soft sharing",
    family="sharing",
    paper="Duong et al. 2015, ACL P15-2139; Yang & Hospedales 2017, arXiv:1606.04038",
    config=SoftConfig,
)
class Soft(Sharing):
    """A tower for each task, held near the others."""

    @classmethod
    def only_copies(cls, traits: Traits) -> bool:
        """Towers begin alike, whatever the network."""
        return True

    def trunk(self, make: Callable[[], Backbone], tasks: Sequence[TaskShape]) -> tuple[Backbone, list[slice]]:
        """Towers."""
        from sslcore.multitask.trunks import Towers, side_by_side

        towers = Towers(make, len(tasks))
        return towers, side_by_side([towers.first.width] * len(tasks))

    def penalty(self, trunk: Backbone) -> Tensor | None:
        """What towers pay for their differences; None without a weight, without others, or all frozen."""
        tied = cast("Towers", trunk).tied_weights()
        if self.config.weight == 0 or not tied or len(tied[0]) < 2:
            return None
        norm = squared_distances if self.config.norm == "l2" else trace_norms
        return cast("Tensor", self.config.weight * norm(tied))
