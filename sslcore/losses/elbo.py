"""What an item costs a variational autoencoder, in nats (Kingma & Welling 2014, arXiv:1312.6114).

``-ELBO = -log p(x|z) + KL(q(z|x) || N(0, 1))``. Pixels are Bernoulli with their grey level as probability,
as in the authors' runs on MNIST; feature vectors are Gaussian with one learned variance (Rybkin et al. 2021,
arXiv:2006.13202). With a class y that is known the bound also pays ``-log p(y) = log C``; with one that is
not (Kingma et al. 2014, arXiv:1406.5298, eq. 7): ``U(x) = sum_y q(y|x) L(x, y) - H(q(y|x))``.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def bernoulli_nats(logits_B: Tensor, pixel_B: Tensor) -> Tensor:
    """``-log p(x|z)`` of items whose values are probabilities, from 0 to 1; one number an item.

    >>> import torch
    >>> bernoulli_nats(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)).tolist()  # 4 log 2
    [2.7725887298583984, 2.7725887298583984]
    """
    nats_B = F.binary_cross_entropy_with_logits(logits_B.float(), pixel_B.float(), reduction="none")
    return nats_B.flatten(1).sum(1)


def gaussian_nats(mean_BD: Tensor, value_BD: Tensor, log_variance: Tensor) -> Tensor:
    """``-log p(x|z)`` of vectors with one variance for all their entries; one number an item.

    >>> import torch
    >>> round(gaussian_nats(torch.zeros(1, 2), torch.ones(1, 2), torch.zeros(())).item(), 4)  # 1 + log 2 pi
    2.8379
    """
    square_BD = (mean_BD.float() - value_BD.float()).square() * (-log_variance).exp()
    return 0.5 * (square_BD + log_variance + math.log(2 * math.pi)).flatten(1).sum(1)


def kl_to_standard_normal(mean_BD: Tensor, log_variance_BD: Tensor) -> Tensor:
    """``KL(N(mean, variance) || N(0, 1))``; one number an item.

    >>> import torch
    >>> kl_to_standard_normal(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)).item()
    0.5
    """
    mean_BD, log_variance_BD = mean_BD.float(), log_variance_BD.float()
    return 0.5 * (mean_BD.square() + log_variance_BD.exp() - 1 - log_variance_BD).sum(1)


def draw_code(mean_BD: Tensor, log_variance_BD: Tensor, noise_BD: Tensor) -> Tensor:
    """A code ``z = mean + std * noise``, through which gradients flow."""
    return mean_BD + (0.5 * log_variance_BD).exp() * noise_BD


def marginalised(bound_UC: Tensor, logits_UC: Tensor) -> Tensor:
    """``U(x) = sum_y q(y|x) L(x, y) - H(q(y|x))`` of each item.

    Args:
        bound_UC: ``L(x, y)`` of each item for each class, in nats.
        logits_UC: Of ``q(y|x)``.

    >>> import torch
    >>> marginalised(torch.tensor([[1.0, 3.0]]), torch.zeros(1, 2)).item()  # 2 - log 2
    1.3068528175354004
    """
    log_UC = logits_UC.float().log_softmax(1)
    return (log_UC.exp() * (bound_UC + log_UC)).sum(1)
