"""TF-IDF and SVD (latent semantic analysis): text features without weights, within seconds.

Deerwester et al. 1990, "Indexing by latent semantic analysis". Words with sublinear term frequency;
where texts are short (median under 400 characters) also letter 3–5-grams within words, since two
requests seldom share a whole word. Projected on the first 128 singular directions (256 with letters)
and scaled to length 1. Word pairs and more directions were measured and left out: two to four times
as slow, and a linear head on four labels a class 3 to 6 points worse (BBC news). Vocabulary and
directions are fitted on at most 20,000 texts, so that 100,000 take no five times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any, ClassVar

import numpy as np

from sslcore.features import ENCODERS
from sslcore.features.encoder import Items, Modality, Plan, Tick
from sslcore.shapes import FloatArray

_FIT = 20_000
_BLOCK = 4096
_SHORT = 400
_LONGEST = 20_000  # characters of one text that are read: a book must not set the pace


@ENCODERS.register("tfidf", title="TF-IDF + SVD", family="encoder", paper="Deerwester et al. 1990")
class Tfidf:
    """Latent semantic analysis.

    >>> items = Items.of_texts(["a red apple", "a green apple", "red wine", "green tea"])
    >>> encoder = Tfidf()
    >>> (block_ND,) = encoder.blocks(items, plan=encoder.plan(items), start=0, tick=lambda done: None)
    >>> block_ND.shape[0], bool(np.allclose(np.linalg.norm(block_ND, axis=1), 1, atol=1e-5))
    (4, True)
    """

    modality: ClassVar[Modality] = "text"
    weights_free: ClassVar[bool] = True

    def plan(self, items: Items) -> Plan:
        """Whether letters help (where texts are short), and how many directions are kept."""
        sample = [len(text) for text in items.texts[:: max(1, len(items) // 1000)]]
        letters = bool(sample) and median(sample) < _SHORT
        return {"letters": letters, "dim": 256 if letters else 128}

    def blocks(self, items: Items, *, plan: Plan, start: int, tick: Tick) -> Iterator[FloatArray]:
        """See :class:`~sslcore.features.encoder.Encoder`."""
        n = len(items)
        rows = np.arange(n)
        if n > _FIT:
            rows = np.sort(np.random.default_rng(0).choice(n, _FIT, replace=False))
        texts = [items.texts[row][:_LONGEST] for row in rows.tolist()]
        vectorizers, weight_FV = _fitted(texts, letters=plan["letters"])
        tick(0)
        axes_KV = _directions(weight_FV, plan["dim"])
        tick(0)
        for first in range(0, n, _BLOCK):
            last = min(first + _BLOCK, n)
            if n <= _FIT:
                weight_BV = weight_FV[first:last]
            else:
                weight_BV = _weights(vectorizers, [text[:_LONGEST] for text in items.texts[first:last]])
            feature_BD = np.asarray(weight_BV @ axes_KV.T, dtype=np.float32)
            norm_B1 = np.linalg.norm(feature_BD, axis=1, keepdims=True)
            yield feature_BD / np.maximum(norm_B1, 1e-12)
            tick(last)


def _fitted(texts: list[str], *, letters: bool) -> tuple[list[Any], Any]:
    """Vectorizers and the sparse weights of ``texts`` under them, the kinds side by side.

    Words, and letters where they are wanted or where there are no words; none for empty texts.
    """
    import scipy.sparse as sp
    from sklearn.feature_extraction.text import TfidfVectorizer

    shared: dict[str, Any] = {
        "sublinear_tf": True,
        "strip_accents": "unicode",
        "max_features": 50_000,
        "min_df": 2 if len(texts) >= 200 else 1,
        "dtype": np.float32,
    }
    kinds: list[dict[str, Any]] = [{"token_pattern": r"(?u)\b\w+\b"}]
    if letters:
        kinds.append({"analyzer": "char_wb", "ngram_range": (3, 5)})
    # No word twice, or nothing but signs: 👍, "?!", one word each.
    fallback: dict[str, Any] = {"analyzer": "char", "ngram_range": (1, 3), "min_df": 1}
    vectorizers: list[Any] = []
    parts: list[Any] = []
    for kind in [*kinds, fallback]:
        if kind is fallback and parts:
            break
        vectorizer = TfidfVectorizer(**(shared | kind))
        try:
            parts.append(vectorizer.fit_transform(texts))
        except ValueError:  # "empty vocabulary": nothing of this kind in the texts
            continue
        vectorizers.append(vectorizer)
    empty = sp.csr_matrix((len(texts), 1), dtype=np.float32)
    return vectorizers, sp.hstack(parts, format="csr") if parts else empty


def _weights(vectorizers: list[Any], texts: list[str]) -> Any:
    """Sparse TF-IDF weights, ``N×V`` float32, the kinds side by side."""
    import scipy.sparse as sp

    if not vectorizers:
        return sp.csr_matrix((len(texts), 1), dtype=np.float32)
    return sp.hstack([v.transform(texts) for v in vectorizers], format="csr")


def _directions(weight_NV: Any, dim: int) -> FloatArray:
    """First right singular vectors of the weights, ``K×V`` float32."""
    from sklearn.utils.extmath import randomized_svd

    k = min(dim, *weight_NV.shape)
    if weight_NV.nnz == 0:
        return np.eye(1, weight_NV.shape[1], dtype=np.float32)
    axes_KV = randomized_svd(weight_NV, k, n_iter=2, random_state=0)[2]
    return np.asarray(axes_KV, dtype=np.float32)
