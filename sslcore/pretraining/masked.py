"""Masked items: what is hidden is told from what is left.

Images: square patches are covered (the mean takes their place) and ``|x - G(E(x~))|^2`` counts hidden pixels
alone (He et al. 2022, arXiv:2111.06377; for any network as in SimMIM, Xie et al. 2022, arXiv:2111.09886).
Frozen features: entries in place of patches. Texts: words are hidden, and the text's features tell which:
``-mean log softmax(U P z)_w`` over the hidden words w, U the network's own word table (Devlin et al. 2019,
arXiv:1810.04805; from one vector as in TSDAE, Wang et al. 2021, arXiv:2104.06979).

When: texts of a field that the word vectors hardly know; images whose parts explain one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.pretraining import WARM_STARTS
from sslcore.pretraining.base import WarmConfig
from sslcore.pretraining.reconstruction import Reconstruction, error

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.methods.base import Moment
    from sslcore.models.network import Backbone

PATCHES = 7  # patches to a side, at most


@dataclass(frozen=True)
class MaskedConfig(WarmConfig):
    """Settings of masking."""

    hidden: float = param(0.5, low=0.05, high=0.95, help="Share of patches or entries that is hidden.")
    hidden_words: float = param(0.3, low=0.05, high=0.95, help="Share of words that is hidden.")


@WARM_STARTS.register(
    "masked",
    title="Masked items",
    family="warm_start",
    paper="He et al. 2022, arXiv:2111.06377",
    config=MaskedConfig,
)
class Masked(Reconstruction):
    """Tells what was hidden."""

    def build(self, backbone: Backbone, plain_B: Tensor) -> None:
        """The decoder; for texts a projection onto the word table."""
        from torch import nn

        if plain_B.is_floating_point():
            super().build(backbone, plain_B)
            return
        self._shown = {}
        self.own["project"] = nn.Linear(backbone.width, word_table(backbone).shape[1])

    def loss(
        self, backbone: Backbone, views: Mapping[str, Tensor], at: Moment, rng: torch.Generator
    ) -> Tensor:
        """The mean error over what was hidden."""
        import torch

        plain_B = views["plain"]
        if plain_B.is_floating_point():
            hidden_B = hide(plain_B, self.config.hidden, rng)
            given_B = torch.where(hidden_B, 0.0, plain_B)
            return error(self.rebuild(backbone, given_B, plain_B), plain_B, hidden_B)
        draw_BS = torch.rand(plain_B.shape, generator=rng, device=plain_B.device)
        size = backbone.spec.dim
        hidden_BS = (plain_B > 0) & (plain_B < size) & (draw_BS < self.config.hidden_words)
        # no word is 0 to the mean of words; a transformer must still see that a piece stood there
        nothing = 0 if backbone.spec.kind == "text" else size
        told_BE = self.own["project"](backbone(plain_B.masked_fill(hidden_BS, nothing)))
        return word_loss(told_BE, word_table(backbone).detach(), plain_B, hidden_BS)


def hide(plain_B: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Which pixels ``B1HW`` (in square patches) or entries ``BD`` are hidden.

    >>> import torch
    >>> rng = torch.Generator().manual_seed(0)
    >>> hide(torch.zeros(1, 3, 4, 4), 0.5, rng).shape
    torch.Size([1, 1, 4, 4])
    """
    import torch

    if plain_B.ndim == 2:
        return torch.rand(plain_B.shape, generator=rng, device=plain_B.device) < share
    batch, _, height, width = plain_B.shape
    side = -(-max(height, width) // PATCHES)
    rows, columns = -(-height // side), -(-width // side)
    patch_B1HW = torch.rand((batch, 1, rows, columns), generator=rng, device=plain_B.device) < share
    pixel_B1HW = patch_B1HW.repeat_interleave(side, 2).repeat_interleave(side, 3)
    return pixel_B1HW[:, :, :height, :width]


def word_table(backbone: Backbone) -> Tensor:
    """The vectors ``VE`` of all words that the network reads."""
    from torch import nn

    for module in backbone.modules():
        if isinstance(module, nn.Embedding) and module.num_embeddings == backbone.spec.dim:
            return module.weight
    raise NotImplementedError(f"{type(backbone).__name__} reads words and has no table of them.")


def word_loss(told_BE: Tensor, table_VE: Tensor, word_BS: Tensor, hidden_BS: Tensor) -> Tensor:
    """``-mean log softmax(U t)_w`` over the hidden words; word 0 is padding and never an answer.

    Args:
        told_BE: What the features tell, one vector a text.
        table_VE: The word vectors U.
        word_BS: Words of each text.
        hidden_BS: Which of them were hidden.

    >>> import torch
    >>> table_VE = torch.tensor([[9.0], [1.0], [-1.0]])
    >>> loss = word_loss(
    ...     torch.tensor([[5.0]]), table_VE, torch.tensor([[1, 2]]), torch.tensor([[True, False]])
    ... )
    >>> round(float(loss), 4)
    0.0
    """
    import torch

    with torch.autocast(told_BE.device.type, enabled=False):
        logits_BV = told_BE.float() @ table_VE.float().T
    logits_BV[:, 0] = -1e4
    log_BS = logits_BV.log_softmax(1).gather(1, word_BS.clamp(max=logits_BV.shape[1] - 1))
    hidden = hidden_BS.to(log_BS.dtype)
    return -(log_BS * hidden).sum() / hidden.sum().clamp(min=1)
