"""A variational autoencoder that is told the class (Kingma et al. 2014, arXiv:1406.5298, model M2).

``q(z|x, y)`` reads the network's features of the item and the item itself: features that tell classes apart
forget where on the picture a thing stood, and a decoder that does not know draws a blur. Images are read
shrunk to at most 32 pixels, by one linear layer. ``p(x|z, y)`` is one of the small decoders.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslcore.losses.elbo import bernoulli_nats, draw_code, gaussian_nats, kl_to_standard_normal
from sslcore.models import InputSpec
from sslcore.models.decoder import ImageDecoder, VectorDecoder

SIDE = 32  # of an image as the encoder reads it
HIDDEN = 256


class ConditionalVAE(nn.Module):
    """Encoder and decoder of items whose class is given.

    Args:
        spec: What the network is fed.
        width: Length of the network's features.
        classes: How many classes there are.
        latent: Length of a code.
    """

    def __init__(self, spec: InputSpec, width: int, classes: int, latent: int) -> None:
        super().__init__()
        self.spec, self.classes, self.latent = spec, classes, latent
        self.side = min(spec.size, SIDE)
        numbers = spec.channels * self.side**2 if spec.kind == "image" else spec.dim
        self.of_feature = nn.Linear(width, HIDDEN)
        self.of_item = nn.Linear(numbers, HIDDEN, bias=False)
        self.of_class = nn.Linear(classes, HIDDEN, bias=False)
        self.code = nn.Linear(HIDDEN, 2 * latent)
        self.decoder: nn.Module
        if spec.kind == "image":
            self.decoder = ImageDecoder(latent + classes, spec.channels, spec.size)
        else:
            self.decoder = VectorDecoder(latent + classes, spec.dim)
            self.log_variance = nn.Parameter(torch.zeros(()))

    def read(self, feature_BD: Tensor, item_B: Tensor) -> Tensor:
        """What the encoder makes of items before it is told a class: ``BH``."""
        if self.spec.kind == "image" and item_B.shape[-1] > self.side:
            item_B = F.adaptive_avg_pool2d(item_B, self.side)
        out_BH: Tensor = self.of_feature(feature_BD) + self.of_item(item_B.flatten(1))
        return out_BH

    def encode(self, read_BH: Tensor, share_BC: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the codes ``BD`` of items with these classes."""
        mean_BD, log_variance_BD = self.code(F.relu(read_BH + self.of_class(share_BC))).chunk(2, dim=1)
        return mean_BD, log_variance_BD.clamp(-10, 4)

    def decode(self, code_BD: Tensor, share_BC: Tensor) -> Tensor:
        """Logits of pixels ``BXHW``, or feature vectors ``BD``, from codes and classes."""
        out_B: Tensor = self.decoder(torch.cat([code_BD, share_BC.to(code_BD.dtype)], 1))
        return out_B

    def bound(self, read_BH: Tensor, share_BC: Tensor, value_B: Tensor, noise_BD: Tensor) -> Tensor:
        """``-log p(x|y, z) + KL``, nats of each item.

        Args:
            read_BH: What :meth:`read` gave.
            share_BC: The class of each item, one-hot.
            value_B: What is to be told of the item: pixels from 0 to 1, or its features.
            noise_BD: Standard normal noise.
        """
        mean_BD, log_variance_BD = self.encode(read_BH, share_BC)
        out_B = self.decode(draw_code(mean_BD, log_variance_BD, noise_BD), share_BC)
        if self.spec.kind == "image":
            nats_B = bernoulli_nats(out_B, value_B)
        else:
            nats_B = gaussian_nats(out_B, value_B, self.log_variance)
        return nats_B + kl_to_standard_normal(mean_BD, log_variance_BD)

    def bound_of_all(self, read_UH: Tensor, value_U: Tensor, noise_UCD: Tensor) -> Tensor:
        """:meth:`bound` of each item for each class, ``UC``."""
        items, classes = len(read_UH), self.classes
        share_C = torch.eye(classes, device=read_UH.device)
        bound = self.bound(
            read_UH.repeat_interleave(classes, 0),
            share_C.repeat(items, 1),
            value_U.repeat_interleave(classes, 0),
            noise_UCD.flatten(0, 1),
        )
        return bound.view(items, classes)

    def draw(self, code_BD: Tensor, label_B: Tensor) -> Tensor:
        """Pixels from 0 to 1 ``BXHW``, or feature vectors ``BD``, of codes with these classes."""
        out_B = self.decode(code_BD, F.one_hot(label_B, self.classes)).float()
        return out_B.sigmoid() if self.spec.kind == "image" else out_B
