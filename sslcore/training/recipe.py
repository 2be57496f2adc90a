"""A recipe: all choices of a run, as data that goes through JSON and comes back the same.

Six independent choices (encoder, warm start, sharing, balancing, transfer, method), the schedule and the
seed; with the labels it saw, a recipe repeats a run. Settings are checked when a recipe is read, not when a
step fails. Torch is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sslcore.config import Config, param, parse
from sslcore.errors import RecipeError, UnknownNameError
from sslcore.methods import METHODS
from sslcore.methods.supervised import SupervisedConfig
from sslcore.models.names import PATTERN, is_library_name
from sslcore.models.traits import TRAITS
from sslcore.multitask import BALANCINGS, SHARINGS
from sslcore.pretraining import WARM_STARTS
from sslcore.registry import Registry
from sslcore.transfer import TRANSFERS
from sslcore.transfer.finetune import FinetuneConfig

CHOICES: dict[str, Registry[Any]] = {
    "method": METHODS,
    "warm_start": WARM_STARTS,
    "sharing": SHARINGS,
    "balancing": BALANCINGS,
    "transfer": TRANSFERS,
}
"""The choices of a recipe that have settings of their own, ``<choice>_config``."""

BACKBONE_KINDS = {name: traits.source for name, traits in TRAITS.items()}
"""What raw items each backbone takes."""


def backbone_kind(name: str) -> str:
    """What a backbone reads; those of libraries read images.

    >>> backbone_kind("small_cnn"), backbone_kind("timm:resnet18")
    ('image', 'image')
    """
    return "image" if is_library_name(name) else BACKBONE_KINDS[name]


@dataclass(frozen=True)
class TrainConfig(Config):
    """Schedule, sizes and device of a run; the same for all methods."""

    minutes: float = param(4.0, low=0.05, high=10_000, help="Time budget of the run.")
    steps: int | None = param(None, low=1, help="Steps of the run; where given, the time budget is not used.")
    batch: int = param(0, low=0, high=4096, help="Labelled items in a step; 0: what the time allows.")
    unlabelled_ratio: int = param(
        0, low=0, high=64, help="Unlabelled items in a step per labelled one (mu); 0: what the time allows."
    )
    balanced_batches: bool = param(
        False, help="Deal the labelled items of a step evenly over the classes; for long-tailed labels."
    )
    learning_rate: float | None = param(
        None, low=1e-6, high=10, help="Highest learning rate; empty: what suits the network."
    )
    labels_first: float = param(
        0.2,
        low=0,
        high=0.9,
        help="Share of the run's steps that learn labelled items alone, before the others come in.",
    )
    weight_decay: float = param(5e-4, low=0, high=1, help="Pull of the weights towards zero.")
    clip: float = param(5.0, low=0, high=1000, help="Longest gradient that is let through; 0: any.")
    ema: float = param(0.999, low=0, high=0.99999, help="How slowly the averaged weights follow.")
    backbone: str = param(
        "auto",
        choices=("auto", *BACKBONE_KINDS),
        pattern=PATTERN,
        help="The network that is trained; any other of a library as timm:NAME or torchvision:NAME, "
        "followed by ?pretrained=false for random weights.",
    )
    image_size: int = param(
        0, low=0, high=512, help="Side that images are resized to; 0: by their size and the time."
    )
    text_length: int = param(
        0, low=0, high=511, help="Words or word pieces that are read of a text; 0: by the texts' lengths."
    )
    flips: str = param(
        "auto",
        choices=("auto", "on", "off"),
        help="Mirror images (never for digits and letters); auto: colour images only.",
    )
    evaluate_every_s: float = param(3.0, low=0, high=3600, help="Seconds between evaluations; 0: every step.")
    checkpoint_every_s: float = param(30.0, low=0, high=36_000, help="Seconds between checkpoints.")
    device: str = param("auto", choices=("auto", "cpu", "cuda", "mps"), help="Where the run computes.")
    precision: str = param(
        "auto",
        choices=("auto", "float32", "bfloat16", "float16"),
        help="auto: bfloat16 where the processor has it, float16 with scaled gradients on older GPUs.",
    )
    compile: bool = param(
        False, help="Compile the network first: half a minute or more, worth it for long runs on a GPU."
    )
    devices: int = param(
        0, low=0, high=64, help="GPUs that share each batch; 0: all there are, as far as the method can."
    )


@dataclass(frozen=True)
class Recipe:
    """All choices of a run.

    Args:
        method: A name of the method registry.
        method_config: Its settings.
        train_config: Schedule, sizes and device.
        seed: Everything random follows from it.
        encoder: Frozen encoder whose features the run uses, "none" for raw items.
        warm_start: What the network learns from the items alone first.
        warm_start_config: Its settings.
        sharing: How tasks share the network.
        sharing_config: Its settings.
        balancing: How the tasks' losses are weighed.
        balancing_config: Its settings.
        transfer: Which weights move, and how fast.
        transfer_config: Its settings.

    >>> recipe = Recipe.parse({"method": "fixmatch", "method_config": {"threshold": "0.9"}, "seed": 3})
    >>> recipe.method_config.threshold, recipe.train_config.batch
    (0.9, 0)
    >>> Recipe.parse(recipe.as_dict()) == recipe
    True
    """

    method: str
    method_config: Config = field(default_factory=SupervisedConfig)
    train_config: TrainConfig = field(default_factory=TrainConfig)
    seed: int = 0
    encoder: str = "none"
    warm_start: str = "none"
    warm_start_config: Config = field(default_factory=Config)
    sharing: str = "hard"
    sharing_config: Config = field(default_factory=Config)
    balancing: str = "fixed"
    balancing_config: Config = field(default_factory=Config)
    transfer: str = "finetune"
    transfer_config: Config = field(default_factory=FinetuneConfig)

    def __post_init__(self) -> None:
        for choice, registry in CHOICES.items():
            entry, config = registry[getattr(self, choice)], getattr(self, f"{choice}_config")
            if type(config) is not entry.config:
                raise RecipeError(
                    f"The {registry.noun} {entry.name!r} takes a {entry.config.__name__}. "
                    f"Received: {type(config).__name__}."
                )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise RecipeError(f"The seed must be a whole number from 0 up. Received: {self.seed!r}.")

    @property
    def reads_raw(self) -> bool:
        """Whether the run learns from the raw items rather than from an encoder's features."""
        return self.encoder == "none"

    def build(self, choice: str, *args: Any) -> Any:
        """Makes what a choice names, from its settings and ``args``."""
        return CHOICES[choice][getattr(self, choice)].value(getattr(self, f"{choice}_config"), *args)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Recipe:
        """Reads a recipe from JSON-ready values; what is left out takes its default.

        Raises:
            RecipeError: An unknown choice or a wrong type; the message lists what there is.
            ConfigError: A setting out of its range.
        """
        known = [entry.name for entry in fields(cls)]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise RecipeError(f"A recipe has no choice {unknown[0]!r}. It has: {', '.join(known)}.")
        if not isinstance(values.get("method"), str):
            raise RecipeError(
                f"A recipe must name its method. Received: {values.get('method')!r}. "
                f"There are: {', '.join(METHODS.names())}."
            )
        read: dict[str, Any] = {name: values[name] for name in ("seed", "encoder") if name in values}
        read["train_config"] = parse(TrainConfig, _settings(values, "train_config"))
        for choice, registry in CHOICES.items():
            name = values.get(choice, getattr(cls, choice, None))
            try:
                entry = registry[name]
            except UnknownNameError as error:
                raise RecipeError(str(error)) from None
            read[choice] = entry.name
            read[f"{choice}_config"] = parse(entry.config, _settings(values, f"{choice}_config"))
        return cls(**read)

    def as_dict(self) -> dict[str, Any]:
        """The recipe as JSON-ready values; :meth:`parse` reads it back."""
        told = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: held.as_dict() if isinstance(held, Config) else held for name, held in told.items()}


def _settings(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    settings = values.get(name) or {}
    if not isinstance(settings, Mapping):
        raise RecipeError(f"{name} must be a mapping of settings. Received: {settings!r}.")
    return settings
