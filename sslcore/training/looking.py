"""Looks at networks of libraries and at the machine's devices for whoever must not import torch.

``python -m sslcore.training.looking QUESTION`` answers in one line of JSON: the :class:`Traits` of a network
such as ``timm:resnet18``, made with random weights at the size it would get, or why a run could not start
with it; and what devices there are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.child import answer_of
from sslcore.errors import LabelloomError, RecipeError
from sslcore.models.ground import Ground
from sslcore.models.traits import TRAITS, Traits
from sslcore.shapes import BoolArray
from sslcore.training.auto import chosen_backbone, outline_of
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.recipe import Recipe

if TYPE_CHECKING:
    from sslcore.models.network import Backbone

LEAST_SIDE = 64
"""Pixels at which a library's network is tried where no size is wished for: the least it would get."""


def traits_of(backbone: Backbone) -> Traits:
    """What :class:`~sslcore.models.traits.Traits` says, read off a network."""
    from sslcore.multitask.trunks import stackable, weighty
    from sslcore.transfer.lora import takes_steps

    parts, kind = backbone.parts(), backbone.spec.kind
    steps = tuple(sum(1 for module in part.modules() if takes_steps(module)) for part in parts)
    knows = kind == "text" or backbone.pretrained
    return Traits(kind, knows, steps, len(weighty(parts)), stackable(backbone))


def traits_here(name: str, size: int = 0) -> Traits:
    """What is known of a network, in a process that has torch.

    Args:
        name: A name of the backbone registry.
        size: Side of the images that it will get; 0: the least.

    Raises:
        UnknownNameError: The library has no such network.
        SourceUnavailableError: Its weights cannot be had.
        RecipeError: It does not read such images.
    """
    if name in TRAITS:
        return TRAITS[name]
    from sslcore.models import BACKBONES, InputSpec

    value = BACKBONES[name].value
    value.need_weights()  # type: ignore[attr-defined]
    spec = InputSpec("image", channels=3, size=size or LEAST_SIDE, pretrained=False)
    return traits_of(value(spec))


def ground_of(recipe: Recipe, data: TrainingData) -> Ground:
    """What a recipe stands on in a run that has torch and its data.

    Raises:
        RecipeError: The device or the network wished for is not there.
    """
    from sslcore.training.device import choose_device

    config, outline = recipe.train_config, outline_of(data)
    on_gpu = choose_device(config.device).type == "cuda"
    backbone = chosen_backbone(outline, config, on_gpu=on_gpu)
    tasks = [*data.trainable(), *data.valued()]
    return Ground(
        backbone,
        traits_here(backbone, config.image_size),
        tuple(task.shape for task in tasks),
        tuple(_classes_seen(task, data.free_N) for task in tasks),
        warm=recipe.warm_start != "none",
        given=outline.given,
    )


def _classes_seen(task: TaskLabels, free_N: BoolArray) -> int:
    """How many classes have a label that is trained on."""
    return len(np.unique(np.asarray(task.label_N)[task.known_N & free_N]))


def look_up(name: str, size: int = 0) -> Traits:
    """What is known of a network, for a process without torch; asks a child about those of libraries.

    Raises:
        RecipeError: A run could not start with it; says why.
    """
    if name in TRAITS:
        return TRAITS[name]
    said = _ask(name, size)
    if "problem" in said:
        raise RecipeError(said["problem"])
    held = dict(said["traits"])
    return Traits(**held | {"steps": tuple(held["steps"])})


def devices() -> dict[str, int]:
    """The machine's devices by name, and how many there are of each; asks a child."""
    return {name: int(count) for name, count in _ask("", 0)["devices"].items()}


_told: dict[tuple[str, int], Mapping[str, Any]] = {}


def _ask(name: str, size: int) -> Mapping[str, Any]:
    """One answer of the child; what it said is kept, a refusal is asked for again."""
    if (name, size) in _told:
        return _told[name, size]
    question = json.dumps({"name": name, "size": size})
    failing = f"The network {name!r} could not be looked at"
    said: dict[str, Any] = answer_of("sslcore.training.looking", question, failing=failing)
    if "problem" not in said:
        _told[name, size] = said
    return said


# --- in the child ----------------------------------------------------------------------------


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What the child says: traits or a problem, or the devices where no network is named."""
    if not question["name"]:
        import torch

        there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
        return {"devices": {name: count for name, count in there.items() if count}}
    try:
        return {"traits": asdict(traits_here(str(question["name"]), int(question["size"])))}
    except LabelloomError as error:
        return {"problem": str(error)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.loads(sys.argv[1]))) + "\n")
