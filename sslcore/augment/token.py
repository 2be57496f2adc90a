"""Views of texts as rows of word pieces: whole words dropped, hidden, swapped, and cut off once embedded.

Weak: one word in twenty is left out. Strong: some words are swapped for words of the pool (in place of
synonyms, for which there is no list) or with their neighbours, a run of words is hidden behind the mask
piece, some are left out, and one of the three cut-offs of Shen et al. 2020 (arXiv:2009.13818) follows: the
embeddings of single pieces, of a run of pieces, or of one share of the features at all pieces become zero.
What has to wait until the pieces are embedded is written into the row as pieces beyond the V of the
vocabulary: ``V`` is a cut piece (it stands in its place, its embedding is zero), ``V + m`` in the last place
says that the features which the number m draws are cut. The frame of a row and its padding stay, and a text
always keeps a piece that says something.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslcore.augment.dice import Dice
from sslcore.models.text_tokens import MARKS, Vocabulary


class TokenViews:
    """Makes the views of token batches.

    Args:
        vocabulary: What there is to know of the pieces.
        pool_W: Pieces to swap in: the whole-word pieces of the set, as often as they occur.
    """

    weak_drop = 0.05
    strong_swap = 0.1
    strong_neighbours = 0.1
    strong_span = 0.15
    strong_drop = 0.2
    strong_cut = 0.15

    def __init__(self, vocabulary: Vocabulary, pool_W: Tensor) -> None:
        self.vocabulary, self.pool_W = vocabulary, pool_W

    def plain(self, token_BS: Tensor) -> Tensor:
        """The text as it is."""
        return token_BS

    def weak(self, token_BS: Tensor, dice: Dice) -> Tensor:
        """A few words left out."""
        return drop_words(token_BS, self.weak_drop, vocabulary=self.vocabulary, rng=dice.rng)

    def strong(self, token_BS: Tensor, dice: Dice) -> Tensor:
        """Words swapped, hidden and left out; then one of the cut-offs."""
        known, rng = self.vocabulary, dice.rng
        if len(self.pool_W):
            token_BS = swap_words(token_BS, self.pool_W, self.strong_swap, vocabulary=known, rng=rng)
        token_BS = swap_neighbours(token_BS, self.strong_neighbours, vocabulary=known, rng=rng)
        token_BS = mask_span(token_BS, self.strong_span, vocabulary=known, rng=rng)
        token_BS = drop_words(token_BS, self.strong_drop, vocabulary=known, rng=rng)
        return cut_off(token_BS, self.strong_cut, vocabulary=known, rng=rng)


def word_numbers(token_BS: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Which word of its text a piece belongs to, from 1; 0 for the frame and the padding.

    >>> known = Vocabulary(
    ...     torch.tensor([True, True, True, True, True, False]), torch.tensor([True] * 3 + [False] * 3), 3
    ... )
    >>> word_numbers(torch.tensor([[1, 4, 5, 4, 2, 0]]), known).tolist()
    [[0, 1, 1, 2, 0, 0]]
    """
    inside_BS = _inside(token_BS, vocabulary)
    before_BS = torch.zeros_like(inside_BS)
    before_BS[:, 1:] = inside_BS[:, :-1]
    cut_BS = token_BS.clamp(max=len(vocabulary) - 1)
    begins_BS = inside_BS & (vocabulary.begins_V[cut_BS] | ~before_BS)
    return begins_BS.cumsum(1) * inside_BS


def drop_words(token_BS: Tensor, share: float, *, vocabulary: Vocabulary, rng: torch.Generator) -> Tensor:
    """Leaves each word out with probability ``share`` and closes the gaps."""
    word_BS = word_numbers(token_BS, vocabulary)
    draw_BS = torch.rand(token_BS.shape, generator=rng, device=token_BS.device).gather(1, word_BS)
    gone_BS = (word_BS > 0) & (draw_BS < share)
    gone_BS = _spared(gone_BS, _says(token_BS, vocabulary))
    place_BS = torch.arange(token_BS.shape[1], device=token_BS.device).expand_as(token_BS)
    order_BS = (place_BS + gone_BS * token_BS.shape[1]).argsort(1)
    closed_BS = token_BS.masked_fill(gone_BS, 0).gather(1, order_BS)
    # a mark stands in the last place, not somewhere behind the text
    closed_BS = torch.where(closed_BS > len(vocabulary), torch.zeros_like(closed_BS), closed_BS)
    closed_BS[:, -1] = torch.where(token_BS[:, -1] > len(vocabulary), token_BS[:, -1], closed_BS[:, -1])
    return closed_BS


