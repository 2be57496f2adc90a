"""Ways to start from what is known, and warm starts, at equal processor time; alone and with FixMatch.

``python benchmarks/transfer.py [--quick] [--json] [--minutes M] [--seeds S] [--labels 1,4,10] [--sets a,b]
[--recipes a,b] [--write]``. Sets, from ``LABELLOOM_DATA``: sign-digits (2,062 photographs, 10 classes) and
ag-news (2,000 texts, 4 classes); ``--quick`` takes scikit-learn's digits, 150 steps a run. Labels are drawn
evenly over the classes; the figure is accuracy on all items that carry none, by the averaged network at the
end. The instant loop on frozen features stands beside: it takes seconds.

A run's steps are set beforehand from the processor time of a few of them, its warm start included, so a busy
machine gives the same figures as an idle one. Finished runs are kept in the user's cache folder
(``transfer.jsonl``) and not run again; ``--write`` renews the table of ``docs/transfer.md``.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import sets  # noqa: E402 (the checkout comes first)
from sslcore.training.data import TaskLabels, TrainingData  # noqa: E402
from sslcore.training.recipe import Recipe  # noqa: E402
from sslcore.training.run import train  # noqa: E402

RUNS = sets.CACHE / "transfer.jsonl"
PAGE = ROOT / "docs" / "transfer.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SIDE = 64  # pixels that photographs are kept at; networks that want fewer take fewer
PROBES = (4, 12)
QUICK_STEPS = 150
INSTANT = "instant loop, frozen features"

Row = dict[str, Any]

SMALL = {"backbone": "small_cnn", "image_size": 32}
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
    "distilled from the instant loop": Way(SMALL, transfer("distil"), fixmatch=False),
    "frozen": Way(ON_FEATURES, transfer("frozen")),
    "linear probe, then all": Way(LARGE, transfer("linear_probe"), fixmatch=False),
    "fine-tuned": Way(LARGE, transfer("finetune")),
    "l2_sp": Way(LARGE, transfer("l2_sp"), fixmatch=False),
    "lora": Way(LARGE, transfer("lora")),
}
TEXTS = {
    "frozen": Way(ON_FEATURES, transfer("frozen")),
    "perceptron on frozen features": Way(ON_FEATURES, {}),
    "masked, on frozen features": Way(ON_FEATURES, warm("masked"), fixmatch=False),
    "contrastive, on frozen features": Way(ON_FEATURES, transfer("contrastive")),
    "word vectors from scratch": Way({"backbone": "text_embedding"}, {}),
    "word vectors, masked words": Way({"backbone": "text_embedding"}, warm("masked")),
    "fine-tuned": Way(TEXT, transfer("finetune")),
    "lora": Way(TEXT, transfer("lora", parts=4), fixmatch=False),
    "contrastive": Way(TEXT, transfer("contrastive")),
}
QUICK = {
    "from scratch": Way({"backbone": "small_cnn", "image_size": 8}, {}),
    "simclr": Way({"backbone": "small_cnn", "image_size": 8}, warm("simclr")),
    "simclr, then frozen": Way(
        {"backbone": "small_cnn", "image_size": 8}, warm("simclr") | transfer("frozen"), fixmatch=False
    ),
    "distilled from the instant loop": Way(
        {"backbone": "small_cnn", "image_size": 8}, transfer("distil"), fixmatch=False
    ),
}


@dataclass(frozen=True)
class Found:
    """A set: items, frozen features, key."""

    modality: str
    raw: Row
    feature_ND: Any
    key_N: Any
    ways: dict[str, Way]


def load(name: str) -> Found:
    """A set by name."""
    if name == "digits":
        from sklearn.datasets import load_digits

        image_NHW, key_N = load_digits(return_X_y=True)
        image_NXHW = (image_NHW.reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8)
        feature_ND = image_NHW.reshape(len(key_N), -1).astype(np.float32) / 16
        return Found("image", {"image_NXHW": image_NXHW}, feature_ND, key_N.astype(np.int64), QUICK)
    held = sets.load(name)
    if name == "ag-news":
        feature_ND = held.features["minilm"].astype(np.float32)
        return Found("text", {"text_N": headlines()}, feature_ND, held.answer_N, TEXTS)
    feature_ND = held.features["efficientnet"].astype(np.float32)
    return Found("image", {"image_NXHW": photographs()}, feature_ND, held.answer_N, IMAGES)


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


class Silent:
    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None: ...

    def progress(self, done: float, total: float, *, note: str = "") -> None: ...

    def should_cancel(self) -> bool:
        return False


def draw(key_N: Any, labels: int, seed: int) -> Any:
    """So many labels a class, the rest -1."""
    rng = np.random.default_rng(seed)
    label_N = np.full(len(key_N), -1, dtype=np.int64)
    for label in range(int(key_N.max()) + 1):
        label_N[rng.choice(np.flatnonzero(key_N == label), labels, replace=False)] = label
    return label_N


def instant(found: Found, label_N: Any) -> Any:
    """The instant loop's probabilities on frozen features."""
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View

    loop = InstantLoop([View.of("frozen", found.feature_ND)], classes=int(found.key_N.max()) + 1, seed=0)
    return loop.fit(label_N).proba_NC


