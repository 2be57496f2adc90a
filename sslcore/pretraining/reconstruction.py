"""What the warm starts share that give an item back: a decoder on the features, and pictures of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslcore.pretraining.base import WarmStart
from sslcore.pretraining.sheets import MOST, to_pictures

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Backbone


class Reconstruction(WarmStart):
    """Base of the warm starts with a decoder."""

    views = ("plain",)

    def build(self, backbone: Backbone, plain_B: Tensor) -> None:
        """The decoder, by the shape of an item."""
        from sslcore.models.decoder import ImageDecoder, VectorDecoder

        if plain_B.ndim == 4:
            self.own["decoder"] = ImageDecoder(backbone.width, plain_B.shape[1], plain_B.shape[2])
        else:
            self.own["decoder"] = VectorDecoder(backbone.width, plain_B.shape[1])
        self._shown: dict[str, Tensor] = {}

    def rebuild(self, backbone: Backbone, given_B: Tensor, wanted_B: Tensor) -> Tensor:
        """Items as the decoder gives them back from the features of what the network was given."""
        out_B: Tensor = self.own["decoder"](backbone(given_B)).float()
        if wanted_B.ndim == 4:
            shown = {"items": wanted_B, "given": given_B, "rebuilt": out_B}
            self._shown = {name: view_B[:MOST].detach() for name, view_B in shown.items()}
        return out_B

    def picture(self, rng: torch.Generator) -> dict[str, Tensor] | None:
        """Some items of the last step, what the network was given of them, and what it gave back."""
        return to_pictures(self._shown, "items") if self._shown else None


def error(out_B: Tensor, wanted_B: Tensor, hidden_B: Tensor | None = None) -> Tensor:
    """Mean squared error, over what was hidden alone where that is given.

    >>> import torch
    >>> out_BD, wanted_BD = torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]])
    >>> float(error(out_BD, wanted_BD)), float(error(out_BD, wanted_BD, torch.tensor([[False, True]])))
    (5.0, 9.0)
    """
    square_B = (out_B.float() - wanted_B.float()).square()
    if hidden_B is None:
        return square_B.mean()
    hidden_B = hidden_B.expand_as(square_B).to(square_B.dtype)
    return (square_B * hidden_B).sum() / hidden_B.sum().clamp(min=1)
