"""The facts as the store takes and gives them: small frozen records, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["single", "multiple", "ordinal", "numeric"]
Verb = Literal["label", "accept", "reject", "skip", "flag", "unflag", "clear", "undo"]
Source = Literal["human", "bulk", "pseudo", "imported"]
Purpose = Literal["train", "audit"]

VERBS: tuple[Verb, ...] = ("label", "accept", "reject", "skip", "flag", "unflag", "clear", "undo")
SOURCES: tuple[Source, ...] = ("human", "bulk", "pseudo", "imported")

LIVE = ("queued", "running")
"""States of a run that has not ended."""


@dataclass(frozen=True)
class ClassInfo:
    """One answer of a task; ``position`` never changes, ``name``, ``hotkey`` and ``colour`` may."""

    position: int
    name: str
    hotkey: str | None = None
    colour: str | None = None


@dataclass(frozen=True)
class Task:
    """What is asked of an item."""

    id: int
    name: str
    kind: Kind
    classes: tuple[ClassInfo, ...]
    position: int = 0
    weight: float = 1.0

    @property
    def class_names(self) -> list[str]:
        """The names by position."""
        return [info.name for info in self.classes]


@dataclass(frozen=True)
class Item:
    """One image or text. ``media`` is relative to the project's ``media`` folder."""

    id: int
    key: str
    media: str | None
    text: str | None
    sha256: str
    split: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NewLabel:
    """A label that comes with an import.

    ``value`` is a class name (single, ordinal), a sequence of class names (multiple) or a number
    (numeric). Classes that the task does not have yet are added in order of appearance.
    """

    value: Any
    source: Source = "imported"
    purpose: Purpose = "train"
    annotator: str | None = None
    confidence: float | None = None
    verb: Verb = "label"


@dataclass(frozen=True)
class NewItem:
    """An item to be imported, with the labels and the hidden answers it brings (by task name)."""

    key: str
    sha256: str
    text: str | None = None
    media: str | None = None
    split: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, NewLabel] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """One action of a person, on one item or on many at once.

    Args:
        client: Who sends it: one page load, one command. With ``seq`` it names the event for good,
            so sending it twice stores it once.
        seq: 1, 2, 3 … within the client.
        verb: What was done.
        task_id: The task it concerns.
        item_ids: The items; several make a bulk action, which undoes as one.
        value: The value for all of them: a class position, positions, or a number; for ``reject``
            the class it is not.
        values: One value for each item, instead of ``value``.
        undoes: For ``undo``: the batch (``"client:seq"``) that is taken back.
        shown: What the machine suggested at that moment (class position and probability).
    """

    client: str
    seq: int
    verb: Verb
    task_id: int = 0
    item_ids: Sequence[int] = ()
    value: Any = None
    values: Sequence[Any] | None = None
    undoes: str | None = None
    source: Source = "human"
    purpose: Purpose = "train"
    annotator: str | None = None
    run_id: int | None = None
    shown: Any = None
    seconds: float | None = None
    confidences: Sequence[float] | None = None

    @property
    def batch(self) -> str:
        """The name under which the action can be undone."""
        return f"{self.client}:{self.seq}"


@dataclass(frozen=True)
class Run:
    """A piece of background work."""

    id: int
    kind: str
    recipe: Mapping[str, Any]
    labels_upto: int
    seed: int
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: Mapping[str, Any]
    result: Mapping[str, Any]
    error: str | None
    cancel: bool
    pid: int | None
    host: str | None
    heartbeat: float | None
    created: float
    started: float | None
    ended: float | None

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status in LIVE


@dataclass(frozen=True)
class Metric:
    """One figure of a run."""

    id: int
    run_id: int
    step: int
    name: str
    task: str | None
    value: float | None
    time: float
