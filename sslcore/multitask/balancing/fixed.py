"""Fixed weights: ``sum_t w_t L_t`` with the weights that the user gave, 1 where none was given.

The bar to beat: tuned equal weights hold against most adaptive rules (Xin et al. 2022, arXiv:2209.11379).

When: the default. Give a weight by hand where one task matters more; try another rule only where a task stays
behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sslcore.multitask import BALANCINGS
from sslcore.multitask.base import Balancing

if TYPE_CHECKING:
    from torch import Tensor

    from sslcore.models.network import Network


@BALANCINGS.register(
    "fixed", title="Fixed weights", family="balancing", paper="Xin et al. 2022, arXiv:2209.11379"
)
class Fixed(Balancing):
    """The weighted sum."""

    def backward(self, loss_T: Sequence[Tensor], beside: Tensor, network: Network) -> Tensor:
        """One backward pass of the sum."""
        total = beside
        for loss in self.user_weighted(loss_T):
            total = total + loss
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()
