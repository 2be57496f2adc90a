"""A small perceptron on frozen features.

Layer norm, one hidden layer, GELU, and the input carried past it: with four labels a class a linear layer
on good features is hard to beat, so the network starts as one (the hidden branch is scaled to near zero)
and bends only where the unlabelled items ask for it. No batch norm, so an item's answer does not depend on
its neighbours in the batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslcore.models import BACKBONES, InputSpec
from sslcore.models.network import Backbone


@BACKBONES.register("feature_mlp", title="Perceptron on frozen features", family="feature")
class FeatureMLP(Backbone):
    """Residual perceptron; the features it gives are as long as those that come in."""

    hidden = 256
    learning_rate = 0.01

    def __init__(self, spec: InputSpec) -> None:
        super().__init__(spec)
        self.width = spec.dim
        self.into = nn.Linear(spec.dim, self.hidden)
        self.out = nn.Linear(self.hidden, spec.dim)
        self.gain = nn.Parameter(torch.full((1,), 0.1))

    def encode(self, feature_BD: Tensor) -> Tensor:
        """Features ``BD`` of standardised features ``BD``."""
        bent_BD: Tensor = self.out(F.gelu(self.into(feature_BD)))
        return feature_BD + self.gain * bent_BD
