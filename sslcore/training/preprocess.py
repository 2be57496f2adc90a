"""From raw items to what the network is fed: the same in training, at prediction and in an exported model.

Images: resized with antialiasing to a square, normalised by the set's channel statistics. Texts: rows of
hashed words. Features: brought to unit length, centred, and to unit spread. All of it is in one JSON-ready
record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sslcore.augment.feature import FeatureViews
from sslcore.augment.image import ImageViews
from sslcore.augment.text import TextViews, hash_words
from sslcore.errors import DataError, RecipeError
from sslcore.models import InputSpec
from sslcore.shapes import FloatArray, IntArray
from sslcore.training.data import TrainingData
from sslcore.training.recipe import BACKBONE_KINDS, TrainConfig

TEXT_BUCKETS = 2**14
LONGEST_TEXT = 256
SAMPLE = 2048  # items that statistics are taken from


@dataclass(frozen=True)
class Preprocess:
    """What is done to an item before the network.

    Args:
        kind: "image", "text" or "feature": what the backbone reads.
        backbone: Name of the backbone.
        size: Side of the image in pixels, or words of a text.
        channels: Channels of the image.
        mean: Per channel, or per feature.
        std: Per channel; one number for features.
        flips: Whether views may be mirrored.
        buckets: Of the word hash.
        encoder: Which encoder gave the features.
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

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Preprocess:
        """Reads what :meth:`as_dict` gave."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})

    def spec(self) -> InputSpec:
        """What the backbone is told of its input."""
        dim = self.buckets if self.kind == "text" else len(self.mean)
        return InputSpec(self.kind, channels=self.channels, size=self.size, dim=dim)

    def prepare(self, items: IntArray | FloatArray | Sequence[str]) -> IntArray | FloatArray:
        """Raw items as an array of one row each: uint8 images of the right size, word rows, or features.

        Raises:
            DataError: Items of another kind than the network was trained on.
        """
        if self.kind == "text":
            return hash_words(list(items), buckets=self.buckets, length=self.size)
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
    ) -> ImageViews | TextViews | FeatureViews:
        """The maker of views for items that :meth:`prepare` gave."""
        mean = torch.tensor(self.mean, device=device)
        if self.kind == "image":
            return ImageViews(mean, torch.tensor(self.std, device=device), flips=self.flips)
        if self.kind == "feature":
            return FeatureViews(mean, self.std[0])
        return TextViews(torch.zeros(1, dtype=torch.long, device=device) if pool_W is None else pool_W)


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
        words = sorted(len(text.split()) for text in data.text_N[:SAMPLE])
        size = int(np.clip(words[int(0.95 * (len(words) - 1))] * 1.2, 8, LONGEST_TEXT))
        return Preprocess(kind, backbone, size=size, buckets=TEXT_BUCKETS)
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


def word_statistics(word_NS: IntArray, buckets: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Word vectors and weights from unlabelled texts, by latent semantic analysis.

    Truncated SVD of the row-normalised TF-IDF matrix; its first direction is the mean text and is left out.
    Each direction weighs its singular value: with 10 labels a class of AG News a linear model on the vectors
    gets 65 % so, and 56 % where all directions weigh the same.

    Args:
        word_NS: Rows of word buckets.
        buckets: Of the word hash.
        width: Length of a vector.
        seed: Of the randomised SVD.

    Returns:
        Vectors ``buckets x width`` and inverse document frequencies, one per bucket.
    """
    from scipy.sparse import csr_matrix
    from sklearn.preprocessing import normalize
    from sklearn.utils.extmath import randomized_svd

    word_NS = word_NS[_spread_rows(len(word_NS), 20_000)]
    row, column = np.nonzero(word_NS)
    count = csr_matrix(
        (np.ones(len(row), dtype=np.float32), (row, word_NS[row, column])), shape=(len(word_NS), buckets)
    )
    count.sum_duplicates()
    seen_V = np.bincount(count.indices, minlength=buckets)
    weight_V = np.log((1 + len(word_NS)) / (1 + seen_V)).astype(np.float32) + 1
    weight_V[seen_V == 0] = 0  # a word never met says nothing: its vector would be noise
    scaled = count.multiply(weight_V[None]).tocsr()
    rank = min(width + 1, min(scaled.shape) - 1)
    vector_VD = np.zeros((buckets, width), dtype=np.float32)
    if rank >= 2:
        _, size_D, right_DV = randomized_svd(normalize(scaled), rank, n_iter=4, random_state=seed)
        vector_VD[:, : rank - 1] = (right_DV[1:] * (size_D[1:] / size_D[1])[:, None]).T
    return torch.from_numpy(vector_VD), torch.from_numpy(weight_V)


def _spread_rows(count: int, most: int) -> IntArray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
