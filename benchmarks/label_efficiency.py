"""Accuracy on what nobody labelled, by labels given: ours beside the usual ways, in one run.

``python benchmarks/label_efficiency.py [--quick] [--json] [--sets …] [--parts …] [--docs FOLDER]``.

Three parts. *random*: the same number of random labels of each class (on long-tailed draws: random items)
for our ``auto`` on the set's first view and on both, logistic regression (C = 10), scikit-learn's
``LabelSpreading`` (15 neighbours, α = .9) and ``SelfTrainingClassifier`` around that regression, all on
the same centred features of length 1. *picked*: the same on long-tailed draws with as many labels of each
class, as an import brings them. *chosen*: labels that a query chose, in batches of ten from none,
for the queries ``auto``, ``margin`` and ``random``, refitted by our ``auto``; the head's own accuracy on
the same labels beside it. One default everywhere, nothing is tuned to a set. Every finished row goes to
``label_efficiency.jsonl`` in the user's cache folder at once; ``--docs`` writes table and plots of it.
Sets: see ``benchmarks/sets.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout

from benchmarks import sets

KEPT = sets.CACHE / "label_efficiency.jsonl"
A_CLASS = (1, 4, 10, 25)
CHOSEN = (10, 20, 40, 100)
LONG_TAILED = ("mnist-5k", "ag-news", "clinc-domain")
TARGETS = {  # percent, by set: random labels a class, and chosen labels
    "ag-news": {1: 74, 4: 84, 10: 86, 25: 87.5, "10": 83, "40": 87},
    "bbc-news": {1: 93, 4: 95, 10: 96, 25: 97, "10": 95.5, "40": 96.5},
    "mnist-5k": {1: 80, 4: 90, 10: 93, 25: 95, "10": 80, "40": 93},
    "fashion-mnist": {1: 68, 4: 75, 10: 79, 25: 82, "10": 69, "40": 79},
    "digits": {1: 92, 4: 97, 10: 98.5, "10": 90, "40": 98},
}
RIVALS = ("linear head", "LabelSpreading", "SelfTraining")


def draw(answer_N: Any, a_class: int, seed: int, *, stratified: bool) -> Any:
    """Labels: as many of each class, or as many in all at random."""
    rng = np.random.default_rng(seed)
    label_N = np.full(len(answer_N), -1)
    if stratified:
        for label in np.unique(answer_N):
            row_L = rng.permutation(np.flatnonzero(answer_N == label))[:a_class]
            label_N[row_L] = label
    else:
        row_L = rng.permutation(len(answer_N))[: a_class * (int(answer_N.max()) + 1)]
        label_N[row_L] = answer_N[row_L]
    return label_N


def rivals(unit_ND: Any, label_N: Any) -> dict[str, Any]:
    """What the usual ways say of every item."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

    known = label_N >= 0
    if len(np.unique(label_N[known])) < 2:  # a few random items of a long tail: the usual ways need two
        return dict.fromkeys(RIVALS, np.full(len(label_N), label_N[known][0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head = LogisticRegression(C=10, max_iter=300).fit(unit_ND[known], label_N[known])
        spreading = LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.9, max_iter=100)
        teacher = SelfTrainingClassifier(LogisticRegression(C=10, max_iter=300), max_iter=20)
        return {
            "linear head": head.predict(unit_ND),
            "LabelSpreading": spreading.fit(unit_ND, label_N).transduction_,
            "SelfTraining": teacher.fit(unit_ND, label_N).predict(unit_ND),
        }


def of_random_labels(name: str, a_class: int, seeds: int, *, part: str = "random") -> dict[str, Any]:
    """One row: all models on the same draws; of a long tail evenly picked ones for the part "picked"."""
    from sslcore.instant.loop import InstantLoop
    from sslcore.quality.calibration import expected_calibration_error

    data, views = sets.load(name), views_of(name)
    unit_ND = centred(data.features[views[0].name])
    figures: dict[str, list[float]] = {}
    for seed in range(seeds):
        label_N = draw(data.answer_N, a_class, seed, stratified=":" not in name or part == "picked")
        free_N = label_N < 0
        result = InstantLoop(views[:1], classes=data.classes).fit(label_N)
        said = {"ours": result.prediction_N} | rivals(unit_ND, label_N)
        if len(views) > 1:
            said["ours, two views"] = InstantLoop(views, classes=data.classes).fit(label_N).prediction_N
        for who, prediction_N in said.items():
            right_N = prediction_N == data.answer_N
            figures.setdefault(who, []).append(float(right_N[free_N].mean()))
            if ":" in name:
                figures.setdefault(f"{who}, balanced", []).append(
                    float(
                        np.mean(
                            [
                                right_N[free_N & (data.answer_N == c)].mean()
                                for c in np.unique(data.answer_N[free_N])
                            ]
                        )
                    )
                )
        error = expected_calibration_error(result.proba_NC[free_N], data.answer_N[free_N])
        figures.setdefault("ECE", []).append(error)
    lead = min(ours - head for ours, head in zip(figures["ours"], figures["linear head"], strict=True))
    return {
        "part": part,
        "set": name,
        "features": views[0].name,
        "labels": a_class,
        "seeds": seeds,
        "target": TARGETS.get(name, {}).get(a_class),
        "least lead": round(100 * lead, 1),
    } | percent(figures)


def of_chosen_labels(name: str, query: str, seeds: int) -> list[dict[str, Any]]:
    """One row for each number of labels: a query's labels, our model and the head on them."""
    from sslcore.simulate import simulate

    data, views = sets.load(name), views_of(name)
    curves = simulate(views[:1], data.answer_N, strategy=query, budget=CHOSEN, seeds=list(range(seeds)))
    rows = []
    for at, labels in enumerate(CHOSEN):
        figures = {
            "ours": [curve.accuracy_S[at] for curve in curves],
            "linear head": [curve.head_accuracy_S[at] for curve in curves],
        }
        rows.append(
            {
                "part": "chosen",
                "set": name,
                "features": views[0].name,
                "query": query,
                "labels": labels,
                "seeds": seeds,
                "target": TARGETS.get(name, {}).get(str(labels)),
            }
            | percent(figures)
        )
    return rows


_views: dict[str, list[Any]] = {}


def views_of(name: str) -> list[Any]:
    """The set's views with their graphs, kept for the run."""
    from sslcore.instant.view import View

    if name not in _views:
        _views.clear()
        _views[name] = [View.of(encoder, part) for encoder, part in sets.load(name).features.items()]
    return _views[name]


def centred(feature_ND: Any) -> Any:
    """Centred rows of length 1, float32: what the rivals see."""
    centred_ND = np.asarray(feature_ND, np.float32) - np.mean(feature_ND, axis=0, dtype=np.float64)
    length_N = np.maximum(np.linalg.norm(centred_ND, axis=1, keepdims=True), 1e-12)
    return (centred_ND / length_N).astype(np.float32)


def percent(figures: dict[str, list[float]]) -> dict[str, float]:
    return {who: round(100 * float(np.mean(values)), 1) for who, values in figures.items()}


def keep(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Prints rows and puts them by, so that a long run can be cut off anywhere."""
    rows = list(rows)
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row | {"time": time.strftime("%Y-%m-%d %H:%M")}) + "\n")
            print(" ".join(f"{key} {value}" for key, value in row.items() if value is not None), flush=True)
    return rows


def kept() -> list[dict[str, Any]]:
    """The newest row of each kind."""
    newest = {}
    if KEPT.is_file():
        for line in KEPT.read_text("utf-8").splitlines():
            row = json.loads(line)
            newest[(row["part"], row["set"], row.get("query"), row["labels"])] = row
    return list(newest.values())


def write_docs(folder: Path) -> None:
    """``label-efficiency.md`` and a plot a set, from the rows put by."""
    rows = kept()
    order = {name: at for at, name in enumerate([*sets.names(), *long_tailed()])}
    rows = sorted(
        (row for row in rows if row["set"] in order), key=lambda row: (order[row["set"]], row["labels"])
    )
    lines = [
        "# Label efficiency",
        "",
        "Accuracy in per cent on the items that nobody labelled. Written by "
        "`python benchmarks/label_efficiency.py --docs docs`; how each figure comes about stands at the top "
        "of that file. NAME:10 is NAME with class sizes falling to a tenth. Means of "
        f"{min((row['seeds'] for row in rows), default=0)} draws or more, the last on "
        f"{max((row['time'] for row in rows), default='')[:10]}.",
        "",
        "## Random labels",
        "",
        "On long-tailed draws *labels a class* is an average, and accuracy is followed by balanced accuracy. "
        "*Lead* is the smallest of ours over the linear head among the draws.",
        "",
        "| set | features | labels a class | ours | ours, two views | linear head | LabelSpreading "
        "| SelfTraining | lead | ECE | target |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [cells_of(row) for row in rows if row["part"] == "random"]
    lines += ["", *picked_section(rows)]
    lines += [
        "",
        "## Chosen labels",
        "",
        "Each query chooses in batches of ten, from no label on; model `auto` on the first view.",
        "",
        "| set | query | " + " | ".join(f"{n} labels" for n in CHOSEN) + " | head at 100 |",
        "|---|---|" + "---|" * (len(CHOSEN) + 1),
    ]
    chosen = {(row["set"], row["query"], row["labels"]): row for row in rows if row["part"] == "chosen"}
    for name, query in dict.fromkeys((key[0], key[1]) for key in chosen):
        of = [chosen.get((name, query, n), {}) for n in CHOSEN]
        cells = [str(row.get("ours", "")) for row in of] + [str(of[-1].get("linear head", ""))]
        lines.append(f"| {name} | {query} | " + " | ".join(cells) + " |")
    lines += ["", "## Plots", ""]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plots").mkdir(exist_ok=True)
    for name in dict.fromkeys(row["set"] for row in rows):
        file = f"label-efficiency-{name.replace(':', '-')}.svg"
        plot([row for row in rows if row["set"] == name], folder / "plots" / file)
        lines.append(f"![{name}](plots/{file})")
    (folder / "label-efficiency.md").write_text("\n".join(lines) + "\n", "utf-8")


def picked_section(rows: list[dict[str, Any]]) -> list[str]:
    """The table of even labels on long tails."""
    return [
        "## As many labels of each class, from a long tail",
        "",
        "Even counts say nothing of a pool's classes when they were picked; accuracy, in brackets balanced "
        "accuracy.",
        "",
        "| set | features | labels a class | ours | ours, two views | linear head | LabelSpreading "
        "| SelfTraining | lead | ECE | target |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *[cells_of(row) for row in rows if row["part"] == "picked"],
    ]


def cells_of(row: dict[str, Any]) -> str:
    """A line of a table."""
    cells = [row["set"], row["features"], row["labels"]]
    for who in ("ours", "ours, two views", *RIVALS):
        balanced = row.get(f"{who}, balanced")
        cells.append("" if who not in row else f"{row[who]}" + (f" ({balanced})" if balanced else ""))
    cells += [row["least lead"], row["ECE"], row["target"] or ""]
    return "| " + " | ".join(map(str, cells)) + " |"


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Accuracy against labels of one set: random on the left, chosen on the right."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "labelloom"  # the same picture is the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
    random = [row for row in rows if row["part"] == "random"]
    for who in ("ours", "ours, two views", *RIVALS):
        points = [(row["labels"], row[who]) for row in random if who in row]
        if points:
            axes[0].plot(*zip(*points, strict=True), marker="o", label=who)
    for query in ("auto", "margin", "random"):
        points = [(row["labels"], row["ours"]) for row in rows if row.get("query") == query]
        if points:
            axes[1].plot(*zip(*points, strict=True), marker="o", label=f"query {query}")
    for axis, words in zip(axes, ("random labels a class", "chosen labels"), strict=True):
        axis.set_xscale("log")
        axis.set_xlabel(words)
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(fontsize=7)
    axes[0].set_ylabel("accuracy, %")
    figure.suptitle(rows[0]["set"])
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def long_tailed() -> list[str]:
    here = sets.names()
    return [f"{name}:{ratio}" for name in LONG_TAILED if name in here for ratio in (10, 100)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two small sets, two seeds, two budgets")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--sets", default="", help="names, also NAME:10; empty: all that are here")
    parser.add_argument("--labels", default="", help="labels a class, e.g. 1,4,25")
    parser.add_argument("--parts", default="random,picked,chosen")
    parser.add_argument("--queries", default="auto,margin,random")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--docs", type=Path, help="write table and plots of all rows put by, and end")
    chosen = parser.parse_args()
    if chosen.docs:
        write_docs(chosen.docs)
        return
    started, rows = time.perf_counter(), []
    wanted = [name for name in chosen.sets.split(",") if name]
    wanted = wanted or (["digits", "bbc-news"] if chosen.quick else [*sets.names(), *long_tailed()])
    budgets = [int(part) for part in chosen.labels.split(",") if part] or (
        [1, 4] if chosen.quick else A_CLASS
    )
    seeds = chosen.seeds or (2 if chosen.quick else 5)
    for name in wanted:
        if "random" in chosen.parts:
            for a_class in budgets:
                if name != "clinc-intent" or a_class <= 10:  # its classes have 20 to 50 items here
                    rows += keep([of_random_labels(name, a_class, seeds)])
        if "picked" in chosen.parts and ":" in name:
            for a_class in (each for each in budgets if each > 1):
                rows += keep([of_random_labels(name, a_class, seeds, part="picked")])
        if "chosen" in chosen.parts and ":" not in name and not chosen.quick:
            for query in chosen.queries.split(","):
                rows += keep(of_chosen_labels(name, query, seeds))
    leads = [row["least lead"] for row in rows if row["part"] == "random"]
    if leads:
        print(f"Least lead over the linear head in any draw: {min(leads):+.1f} points.")
    if chosen.json:
        worst = min(leads, default=None)
        print(
            json.dumps(
                {"rows": rows, "least_lead_over_head": worst, "seconds": time.perf_counter() - started}
            )
        )


if __name__ == "__main__":
    main()
