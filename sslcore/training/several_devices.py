"""How many devices a recipe takes, and which choices cannot be learned on several at once. Asks no torch."""

from __future__ import annotations

from collections.abc import Sequence

from sslcore.errors import RecipeError
from sslcore.methods import METHODS
from sslcore.multitask import BALANCINGS
from sslcore.training.data import VALUED_KINDS
from sslcore.training.recipe import Recipe
from sslcore.transfer import TRANSFERS


def obstacle(recipe: Recipe, kinds: Sequence[str] = ()) -> str:
    """Why a recipe cannot be learned on several devices; "" where it can.

    Args:
        recipe: The recipe.
        kinds: Kinds of the tasks it learns.
    """
    for registry, name in (
        (METHODS, recipe.method),
        (BALANCINGS, recipe.balancing),
        (TRANSFERS, recipe.transfer),
    ):
        entry = registry[name]  # type: ignore[index]
        why = getattr(entry.value, "one_device", "")
        if why:
            return f"{entry.title} learns on one device: {why}"
    if any(kind in VALUED_KINDS for kind in kinds):
        return "Numbers and several choices are learned on one device: their items are not shared out"
    if recipe.warm_start != "none":
        return "A warm start learns on one device: its loss has not been split"
    return ""


def wanted(recipe: Recipe, there: int, kinds: Sequence[str] = ()) -> tuple[int, str]:
    """How many devices a run takes, and a line for the user where that is fewer than there are.

    Args:
        recipe: ``devices`` 0 takes all there are, as far as the recipe can.
        there: GPUs of the machine; on a CPU, 1.
        kinds: Kinds of the tasks it learns.

    Raises:
        RecipeError: Several were asked for, and the recipe cannot, or there are fewer.
    """
    wish, why = recipe.train_config.devices, obstacle(recipe, kinds)
    if wish == 0:
        if there > 1 and why:
            return 1, f"{why}. One of {there} devices is used."
        return max(1, there), ""
    if wish > 1 and why:
        raise RecipeError(f"{why}. Received: {wish} devices. Choose 1, or another method.")
    if wish > there and recipe.train_config.device != "cpu":
        raise RecipeError(
            f"This machine has {there} device(s). Received: {wish}. Choose 0 for all there are."
        )
    return wish, ""
