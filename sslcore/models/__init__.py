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
class TaskShape:
    """A task as networks and methods see it.

    Args:
        name: The task's name.
        classes: How many classes it has; 0 for a number.
        kind: "single", "multiple", "ordinal" or "numeric".
        weight: What the user weighs its loss.

    >>> TaskShape("topic", 5).outputs, TaskShape("price", 0, kind="numeric").outputs
    (5, 1)
    """

    name: str
    classes: int
    kind: str = "single"
    weight: float = 1.0

    @property
    def outputs(self) -> int:
        """Numbers that a head gives for it."""
        return 1 if self.kind == "numeric" else self.classes


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
