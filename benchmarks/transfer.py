"""Ways to start from what is known, and warm starts, at equal processor time; alone and with FixMatch.

``python benchmarks/transfer.py [--quick] [--json] [--minutes M] [--seeds S] [--labels 1,4,10] [--sets a,b]
[--recipes a,b] [--write]``. Sets: mnist-5k and fashion-mnist (10,000 items), and from ``LABELLOOM_DATA``
sign-digits (2,062 photographs, 10 classes) and ag-news (2,000 texts, 4 classes), and from a package bbc-news
(2,225 texts, 5 classes); ``--quick`` takes scikit-learn's digits, 150 steps a run, and keeps nothing. Labels
are drawn evenly over the classes; the figure is accuracy on all items that carry none, by the averaged
network at the end. The instant loop on frozen features, all views of a set, stands beside: it takes seconds.
It also teaches, as in the app: asked anew after each part of a run, with the student's features beside the
frozen ones, or ("teacher does not listen") once.

A run's steps are set beforehand from the processor time of a few of them; what is paid once counts too: the
warm start, the teacher's answers, loading, the predictions at the end. Of images a step of a small network
holds 8 labelled and 24 unlabelled ones. A run that took a fifth more than its budget all the same is done
again with as many fewer steps. Finished runs are kept in ``docs/transfer/runs.jsonl`` and not run
again, and further draws of a kept recipe take as many steps; ``--write`` renews the tables of
``docs/transfer.md``: of each set the runs of ``--minutes``, or else of the longest that it has.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
import warnings
import zipfile
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import sets  # noqa: E402 (the checkout comes first)
from benchmarks.fair import Silent, drawn_evenly, pace  # noqa: E402
from benchmarks.kept import Kept, Row, facts, put, told_once  # noqa: E402
from sslcore.instant.loop import InstantLoop  # noqa: E402
from sslcore.instant.teacher import InstantTeacher, Lesson  # noqa: E402
from sslcore.instant.view import View  # noqa: E402
from sslcore.training.data import TaskLabels, TrainingData  # noqa: E402
from sslcore.training.recipe import Recipe  # noqa: E402
from sslcore.training.run import train  # noqa: E402

RUNS = Kept(ROOT / "docs" / "transfer" / "runs.jsonl", ("set", "recipe", "labels", "seed", "minutes"))
PAGE = ROOT / "docs" / "transfer.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SIDE = 64  # pixels that photographs are kept at; networks that want fewer take fewer
PROBE, PROBE_SECONDS = 32, 5.0  # steps that a step is timed by at first, and the least that is a measurement
QUICK_STEPS = 150
OVER = 1.2  # of the budget; a run that took more was timed wrongly
INSTANT = "instant loop, frozen features"
TAUGHT, UNHEARD = "distilled from the instant loop", "distilled, teacher does not listen"
SETS = ("mnist-5k", "fashion-mnist", "sign-digits", "ag-news", "bbc-news")

SMALL = {"backbone": "small_cnn", "image_size": 32, "batch": 8, "unlabelled_ratio": 3}
GREY = SMALL | {"image_size": 28}
LARGE = {"backbone": "efficientnet_lite0", "image_size": 64, "batch": 8, "unlabelled_ratio": 3}
ON_FEATURES = {"backbone": "feature_mlp"}
TEXT = {"backbone": "minilm"}


@dataclass(frozen=True)
class Way:
    """A recipe of the table: settings of the network, what differs, and whether it follows FixMatch too."""

    train: Row
    choices: Row
    fixmatch: bool = True


def warm(name: str, share: float = 0.4) -> Row:
    return {"warm_start": name, "warm_start_config": {"share": share}}


def transfer(name: str, **settings: Any) -> Row:
    return {"transfer": name, "transfer_config": settings}


IMAGES = {
    "from scratch": Way(SMALL, {}),
    "autoencoder": Way(SMALL, warm("autoencoder")),
    "simclr": Way(SMALL, warm("simclr")),
    "vicreg": Way(SMALL, warm("vicreg")),
    TAUGHT: Way(SMALL, transfer("distil"), fixmatch=False),
    UNHEARD: Way(SMALL, transfer("distil", rounds=1), fixmatch=False),
    "frozen": Way(ON_FEATURES, transfer("frozen")),
    "linear probe, then all": Way(LARGE, transfer("linear_probe"), fixmatch=False),
    "fine-tuned": Way(LARGE, transfer("finetune")),
    "l2_sp": Way(LARGE, transfer("l2_sp"), fixmatch=False),
    "lora": Way(LARGE, transfer("lora")),
}
DRAWINGS = {
    "from scratch": Way(GREY, {}),
    TAUGHT: Way(GREY, transfer("distil"), fixmatch=False),
    UNHEARD: Way(GREY, transfer("distil", rounds=1), fixmatch=False),
}
TEXTS = {
    "frozen": Way(ON_FEATURES, transfer("frozen")),
    "perceptron on frozen features": Way(ON_FEATURES, {}),
    "masked, on frozen features": Way(ON_FEATURES, warm("masked"), fixmatch=False),
    "contrastive, on frozen features": Way(ON_FEATURES, transfer("contrastive")),
    "word vectors from scratch": Way({"backbone": "text_embedding"}, {}),
    "word vectors, masked words": Way({"backbone": "text_embedding"}, warm("masked")),
    "fine-tuned": Way(TEXT, transfer("finetune")),
    "lora": Way(TEXT, transfer("lora", parts=4)),
    "contrastive": Way(TEXT, transfer("contrastive")),
}
TINY = GREY | {"image_size": 8}
QUICK = {
    "from scratch": Way(TINY, {}),
    "simclr": Way(TINY, warm("simclr")),
    "simclr, then frozen": Way(TINY, warm("simclr") | transfer("frozen"), fixmatch=False),
    TAUGHT: Way(TINY, transfer("distil"), fixmatch=False),
    UNHEARD: Way(TINY, transfer("distil", rounds=1), fixmatch=False),
}
WAYS = {
    "digits": QUICK,
    "mnist-5k": DRAWINGS,
    "fashion-mnist": DRAWINGS,
    "sign-digits": IMAGES,
    "ag-news": TEXTS,
    "bbc-news": TEXTS,
}


@dataclass(frozen=True)
class Found:
    """A set: items, frozen features by view, the strongest first, key."""

    modality: str
    raw: Row
    features: dict[str, Any]
    key_N: Any

    @property
    def classes(self) -> int:
        return int(self.key_N.max()) + 1

    @cached_property
    def views(self) -> list[View]:
        return [View.of(name, feature_ND.astype(np.float32)) for name, feature_ND in self.features.items()]


def load(name: str) -> Found:
    """A set by name."""
    held = sets.load(name)
    key_N = held.answer_N.astype(np.int64)
    if name == "ag-news":
        return Found("text", {"text_N": headlines()}, held.features, key_N)
    if name == "sign-digits":
        return Found("image", {"image_NXHW": photographs()}, held.features, key_N)
    from sslcore.catalogue import load as load_catalogue

    known = load_catalogue(name, items=10_000)
    if known.texts:
        return Found("text", {"text_N": list(known.texts)}, held.features, key_N)
    image_NXHW = np.ascontiguousarray(known.image_NHW[:, None])
    return Found("image", {"image_NXHW": image_NXHW}, held.features, key_N)


def headlines() -> list[str]:
    """The texts of ``sets.load("ag-news")``, in its order."""
    with (sets.DATA / "ag_news_test.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    pick = np.random.default_rng(0).permutation(len(rows))[:2000]
    return [f"{rows[at][1]}. {rows[at][2]}" for at in pick]


def photographs() -> Any:
    """The images of ``sets.load("sign-digits")``, in its order."""
    from PIL import Image

    images = []
    with zipfile.ZipFile(sets.DATA / "sign-language-digits.zip") as archive:
        for file in sorted(archive.namelist()):
            if file.lower().endswith(".jpg"):
                image = Image.open(BytesIO(archive.read(file))).convert("RGB").resize((SIDE, SIDE))
                images.append(np.asarray(image).transpose(2, 0, 1))
    return np.array(images)


def run(found: Found, way: Way, method: str, label_N: Any, *, seed: int, steps: int) -> Any:
    """Trains; the result."""
    raw = found.raw
    if way.train["backbone"] == "feature_mlp":
        raw = {"feature_ND": next(iter(found.features.values())).astype(np.float32)}
    taught: Row = {}
    if way.choices.get("transfer") == "distil":
        teacher = InstantTeacher(found.views, {"label": Lesson("single", found.classes, label_N)})
        taught = {"teacher": teacher, "soft_target": teacher()}
    labels = [TaskLabels("label", "single", found.classes, label_N)]
    data = TrainingData(found.modality, labels, **raw, **taught)
    settings = {"steps": steps, "evaluate_every_s": 3600.0, "checkpoint_every_s": 36_000.0, "device": "cpu"}
    values = {"method": method, "train_config": settings | way.train, "seed": seed} | way.choices
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(Recipe.parse(values), data, Silent(), folder=Path(folder))


def steps_for(found: Found, way: Way, method: str, label_N: Any, minutes: float) -> int:
    """Steps that fit the budget, what is paid once included."""
    timed = pace(
        lambda steps: run(found, way, method, label_N, seed=0, steps=steps),
        warm=4,
        short=4,
        probe=PROBE,
        enough=PROBE_SECONDS,
    )
    return max(30, timed.steps_in(minutes * 60 - timed.once))


def cells(name: str, wanted: list[str]) -> list[tuple[str, Way | None, str]]:
    """The lines of a set's table: name, recipe, method."""
    lines: list[tuple[str, Way | None, str]] = [(INSTANT, None, "instant")]
    for recipe, way in WAYS[name].items():
        lines.append((recipe, way, "supervised"))
        if way.fixmatch:
            lines.append((f"{recipe} + FixMatch", way, "fixmatch"))
    return [line for line in lines if any(part in line[0] for part in wanted)]


