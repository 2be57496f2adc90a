"""Draws docs/methods/scores.json: a picture a set, a panel a number of labels, methods from best to worst."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.method_pages import BASE, pictures

BLUE, ORANGE, GREY = "#2E86D1", "#D55E00", "#80868F"


def draw(scores: Sequence[dict[str, Any]], folder: Path) -> None:
    """Writes the pictures that the page of scores shows.

    A dot is the mean over seeds, its line a standard deviation to each side; the dashed line is the
    supervised network of the same labels and time. Blue is above it, orange is not.
    """
    for file, rows in pictures(scores).items():
        _panels(rows, folder / file)


def _panels(rows: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "labelloom"  # the same picture is the same file
    from matplotlib import pyplot

    name, minutes = rows[0]["set"], rows[0]["minutes"]
    counts = sorted({row["labels"] for row in rows})
    most = max(sum(row["labels"] == count for row in rows) for count in counts)
    size = (4.8 * len(counts), 1.2 + 0.2 * most)
    figure, axes = pyplot.subplots(1, len(counts), figsize=size, layout="constrained", squeeze=False)
    for axis, count in zip(axes[0], counts, strict=True):
        here = sorted((row for row in rows if row["labels"] == count), key=lambda row: row["accuracy"])
        base = next((100 * row["accuracy"] for row in here if row["method"] == BASE), None)
        for place, row in enumerate(here):
            value = 100 * row["accuracy"]
            colour = GREY if base is None or row["method"] == BASE else BLUE if value > base else ORANGE
            axis.errorbar(value, place, xerr=100 * (row["spread"] or 0.0), fmt="o", color=colour, ms=4)
        if base is not None:
            axis.axvline(base, color=GREY, linestyle="--", linewidth=1)
        axis.set_yticks(range(len(here)), [row["method"] for row in here], fontsize=7)
        seeds = sorted({row["seeds"] for row in here})
        told = "1 seed" if seeds == [1] else f"{'–'.join(map(str, seeds))} seeds"
        axis.set_title(f"{name}, {count} labels, {minutes:g} min, {told}", fontsize=8)
        axis.set_xlabel("accuracy on items without a label, %", fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
        axis.grid(axis="x", alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
