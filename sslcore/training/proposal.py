"""What advice is asked about, and what it answers: a project in figures, and recipes with their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sslcore.models.ground import CLASS_KINDS
from sslcore.training.evidence import Finding
from sslcore.training.measured import Ground

PHOTOGRAPH = 48
"""Pixels from which on colour images count as photographs."""


@dataclass(frozen=True)
class TaskFacts:
    """A task as advice sees it.

    Args:
        name: Its name.
        kind: "single", "ordinal", "multiple" or "numeric".
        classes: How many.
        labels: Items that may be trained on.
        rarest: Labels of the class that has fewest; ``most`` of the one that has most.
        most: See ``rarest``.
        instant: Accuracy of the instant loop as a share, its low and its high end; None where unknown.
        rough: Whether that figure rests on anything but enough audit answers.
        audited: Items whose answer is kept for the audit; they are not trained on, with or without a label.
    """

    name: str
    kind: str
    classes: int
    labels: int
    rarest: int = 0
    most: int = 0
    instant: tuple[float, float, float] | None = None
    rough: bool = True
    audited: int = 0

    @property
    def per_class(self) -> float:
        """Labels a class."""
        return self.labels / max(self.classes, 1)


@dataclass(frozen=True)
class Situation:
    """All that the advice rests on.

    Args:
        modality: "image" or "text".
        items: How many.
        tasks: The tasks to learn together.
        side: Median of the images' shorter side in pixels; 0 for texts.
        colour: Whether the images have colour.
        encoders: Feature sets that are complete, the stronger first.
        pretrained: Whether the weights of the network for photographs, or of the transformer, are installed.
        device: "cuda", "mps" or "cpu".
        cores: Of the processor.
        minutes: Time budget of a run; None for what suits each.
    """

    modality: str
    items: int
    tasks: tuple[TaskFacts, ...]
    side: int = 0
    colour: bool = False
    encoders: tuple[str, ...] = ()
    pretrained: bool = True
    device: str = "cpu"
    cores: int = 2
    minutes: float | None = None

    @property
    def task(self) -> TaskFacts:
        """The one with fewest labels a class: what it can do limits a run."""
        return min(self.tasks, key=lambda task: task.per_class)

    @property
    def classed(self) -> TaskFacts | None:
        """The same among the tasks with one class an item, which all figures are of; None without any."""
        held = (task for task in self.tasks if task.kind in CLASS_KINDS)
        return min(held, key=lambda task: task.per_class, default=None)

    @property
    def ground(self) -> Ground:
        """The project as a set that figures of other sets may speak for."""
        classes = (self.classed or self.task).classes
        return Ground(self.modality, self.items, classes, self.side, self.colour)

    @property
    def photographs(self) -> bool:
        """Whether a network that knows photographs may know what is seen here."""
        return self.modality == "image" and self.colour and self.side >= PHOTOGRAPH

    @property
    def on_gpu(self) -> bool:
        """Whether there is more than a processor."""
        return self.device != "cpu"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Reason:
    """Why a recipe is proposed.

    Args:
        text: A sentence.
        source: Where its figure stands; empty where nothing was measured.
        choice: Whether it speaks for one choice of the recipe, and falls with it.
    """

    text: str
    source: str = ""
    choice: bool = False


@dataclass(frozen=True)
class Proposal:
    """A recipe with its reasons.

    Args:
        key: Its kind: "pretrained", "consistency", "features", "student", "generative", "contrastive" …
        title: In words.
        method: The method's name.
        encoder: Features to learn from; "none" for the raw items.
        method_config: Settings of the method that are not the usual ones.
        train_config: Schedule and sizes that are not the usual ones.
        fusion: Warm start, transfer, sharing and balancing that are not the usual ones, and their settings.
        reasons: Two or three.
        minutes: Expected until it is done.
        score: What it was ranked by.
        found: The figure from a set like this one, where there is one.
    """

    key: str
    title: str
    method: str
    encoder: str = "none"
    method_config: Mapping[str, Any] = field(default_factory=dict)
    train_config: Mapping[str, Any] = field(default_factory=dict)
    fusion: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    minutes: float = 1.0
    score: float = 0.0
    found: Finding | None = None

    @property
    def measured(self) -> bool:
        """Whether a figure from a set like this one speaks for or against it."""
        return self.found is not None

    def recipe(self) -> dict[str, Any]:
        """The choices as :meth:`Recipe.parse` reads them."""
        return {
            "method": self.method,
            "encoder": self.encoder,
            "method_config": dict(self.method_config),
            "train_config": dict(self.train_config),
            **self.fusion,
        }