def table(rows: list[Row]) -> str:
    """Accuracy by recipe and labels a class, one table a set, in Markdown; a dash for what did not run."""
    told: list[str] = []
    for name in dict.fromkeys(row["set"] for row in sorted(rows, key=lambda row: row["set"])):
        here = [row for row in rows if row["set"] == name]
        counts = sorted({row["labels"] for row in here})
        most = 1 + max(row["seed"] for row in here)
        told += [f"### {name}", "", about(here), ""]
        told += ["| recipe | " + " | ".join(f"{c} a class" for c in counts) + " |"]
        told += ["|---|" + "---|" * len(counts)]
        for recipe, _, _ in cells(name, [""]):
            told_of = [
                cell([r["accuracy"] for r in here if (r["recipe"], r["labels"]) == (recipe, count)], most)
                for count in counts
            ]
            told.append(f"| {recipe} | " + " | ".join(told_of) + " |")
        told.append("")
    return "\n".join(told).rstrip("\n")


def cell(values: list[float], most: int) -> str:
    """A mean with its spread; how many draws it is of where others of the table have more.

    >>> cell([0.5], 1), cell([0.5, 0.6], 3), cell([], 3)
    ('0.500', '0.550 ± 0.050 (2 draws)', '–')
    """
    if not values:
        return "–"
    spread = f" ± {np.std(values):.3f}" if len(values) > 1 else ""
    fewer = f" ({len(values)} draw{'s' * (len(values) > 1)})" if len(values) < most else ""
    return f"{np.mean(values):.3f}{spread}{fewer}"


