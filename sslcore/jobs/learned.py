"""Encoders that were learned here: ``run:PROJECT:ID``, the backbone of a finished run's model.

What a model learned in one project is where the next one starts: its features are computed there like any
encoder's, item by item, so they go on after a kill or a second import. A run's features of its own project
are there already and are taken over; they have seen its labels, so they are for the map and for further
training, and the instant loop, which asks its labels whom to trust, leaves them aside.

The name stands in recipes and folders; the weights are read from the run's ``model/`` folder. Torch is not
imported before features are computed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from sslcore.errors import LabelloomError, SourceUnavailableError, UnknownNameError
from sslcore.features import Items, find_encoder
from sslcore.features.encoder import Encoder, Modality, Plan, Tick
from sslcore.jobs.prepare import PREFERRED
from sslcore.shapes import FloatArray
from sslcore.store.home import existing_project, projects

PREFIX = "run:"
_NAME = re.compile(r"run:([^:]+):([1-9][0-9]*)")
_BLOCK = 256
_OF_RAW = {"image": "image", "text": "text", "tokens": "text"}
_NETWORKS = {strong: modality for modality, (strong, _) in PREFERRED.items()} | {
    "timm": "image",
    "torchvision": "image",
    "st": "text",
}
"""What encoders read that treat every item alone, or what those of a library read. Features that are fitted
to one set mean nothing in the next, and neither does what was learned on them."""


@dataclass(frozen=True)
class Learned:
    """A run that can encode.

    Args:
        name: ``run:PROJECT:ID``.
        title: What it is, in a line.
        modality: "image" or "text".
    """

    name: str
    title: str
    modality: str

    def as_dict(self) -> dict[str, str]:
        """As the registries' choices are listed."""
        return {"name": self.name, "family": "run", "title": self.title, "paper": ""}


def learned_encoders(root: Path, modality: str | None = None) -> list[Learned]:
    """All finished runs with a model under a home folder, those of one modality where it is named."""
    found = []
    for project in projects(root):
        folders = (root / project / "runs").glob("*/model/model.safetensors")
        for path in sorted(folders, key=lambda path: -_number(path.parents[1].name)):
            held = _facts(path.parent)
            if held is None or modality not in (None, held[0]):
                continue
            run = path.parents[1].name
            title = f"Run {run} of {project} ({held[1]})"
            found.append(Learned(f"{PREFIX}{project}:{run}", title, held[0]))
    return found


def is_learned(name: str) -> bool:
    """Whether an encoder is a run's."""
    return name.startswith(PREFIX)


def is_own(name: str, project: str) -> bool:
    """Whether an encoder is a run of this very project: its features have seen the project's labels.

    >>> is_own("run:birds:3", "birds"), is_own("run:birds:3", "cats"), is_own("pixels", "birds")
    (True, False, False)
    """
    return name.startswith(f"{PREFIX}{project}:")


def encoder_of(name: str, project_folder: Path) -> Encoder:
    """The encoder of any name: registered, through a door, or learned by a run.

    Args:
        name: Its name.
        project_folder: The project it is wanted for; runs are looked for beside it.

    Raises:
        UnknownNameError: There is none.
        SourceUnavailableError: The run has no model that can be read.
    """
    if not name.startswith(PREFIX):
        return find_encoder(name)
    match = _NAME.fullmatch(name)
    if match is None:
        raise UnknownNameError(
            f"A learned encoder is named run:PROJECT:ID, such as run:birds:3. Received: {name!r}."
        )
    project, run = match.groups()
    folder = existing_project(project, project_folder.parent) / "runs" / run
    held = _facts(folder / "model")
    if held is None:
        raise SourceUnavailableError(
            f"Run {run} of {project!r} has no model that can be read: only finished training runs have one. "
            "`python -m sslcore encoders` lists those there are."
        )
    own = folder / "features.npy" if is_own(name, project_folder.name) else None
    return (ImageRun if held[0] == "image" else TextRun)(folder / "model", own)


def _facts(model: Path) -> tuple[str, str] | None:
    """Modality and backbone of a bundle; None where its features cannot be had for new items."""
    try:
        held = json.loads((model / "preprocess.json").read_text(encoding="utf-8"))
        kind, backbone = str(held["kind"]), str(held["backbone"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if kind != "feature":
        return (_OF_RAW[kind], backbone) if kind in _OF_RAW else None
    base = str(held.get("encoder") or "")
    modality = _NETWORKS.get(base.partition(":")[0])
    return None if modality is None else (modality, f"{backbone} on {base}")


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0


class _Run:
    """The common part: blocks of prepared items through the network."""

    modality: ClassVar[Modality]
    weights_free: ClassVar[bool] = False

    def __init__(self, model: Path, own: Path | None) -> None:
        self.model, self.own = model, own

    def plan(self, items: Items) -> Plan:
        """Nothing but what the frozen encoder below plans, where the run stood on one."""
        base = self._base()
        return {} if base is None else {"base": dict(base.plan(items))}

    def blocks(self, items: Items, *, plan: Plan, start: int, tick: Tick) -> Iterator[FloatArray]:
        """See :class:`~sslcore.features.encoder.Encoder`."""
        for block_BD in self._taken_over(len(items), start):
            start += len(block_BD)
            tick(start)
            yield block_BD
        if start >= len(items):
            return
        from sslcore.training.bundle import load_bundle

        predictor = load_bundle(self.model)
        for raw in self._raw(items, plan, start, predictor):
            yield predictor.predict(predictor.preprocess.prepare(raw))[1].astype(np.float32)
            start += len(raw)
            tick(start)

    def _taken_over(self, count: int, start: int) -> Iterator[FloatArray]:
        """What the run itself wrote about its own project."""
        if self.own is None or not self.own.is_file():
            return
        held_ND = np.load(self.own, mmap_mode="r", allow_pickle=False)
        for first in range(start, min(len(held_ND), count), 16 * _BLOCK):
            last = min(first + 16 * _BLOCK, len(held_ND), count)
            yield np.asarray(held_ND[first:last], dtype=np.float32)

    def _raw(self, items: Items, plan: Plan, start: int, predictor: Any) -> Iterator[Any]:
        """Raw items, or their frozen features, in blocks."""
        base = self._base()
        if base is not None:
            yield from base.blocks(items, plan=plan["base"], start=start, tick=lambda done: None)
            return
        for first in range(start, len(items), _BLOCK):
            last = min(first + _BLOCK, len(items))
            if items.modality == "text":
                yield list(items.texts[first:last])
                continue
            from sslcore.media import load_images

            preprocess = predictor.preprocess
            mode: Literal["RGB", "L"] = "L" if preprocess.channels == 1 else "RGB"
            yield load_images(items.paths[first:last], preprocess.size, mode=mode, whole=True)

    def _base(self) -> Encoder | None:
        try:
            held = json.loads((self.model / "preprocess.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LabelloomError(f"The model in {self.model} cannot be read: {error}.") from error
        return find_encoder(held["encoder"]) if held["kind"] == "feature" else None


class ImageRun(_Run):
    """A run on images."""

    modality: ClassVar[Modality] = "image"


class TextRun(_Run):
    """A run on texts."""

    modality: ClassVar[Modality] = "text"
