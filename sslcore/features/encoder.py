"""What an encoder is: items in, blocks of features out, in row order.

A *fitted* encoder (``weights_free``) learns from the set itself, so its features change with the set
and are computed whole. A *network* encoder treats every item alone, so it can go on at any row after
a kill, and after a second import computes the new rows alone.

Before the first row an encoder makes a *plan*: the few choices that depend on the data (such as the
input size), as JSON. The plan is stored, and every later row is computed under the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from sslcore.errors import DataError
from sslcore.shapes import FloatArray

Modality = Literal["image", "text"]
Plan = Mapping[str, Any]
Tick = Callable[[int], None]
"""Called often with the rows done so far; may raise to stop the work."""


@dataclass(frozen=True)
class Items:
    """The items to encode, in row order: texts, or the paths of image files.

    >>> Items.of_texts(["one", "two"]).modality
    'text'
    """

    modality: Modality
    texts: Sequence[str] = ()
    paths: Sequence[Path] = ()

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Items:
        """Text items."""
        return cls("text", texts=texts)

    @classmethod
    def of_images(cls, paths: Sequence[Path]) -> Items:
        """Image items."""
        return cls("image", paths=paths)

    def __len__(self) -> int:
        return len(self.texts) if self.modality == "text" else len(self.paths)


class Encoder(Protocol):
    """Turns items into features. Made without arguments; holds nothing but loaded weights."""

    modality: ClassVar[Modality]
    weights_free: ClassVar[bool]

    def plan(self, items: Items) -> Plan:
        """The choices that depend on the data, JSON-ready."""
        ...

    def blocks(self, items: Items, *, plan: Plan, start: int, tick: Tick) -> Iterator[FloatArray]:
        """Features (float32, ``B×D``) of the rows from ``start`` on, block after block, in row order.

        Args:
            items: All items of the set.
            plan: What :meth:`plan` said when the first row was computed.
            start: First row; always 0 for a weights-free encoder.
            tick: Called at least every second or so with the rows done.

        Raises:
            SourceUnavailableError: Weights that are not on this machine and cannot be reached.
        """
        ...


def find_encoder(name: str) -> Encoder:
    """The encoder of a name: a registered one, or one through a door (``timm:resnet18``).

    Raises:
        UnknownNameError: Neither; the message lists the registered ones.
    """
    from sslcore.features import ENCODERS
    from sslcore.features.doors import door

    return door(name) or ENCODERS[name].value()


def check_modality(encoder: Encoder, name: str, items: Items) -> None:
    """Refuses a text encoder on images and the other way round.

    Raises:
        DataError: They do not fit.
    """
    if encoder.modality != items.modality:
        raise DataError(
            f"The encoder {name!r} reads {encoder.modality}s, and these items are {items.modality}s. "
            f"Choose an encoder for {items.modality}s."
        )
