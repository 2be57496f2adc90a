"""From raw items to what the network is fed: the same in training, at prediction and in an exported model.

Images: resized with antialiasing to a square, normalised by the set's channel statistics. Texts: rows of
hashed words. Features: brought to unit length, centred, and to unit spread. All of it is in one JSON-ready
record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sslcore.augment.feature import FeatureViews
from sslcore.augment.image import ImageViews
from sslcore.augment.text import TextViews, hash_words
from sslcore.augment.token import TokenViews
from sslcore.errors import DataError, RecipeError
from sslcore.models import InputSpec
from sslcore.models.text_tokens import POSITIONS, Tokeniser, packaged_tokeniser
from sslcore.shapes import FloatArray, IntArray
from sslcore.training.data import TrainingData
from sslcore.training.recipe import BACKBONE_KINDS, TrainConfig

TEXT_BUCKETS = 2**14
LONGEST_TEXT = 256  # words that the word network reads
MOST_TOKENS = {"cpu": 64, "cuda": 128}  # pieces that a transformer reads: on a CPU a step must stay a second
SAMPLE = 2048  # items that statistics are taken from


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
            return TextViews(pool_W if len(pool_W) else pool_W.new_zeros(1))
        known = self._tokens().vocabulary().to(device)
        return TokenViews(known, pool_W[known.begins_V[pool_W] & ~known.special_V[pool_W]])

    def _tokens(self) -> Tokeniser:
        return self.tokeniser or packaged_tokeniser()


def plan(data: TrainingData, config: TrainConfig, device: torch.device) -> Preprocess:
    """Chooses the network and what it is fed.

    Raises:
        RecipeError: The network wished for cannot read this set.
    """
    there = {
        "image": data.image_NXHW is not None,
        "feature": data.feature_ND is not None,
        "text": data.text_N is not None,
    }
    backbone = config.backbone
    if backbone == "auto":
        # texts: 40 labels teach a network on good frozen features far more than one on raw words
        kind = next(kind for kind in ("image", "feature", "text") if there[kind])
        on_gpu = device.type == "cuda"
        backbone = {"image": "wrn_28_2" if on_gpu else "small_cnn", "feature": "feature_mlp"}.get(
            kind, "text_embedding"
        )
    kind = BACKBONE_KINDS[backbone]
    if not there[kind]:
        has = ", ".join(name for name in there if there[name])
        raise RecipeError(f"The backbone {backbone!r} reads {kind}s; this run has: {has}. Choose 'auto'.")
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
    sample = resize(np.asarray(data.image_NXHW[_spread(len(data))]), size) / 255.0
    flips = channels == 3 if config.flips == "auto" else config.flips == "on"
    return Preprocess(
        "image",
        backbone,
        size=size,
        channels=channels,
        mean=tuple(sample.mean((0, 2, 3)).tolist()),
        std=tuple(np.maximum(sample.std((0, 2, 3)), 0.05).tolist()),
        flips=flips,
    )


def _plan_text(text_N: Sequence[str], config: TrainConfig, backbone: str, *, on_gpu: bool) -> Preprocess:
    sample = [text_N[row] for row in _spread(len(text_N))]
    if backbone == "text_embedding":
        words = sorted(len(text.split()) for text in sample)
        size = int(np.clip(words[int(0.95 * (len(words) - 1))] * 1.2, 8, LONGEST_TEXT))
        return Preprocess("text", backbone, size=config.text_length or size, buckets=TEXT_BUCKETS)
    pieces = packaged_tokeniser()
    most = MOST_TOKENS["cuda" if on_gpu else "cpu"]
    wanted = int(np.quantile(pieces.lengths(sample, longest=most), 0.95)) if sample else most
    size = min(config.text_length or max(wanted, 8), POSITIONS) + 1  # and the place for a mark
    return Preprocess("tokens", backbone, size=size, buckets=pieces.size, tokeniser=pieces)


def _spread(count: int) -> IntArray:
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))


def to_nxhw(image: IntArray, channels: int) -> IntArray:
    """uint8 images as N x X x H x W with the wished number of channels.

    Args:
        image: N x H x W (grey), N x X x H x W or N x H x W x X.
        channels: 1 or 3; colour is turned to grey by its luma, grey is repeated.

    Raises:
        DataError: No such shape, or not uint8.

    >>> to_nxhw(np.zeros((2, 8, 8, 3), dtype=np.uint8), 1).shape
    (2, 1, 8, 8)
    """
    if image.dtype != np.uint8 or image.ndim not in (3, 4):
        raise DataError(
            "Images must be uint8 of shape N x H x W, N x X x H x W or N x H x W x X. "
            f"Received: {image.dtype} of shape {image.shape}."
        )
    if image.ndim == 3:
        image = image[:, None]
    elif image.shape[1] not in (1, 3) and image.shape[3] in (1, 3):
        image = image.transpose(0, 3, 1, 2)
    if image.shape[1] == channels:
        return image
    if channels == 3:
        return np.repeat(image[:, :1], 3, axis=1)
    luma_NHW = np.tensordot(image[:, :3].astype(np.float32), [0.299, 0.587, 0.114], axes=(1, 0))
    return luma_NHW.round().astype(np.uint8)[:, None]


def resize(image_NXHW: IntArray, size: int) -> IntArray:
    """uint8 images as squares of side ``size``; as they are where they are that already.

    >>> resize(np.full((1, 1, 8, 4), 7, dtype=np.uint8), 2).tolist()
    [[[[7, 7], [7, 7]]]]
    """
    if image_NXHW.shape[2:] == (size, size):
        return image_NXHW
    out_NXHW = np.empty((*image_NXHW.shape[:2], size, size), dtype=np.uint8)
    for start in range(0, len(image_NXHW), 512):
        part = torch.from_numpy(np.array(image_NXHW[start : start + 512])).float()
        scaled = F.interpolate(part, size=(size, size), mode="bilinear", antialias=True)
        out_NXHW[start : start + len(part)] = scaled.round().clamp(0, 255).byte().numpy()
    return out_NXHW
