"""Networks: one backbone a file, and the head that sits on them.

A backbone is a ``torch.nn.Module`` made from an :class:`InputSpec`; it maps a batch to features ``BD`` and
says their width as ``width``. Importing this package does not import torch, so that the app can list what
there is; the first look-up does.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config
from sslcore.models.names import LIBRARIES, is_library_name, parse_name
from sslcore.registry import Entry, Registry

if TYPE_CHECKING:
    from sslcore.models.network import Backbone


class Backbones(Registry["type[Backbone]"]):
    """The networks registered here, and those of libraries by names such as ``timm:resnet18``."""

    def __getitem__(self, name: str) -> Entry[type[Backbone]]:
        """The entry of a name; one of a library is made on the spot."""
        if ":" not in name:
            return super().__getitem__(name)
        held = parse_name(name)
        module = importlib.import_module(LIBRARIES[held.library])
        value: type[Backbone] = module.backbone(name)
        title, text = f"{held.model} ({held.library})", (module.__doc__ or "").strip()
        return Entry(name, "image", title, "", value, Config, module.__name__, text)

    def __contains__(self, name: object) -> bool:
        return is_library_name(name) or super().__contains__(name)


BACKBONES = Backbones("backbone", "sslcore.models")


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
        kind: "image", "text" (rows of words), "tokens" (rows of word pieces) or "feature".
        channels: Channels of an image.
        size: Side of an image in pixels, or words or word pieces of a text.
        dim: Length of a feature vector, buckets of the word hash, or pieces of the vocabulary.
        pretrained: Whether a pretrained network is to come with its weights; not so where trained ones are
            about to be put into it.
    """

    kind: str
    channels: int = 1
    size: int = 28
    dim: int = 0
    pretrained: bool = True
