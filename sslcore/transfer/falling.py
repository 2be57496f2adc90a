"""Learning rates that fall from the output to the input, part by part (Howard & Ruder 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sslcore.transfer.base import known_weights, split_decay

if TYPE_CHECKING:
    from sslcore.models.network import Network


def falling_rates(network: Network, decay: float, *, fall: float, scale: float = 1.0) -> list[dict[str, Any]]:
    """Optimiser groups: heads, and what a sharing brought, at the full rate; the k-th part from the output at
    ``scale * fall^k`` of it.

    Args:
        network: Only its weights that are open are taken.
        decay: Weight decay of matrices.
        fall: Rate of a part beside that of the part after it.
        scale: Rate of the last part beside that of the heads.

    >>> from sslcore.models import InputSpec
    >>> from sslcore.models.network import build_network
    >>> network = build_network("small_cnn", InputSpec("image"), [2])
    >>> groups = falling_rates(network, 0.0, fall=0.5, scale=0.5)
    >>> sorted({group["scale"] for group in groups}, reverse=True)  # the mean over positions has no weights
    [1.0, 0.25, 0.125, 0.0625]
    """
    found = split_decay(list(network.heads.parameters()), decay)
    found += split_decay(network.backbone.new_weights(), 0.0)
    left = {id(weight): weight for weight in known_weights(network)}
    parts = network.backbone.parts()
    for depth, part in enumerate(reversed(parts)):
        fresh = [weight for weight in part.parameters() if left.pop(id(weight), None) is not None]
        found += split_decay(fresh, decay, scale * fall**depth)
    found += split_decay(list(left.values()), decay, scale * fall ** len(parts))
    return [group for group in found if group["params"]]