def about(rows: list[Row]) -> str:
    """What a set's figures are of, and how well the budget was met."""
    draws = 1 + max(row["seed"] for row in rows)
    spent = [row["seconds"] for row in rows if row["recipe"] != INSTANT and row["seconds"]]
    took = f" ({min(spent):.0f} to {max(spent):.0f} s measured)" if spent else ""
    return (
        f"{told_once(rows, 'minutes')} processor minutes a run{took}, "
        f"{draws} draw{'s' * (draws > 1)} of labels, {told_once(rows, 'machine')}; "
        f"{told_once(rows, 'date')}, {told_once(rows, 'commit')}."
    )


def told(rows: list[Row], minutes: float) -> list[Row]:
    """Of each set the runs of this budget, or of its longest."""
    budgets: dict[str, set[float]] = {}
    for row in rows:
        budgets.setdefault(row["set"], set()).add(row["minutes"])
    best = {name: minutes if minutes in held else max(held) for name, held in budgets.items()}
    return [row for row in rows if row["minutes"] == best[row["set"]]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="digits, 150 steps a run, under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--minutes", type=float, default=2.0, help="processor time of a run (default 2)")
    parser.add_argument("--seeds", type=int, default=1, help="draws of labels (default 1)")
    parser.add_argument("--labels", default="1,4,10", help="labels a class (default 1,4,10)")
    parser.add_argument("--sets", default="", help=f"of {', '.join(SETS)} (default all here)")
    parser.add_argument("--recipes", default="", help="parts of recipes' names, with commas between")
    parser.add_argument("--write", action="store_true", help="renew the tables of docs/transfer.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    here: list[str] = [name for name in SETS if name in sets.names()]
    here = ["digits"] if options.quick else options.sets.split(",") if options.sets else here
    counts = [4] if options.quick else [int(count) for count in options.labels.split(",")]
    kept = Kept(None, RUNS.key) if options.quick else RUNS
    rows, minutes = kept.rows(), 0.0 if options.quick else options.minutes
    done = kept.done()
    paces = {(row["set"], row["recipe"]): row["steps"] for row in rows if row["minutes"] == minutes}
    for seed in range(1 if options.quick else options.seeds):
        for name in here:
            found = load(name)
            for recipe, way, method in cells(name, options.recipes.split(",")):
                for count in counts:
                    row = {"set": name, "recipe": recipe, "labels": count, "seed": seed}
                    if kept.of(row | {"minutes": minutes}) in done:
                        continue
                    label_N = drawn_evenly(found.key_N, count, seed=seed)
                    steps = (
                        0 if way is None else QUICK_STEPS if options.quick else paces.get((name, recipe), 0)
                    )
                    if way is not None and not steps:
                        steps = paces[name, recipe] = steps_for(found, way, method, label_N, minutes)
                    began = time.process_time()
                    if way is None:
                        loop = InstantLoop(found.views, classes=found.classes, seed=0)
                        said_N = loop.fit(label_N).proba_NC.argmax(1)
                    else:
                        out = run(found, way, method, label_N, seed=seed, steps=steps)
                        spent = time.process_time() - began
                        if not options.quick and spent > OVER * 60 * minutes:
                            steps = paces[name, recipe] = int(steps * 60 * minutes / spent)
                            began = time.process_time()
                            out = run(found, way, method, label_N, seed=seed, steps=steps)
                        said_N = out.proba["label"].argmax(1)
                    right = float((said_N == found.key_N)[label_N < 0].mean())
                    row |= {"accuracy": round(right, 4), "steps": steps, "minutes": minutes}
                    row |= {"seconds": round(time.process_time() - began, 1)} | facts()
                    rows.append(kept.add(row))
                    print(f"{name:<15}{recipe:<44}{count:>4}{seed:>3}{right:>8.3f}{steps:>7}", flush=True)
    shown = told(rows, minutes)
    print("\n" + table(shown))
    if options.write and not options.quick:
        put(PAGE, table(shown) + "\n", begin=BEGIN, end=END)
    if options.json:
        print(json.dumps({"minutes": minutes, "seeds": options.seeds, "quick": options.quick, "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
