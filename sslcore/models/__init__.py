"""Networks: one backbone a file, and the head that sits on them.

A backbone is a ``torch.nn.Module`` made from an :class:`InputSpec`; it maps a batch to features ``BD`` and
says their width as ``width``. Importing this package does not import torch, so that the app can list what
there is; the first look-up does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.registry import Registry

if TYPE_CHECKING:
    from sslcore.models.network import Backbone

BACKBONES: Registry[type[Backbone]] = Registry("backbone", "sslcore.models")


@dataclass(frozen=True)
class InputSpec:
    """What a network is fed.

    Args:
        kind: "image", "text" or "feature".
        channels: Channels of an image.
        size: Side of an image in pixels, or words of a text.
        dim: Length of a feature vector, or buckets of the word hash.
    """

    kind: str
    channels: int = 1
    size: int = 28
    dim: int = 0
