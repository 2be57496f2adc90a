"""Doors to other people's encoders: ``timm:NAME``, ``torchvision:NAME``, ``st:NAME``.

They work where the weights are in the local cache or a network allows the download; otherwise the
error says so and names the encoders that work offline. Image networks give their pooled features at
the input size and with the normalisation that they were trained with; ``st:`` takes the name of a
sentence-transformers model or the path of a model folder.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from sslcore.errors import SourceUnavailableError, UnknownNameError
from sslcore.features.encoder import Encoder, Items, Modality, Plan, Tick
from sslcore.shapes import FloatArray

PREFIXES = ("timm", "torchvision", "st")
_BATCH = 32
_BLOCK = 512


def door(name: str) -> Encoder | None:
    """The encoder behind ``prefix:name``; None where the name has no such prefix.

    >>> door("tfidf") is None, door("timm:resnet18").modality
    (True, 'image')
    """
    prefix, colon, rest = name.partition(":")
    if not colon or prefix not in PREFIXES or not rest:
        return None
    return SentenceDoor(rest) if prefix == "st" else ImageDoor(prefix, rest)


class SentenceDoor:
    """A sentence-transformers model by name or folder."""

    modality: ClassVar[Modality] = "text"
    weights_free: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    def plan(self, items: Items) -> Plan:
        """Nothing depends on the data."""
        return {}

    def blocks(self, items: Items, *, plan: Plan, start: int, tick: Tick) -> Iterator[FloatArray]:
        """See :class:`~sslcore.features.encoder.Encoder`."""
        from sentence_transformers import SentenceTransformer

        from sslcore.features.network import device
        from sslcore.features.sentences import sentence_blocks

        try:
            model = SentenceTransformer(self.name, device=str(device()))
        except Exception as error:  # each hub client raises its own kinds, none of which says what to do
            raise _unavailable(f"st:{self.name}", error, offline="tfidf and minilm") from error
        yield from sentence_blocks(model.eval(), items.texts, start=start, tick=tick)


class ImageDoor:
    """A timm or torchvision network by name, with its default weights."""

    modality: ClassVar[Modality] = "image"
    weights_free: ClassVar[bool] = False

    def __init__(self, library: str, name: str) -> None:
        self.library, self.name = library, name

    def plan(self, items: Items) -> Plan:
        """Nothing depends on the data: the size is the network's own."""
        return {}

    def blocks(self, items: Items, *, plan: Plan, start: int, tick: Tick) -> Iterator[FloatArray]:
        """See :class:`~sslcore.features.encoder.Encoder`."""
        import torch

        from sslcore.features.network import device
        from sslcore.media import load_images

        try:
            network, size, mean, std = (_timm if self.library == "timm" else _torchvision)(self.name)
        except UnknownNameError:
            raise
        except Exception as error:  # each hub client raises its own kinds, none of which says what to do
            name = f"{self.library}:{self.name}"
            raise _unavailable(name, error, offline="pixels and efficientnet_lite0") from error
        where = device()
        network = network.eval().to(where, memory_format=torch.channels_last)
        mean_X11, std_X11 = (torch.tensor(v, device=where).view(3, 1, 1) * 255.0 for v in (mean, std))
        for first in range(start, len(items), _BLOCK):
            stop, parts = min(first + _BLOCK, len(items)), []
            for row in range(first, stop, _BATCH):
                images_BXHW = load_images(items.paths[row : min(row + _BATCH, stop)], size)
                with torch.inference_mode():
                    inputs = (torch.from_numpy(images_BXHW).to(where).float() - mean_X11) / std_X11
                    feature_BD = network(inputs.contiguous(memory_format=torch.channels_last))
                parts.append(feature_BD.flatten(1).float().cpu().numpy())
                tick(row + len(images_BXHW))
            yield np.concatenate(parts)


def _timm(name: str) -> tuple[Any, int, Any, Any]:
    import timm

    if not timm.is_model(name.split(".")[0]):
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=5))
        raise UnknownNameError(f"timm has no network {name!r}." + (f" It has: {near} …" if near else ""))
    network = timm.create_model(name, pretrained=True, num_classes=0)
    config = timm.data.resolve_model_data_config(network)
    return network, config["input_size"][-1], config["mean"], config["std"]


def _torchvision(name: str) -> tuple[Any, int, Any, Any]:
    import torch
    from torchvision import models

    if name not in models.list_models(module=models):
        raise UnknownNameError(
            f"torchvision has no network {name!r} for classification. See torchvision.models.list_models()."
        )
    weights = models.get_model_weights(name).DEFAULT
    network = models.get_model(name, weights=weights)
    for head in ("fc", "heads", "head", "classifier"):  # the last layers, whose input is the feature
        if hasattr(network, head):
            setattr(network, head, torch.nn.Identity())
            break
    recipe = weights.transforms()
    return network, recipe.crop_size[0], recipe.mean, recipe.std


def _unavailable(name: str, error: Exception, *, offline: str) -> SourceUnavailableError:
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return SourceUnavailableError(
        f"The weights of {name!r} are not on this machine and could not be fetched ({reason}). "
        f"Check the name and the network; {offline} work offline."
    )
