"""Sizes that fit the time a user gives: side of the images, and items in a step.

A ladder of sizes is climbed from the cheapest rung; a few steps of the run itself, on random images, say what
a rung costs. A rung is taken while the budget still holds enough steps. Networks that start from random
weights get larger batches first (up to 16 labelled and 112 unlabelled items) where 6,000 steps are left, as
steps teach them more than their size does (fashion-mnist, 40 labels, 4 minutes, one draw: FreeMatch 73.8 %
after 5,600 steps of 8 + 24 and 71.0 after 3,000 of 16 + 48, Mean Teacher 71.5 and 71.4), then larger images
where 1,500 are. Pretrained ones get larger images first, and 300 are enough. Batches above 16 need ten times
the steps, and labels to fill them. What was chosen is kept in the run's folder, because the clock says
something else on the next day and a resumed run must not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslcore.config import Config
from sslcore.files import write_whole
from sslcore.models import BACKBONES
from sslcore.training.auto import chosen_backbone, outline_of
from sslcore.training.data import TrainingData
from sslcore.training.device import choose_device
from sslcore.training.memory import out_of_memory
from sslcore.training.recipe import Recipe, TrainConfig, backbone_kind

FILE = "sizes.json"
SIDES = (16, 28, 32, 48, 64, 96, 128, 160, 192, 224, 288, 384, 512)
ENOUGH, ENOUGH_PRETRAINED = 1500, 300
SLOWER = 4  # how many times as many steps a larger batch must leave a network from random weights
USUAL = (16, 7)  # labelled items, and unlabelled ones for each: FixMatch's ratio, a batch for few labels
LIGHT = (8, 3)  # the same for a network whose step takes a second
ROOM = 8 * 2**30  # bytes that all images together may take
LEAST_MINUTES = 1.0  # a shorter run is not worth the seconds of a probe: it takes the cheapest rung
OVERHEAD = 1.15  # evaluations and checkpoints on top of the steps


@dataclass(frozen=True)
class Sizes:
    """What a step is made of.

    Args:
        image: Side of the images in pixels.
        batch: Labelled items.
        ratio: Unlabelled items for each labelled one.
    """

    image: int
    batch: int
    ratio: int

    @property
    def pixels(self) -> int:
        """Pixels of a step, which its time follows: a weak and a strong view of each unlabelled item."""
        return self.batch * (1 + 2 * self.ratio) * self.image**2


def sides(own: int, low: int, high: int, *, count: int = 1, channels: int = 3) -> list[int]:
    """Sides in pixels worth trying, the smallest first.

    Args:
        own: Side of the images as they are. They are enlarged to ``low`` at most (and to 16), and images
            of up to 28 pixels are not shrunk.
        low: The least that the network makes sense at.
        high: The most that it gains by.
        count: Images in the set: all of them must find room.
        channels: Of an image.

    >>> sides(28, 8, 32), sides(100, 32, 128), sides(28, 64, 224), sides(512, 64, 224, count=100_000)
    ([28], [32, 48, 64, 96], [64], [64, 96, 128, 160])
    """
    least = max(low, 16 if own < 16 else 28 if own <= 28 else 32)
    wanted = [least, *(side for side in SIDES if least < side <= min(own, high))]
    return [side for side in wanted if side == least or count * channels * side**2 <= ROOM]


def rungs(side_S: Sequence[int], *, most: int, pretrained: bool, wish: Sizes) -> list[Sizes]:
    """The ladder, the cheapest rung first.

    Args:
        side_S: Sides to try.
        most: Labelled items that a batch may have.
        pretrained: Whether larger images come before larger batches.
        wish: What the user has fixed; 0 where it is free.

    >>> free = Sizes(0, 0, 0)
    >>> [(s.image, s.batch, s.ratio) for s in rungs([32, 64], most=16, pretrained=False, wish=free)]
    [(32, 8, 3), (32, 16, 3), (32, 16, 7), (64, 16, 7)]
    >>> [(s.image, s.batch, s.ratio) for s in rungs([64, 96], most=16, pretrained=True, wish=free)]
    [(64, 8, 3), (96, 8, 3), (96, 16, 3), (96, 16, 7)]
    """
    first, last = side_S[0], side_S[-1]
    batches = [(8, 3), (16, 3), USUAL]
    if pretrained:
        ladder = [*((side, 8, 3) for side in side_S), *((last, *size) for size in batches)]
    else:
        ladder = [*((first, *size) for size in batches), *((side, *USUAL) for side in side_S)]
    ladder += [(last, batch, USUAL[1]) for batch in (32, 64) if batch <= most]
    fixed = [
        Sizes(wish.image or image, wish.batch or batch, wish.ratio or ratio) for image, batch, ratio in ladder
    ]
    return list(dict.fromkeys(fixed))


def climb(
    ladder: Sequence[Sizes],
    seconds: Callable[[Sizes], float],
    *,
    budget: float,
    enough: int,
    slower: int = 1,
) -> tuple[Sizes, float]:
    """The highest rung that still leaves enough steps.

    Args:
        ladder: The cheapest rung first.
        seconds: Seconds that a step of a rung takes; asked only where the rung below lets hope.
        budget: Seconds of the run.
        enough: Steps that a rung must leave; ten times as many above the usual batch.
        slower: How many times as many one must leave whose batch, and nothing else, is larger.

    Returns:
        The rung, and the seconds of a step on it. The first one is taken whatever it costs.

    >>> ladder = rungs([32, 64], most=16, pretrained=False, wish=Sizes(0, 0, 0))
    >>> climb(ladder, lambda sizes: sizes.pixels * 1e-6, budget=600.0, enough=1500)[0]
    Sizes(image=32, batch=16, ratio=7)
    """
    taken, cost = ladder[0], seconds(ladder[0])
    for rung in ladder[1:]:
        needed = enough * (10 if rung.batch > USUAL[0] else slower if rung.image == taken.image else 1)
        hoped = cost * (rung.pixels / taken.pixels) ** 0.75  # small steps leave the processor half idle
        if budget < 0.8 * needed * hoped:
            break
        measured = seconds(rung)
        if budget < needed * measured:
            break
        taken, cost = rung, measured
    return taken, cost


def settle(recipe: Recipe, data: TrainingData, folder: Path, *, resume: bool = False) -> Recipe:
    """The recipe with every size that was left open decided.

    Args:
        recipe: The recipe as the user gave it.
        data: The set; of its images only the shape is read.
        folder: The run's folder: what is decided is written to it.
        resume: Take what is written there, if there is something.
    """
    config = recipe.train_config
    wish = Sizes(config.image_size, config.batch, config.unlabelled_ratio)
    if kind_read(config, data) != "image":
        batch, ratio = _usual(_chosen(config, data), config)
        return _with(recipe, Sizes(config.image_size, wish.batch or batch, wish.ratio or ratio), "")
    if config.backbone != "auto" and all((wish.image, wish.batch, wish.ratio)):
        return recipe
    if resume and (folder / FILE).is_file():
        held = json.loads((folder / FILE).read_text(encoding="utf-8"))
        sizes = Sizes(*(wish_of or held[name] for name, wish_of in vars(wish).items()))
        return _with(recipe, sizes, held["backbone"])
    settled, facts = _decide(recipe, data, wish)
    write_whole(folder / FILE, json.dumps(facts).encode())
    return settled


def _usual(backbone: str, config: TrainConfig) -> tuple[int, int]:
    """Batch and ratio of what has no ladder: small where a CPU runs a whole transformer."""
    heavy = BACKBONES[backbone].value.pretrained
    return LIGHT if heavy and choose_device(config.device).type == "cpu" else USUAL


def _chosen(config: TrainConfig, data: TrainingData) -> str:
    on_gpu = choose_device(config.device).type == "cuda"
    return chosen_backbone(outline_of(data), config, on_gpu=on_gpu)


def kind_read(config: TrainConfig, data: TrainingData) -> str:
    """What the network of a run reads: "image", "text", "feature" or another kind."""
    if config.backbone != "auto":
        return backbone_kind(config.backbone)
    return outline_of(data).given[0]


def told(folder: Path) -> dict[str, Any]:
    """What was decided for the run of a folder, as facts; empty where nothing had to be."""
    path = folder / FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _decide(recipe: Recipe, data: TrainingData, wish: Sizes) -> tuple[Recipe, dict[str, Any]]:
    assert data.image_NXHW is not None
    config = recipe.train_config
    device = choose_device(config.device)
    count, channels, height, width = data.image_NXHW.shape
    backbone = _chosen(config, data)
    network = BACKBONES[backbone].value
    low, high = getattr(network, "sizes", (8, 512))
    side_S = sides(min(height, width), low, high, count=count, channels=channels)
    labelled = max((int((np.asarray(task.label_N) >= 0).sum()) for task in data.trainable()), default=0)
    most = 16 if labelled < 400 else 32 if labelled < 4000 else 64
    ladder = rungs(side_S, most=most, pretrained=network.pretrained, wish=wish)
    cost = math.nan
    short = config.steps is None and config.minutes < LEAST_MINUTES
    if short and device.type == "cpu":
        sizes = ladder[0]
    elif short or config.steps is not None or len(ladder) == 1:
        sizes = _unmeasured(side_S, wish, on_gpu=device.type == "cuda")
    else:
        with torch.random.fork_rng(devices=[]):
            sizes, cost = climb(
                ladder,
                lambda rung: OVERHEAD * seconds_a_step(_with(recipe, rung, backbone), data),
                budget=config.minutes * 60,
                enough=ENOUGH_PRETRAINED if network.pretrained else ENOUGH,
                slower=1 if network.pretrained else SLOWER,
            )
    facts: dict[str, Any] = {"backbone": backbone, "device": device.type, **vars(sizes)}
    if math.isfinite(cost):
        facts |= {"seconds_a_step": round(cost, 4), "steps": round(config.minutes * 60 / cost)}
    return _with(recipe, sizes, backbone), facts


def _unmeasured(side_S: Sequence[int], wish: Sizes, *, on_gpu: bool) -> Sizes:
    """Sizes where there is no time budget to measure against."""
    most = 64 if on_gpu else side_S[0]
    image = max(side for side in side_S if side <= max(most, side_S[0]))
    return Sizes(wish.image or image, wish.batch or USUAL[0], wish.ratio or USUAL[1])


def _with(recipe: Recipe, sizes: Sizes, backbone: str) -> Recipe:
    config = recipe.train_config
    settled = replace(
        config,
        image_size=sizes.image,
        batch=sizes.batch,
        unlabelled_ratio=sizes.ratio,
        backbone=backbone or config.backbone,
    )
    return recipe if settled == config else replace(recipe, train_config=settled)


def seconds_a_step(recipe: Recipe, data: TrainingData, *, steps: int = 2) -> float:
    """Seconds of a step of this very run, on one random image and the labels there are.

    Args:
        recipe: With its sizes decided.
        data: The set; of its images only the shape is read.
        steps: Steps that are timed, after one that is not; the fastest counts.

    Returns:
        Infinity where the sizes do not fit into the device's memory.
    """
    from sslcore.training.run import _Run  # the loop asks this module for its sizes

    assert data.image_NXHW is not None
    count, channels = data.image_NXHW.shape[:2]
    side = recipe.train_config.image_size
    noise = np.random.default_rng(0).integers(0, 256, (1, channels, side, side), dtype=np.uint8)
    noise_NXHW = np.broadcast_to(noise, (count, channels, side, side))
    # a teacher that listened would learn from noise, and hold back the method: what is timed is a whole step
    shown = replace(data, image_NXHW=noise_NXHW, key_N=None, teacher=None)
    whole = replace(recipe.train_config, labels_first=0.0)  # steps of labels alone are not what takes time
    plain = replace(recipe, train_config=whole, warm_start="none", warm_start_config=Config())
    run, fastest = None, math.inf
    try:
        run = _Run(plain, shown, _Quiet(), Path())
        run.budget.fixed = True  # at any number: half of it is past the start,
        run.step = run.budget.total // 2  # where a transfer mode may hold weights still
        for step in range(steps + 1):
            began = time.perf_counter()
            run._step()
            int(run.bad_step)  # waits for the device
            if step:
                fastest = min(fastest, time.perf_counter() - began)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        fastest = math.inf
    finally:
        if run is not None:
            run.batches.close()
    return fastest


class _Quiet:
    """A reporter for steps that nobody watches."""

    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None:
        """Is not kept."""

    def progress(self, done: float, total: float, *, note: str = "") -> None:
        """Is not kept."""

    def should_cancel(self) -> bool:
        """Never."""
        return False