def run(found: Found, way: Way, method: str, label_N: Any, *, seed: int, steps: int) -> Any:
    """Trains; the result."""
    raw = {"feature_ND": found.feature_ND} if way.train["backbone"] == "feature_mlp" else found.raw
    classes = int(found.key_N.max()) + 1
    taught = way.choices.get("transfer") == "distil"
    data = TrainingData(
        found.modality,
        [TaskLabels("label", "single", classes, label_N)],
        soft_target={"label": instant(found, label_N)} if taught else None,
        **raw,
    )
    settings = {"steps": steps, "evaluate_every_s": 3600.0, "checkpoint_every_s": 36_000.0, "device": "cpu"}
    values = {"method": method, "train_config": settings | way.train, "seed": seed} | way.choices
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(Recipe.parse(values), data, Silent(), folder=Path(folder))


def steps_for(found: Found, way: Way, method: str, label_N: Any, minutes: float) -> int:
    """Steps that fit the budget; the first probe also warms caches up."""
    spent = []
    for steps in (PROBES[0], *PROBES):
        began = time.process_time()
        run(found, way, method, label_N, seed=0, steps=steps)
        spent.append(time.process_time() - began)
    a_step = max((spent[2] - spent[1]) / (PROBES[1] - PROBES[0]), 1e-4)
    return max(30, int(minutes * 60 / a_step))


def kept() -> list[Row]:
    """Runs that were finished before."""
    return [json.loads(line) for line in RUNS.read_text("utf-8").splitlines()] if RUNS.is_file() else []


def cells(found: Found, wanted: list[str]) -> list[tuple[str, Way | None, str]]:
    """The table's lines: name, recipe, method."""
    lines: list[tuple[str, Way | None, str]] = [(INSTANT, None, "instant")]
    for name, way in found.ways.items():
        lines.append((name, way, "supervised"))
        if way.fixmatch:
            lines.append((f"{name} + FixMatch", way, "fixmatch"))
    return [line for line in lines if any(part in line[0] for part in wanted)]


def order(recipe: str) -> tuple[int, str]:
    """Where a line stands in the table: as the ways are listed, each followed by its FixMatch."""
    names = [INSTANT, *dict.fromkeys([*QUICK, *IMAGES, *TEXTS])]
    return names.index(recipe.removesuffix(" + FixMatch")), recipe


