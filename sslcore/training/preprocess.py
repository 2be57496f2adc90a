"""From raw items to what the network is fed: the same in training, at prediction and in an exported model.

Images: brought to a square with antialiasing, normalised by the set's channel statistics or as the weights of
a pretrained network want it. Texts: rows of
hashed words. Features: brought to unit length, centred, and to unit spread. All of it is in one JSON-ready
record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslcore.augment.feature import FeatureViews
from sslcore.augment.image import ImageViews
from sslcore.augment.text import TextViews, hash_words
from sslcore.augment.token import TokenViews
from sslcore.errors import DataError
from sslcore.models import BACKBONES, InputSpec
from sslcore.models.text_tokens import POSITIONS, Tokeniser, packaged_tokeniser
from sslcore.shapes import FloatArray, IntArray
from sslcore.training.auto import chosen_backbone, outline_of
from sslcore.training.data import TrainingData
from sslcore.training.recipe import TrainConfig, backbone_kind
from sslcore.training.squares import resize, to_nxhw

TEXT_BUCKETS = 2**14
LONGEST_TEXT = 256  # words that the word network reads
MOST_TOKENS = {"cpu": 64, "cuda": 128}  # pieces that a transformer reads: on a CPU a step must stay a second
SAMPLE = 2048  # items that statistics are taken from
MOST_VALUES = 2**25  # of images: an eighth of a gigabyte of floats


@dataclass(frozen=True)
class Preprocess:
    """What is done to an item before the network.

    Args:
        kind: "image", "text" (rows of word buckets), "tokens" (rows of word pieces) or "feature": what the
            backbone reads.
        backbone: Name of the backbone.
        size: Side of the image in pixels, or words or pieces of a text.
        channels: Channels of the image.
        mean: Per channel, or per feature.
        std: Per channel; one number for features.
        flips: Whether views may be mirrored.
        buckets: Of the word hash, or pieces of the vocabulary.
        encoder: Which encoder gave the features.
        tokeniser: Splits texts into word pieces; the packaged one, where a bundle brought none of its own.
    """

    kind: str
    backbone: str
    size: int = 0
    channels: int = 1
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    flips: bool = False
    buckets: int = 0
    encoder: str = ""
    tokeniser: Tokeniser | None = field(default=None, compare=False, repr=False)

    @property
    def source(self) -> str:
        """What raw items it takes: "image", "text" or "feature"."""
        return "text" if self.kind == "tokens" else self.kind

    @property
    def at_once(self) -> int:
        """Items that are predicted at once: 256, and of large images as many as hold that many pixels."""
        return int(np.clip(256 * 64**2 / max(1, self.size) ** 2, 4, 256)) if self.kind == "image" else 256

    def told(self) -> str:
        """The size of an item, for the run's note; nothing where items have no size to choose."""
        unit = {"image": "pixels", "text": "words", "tokens": "word pieces"}.get(self.kind)
        size = self.size - 1 if self.source == "text" else self.size  # the last place of a text is for marks
        return f"{size} {unit}, " if unit else ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values; the tokeniser is a file of its own."""
        return {name: value for name, value in asdict(self).items() if name != "tokeniser"}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Preprocess:
        """Reads what :meth:`as_dict` gave."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})

    def spec(self) -> InputSpec:
        """What the backbone is told of its input."""
        dim = self.buckets if self.source == "text" else len(self.mean)
        return InputSpec(self.kind, channels=self.channels, size=self.size, dim=dim)

    def prepare(self, items: IntArray | FloatArray | Sequence[str]) -> IntArray | FloatArray:
        """Raw items as an array of one row each: uint8 images of the right size, word rows, or features.

        Raises:
            DataError: Items of another kind than the network was trained on.
        """
        if self.kind == "text":
            return hash_words(list(items), buckets=self.buckets, length=self.size)
        if self.kind == "tokens":
            return self._tokens().encode(list(items), length=self.size)
        array = np.asanyarray(items)
        if self.kind == "image":
            return resize(to_nxhw(array, self.channels), self.size)
        if array.ndim != 2 or array.dtype.kind != "f" or array.shape[1] != len(self.mean):
            of = f" of the encoder {self.encoder!r}" if self.encoder else ""
            raise DataError(
                f"This model reads features{of}: floats of shape N x {len(self.mean)}. "
                f"Received: {array.dtype} of shape {array.shape}. Encode the items first."
            )
        return array

    def views(
        self, device: torch.device, pool_W: Tensor | None = None
    ) -> ImageViews | TextViews | TokenViews | FeatureViews:
        """The maker of views for items that :meth:`prepare` gave."""
        mean = torch.tensor(self.mean, device=device)
        if self.kind == "image":
            return ImageViews(mean, torch.tensor(self.std, device=device), flips=self.flips)
        if self.kind == "feature":
            return FeatureViews(mean, self.std[0])
        pool_W = torch.zeros(0, dtype=torch.long, device=device) if pool_W is None else pool_W
        if self.kind == "text":
            return TextViews(pool_W if len(pool_W) else pool_W.new_zeros(1), self.buckets)
        known = self._tokens().vocabulary().to(device)
        return TokenViews(known, pool_W[known.begins_V[pool_W] & ~known.special_V[pool_W]])

    def _tokens(self) -> Tokeniser:
        return self.tokeniser or packaged_tokeniser()


