"""What a warm start can be used on, and the reason where it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sslcore.errors import RecipeError

if TYPE_CHECKING:
    from sslcore.models.network import Backbone

READS = {
    "image": "images",
    "feature": "frozen features",
    "text": "rows of words",
    "tokens": "rows of word pieces",
}


def need_kind(backbone: Backbone, title: str, refused: Mapping[str, str]) -> None:
    """Refuses a backbone by what it reads.

    Args:
        backbone: The network that is to be warmed.
        title: The warm start, for the message.
        refused: The reason for each kind of input that it cannot learn from.

    Raises:
        RecipeError: It reads one of these.
    """
    kind = backbone.spec.kind
    if kind in refused:
        raise RecipeError(
            f"{title} cannot warm a network that reads {READS.get(kind, kind)}: {refused[kind]} "
            "Choose warm start 'masked' or 'simclr', or none."
        )
