"""What the registries hold, as plain data, without loading them here.

Filling a registry may import torch and the like, which the app's own process must never do: it has
to start within seconds and stay small. So a short child process (``python -m sslcore.choices``) lists
all of them once; the list is kept under the home folder until a source file changes.

>>> [kind for kind in KINDS if kind not in REGISTRIES]
['training']
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from sslcore.child import answer_of
from sslcore.config import Config, describe
from sslcore.errors import UnknownNameError
from sslcore.store.home import home

log = logging.getLogger(__name__)

REGISTRIES = {
    "methods": (
        ("sslcore.instant", "INSTANT"),
        ("sslcore.methods", "METHODS"),
        ("sslcore.multitask", "SHARINGS"),
        ("sslcore.multitask", "BALANCINGS"),
        ("sslcore.pretraining", "WARM_STARTS"),
        ("sslcore.transfer", "TRANSFERS"),
    ),
    "queries": (("sslcore.queries", "QUERIES"),),
    "encoders": (("sslcore.features", "ENCODERS"),),
    "formats": (("sslcore.formats", "FORMATS"),),
}
"""Where the choices of each kind are registered; a kind may have several registries."""
KINDS = (*REGISTRIES, "training")
"""All kinds; ``training`` is the one entry whose settings all deep methods share."""

Choice = dict[str, Any]
"""``{"name", "family", "title", "paper", "text", "when", "params": [{"name", "type", "default", …}]}``."""


def choices(kind: str, *, family: str | None = None) -> list[Choice]:
    """The choices of one kind, in the order of registration.

    Args:
        kind: One of :data:`KINDS`.
        family: Only those of this family ("instant", "deep", …).

    Raises:
        UnknownNameError: There is no such kind.
        LabelloomError: The list could not be made; the message says why.
    """
    if kind not in KINDS:
        raise UnknownNameError(f"No kind of choice is named {kind!r}. There are: {', '.join(KINDS)}.")
    entries = _all(_sources(), str(home())).get(kind, [])
    return [entry for entry in entries if family is None or entry["family"] == family]


def methods(family: str | None = None) -> list[Choice]:
    """Instant and deep methods."""
    return choices("methods", family=family)


def queries() -> list[Choice]:
    """Query strategies."""
    return choices("queries")


def encoders() -> list[Choice]:
    """Encoders of images and texts."""
    return choices("encoders")


def formats() -> list[Choice]:
    """Readers and writers."""
    return choices("formats")


def training() -> Choice:
    """Schedule, sizes and device: the settings that all deep methods share."""
    return choices("training")[0]


def choice(kind: str, name: str) -> Choice:
    """One choice by name.

    Raises:
        UnknownNameError: There is none of that name; the message lists them.
    """
    entries = {entry["name"]: entry for entry in choices(kind)}
    if name not in entries:
        raise UnknownNameError(f"{kind} have no {name!r}. There are: {', '.join(entries)}.")
    return entries[name]


def public(entries: list[Choice]) -> list[Choice]:
    """The four keys of the ``--json`` listings.

    >>> public([{"name": "a", "family": "deep", "title": "A", "paper": "", "text": "", "params": []}])
    [{'name': 'a', 'family': 'deep', 'title': 'A', 'paper': ''}]
    """
    return [{key: entry[key] for key in ("name", "family", "title", "paper")} for entry in entries]


# --- the list, made once ---------------------------------------------------------------------


@lru_cache(maxsize=4)
def _all(sources: str, root: str) -> dict[str, list[Choice]]:
    kept = Path(root) / ".cache" / f"choices-{sources}.json"
    held = _read(kept)
    if held is None:
        held, whole = _ask_child()
        if whole:
            _keep(kept, held)
    return held


@lru_cache(maxsize=1)
def _sources() -> str:
    """A hash over the library's source files: another version, another list."""
    folder = Path(__file__).resolve().parent
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _ask_child() -> tuple[dict[str, list[Choice]], bool]:
    """The list, and whether every registry could be filled."""
    answer = answer_of("sslcore.choices", failing="The list of methods could not be made")
    for registry, problem in answer["problems"].items():
        log.warning("%s cannot be used: %s", registry, problem)
    found: dict[str, list[Choice]] = answer["found"]
    return found, not answer["problems"]


def _read(path: Path) -> dict[str, list[Choice]] | None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return held if isinstance(held, dict) and set(held) == set(KINDS) else None


def _keep(path: Path, held: dict[str, list[Choice]]) -> None:
    """Writes the list whole or not at all; a home that cannot be written costs a second look next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob("choices-*.json"):
            old.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(held, file)
        os.replace(name, path)
    except OSError as error:
        log.warning("The list of methods is not kept: %s", error)


# --- in the child ----------------------------------------------------------------------------


def collect() -> tuple[dict[str, list[Choice]], dict[str, str]]:
    """Fills every registry in this process, whatever that imports.

    Returns:
        What they hold by kind, and for each registry that could not be filled (a library that is not
        installed, say) the reason: the others are of use without it.
    """
    found: dict[str, list[Choice]] = {kind: [] for kind in KINDS}
    problems: dict[str, str] = {}
    for kind, places in REGISTRIES.items():
        for module, name in places:
            try:
                registry = getattr(importlib.import_module(module), name)
                found[kind] += [entry.schema() for entry in registry]
            except Exception as error:
                problems[f"{module}.{name}"] = f"{type(error).__name__}: {error}"
    try:
        from sslcore.training.recipe import TrainConfig

        found["training"] = [_schema(TrainConfig)]
    except Exception as error:
        problems["sslcore.training"] = f"{type(error).__name__}: {error}"
    return found, problems


def _schema(config: type[Config]) -> Choice:
    params = [param.__dict__ | {"choices": list(param.choices)} for param in describe(config)]
    about = {"name": "train", "family": "training", "title": "Training", "paper": ""}
    return about | {"text": (config.__doc__ or "").strip(), "params": params}


if __name__ == "__main__":
    listed, failed = collect()
    sys.stdout.write(json.dumps({"found": listed, "problems": failed}) + "\n")