def plan(data: TrainingData, config: TrainConfig, device: torch.device) -> Preprocess:
    """Chooses the network and what it is fed; :mod:`sslcore.training.fit` has seen to it that they fit."""
    backbone = chosen_backbone(outline_of(data), config, on_gpu=device.type == "cuda")
    kind = backbone_kind(backbone)
    if kind == "image":
        return _plan_image(data, config, backbone, on_gpu=device.type == "cuda")
    if kind == "text":
        assert data.text_N is not None
        return _plan_text(data.text_N, config, backbone, on_gpu=device.type == "cuda")
    assert data.feature_ND is not None
    sample_SD = np.asarray(data.feature_ND[_spread(len(data))], dtype=np.float32)
    sample_SD = sample_SD / np.maximum(np.linalg.norm(sample_SD, axis=1, keepdims=True), 1e-12)
    mean_D = sample_SD.mean(0)
    spread = float((sample_SD - mean_D).std()) or 1.0
    return Preprocess(kind, backbone, mean=tuple(mean_D.tolist()), std=(spread,), encoder=data.encoder)


def _plan_image(data: TrainingData, config: TrainConfig, backbone: str, *, on_gpu: bool) -> Preprocess:
    assert data.image_NXHW is not None
    _, channels, height, width = data.image_NXHW.shape
    side = max(height, width)
    size = config.image_size
    if size == 0:
        size = 16 if side < 16 else 28 if side <= 28 else 64 if on_gpu and side >= 64 else 32
    wanted = getattr(BACKBONES[backbone].value, "normalisation", None)
    if wanted is not None:
        # grey images are repeated to three channels behind the views: one mean stands for all three
        mean, std = (values if channels == 3 else (sum(values) / 3,) for values in wanted)
    else:
        row_S = _spread(len(data))[:: max(1, channels * size**2 * SAMPLE // MOST_VALUES)]
        sample = resize(np.asarray(data.image_NXHW[row_S]), size).astype(np.float32) / 255.0
        mean = tuple(sample.mean((0, 2, 3), dtype=np.float64).tolist())
        std = tuple(np.maximum(sample.std((0, 2, 3), dtype=np.float64), 0.05).tolist())
    flips = channels == 3 if config.flips == "auto" else config.flips == "on"
    return Preprocess(
        "image",
        backbone,
        size=size,
        channels=channels,
        mean=mean,
        std=std,
        flips=flips,
    )


def _plan_text(text_N: Sequence[str], config: TrainConfig, backbone: str, *, on_gpu: bool) -> Preprocess:
    sample = [text_N[row] for row in _spread(len(text_N))]
    if backbone == "text_embedding":
        words = sorted(len(text.split()) for text in sample)
        size = config.text_length or int(np.clip(words[int(0.95 * (len(words) - 1))] * 1.2, 8, LONGEST_TEXT))
        return Preprocess("text", backbone, size=size + 1, buckets=TEXT_BUCKETS)  # and a place for a mark
    pieces = packaged_tokeniser()
    most = MOST_TOKENS["cuda" if on_gpu else "cpu"]
    wanted = int(np.quantile(pieces.lengths(sample, longest=most), 0.95)) if sample else most
    size = min(config.text_length or max(wanted, 8), POSITIONS) + 1  # and the place for a mark
    return Preprocess("tokens", backbone, size=size, buckets=pieces.size, tokeniser=pieces)


def _spread(count: int) -> IntArray:
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))
