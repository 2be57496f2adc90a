"""A trained model as a folder that can be carried away: weights, labels, preprocessing, card.

``model.safetensors`` (the averaged weights), ``labels.json`` (tasks and class names in the order of the
outputs), ``preprocess.json`` (what is done to an item first), ``tokenizer.json`` (how texts are split, for
networks that read word pieces), ``card.md`` (what it is, in words and figures).
No code and no pickle is in it, so a bundle from a stranger can be loaded without trusting it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from sslcore.config import parse
from sslcore.errors import DataError, LabelloomError
from sslcore.files import write_whole
from sslcore.models import TaskShape
from sslcore.models.network import Network, build_network
from sslcore.models.text_tokens import Tokeniser
from sslcore.multitask import SHARINGS
from sslcore.training.predictor import Predictor
from sslcore.training.preprocess import Preprocess

FORMAT = "labelloom-model/1"
TOKENISER = "tokenizer.json"


def save_bundle(
    folder: Path, predictor: Predictor, classes: Mapping[str, Sequence[str]], card: Mapping[str, Any]
) -> Path:
    """Writes a model so that :func:`load_bundle` reads it back.

    Args:
        folder: Made where it is missing, but not what it lies in; files of an older bundle are replaced.
        predictor: ``TrainingResult.predictor``.
        classes: Class names of each task, in the order of the labels' indices.
        card: What the card tells: any JSON-ready facts (method, figures with their source, labels used).

    Returns:
        The folder.

    Raises:
        DataError: Class names that do not fit the model's outputs.
    """
    tasks = []
    made_by = predictor.network.made_by
    kinds = made_by.get("kinds") or ["single"] * len(predictor.tasks)
    for name, head, kind in zip(predictor.tasks, predictor.network.heads, kinds, strict=True):
        names = list(classes.get(name, ()))
        outputs = 0 if kind == "numeric" else head.out_features  # a number has no classes
        if len(names) != outputs:
            raise DataError(
                f"Task {name!r} of the model has {outputs} outputs. Received: {len(names)} class names."
            )
        tasks.append({"name": name, "classes": names})
    weights = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in predictor.network.state_dict().items()
    }
    labels = {"format": FORMAT, "tasks": tasks, "network": made_by}
    # the weights come last: a bundle with weights is a whole one
    write_whole(folder / "labels.json", _json(labels))
    write_whole(folder / "preprocess.json", _json(predictor.preprocess.as_dict()))
    if predictor.preprocess.tokeniser is not None:
        write_whole(folder / TOKENISER, predictor.preprocess.tokeniser.source.encode())
    write_whole(folder / "card.md", _card(predictor, tasks, card).encode())
    write_whole(folder / "model.safetensors", save(weights, metadata={"format": FORMAT}))
    return folder


def load_bundle(folder: Path) -> Predictor:
    """Reads a model that :func:`save_bundle` wrote; it predicts on the CPU.

    Returns:
        A predictor; ``predict_proba(items)`` takes raw images or texts (or features, where the model was
        trained on those), and ``classes`` holds the class names of each task.

    Raises:
        DataError: A file is missing, or says something else than the others.
    """
    try:
        labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        preprocess = Preprocess.parse(json.loads((folder / "preprocess.json").read_text(encoding="utf-8")))
        if preprocess.kind == "tokens":
            pieces = Tokeniser((folder / TOKENISER).read_text(encoding="utf-8"))
            preprocess = replace(preprocess, tokeniser=pieces)
        if labels["format"] != FORMAT:
            raise DataError(f"Expected format {FORMAT!r}. Received: {labels['format']!r}.", file=folder)
        classes = {task["name"]: list(task["classes"]) for task in labels["tasks"]}
        with torch.random.fork_rng(devices=[]):  # making a network draws weights that are thrown away
            network = _network(preprocess, classes, labels.get("network") or {})
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except LabelloomError:
        raise
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise DataError(
            f"This folder does not hold a whole model ({error}). Expected: model.safetensors, labels.json "
            "and preprocess.json of one export. Export the model again.",
            file=folder,
        ) from None
    network.eval().requires_grad_(False)
    return Predictor(network, preprocess, list(classes), classes=classes)


def _network(
    preprocess: Preprocess, classes: Mapping[str, Sequence[str]], made_by: Mapping[str, Any]
) -> Network:
    """The network as it was made, with weights still to come."""
    sharing = SHARINGS[made_by.get("sharing", "hard")]
    trunk = sharing.value(parse(sharing.config, made_by.get("sharing_config", {}))).trunk
    kinds = made_by.get("kinds") or ["single"] * len(classes)
    shapes = [
        TaskShape(name, len(names), kind) for (name, names), kind in zip(classes.items(), kinds, strict=True)
    ]
    spec = replace(preprocess.spec(), pretrained=False)  # the bundle's own weights are about to go in
    norm = made_by.get("norm", "batch")
    network = build_network(preprocess.backbone, spec, shapes, trunk=trunk, norm=norm)
    network.made_by = dict(made_by)
    return network


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, indent=1).encode()


def _card(predictor: Predictor, tasks: Sequence[Mapping[str, Any]], card: Mapping[str, Any]) -> str:
    preprocess = predictor.preprocess
    colour = "colour" if preprocess.channels == 3 else "grey"
    reads = {
        "image": f"{colour} images of any size, brought to {preprocess.size} × {preprocess.size}",
        "text": "texts",
        "tokens": f"texts, of each the first {preprocess.size - 1} word pieces",
        "feature": f"features of the encoder {preprocess.encoder or 'used in training'}",
    }[preprocess.kind]
    lines = ["# Model card", "", f"Network: {preprocess.backbone}. Reads: {reads}.", ""]
    for task in tasks:
        lines.append(
            f"- Task `{_plain(task['name'])}`: {', '.join(f'`{_plain(c)}`' for c in task['classes'])}"
        )
    lines += ["", "| fact | value |", "|---|---|"]
    lines += [f"| {_plain(name)} | {_plain(_told(value))} |" for name, value in card.items()]
    lines += [
        "",
        "```python",
        "from pathlib import Path",
        "from sslcore.training.bundle import load_bundle",
        "",
        'proba = load_bundle(Path("this-folder")).predict_proba(items)',
        "```",
        "",
    ]
    return "\n".join(lines)


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> str:
    """Class names are users' text: kept from breaking out of a table cell or into markup."""
    table = {"|": "\\|", "`": "'", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "}
    return "".join(table.get(letter, letter) for letter in text)