def table(rows: list[Row]) -> str:
    """Accuracy by recipe and labels a class, one table a set, in Markdown."""
    told: list[str] = []
    for name in sorted({row["set"] for row in rows}):
        here = [row for row in rows if row["set"] == name]
        counts = sorted({row["labels"] for row in here})
        told += [f"### {name}", "", "| recipe | " + " | ".join(f"{c} a class" for c in counts) + " |"]
        told += ["|---|" + "---|" * len(counts)]
        for recipe in dict.fromkeys(
            row["recipe"] for row in sorted(here, key=lambda row: order(row["recipe"]))
        ):
            cell = []
            for count in counts:
                values = [r["accuracy"] for r in here if (r["recipe"], r["labels"]) == (recipe, count)]
                spread = f" ± {np.std(values):.3f}" if len(values) > 1 else ""
                cell.append(f"{np.mean(values):.3f}{spread}" if values else "–")
            told.append(f"| {recipe} | " + " | ".join(cell) + " |")
        told.append("")
    return "\n".join(told)


def write_page(rows: list[Row], minutes: float) -> None:
    """Puts the table between the marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    seeds = 1 + max(row["seed"] for row in rows)
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    note = (
        f"{minutes:g} processor minutes a run on one thread, {seeds} draw(s) of labels, "
        f"{datetime.date.today().isoformat()}, {commit}. A dash: not run yet."
    )
    PAGE.write_text(f"{before}{BEGIN}\n{note}\n\n{table(rows)}\n{END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="digits, 150 steps a run, under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--minutes", type=float, default=2.0, help="processor time of a run (default 2)")
    parser.add_argument("--seeds", type=int, default=1, help="draws of labels (default 1)")
    parser.add_argument("--labels", default="1,4,10", help="labels a class (default 1,4,10)")
    parser.add_argument("--sets", default="", help="of sign-digits, ag-news (default all here)")
    parser.add_argument("--recipes", default="", help="parts of recipes' names, with commas between")
    parser.add_argument("--write", action="store_true", help="renew the table of docs/transfer.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    here: list[str] = [name for name in ("sign-digits", "ag-news") if name in sets.names()]
    here = ["digits"] if options.quick else options.sets.split(",") if options.sets else here
    counts = [4] if options.quick else [int(count) for count in options.labels.split(",")]
    rows = [] if options.quick else [row for row in kept() if row["minutes"] == options.minutes]
    done = {(row["set"], row["recipe"], row["labels"], row["seed"]) for row in rows}
    held: dict[tuple[str, str], int] = {}
    for seed in range(options.seeds):
        for name in here:
            found = load(name)
            for recipe, way, method in cells(found, options.recipes.split(",")):
                for count in counts:
                    if (name, recipe, count, seed) in done:
                        continue
                    label_N = draw(found.key_N, count, seed)
                    began, steps = time.process_time(), 0
                    if way is None:
                        said_N = instant(found, label_N).argmax(1)
                    else:
                        if (name, recipe) not in held:
                            held[name, recipe] = (
                                QUICK_STEPS
                                if options.quick
                                else steps_for(found, way, method, label_N, options.minutes)
                            )
                        steps = held[name, recipe]
                        began = time.process_time()
                        out = run(found, way, method, label_N, seed=seed, steps=steps)
                        said_N = out.proba["label"].argmax(1)
                    right = float((said_N == found.key_N)[label_N < 0].mean())
                    row = {"set": name, "recipe": recipe, "labels": count, "seed": seed}
                    row |= {"accuracy": round(right, 4), "steps": steps, "minutes": options.minutes}
                    row |= {"seconds": round(time.process_time() - began, 1)}
                    rows.append(row)
                    print(f"{name:<12}{recipe:<44}{count:>4}{right:>8.3f}{steps:>7}", flush=True)
                    if not options.quick:
                        RUNS.parent.mkdir(parents=True, exist_ok=True)
                        with RUNS.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(row) + "\n")
    print("\n" + table(rows))
    if options.write and not options.quick:
        write_page(rows, options.minutes)
    if options.json:
        told = {"minutes": options.minutes, "seeds": options.seeds, "quick": options.quick, "rows": rows}
        print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
