"""MiniLM: a six-layer transformer that already knows English, for texts with few labels.

Wang et al. 2020 (arXiv:2002.10957), trained on sentence pairs as all-MiniLM-L6-v2 (Reimers & Gurevych 2019,
arXiv:1908.10084); the layers are BERT's (Devlin et al. 2019, arXiv:1810.04805): attention and a perceptron,
each added to what came in and normalised after. Features: the mean over a text's pieces at unit length,
centred. Linear layers, which are nearly all of the work, see the pieces of all texts in one row without any
padding, so short texts do not pay for long ones; only attention is computed in a padded block.

Between the parts a batch is ``BSE``: D numbers a piece and, last, how far the piece is there, 1 or 0. So
what :meth:`MiniLM.embed` gives can be mixed and nudged as one array, and a half-mixed piece is attended to
half (``log`` of the share is added to the scores).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslcore.models import BACKBONES, InputSpec
from sslcore.models.network import Backbone
from sslcore.models.text_tokens import POSITIONS, kept_features, packaged_folder, read_marks
from sslcore.shapes import FloatArray, IntArray

WIDTH, HIDDEN, HEADS, LAYERS = 384, 1536, 12, 6
PIECES = 30_522  # of the vocabulary that the packaged weights know
LEARNING = 2  # layers from the output that learn, where nobody says otherwise
DROPOUT = 0.1
FEATURE_CUT = 0.1  # share of the features that a mark cuts off
PRESENT = 1e-3  # a piece that is there by less is not there: noise on absent ones must not call them
SAMPLE = 256  # texts that the mean of the features is taken from


@BACKBONES.register(
    "minilm", title="MiniLM, fine-tuned", family="text", paper="Wang et al. 2020, arXiv:2002.10957"
)
class MiniLM(Backbone):
    """all-MiniLM-L6-v2 with its layers open; features of length 384.

    Args:
        spec: ``dim`` is the size of the vocabulary, ``pretrained`` whether the packaged weights are wanted.

    Raises:
        SourceUnavailableError: The package with the weights is not installed.
    """

    width, learning_rate = WIDTH, 0.01
    pretrained: ClassVar[bool] = True

    def __init__(self, spec: InputSpec) -> None:
        super().__init__(spec)
        self.embedding = Embedding(spec.dim)
        self.layers = nn.ModuleList([Layer() for _ in range(LAYERS)])
        self.pooling = Pooling()
        if spec.pretrained and spec.dim == PIECES:
            self._take_packaged()
        self.requires_grad_(False)
        for layer in self.layers[-LEARNING:]:
            layer.requires_grad_(True)

    def _take_packaged(self) -> None:
        from safetensors.torch import load_file

        held = load_file(packaged_folder() / "model.safetensors")
        self.load_state_dict(_renamed(held) | self.pooling.state_dict(prefix="pooling."))

    def begin(self, token_NS: IntArray | FloatArray, *, seed: int) -> None:
        """Centres the features by some texts of the set."""
        row_S = np.random.default_rng(seed).permutation(len(token_NS))[:SAMPLE]
        sample = torch.from_numpy(np.asarray(token_NS[np.sort(row_S)])).long()
        sample = sample.to(self.embedding.words.weight.device)
        training = self.training
        self.eval()
        with torch.no_grad():
            parts = [self(sample[start : start + 64]) for start in range(0, len(sample), 64)]
            self.pooling.centre(torch.cat(parts))
        self.train(training)

    def embed(self, token_BS: Tensor) -> Tensor:
        """Pieces as numbers ``BSE``, as many columns as the longest text of the batch has pieces."""
        return self.embedding.look_up(token_BS)

    def encode(self, embedded_BSE: Tensor) -> Tensor:
        """Features ``BD`` of embedded pieces."""
        for part in self.parts():
            embedded_BSE = part(embedded_BSE)
        return embedded_BSE

    def parts(self) -> list[nn.Module]:
        """Embedding, the six layers, pooling."""
        return [self.embedding, *self.layers, self.pooling]


class Embedding(nn.Module):
    """Word, place and segment vectors of each piece, added and normalised.

    Args:
        vocabulary: How many pieces there are.
    """

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, WIDTH, padding_idx=0)
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.segments = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        for table in (self.words, self.positions, self.segments):
            nn.init.normal_(table.weight, std=0.02)

    def look_up(self, token_BS: Tensor) -> Tensor:
        """Embedded pieces ``BSE``; a cut piece is zero, and cut features are zero in all pieces."""
        size = self.words.num_embeddings
        token_BS, mark_B = read_marks(token_BS, size)
        token_BS = token_BS[:, : int((token_BS != 0).sum(1).amax())] if len(token_BS) else token_BS
        place_S = torch.arange(token_BS.shape[1], device=token_BS.device)
        cut_BS = token_BS == size
        word_BSD = self.words(token_BS.masked_fill(cut_BS, 0))
        vector_BSD = self.norm(word_BSD + self.positions(place_S) + self.segments.weight[0])
        vector_BSD = vector_BSD.masked_fill(cut_BS[..., None], 0.0)
        kept_BD = kept_features(mark_B, WIDTH, FEATURE_CUT)
        return _packed(vector_BSD * kept_BD[:, None], (token_BS != 0).to(vector_BSD.dtype))

    def forward(self, embedded_BSE: Tensor) -> Tensor:
        """Dropout, where the table learns."""
        if not (self.training and self.words.weight.requires_grad):
            return embedded_BSE
        vector_BSD, there_BS = _parted(embedded_BSE)
        return _packed(F.dropout(vector_BSD, DROPOUT), there_BS)


class Layer(nn.Module):
    """Attention and perceptron of one layer; dropout only where it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH, eps=1e-12), nn.LayerNorm(WIDTH, eps=1e-12)
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, token_BSE: Tensor) -> Tensor:
        """``BSE`` to ``BSE``."""
        drop = DROPOUT if self.training and any(w.requires_grad for w in self.parameters()) else 0.0
        vector_BSD, there_BS = _parted(token_BSE)
        # the pieces that are there, in one row
        place_P = (there_BS > 0).flatten().nonzero()[:, 0]
        piece_PD = vector_BSD.flatten(0, 1)[place_P]
        seen_PD = self.out(self._attend(piece_PD, place_P, there_BS))
        piece_PD = self.norm_1(piece_PD + F.dropout(seen_PD, drop))
        bent_PD = self.down(F.gelu(self.up(piece_PD)))
        piece_PD = self.norm_2(piece_PD + F.dropout(bent_PD, drop))
        return _packed(_scattered(piece_PD, place_P, there_BS.shape), there_BS)

    def _attend(self, piece_PD: Tensor, place_P: Tensor, there_BS: Tensor) -> Tensor:
        batch, length = there_BS.shape
        query_BHSW, key_BHSW, value_BHSW = (
            _scattered(linear(piece_PD), place_P, there_BS.shape)
            .view(batch, length, HEADS, -1)
            .transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        absent_BS = there_BS == 0
        bias_BS = there_BS.masked_fill(absent_BS, 1.0).log().masked_fill(absent_BS, -1e9)
        bias_B11S = bias_BS[:, None, None].to(query_BHSW.dtype)
        seen_BHSW = F.scaled_dot_product_attention(query_BHSW, key_BHSW, value_BHSW, attn_mask=bias_B11S)
        seen: Tensor = seen_BHSW.transpose(1, 2).flatten(2).flatten(0, 1)[place_P]
        return seen


class Pooling(nn.Module):
    """The mean over pieces, each as far as it is there, at unit length, centred and at unit spread."""

    mean_D: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_D", torch.zeros(WIDTH))
        self.register_buffer("spread", torch.tensor(WIDTH**-0.5))

    def centre(self, feature_ND: Tensor) -> None:
        """Takes mean and spread from features that this module gave."""
        unit_ND = feature_ND * self.spread + self.mean_D
        self.mean_D.copy_(unit_ND.mean(0))
        self.spread.copy_((unit_ND - self.mean_D).square().mean().sqrt().clamp(min=1e-3))

    def forward(self, token_BSE: Tensor) -> Tensor:
        """``BSE`` to features ``BD``."""
        vector_BSD, there_BS = _parted(token_BSE)
        sum_BD = (vector_BSD * there_BS[..., None]).sum(1)
        return (F.normalize(sum_BD.float(), dim=1) - self.mean_D) / self.spread


def _packed(vector_BSD: Tensor, there_BS: Tensor) -> Tensor:
    return torch.cat([vector_BSD, there_BS[..., None].to(vector_BSD.dtype)], 2)


def _parted(token_BSE: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors, and how far each is there: no gradient goes into that, and hardly there is not there."""
    there_BS = token_BSE[..., -1].detach().clamp(0, 1)
    return token_BSE[..., :-1], there_BS * (there_BS >= PRESENT)


def _scattered(piece_PD: Tensor, place_P: Tensor, shape: torch.Size) -> Tensor:
    """Pieces back in their places of a padded block ``BSD``, zero elsewhere."""
    block_PD = piece_PD.new_zeros(shape.numel(), piece_PD.shape[1])
    return block_PD.index_copy(0, place_P, piece_PD).view(*shape, -1)


_NAMES = {
    "embeddings.word_embeddings": "embedding.words",
    "embeddings.position_embeddings": "embedding.positions",
    "embeddings.token_type_embeddings": "embedding.segments",
    "embeddings.LayerNorm": "embedding.norm",
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "out",
    "attention.output.LayerNorm": "norm_1",
    "intermediate.dense": "up",
    "output.dense": "down",
    "output.LayerNorm": "norm_2",
}
"""The names of a published BERT's weights, and of ours."""


def _renamed(held: dict[str, Tensor]) -> dict[str, Tensor]:
    """Published weights by our names; the pooler and the table of place numbers are not used."""
    ours: dict[str, Tensor] = {}
    for name, tensor in held.items():
        module, _, kind = name.removeprefix("bert.").rpartition(".")
        head = ""
        if module.startswith("encoder.layer."):
            number, _, module = module.removeprefix("encoder.layer.").partition(".")
            head = f"layers.{number}."
        if module in _NAMES and kind in ("weight", "bias"):
            ours[f"{head}{_NAMES[module]}.{kind}"] = tensor
    return ours