def swap_words(
    token_BS: Tensor, pool_W: Tensor, share: float, *, vocabulary: Vocabulary, rng: torch.Generator
) -> Tensor:
    """Puts a word of the pool in place of each word of one piece with probability ``share``."""
    word_BS = word_numbers(token_BS, vocabulary)
    draw_BS = torch.rand(token_BS.shape, generator=rng, device=token_BS.device)
    pick_BS = torch.randint(0, len(pool_W), token_BS.shape, generator=rng, device=token_BS.device)
    alone_BS = word_BS > 0
    alone_BS[:, 1:] &= word_BS[:, 1:] != word_BS[:, :-1]
    alone_BS[:, :-1] &= word_BS[:, :-1] != word_BS[:, 1:]
    return torch.where(alone_BS & (draw_BS < share), pool_W[pick_BS], token_BS)


def swap_neighbours(
    token_BS: Tensor, share: float, *, vocabulary: Vocabulary, rng: torch.Generator
) -> Tensor:
    """Swaps neighbouring words: each word is moved with probability ``share``, each at most once."""
    batch, length = token_BS.shape
    word_BS = word_numbers(token_BS, vocabulary)
    odd_B1 = torch.randint(0, 2, (batch, 1), generator=rng, device=token_BS.device)
    # words are paired (1 2)(3 4) or (2 3)(4 5); a pair is swapped as one
    pair_BS = (word_BS + odd_B1) // 2
    draw_BS = torch.rand((batch, length + 1), generator=rng, device=token_BS.device).gather(1, pair_BS)
    last_B1 = word_BS.amax(1, keepdim=True)
    other_BS = torch.where((word_BS + odd_B1) % 2 == 0, word_BS + 1, word_BS - 1)
    moves_BS = (word_BS > 0) & (draw_BS < share) & (other_BS >= 1) & (other_BS <= last_B1)
    key_BS = torch.where(moves_BS, other_BS, word_BS)
    # the class token sorts before all words, what follows the last word behind them, as it stood
    behind_BS = (word_BS == 0) & (word_BS.cumsum(1) > 0)
    key_BS = torch.where(behind_BS, last_B1 + 1, key_BS)
    return token_BS.gather(1, key_BS.argsort(dim=1, stable=True))


def mask_span(token_BS: Tensor, share: float, *, vocabulary: Vocabulary, rng: torch.Generator) -> Tensor:
    """Hides one run of words, ``share`` of the text long, behind the mask piece; a text of one word stays."""
    word_BS = word_numbers(token_BS, vocabulary)
    hidden_BS = _spared(_run(word_BS, share, rng=rng), _says(token_BS, vocabulary))
    return token_BS.masked_fill(hidden_BS, vocabulary.mask)


def cut_off(token_BS: Tensor, share: float, *, vocabulary: Vocabulary, rng: torch.Generator) -> Tensor:
    """One of the three cut-offs for each text, drawn evenly: pieces, a run of pieces, features.

    The last column must be free (0): the mark of a feature cut-off goes there.
    """
    batch, size = len(token_BS), len(vocabulary)
    kind_B = torch.randint(0, 3, (batch,), generator=rng, device=token_BS.device)
    inside_BS = _inside(token_BS, vocabulary)
    place_BS = inside_BS.cumsum(1) * inside_BS
    draw_BS = torch.rand(token_BS.shape, generator=rng, device=token_BS.device)
    single_BS = inside_BS & (draw_BS < share)
    run_BS = _run(place_BS, share, rng=rng)
    gone_BS = torch.where(kind_B[:, None] == 0, single_BS, run_BS & (kind_B[:, None] == 1))
    cut_BS = token_BS.masked_fill(_spared(gone_BS, _says(token_BS, vocabulary)), size)
    mark_B = torch.randint(1, MARKS, (batch,), generator=rng, device=token_BS.device)
    cut_BS[:, -1] = torch.where(kind_B == 2, size + mark_B, cut_BS[:, -1])
    return cut_BS


def _inside(token_BS: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Whether a place holds a piece of the text: no frame, no padding, no mark."""
    known_BS = token_BS.clamp(max=len(vocabulary) - 1)
    return ~vocabulary.special_V[known_BS] & (token_BS <= len(vocabulary))


def _says(token_BS: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Whether a place holds a piece that still says something: neither hidden nor cut."""
    inside_BS = _inside(token_BS, vocabulary)
    return inside_BS & (token_BS != vocabulary.mask) & (token_BS != len(vocabulary))


def _spared(gone_BS: Tensor, says_BS: Tensor) -> Tensor:
    """What is to go, but nothing of a text that would have nothing left to say."""
    return gone_BS & (says_BS & ~gone_BS).any(1, keepdim=True)


def _run(number_BS: Tensor, share: float, *, rng: torch.Generator) -> Tensor:
    """Places of one run of numbers (counted from 1 in each row), ``share`` of them long."""
    count_B = number_BS.amax(1)
    span_B = (count_B * share).ceil()
    draw_B = torch.rand(len(number_BS), generator=rng, device=number_BS.device)
    start_B = 1 + (draw_B * (count_B - span_B + 1)).floor()
    return (number_BS >= start_B[:, None]) & (number_BS < (start_B + span_B)[:, None])
