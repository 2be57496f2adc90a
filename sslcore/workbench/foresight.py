"""Whether a recipe can work in this project, asked before a run is queued.

The rules are those that the run itself keeps (:mod:`sslcore.training.fit`); here is what they are asked of:
the store's items, labels and runs in place of arrays, without torch in this process. Where the network
depends on a device that only the worker knows, a recipe is refused when no device would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sslcore.errors import RecipeError
from sslcore.store import Task

if TYPE_CHECKING:
    from sslcore.models import TaskShape
    from sslcore.models.ground import Ground
    from sslcore.training.auto import Outline
    from sslcore.training.recipe import Recipe
    from sslcore.workbench.bench import Workbench


class Foresight:
    """What a run would say of a recipe, before there is a run.

    Args:
        bench: The project's workbench.
    """

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self._images: tuple[int, int, int] | None = None

    def refuse(self, tasks: Sequence[Task], recipe: Recipe) -> None:
        """Refuses what is well-formed and cannot work, with the reason.

        Args:
            tasks: The tasks to learn together; each has labels.
            recipe: All choices.

        Raises:
            RecipeError: A run of it could not start.
        """
        from sslcore.jobs.teachers import obstacle as no_teacher
        from sslcore.training.fit import obstacle

        _refuse_device(recipe, [task.kind for task in tasks])
        told = [obstacle(recipe, ground) for ground in self.grounds(tasks, recipe)]
        if all(told):
            raise RecipeError(told[0])
        if recipe.transfer == "distil":
            why = no_teacher(self.bench.store, tasks, recipe.transfer_config.teacher)  # type: ignore[attr-defined]
            if why:
                raise RecipeError(why)

    def grounds(self, tasks: Sequence[Task], recipe: Recipe) -> list[Ground]:
        """What the recipe may stand on: one ground for each network that it may come to."""
        from sslcore.models.ground import CLASS_KINDS, Ground
        from sslcore.training.auto import chosen_backbone
        from sslcore.training.looking import look_up

        config = recipe.train_config
        outline = self._outline(recipe)
        devices = {"auto": (False, True), "cuda": (True,)}.get(config.device, (False,))
        names = dict.fromkeys(chosen_backbone(outline, config, on_gpu=on_gpu) for on_gpu in devices)
        ordered = sorted(tasks, key=lambda task: task.kind not in CLASS_KINDS)  # the run puts these first
        return [
            Ground(
                name,
                look_up(name, config.image_size),
                tuple(_shape(task) for task in ordered),
                tuple(self._classes_seen(task) for task in ordered),
                warm=recipe.warm_start != "none",
                given=outline.given,
            )
            for name in names
        ]

    def _outline(self, recipe: Recipe) -> Outline:
        from sslcore.training.auto import Outline

        count = self.bench.store.count()
        if not recipe.reads_raw:
            return Outline(("feature",), count)
        if self.bench.modality != "image" or recipe.train_config.backbone != "auto":
            return Outline((self.bench.modality,), count)
        if self._images is None or self._images[0] != count:  # headers of some images: not at every glance
            from sslcore.jobs.images import outline

            _, channels, side, _ = outline(self.bench.store.media_paths()).shape
            self._images = (count, channels, side)
        return Outline(("image",), *self._images)

    def _classes_seen(self, task: Task) -> int:
        """How many classes have a label that a run would train on."""
        state = self.bench.live.snapshot(task.id).state
        label_N = state.training_label_N[~state.flagged_N]
        return len(np.unique(label_N[label_N >= 0]))


def _shape(task: Task) -> TaskShape:
    from sslcore.models import TaskShape

    return TaskShape(task.name, len(task.classes), task.kind, task.weight)


def _refuse_device(recipe: Recipe, kinds: Sequence[str]) -> None:
    """Refuses a device that the machine has not, or more of them than it has or the recipe can use."""
    config = recipe.train_config
    if config.device in ("auto", "cpu") and config.devices < 2:
        return
    from sslcore.training.looking import devices
    from sslcore.training.several_devices import wanted

    there = devices()
    if config.device not in ("auto", *there):
        raise RecipeError(
            f"This machine has no {config.device!r} device. It has: {', '.join(there)}. Choose device 'auto'."
        )
    gpus = there.get("cuda", 0) if config.device in ("auto", "cuda") else 0
    wanted(recipe, max(1, gpus), kinds)
