"""Views of texts as rows of word buckets: words left out, masked, or swapped for another text's.

Weak: one word in ten is left out. Strong: a quarter is left out, a run of neighbours is masked, and one word
in ten is swapped for one drawn from the pool (TF-IDF replacement of UDA, Xie et al. 2020, arXiv:1904.12848,
where words that say little are swapped first; here words weigh by their inverse document frequency instead,
so a swapped common word changes little); from half of the texts a share of the features is cut off as well
(Shen et al. 2020, arXiv:2009.13818), for which a mark is left in the last place: a bucket beyond those there
are, see :mod:`sslcore.models.text_tokens`. Their other cut-offs, of words and of runs, are words left out and
masked in a network that only takes the mean. So is their order nothing to it, and no neighbours are swapped.
A row never loses its last word.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sslcore.augment.dice import Dice
from sslcore.models.text_tokens import MARKS
from sslcore.shapes import IntArray

_WORD = re.compile(r"\w+", re.UNICODE)


def hash_words(texts: Sequence[str], *, buckets: int, length: int) -> IntArray:
    """Rows of word buckets: int32 ``len(texts) x length``, 0 where a text has ended, and in the last place.

    CRC-32 of the lower-case word, the same on every machine and in every process; bucket 0 is "no word".

    >>> hash_words(["To be", "to BE or"], buckets=100, length=4).tolist()
    [[37, 86, 0, 0], [37, 86, 24, 0]]
    """
    word_NS = np.zeros((len(texts), length), dtype=np.int32)
    known: dict[str, int] = {}
    for row, text in enumerate(texts):
        words = _WORD.findall(text.lower())[: length - 1]
        for column, word in enumerate(words):
            bucket = known.get(word)
            if bucket is None:
                bucket = known[word] = 1 + zlib.crc32(word.encode()) % (buckets - 1)
            word_NS[row, column] = bucket
    return word_NS


class TextViews:
    """Makes the views of text batches.

    Args:
        pool_W: Words to swap in: all words of the set, as often as they occur.
        buckets: Of the word hash.
    """

    weak_drop = 0.1
    strong_drop = 0.25
    strong_swap = 0.1
    strong_span = 0.15
    strong_cut = 0.5

    def __init__(self, pool_W: Tensor, buckets: int) -> None:
        self.pool_W, self.buckets = pool_W, buckets

    def plain(self, word_BS: Tensor) -> Tensor:
        """The text as it is."""
        return word_BS

    def weak(self, word_BS: Tensor, dice: Dice) -> Tensor:
        """A tenth of the words left out."""
        return drop_words(word_BS, self.weak_drop, rng=dice.rng)

    def strong(self, word_BS: Tensor, dice: Dice) -> Tensor:
        """Words swapped, a span masked, a quarter left out; features cut off from some."""
        word_BS = swap_words(word_BS, self.pool_W, self.strong_swap, rng=dice.rng)
        word_BS = mask_span(word_BS, self.strong_span, rng=dice.rng)
        word_BS = drop_words(word_BS, self.strong_drop, rng=dice.rng)
        return cut_features(word_BS, self.strong_cut, buckets=self.buckets, rng=dice.rng)


def drop_words(word_BS: Tensor, share: float, *, rng: torch.Generator) -> Tensor:
    """Leaves each word out with probability ``share``; a row that would lose all keeps all."""
    draw_BS = torch.rand(word_BS.shape, generator=rng, device=word_BS.device)
    kept_BS = torch.where(draw_BS >= share, word_BS, torch.zeros_like(word_BS))
    return torch.where((kept_BS != 0).any(1, keepdim=True), kept_BS, word_BS)


def swap_words(word_BS: Tensor, pool_W: Tensor, share: float, *, rng: torch.Generator) -> Tensor:
    """Puts a word of the pool in place of each word with probability ``share``."""
    draw_BS = torch.rand(word_BS.shape, generator=rng, device=word_BS.device)
    pick_BS = torch.randint(0, len(pool_W), word_BS.shape, generator=rng, device=word_BS.device)
    return torch.where((draw_BS < share) & (word_BS != 0), pool_W[pick_BS], word_BS)


def cut_features(word_BS: Tensor, share: float, *, buckets: int, rng: torch.Generator) -> Tensor:
    """Marks texts, each with probability ``share``, for a cut-off of features, in the last column."""
    draw_B = torch.rand(len(word_BS), generator=rng, device=word_BS.device)
    mark_B = torch.randint(1, MARKS, (len(word_BS),), generator=rng, device=word_BS.device)
    marked_BS = word_BS.clone()
    marked_BS[:, -1] = torch.where(draw_B < share, buckets + mark_B, word_BS[:, -1])
    return marked_BS


def mask_span(word_BS: Tensor, share: float, *, rng: torch.Generator) -> Tensor:
    """Masks one run of neighbouring words, ``share`` of the text long; a row that would go empty stays."""
    batch, length = word_BS.shape
    count_B = (word_BS != 0).sum(1)
    span_B = (count_B * share).ceil()
    start_B = torch.rand(batch, generator=rng, device=word_BS.device) * (count_B - span_B + 1)
    place_S = torch.arange(length, device=word_BS.device)
    inside_BS = (place_S >= start_B.floor()[:, None]) & (place_S < (start_B.floor() + span_B)[:, None])
    kept_BS = torch.where(inside_BS, torch.zeros_like(word_BS), word_BS)
    return torch.where((kept_BS != 0).any(1, keepdim=True), kept_BS, word_BS)
