"""Which network "auto" means, by what there is to read, the time, and the device. Asks no torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from sslcore.models.traits import TRAITS
from sslcore.training.data import TrainingData
from sslcore.training.recipe import TrainConfig

LEAST_MINUTES_OF_CPU, MOST_TEXTS_OF_CPU = 2.0, 20_000  # for "auto" to fine-tune a transformer
LEAST_PHOTOGRAPH = 64  # pixels, for "auto" to fine-tune a network that was trained on photographs


@dataclass(frozen=True)
class Outline:
    """A set as the choice of a network sees it.

    Args:
        given: What there is to read, in the order in which "auto" prefers it. Texts come last: 40 labels
            teach a small network on good frozen features more, and in a tenth of the time, than a transformer
            that is fine-tuned on the texts themselves (AG News, FixMatch: 86 % in 20 seconds of a processor,
            84 % in four minutes).
        count: Items.
        channels: Of the images.
        side: The shorter side of the images in pixels.
    """

    given: tuple[str, ...]
    count: int
    channels: int = 1
    side: int = 0


def outline_of(data: TrainingData) -> Outline:
    """The outline of what a run was given."""
    there = {"image": data.image_NXHW, "feature": data.feature_ND, "text": data.text_N}
    given = tuple(kind for kind, held in there.items() if held is not None)
    if data.image_NXHW is None:
        return Outline(given, len(data))
    _, channels, height, width = data.image_NXHW.shape
    return Outline(given, len(data), channels, min(height, width))


def chosen_backbone(outline: Outline, config: TrainConfig, *, on_gpu: bool) -> str:
    """The network of a run: the one wished for, or what "auto" means for the set and the time.

    >>> chosen_backbone(Outline(("image",), 100, channels=1, side=28), TrainConfig(), on_gpu=False)
    'small_cnn'
    """
    if config.backbone != "auto":
        return config.backbone
    kind = outline.given[0]
    if kind == "feature":
        return "feature_mlp"
    if kind == "text":
        fine = worth_a_transformer(config, outline.count, on_gpu=on_gpu)
        return "minilm" if fine else "text_embedding"
    if worth_pretrained(outline, config):
        return "efficientnet_lite0"
    return "wrn_28_2" if on_gpu else "small_cnn"


def worth_pretrained(outline: Outline, config: TrainConfig) -> bool:
    """Whether "auto" fine-tunes the network that knows photographs rather than starting from random weights.

    For colour images of 64 pixels and more, where its weights are installed. Sign language digits, 4 labels a
    class, supervised, one seed: 73 % after 150 steps, and 50 % for the small network after 1,500.
    """
    there = find_spec("timm") is not None and not TRAITS["efficientnet_lite0"].missing
    return outline.channels == 3 and (config.image_size or outline.side) >= LEAST_PHOTOGRAPH and there


def worth_a_transformer(config: TrainConfig, texts: int, *, on_gpu: bool) -> bool:
    """Whether "auto" fine-tunes the transformer on raw texts rather than the word network.

    It knows English before the first label, so it is better wherever it can be run: its weights are here,
    and, on a CPU, there is time for a hundred steps of a second or two and not more texts than can be
    predicted at the end, 40 a second. Steps given in place of minutes do not say how long a user will wait.
    """
    if TRAITS["minilm"].missing or config.steps is not None:
        return False
    return on_gpu or (config.minutes >= LEAST_MINUTES_OF_CPU and texts <= MOST_TEXTS_OF_CPU)
