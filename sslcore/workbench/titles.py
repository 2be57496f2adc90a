"""How runs are called, everywhere the same: by what they chose beside the usual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FUSION = ("warm_start", "transfer", "sharing", "balancing")
"""The choices of a recipe beside its method, each a family of :func:`sslcore.choices.methods`."""
USUAL = {"warm_start": "none", "transfer": "finetune", "sharing": "hard", "balancing": "fixed"}
"""What a recipe takes where nothing else is chosen."""


def recipe_title(recipe: Mapping[str, Any]) -> str:
    """How a run of a recipe is called: its method, and what else was chosen.

    >>> recipe_title({"method": "supervised", "transfer": "distil", "warm_start": "none"})
    'Supervised network, Distillation from a teacher'
    >>> recipe_title({"members": [{"key": "run:3"}, {"key": "instant"}]})
    'Ensemble of run 3 and instant'
    """
    from sslcore import choices

    if "members" in recipe:
        return ensemble_title(recipe)
    titles = {entry["name"]: entry["title"] for entry in choices.methods()}
    beside = [recipe[part] for part in FUSION if recipe.get(part) not in (None, USUAL[part])]
    return ", ".join(titles.get(name, str(name)) for name in (recipe.get("method", "?"), *beside))


def ensemble_title(recipe: Mapping[str, Any]) -> str:
    """How an ensemble is called: by what it is made of.

    >>> ensemble_title({"members": [{"key": "run:3"}, {"key": "run:5"}, {"key": "instant"}]})
    'Ensemble of run 3, run 5 and instant'
    """
    parts = [str(member["key"]).replace("run:", "run ") for member in recipe.get("members", ())]
    return f"Ensemble of {', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "Ensemble"
