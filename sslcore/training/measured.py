"""Figures that were measured on known sets, read from the pages where they stand.

The instant loop's are those of docs/label-efficiency.md as the app works. Training's come from
``docs/methods/scores.json`` (every method on the same processor time), from the tables of docs/transfer.md
and docs/generative.md where those exist, and from sentences in docs/measured.md and the code. What is not
written as expected is passed over: advice then rests on less.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sslcore.place import DOCS

EFFICIENCY = "docs/label-efficiency.md"
MEASURED = "docs/measured.md"
SIZES = "sslcore.training.auto"
METHODS_PAGE = "docs/methods/scores.md"
TRANSFER_PAGE = "docs/transfer.md"
PRACTICE = "docs/practice.md"
GENERATIVE_PAGE = "docs/generative.md"
MULTITASK_PAGE = "docs/multitask.md"


@dataclass(frozen=True)
class Ground:
    """A set that something was measured on.

    Args:
        modality: "image" or "text".
        items: How many.
        classes: How many.
        side: Shorter side of an image in pixels; 0 for texts.
        colour: Whether its images have colour.
    """

    modality: str
    items: int
    classes: int
    side: int = 0
    colour: bool = False


SETS = {
    "digits": Ground("image", 1797, 10, 8),
    "mnist-5k": Ground("image", 5000, 10, 28),
    "fashion-mnist": Ground("image", 10_000, 10, 28),
    "sign-digits": Ground("image", 2062, 10, 100, True),
    "bbc-news": Ground("text", 2225, 5),
    "ag-news": Ground("text", 2000, 4),
    "clinc-domain": Ground("text", 6000, 10),
    "clinc-intent": Ground("text", 6000, 150),
}
INSTANT: dict[str, dict[int, float]] = {
    "digits": {1: 88.2, 4: 97.0, 10: 97.7, 25: 98.5},
    "mnist-5k": {1: 78.5, 4: 86.2, 10: 91.4, 25: 93.2},
    "fashion-mnist": {1: 71.4, 4: 77.9, 10: 81.8, 25: 84.0},
    "sign-digits": {1: 51.0, 4: 69.7, 10: 77.8, 25: 85.8},
    "bbc-news": {1: 90.1, 4: 96.1, 10: 96.4, 25: 96.9},
    "ag-news": {1: 63.0, 4: 83.7, 10: 86.4, 25: 87.7},
    "clinc-domain": {1: 58.4, 4: 77.0, 10: 87.9, 25: 92.6},
    "clinc-intent": {1: 78.5, 4: 89.6, 10: 92.4},
}
"""Accuracy of the instant loop in per cent by labels a class, with both views where a set has two."""


@dataclass(frozen=True)
class Score:
    """What training reached on a set.

    Args:
        ground: Name of the set.
        approach: "plain" (labels alone, random weights), "consistency" (unlabelled items too), "warm" (a warm
            start first), "student" (distilled, its teacher listens as by default), "unheard" (a student whose
            teacher does not: beside the other, never proposed), "pretrained", "features" (a small network on
            frozen ones), "finetuned" and "contrastive" (a transformer on raw texts), "generative", "instant".
        method: Name of the method.
        per_class: Labels a class.
        accuracy: Per cent of the items without a label.
        source: Where it stands.
        how: What else was chosen, in the words of the table ("lora"); empty for the usual.
        spread: Standard deviation over draws of labels, in points; 0 where it is unknown.
    """

    ground: str
    approach: str
    method: str
    per_class: float
    accuracy: float
    source: str
    how: str = ""
    spread: float = 0.0


WRITTEN = (
    Score("fashion-mnist", "plain", "supervised", 4, 60.4, MEASURED),
    Score("fashion-mnist", "consistency", "fixmatch", 4, 67.8, MEASURED),
    Score("fashion-mnist", "consistency", "mean_teacher", 4, 70.0, MEASURED),
    Score("sign-digits", "plain", "supervised", 4, 50.0, SIZES),
    Score("sign-digits", "pretrained", "supervised", 4, 73.0, SIZES),
    Score("digits", "instant", "auto", 4, 95.6, PRACTICE),
    Score("digits", "student", "fixmatch", 4, 95.8, PRACTICE),
    Score("digits", "generative", "ssvae", 4, 86.4, PRACTICE),
    Score("digits", "features", "fixmatch", 4, 69.6, PRACTICE),
    Score("ag-news", "features", "fixmatch", 10, 86.0, SIZES),
    Score("ag-news", "finetuned", "fixmatch", 10, 84.0, SIZES),
)
"""Figures that stand in words; one seed each."""
GENERATIVE = ("ssvae", "sgan", "virtual_samples")


IMAGE_WAYS = {
    "instant loop": "instant",
    "from scratch": "plain",
    "autoencoder": "warm",
    "simclr": "warm",
    "vicreg": "warm",
    "distilled, teacher does not listen": "unheard",
    "distilled": "student",
    "frozen": "features",
    "linear probe": "pretrained",
    "fine-tuned": "pretrained",
    "l2_sp": "pretrained",
    "lora": "pretrained",
}
TEXT_WAYS = {
    "instant loop": "instant",
    "contrastive, on": "features",
    "contrastive": "contrastive",
    "fine-tuned": "finetuned",
    "lora": "finetuned",
    "word vectors": "plain",
    "frozen": "features",
    "perceptron": "features",
    "masked, on": "features",
}
"""Recipes of docs/transfer.md by how they begin, and what they are."""


def scores(docs: Path = DOCS) -> tuple[Score, ...]:
    """All figures there are: those of the pages that exist, and those that stand in words.

    Args:
        docs: The folder of the pages.
    """
    return (*_methods(docs), *_transfer(docs), *_generative(docs), *WRITTEN)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _methods(docs: Path) -> Iterator[Score]:
    """``scores.json``: one row a set, method and number of labels, shares."""
    try:
        rows = json.loads(_text(docs / "methods" / "scores.json") or "[]")
    except ValueError:
        return
    for row in rows if isinstance(rows, list) else []:
        ground = SETS.get(str(row.get("set")))
        if ground is None or not all(isinstance(row.get(k), int | float) for k in ("labels", "accuracy")):
            continue
        method, each = str(row.get("method")), row["labels"] / ground.classes
        approach = "features" if ground.modality == "text" else approach_of(method)
        spread = 100 * float(row.get("spread") or 0.0)
        accuracy = 100 * float(row["accuracy"])
        yield Score(str(row["set"]), approach, method, each, accuracy, METHODS_PAGE, spread=spread)


def _transfer(docs: Path) -> Iterator[Score]:
    """The tables of docs/transfer.md: a heading a set, a line a recipe, a column for labels a class."""
    name, counts = "", list[int]()
    for line in _text(docs / "transfer.md").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("#"):
            name, counts = line.strip("# "), []
        elif cells[0] == "recipe":
            counts = [int(cell.split()[0]) for cell in cells[1:] if re.match(r"\d+ a class", cell)]
        elif name in SETS and len(cells) == len(counts) + 1:
            how, _, follows = cells[0].partition(" + ")
            ways = IMAGE_WAYS if SETS[name].modality == "image" else TEXT_WAYS
            approach = next((held for begin, held in ways.items() if how.startswith(begin)), None)
            if approach == "plain" and follows:
                approach = "consistency"
            for count, cell in zip(counts, cells[1:]):
                if approach is not None and (value := re.match(r"0?\.\d+|1\.0+", cell)):
                    method = follows.lower() or "supervised"
                    yield Score(name, approach, method, count, 100 * float(value[0]), TRANSFER_PAGE, how)


def _generative(docs: Path) -> Iterator[Score]:
    """The table of docs/generative.md: a line a set, number of labels and method."""
    header: list[str] = []
    for line in _text(docs / "generative.md").splitlines():
        cells = [cell.strip(" `") for cell in line.strip().strip("|").split("|")]
        if cells[0] == "set":
            header = cells
        row = dict(zip(header, cells))
        numbers = all(re.fullmatch(r"\d+(\.\d+)?", row.get(name, "")) for name in ("labels", "accuracy %"))
        if row.get("set") not in SETS or "entry" not in row or not numbers:
            continue
        entry, each = row["entry"], float(row["labels"]) / SETS[row["set"]].classes
        warm = entry.startswith("warm:")
        approach, method = ("warm", "supervised") if warm else (approach_of(entry), entry)
        how = entry.removeprefix("warm:") if warm else ""
        yield Score(row["set"], approach, method, each, float(row["accuracy %"]), GENERATIVE_PAGE, how)


@dataclass(frozen=True)
class Together:
    """What two tasks of classes gained by one network, from labels alone, over one network each.

    Args:
        ground: The set, as docs/multitask.md calls it.
        gain: Mean change of accuracy over the tasks, in per cent of it; ``low`` to ``high`` in nine of ten.
    """

    ground: str
    gain: float
    low: float
    high: float


def together(docs: Path = DOCS) -> dict[tuple[str, str, str], Together]:
    """The figures of docs/multitask.md by modality, sharing and balancing; without the page none.

    Those of a single draw have no interval and are passed over.
    """
    found: dict[tuple[str, str, str], Together] = {}
    ground, header = "", list[str]()
    for line in _text(docs / "multitask.md").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("#"):
            ground = line.strip("# ")
        if cells[:2] == ["sharing", "balancing"]:
            header = cells
        modality = {"clinc": "text", "fashion-mnist": "image"}.get(ground)
        if modality is None or len(cells) != len(header):
            continue
        row = dict(zip(header, cells))
        gain = next((cell for name, cell in row.items() if name.startswith("Δm")), "")
        if told := re.fullmatch(r"([+-][\d.]+) \(([+-][\d.]+) to ([+-][\d.]+)\)", gain):
            key = (modality, row["sharing"], row["balancing"])
            found.setdefault(key, Together(ground, *(float(part) for part in told.groups())))
    return found


def approach_of(method: str) -> str:
    """What a method on raw images is.

    >>> [approach_of(name) for name in ("supervised", "fixmatch", "ssvae")]
    ['plain', 'consistency', 'generative']
    """
    return "generative" if method in GENERATIVE else "plain" if method == "supervised" else "consistency"
