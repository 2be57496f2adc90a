"""Generative and self-supervised learning from few labels, the same processor time for all.

``python benchmarks/generative.py [--quick] [--json] [--minutes M] [--seeds S] [--set mnist-5k]
[--labels 100] [--side 28] [--entries a,b] [--write]``. mnist-5k, or digits, with labels drawn evenly over
the classes: SSVAE, Improved GAN and virtual samples, and each warm start with a linear head on its frozen
features (``warm:NAME``), beside the supervised network. The figure is accuracy on all items that carry no
label, by the averaged network of the last step; nothing is chosen by it. ``gain`` is over the supervised
network of the same seed.

A run's steps are set beforehand from the processor time of a few of them, so that a busy machine gives the
same figures as an idle one. Finished runs are kept in ``docs/generative/runs.jsonl`` and not run again;
``--write`` renews the table in ``docs/generative.md``. ``--quick``: supervised, SSVAE, Improved GAN and
virtual samples on digits of 8 pixels with 40 labels, 60 steps each (enough to see that they run, not how
good they are), nothing kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a checkout

from benchmarks.fair import pace
from benchmarks.kept import ROOT, Kept, Row, facts, put
from benchmarks.methods import load, score
from sslcore.methods import METHODS
from sslcore.pretraining import WARM_STARTS
from sslcore.training.recipe import Recipe

RUNS = Kept(
    ROOT / "docs" / "generative" / "runs.jsonl", ("set", "side", "labels", "minutes", "entry", "seed")
)
PAGE = ROOT / "docs" / "generative.md"
BEGIN, END = "<!-- table: python benchmarks/generative.py --write -->", "<!-- end of table -->"
PROBE, PROBE_SECONDS = 25, 3.0  # steps that a step is timed by at first, and the least that is a measurement
WARM_SHARE = 0.95  # warm steps to each step of the linear head, which costs a fraction of them
PUBLISHED = {  # error in % on MNIST, 100 labels, 49,900 or 59,900 items without one
    "supervised": "25.8 (network), 23.0 (convolutional): Kingma et al. 2014, table 1",
    "ssvae": "12.0 ± 1.7 (M2), 3.3 ± 0.1 (M1+M2): Kingma et al. 2014, table 1",
    "sgan": "0.93 ± 0.07: Salimans et al. 2016, table 1",
    "virtual_samples": "0.91 ± 0.58 (Triple-GAN, also a conditional generator): Li et al. 2017, table 1",
}


def entries() -> list[str]:
    """The supervised network, what is generative, and each warm start."""
    drawn = [entry.name for entry in METHODS if entry.family == "generative"]
    warm = [f"warm:{name}" for name in WARM_STARTS.names() if name != "none"]
    return ["supervised", *drawn, *warm]


def recipe(entry: str, seed: int, steps: int, side: int) -> Recipe:
    """The recipe of an entry, all else at its default."""
    settings: Row = {
        "steps": steps,
        "evaluate_every_s": 60.0,
        "checkpoint_every_s": 3600.0,
        "image_size": side,
    }
    settings |= {"batch": 16, "unlabelled_ratio": 4, "backbone": "small_cnn"}
    values: Row = {"method": entry, "train_config": settings, "seed": seed}
    if entry.startswith("warm:"):
        warm = {"warm_start": entry.removeprefix("warm:"), "warm_start_config": {"share": WARM_SHARE}}
        values |= {"method": "supervised", "transfer": "frozen"} | warm
    return Recipe.parse(values)


def run(found: Any, entry: str, *, labels: int, seed: int, steps: int, side: int) -> Any:
    """Trains; the result and the accuracy on items without a label."""
    return score(found, recipe(entry, seed, steps, side), labels=labels, seed=seed)


def steps_for(found: Any, entry: str, *, labels: int, minutes: float, side: int) -> int:
    """Steps that fit the budget, from the processor time of short runs: as long as it takes to tell."""
    timed = pace(
        lambda steps: run(found, entry, labels=labels, seed=0, steps=steps, side=side),
        warm=2,
        short=2,
        probe=PROBE,
        enough=PROBE_SECONDS,
    )
    return max(50, timed.steps_in(minutes * 60))


def scores(rows: list[Row]) -> list[Row]:
    """Means over seeds, and the gain over the supervised network of the same draws."""

    def case(row: Row) -> tuple[Any, ...]:
        return row["set"], row["side"], row["labels"], row["minutes"]

    base = {(*case(row), row["seed"]): row["accuracy"] for row in rows if row["entry"] == "supervised"}
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((*case(row), row["entry"]), []).append(row)
    told = []
    for (name, side, labels, minutes, entry), held in groups.items():
        gains = [
            row["accuracy"] - base[*case(row), row["seed"]]
            for row in held
            if (*case(row), row["seed"]) in base
        ]
        told.append(
            {
                "set": name,
                "side": side,
                "labels": labels,
                "minutes": minutes,
                "entry": entry,
                "accuracy": round(float(np.mean([row["accuracy"] for row in held])), 4),
                "spread": round(float(np.std([row["accuracy"] for row in held])), 4),
                "gain": round(float(np.mean(gains)), 4) if gains else None,
                "seeds": len(held),
                "steps": round(float(np.mean([row["steps"] for row in held]))),
            }
        )
    return sorted(
        told, key=lambda row: (row["set"], row["side"], row["labels"], row["minutes"], row["entry"])
    )


def table(told: list[Row]) -> str:
    """The scores as markdown."""
    lines = [
        "| set | side | labels | minutes | entry | accuracy % | gain | seeds | steps | published error % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in told:
        gain = "" if row["gain"] is None or row["entry"] == "supervised" else f"{100 * row['gain']:+.1f}"
        published = PUBLISHED.get(row["entry"], "") if row["set"] == "mnist-5k" else ""
        cells = [row["set"], row["side"], row["labels"], f"{row['minutes']:g}", f"`{row['entry']}`"]
        cells += [f"{100 * row['accuracy']:.1f}", gain, row["seeds"], row["steps"], published]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="digits of 8 pixels, 60 steps each")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--minutes", type=float, default=4.0, help="processor time of a run (default 4)")
    parser.add_argument("--seeds", type=int, default=1, help="draws of labels (default 1)")
    parser.add_argument("--labels", type=int, default=100, help="labels in all (default 100)")
    parser.add_argument("--side", type=int, default=28, help="pixels of the images (default 28)")
    parser.add_argument(
        "--set", default="mnist-5k", choices=("mnist-5k", "digits"), help="(default mnist-5k)"
    )
    parser.add_argument("--entries", default="", help="names, with commas between (default all)")
    parser.add_argument("--write", action="store_true", help="renew the table in docs/generative.md")
    options = parser.parse_args()
    names = options.entries.split(",") if options.entries else entries()
    name, labels, side, minutes = options.set, options.labels, options.side, options.minutes
    if options.quick:
        names, name, labels, side, minutes = entries()[:4], "digits", 40, 8, 0.0
    kept = Kept(None, RUNS.key) if options.quick else RUNS
    rows, done = kept.rows(), kept.done()
    found = load(name)
    for seed in range(1 if options.quick else options.seeds):
        for entry in names:
            if (name, side, labels, minutes, entry, seed) in done:
                continue
            steps = (
                60 if options.quick else steps_for(found, entry, labels=labels, minutes=minutes, side=side)
            )
            began = time.process_time()
            out, accuracy = run(found, entry, labels=labels, seed=seed, steps=steps, side=side)
            row = {"set": name, "side": side, "labels": labels, "minutes": minutes, "entry": entry}
            row |= {"seed": seed, "accuracy": round(accuracy, 4), "steps": out.steps}
            row |= {"seconds": round(time.process_time() - began, 1)} | facts()
            rows.append(kept.add(row))
            print(f"{entry:<24}{seed:>3}{accuracy:>8.3f}{out.steps:>8} steps", flush=True)
    told = scores(rows)
    print("\n" + table(told))
    if options.write and not options.quick:
        put(PAGE, table(told), begin=BEGIN, end=END)
    if options.json:
        print(json.dumps({"minutes": minutes, "threads": os.environ.get("OMP_NUM_THREADS"), "rows": told}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
