"""Two tasks learned together: every sharing with every balancing, beside each task alone and equal weights.

``python benchmarks/multitask.py [--quick] [--json] [--sets a,b] [--sharings a,b] [--balancings a,b] [--edges]
[--seeds S] [--parts deep,instant] [--write]``.

*clinc* (where ``LABELLOOM_DATA`` has it): 10 domains, 30 % of the items labelled, and 150 intents, 5 %, on
frozen MiniLM features. *fashion-mnist*: 10 classes, 1 % of the images labelled, and what kind of thing they
are (5 kinds), 10 %, images of 28 pixels. *digits* (what ``--quick`` runs): 10 digits, 2 % labelled, and
whether they are small, middle or large, 20 %. The supervised method, the same steps for all, as many labelled
items of a task in a step together as alone; the figure is accuracy on the items without a label of that task.
``delta_m``: the mean over the tasks of the change against each task alone, in per cent of it, with a 90 %
interval over the seeds (Student's t, seeds paired). ``over equal``: the same against equal weights in the
same sharing. Last, the instant loop on frozen features, alone and with label-correlation fusion.

``--edges`` leaves out what is neither hard sharing nor equal weights. Finished runs are kept in
``docs/multitask/runs.jsonl`` and not run again (``--quick`` keeps nothing); ``--write`` renews the tables of
``docs/multitask.md`` from all that is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout

from benchmarks import sets
from benchmarks.fair import Silent
from benchmarks.kept import ROOT, Kept, Row, facts, put, told_once

RUNS = Kept(ROOT / "docs" / "multitask" / "runs.jsonl", ("set", "sharing", "balancing", "seed", "steps"))
PAGE = ROOT / "docs" / "multitask.md"
BEGIN, END = "<!-- table: python benchmarks/multitask.py --write -->", "<!-- end of table -->"
KINDS = np.array([0, 1, 0, 0, 0, 2, 0, 2, 3, 2])  # of Fashion-MNIST: tops, trousers, shoes, bags
DRESS = 3  # a dress is a kind of its own
SIZES = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])  # of digits
BATCH = 16  # labelled items of a task in a step
ALONE, INSTANT = "alone", "instant"


@dataclass(frozen=True)
class Pair:
    """Two tasks on one set.

    Args:
        answers: True classes by task, the poor task first.
        shares: Share of the items that is labelled, by task.
        feature_ND: Frozen features, for those that learn from them.
        image_NXHW: Images, where networks learn from these instead.
        steps: Steps of a run.
    """

    answers: dict[str, Any]
    shares: dict[str, float]
    feature_ND: Any
    image_NXHW: Any
    steps: int


@cache
def load(name: str) -> Pair:
    """A pair of tasks by name."""
    if name == "clinc":
        domain, intent = sets.load("clinc-domain"), sets.load("clinc-intent")
        answers = {"intent": intent.answer_N, "domain": domain.answer_N}
        return Pair(answers, {"intent": 0.05, "domain": 0.3}, intent.features["minilm"], None, 600)
    from sslcore.catalogue import load as load_catalogue

    found = load_catalogue(name, items=10_000)
    feature_ND = next(iter(sets.load(name).features.values()))
    if name == "digits":
        answers = {"digit": found.answer_N, "size": SIZES[found.answer_N]}
        return Pair(answers, {"digit": 0.02, "size": 0.2}, feature_ND, None, 600)
    kind_N = np.where(found.answer_N == DRESS, 4, KINDS[found.answer_N])
    image_NXHW = np.ascontiguousarray(found.image_NHW[:, None])
    answers = {"class": found.answer_N, "kind": kind_N}
    return Pair(answers, {"class": 0.01, "kind": 0.1}, feature_ND, image_NXHW, 600)


def names() -> list[str]:
    return [name for name in ("digits", "fashion-mnist") if name in sets.names()] + [
        "clinc" for name in sets.names() if name == "clinc-intent"
    ]


def draw(pair: Pair, seed: int) -> dict[str, Any]:
    """Random labels of each task, each on items of its own."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for task, answer_N in pair.answers.items():
        row_L = rng.permutation(len(answer_N))[: round(pair.shares[task] * len(answer_N))]
        drawn[task] = np.full(len(answer_N), -1, dtype=np.int64)
        drawn[task][row_L] = answer_N[row_L]
    return drawn


def deep(pair: Pair, tasks: Sequence[str], sharing: str, balancing: str, seed: int) -> dict[str, float]:
    """Accuracy of each task after one run."""
    from sslcore.training.data import TaskLabels, TrainingData
    from sslcore.training.recipe import Recipe
    from sslcore.training.run import train

    labels = draw(pair, seed)
    held = [TaskLabels(task, "single", int(pair.answers[task].max()) + 1, labels[task]) for task in tasks]
    raw: dict[str, Any] = (
        {"feature_ND": pair.feature_ND} if pair.image_NXHW is None else {"image_NXHW": pair.image_NXHW}
    )
    modality = "text" if pair.image_NXHW is None else "image"
    schedule = {
        "steps": pair.steps,
        "batch": BATCH * len(tasks),
        "evaluate_every_s": 3600.0,
        "checkpoint_every_s": 36_000.0,
        "device": "cpu",
    }
    recipe = Recipe.parse(
        {
            "method": "supervised",
            "sharing": sharing,
            "balancing": balancing,
            "train_config": schedule,
            "seed": seed,
            "encoder": "none" if pair.image_NXHW is not None else "frozen",
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        out = train(recipe, TrainingData(modality, held, **raw), Silent(), folder=Path(folder))
    return {task: accuracy(out.proba[task], pair.answers[task], labels[task]) for task in tasks}


def instant(pair: Pair, how: str, seed: int) -> dict[str, float]:
    """Accuracy of each task by the instant loop, each alone or corrected by the other."""
    from sslcore.instant.fusion import OtherTask, fuse
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View

    labels, view = draw(pair, seed), View.of("frozen", pair.feature_ND)
    alone = {
        task: InstantLoop([view], classes=int(answer_N.max()) + 1, seed=seed).fit(labels[task])
        for task, answer_N in pair.answers.items()
    }
    said = dict(alone)
    if how == "fusion":
        for task, result in alone.items():
            said[task] = fuse(result, [OtherTask.of(name, alone[name]) for name in alone if name != task])
    return {
        task: accuracy(result.proba_NC, pair.answers[task], labels[task]) for task, result in said.items()
    }


def accuracy(proba_NC: Any, answer_N: Any, label_N: Any) -> float:
    free_N = label_N < 0
    return float((proba_NC.argmax(1) == answer_N)[free_N].mean())


# -- runs --------------------------------------------------------------------------------------------------


def run(name: str, sharing: str, balancing: str, seed: int) -> dict[str, float]:
    """Accuracy by task."""
    pair = load(name)
    if sharing == INSTANT:
        return instant(pair, balancing, seed)
    if sharing != ALONE:
        return deep(pair, list(pair.answers), sharing, balancing, seed)
    found: dict[str, float] = {}
    for task in pair.answers:
        found |= deep(pair, [task], "hard", "fixed", seed)
    return found


def cells(sharings: Sequence[str], balancings: Sequence[str], *, edges: bool) -> list[tuple[str, str]]:
    """Sharings with balancings, both edges of the table first: a long run may be cut off.

    >>> cells(["hard", "soft"], ["fixed", "famo"], edges=False)
    [('hard', 'fixed'), ('soft', 'fixed'), ('hard', 'famo'), ('soft', 'famo')]
    """
    found = [(sharing, rule) for sharing in sharings for rule in balancings if rule == "fixed"]
    found += [("hard", rule) for rule in balancings if "hard" in sharings and rule != "fixed"]
    every = [] if edges else [(sharing, rule) for sharing in sharings for rule in balancings]
    return found + [pair for pair in every if pair not in found]


# -- figures -----------------------------------------------------------------------------------------------


def delta_m(rows: Sequence[Row], bars: Sequence[Row]) -> dict[str, float | None] | None:
    """Mean change over tasks in per cent of the bar, with the ends of a 90 % interval over the seeds of both.

    None where no seed has both; the ends are None where one has.
    """
    from scipy.stats import t

    by_seed = {bar["seed"]: bar["accuracy"] for bar in bars}
    change_S = np.array(
        [
            100 * np.mean([value / by_seed[row["seed"]][task] - 1 for task, value in row["accuracy"].items()])
            for row in rows
            if row["seed"] in by_seed
        ]
    )
    if not len(change_S):
        return None
    mean = round(float(change_S.mean()), 2)
    if len(change_S) < 2:
        return {"mean": mean, "low": None, "high": None}
    half = float(t.ppf(0.95, len(change_S) - 1) * change_S.std(ddof=1) / np.sqrt(len(change_S)))
    return {"mean": mean, "low": round(mean - half, 2), "high": round(mean + half, 2)}


def figures(held: Sequence[Row]) -> list[Row]:
    """A row of the table for each sharing and balancing that ran, in the order of their registries."""
    from sslcore.multitask import BALANCINGS, SHARINGS

    groups: dict[tuple[str, int, str, str], list[Row]] = {}
    for row in held:
        groups.setdefault((row["set"], row["steps"], row["sharing"], row["balancing"]), []).append(row)
    order = [ALONE, *SHARINGS.names(), INSTANT]
    rules = [ALONE, "fixed", *(rule for rule in BALANCINGS.names() if rule != "fixed"), "fusion"]
    told = []
    for case in sorted(groups, key=lambda at: (at[0], at[1], order.index(at[2]), rules.index(at[3]))):
        name, steps, sharing, balancing = case
        rows = groups[case]
        own = INSTANT if sharing == INSTANT else ALONE
        row: Row = {"set": name, "steps": steps, "sharing": sharing, "balancing": balancing}
        row |= {"seeds": len(rows), "accuracy": {}}
        for task in rows[0]["accuracy"]:
            row["accuracy"][task] = round(100 * float(np.mean([r["accuracy"][task] for r in rows])), 2)
        if balancing != ALONE:
            row["delta_m"] = delta_m(rows, groups.get((name, steps, own, ALONE), []))
        if own == ALONE and balancing not in (ALONE, "fixed"):
            row["over_equal"] = delta_m(rows, groups.get((name, steps, sharing, "fixed"), []))
        row["processor_seconds"] = round(float(np.mean([r["processor_seconds"] for r in rows])), 1)
        told.append(row)
    return told


def interval(change: dict[str, float | None] | None) -> str:
    """A change in words.

    >>> (
    ...     interval({"mean": 1.5, "low": -0.25, "high": 3.25}),
    ...     interval({"mean": 1.5, "low": None, "high": None}),
    ... )
    ('+1.5 (-0.2 to +3.2)', '+1.5')
    """
    if change is None:
        return ""
    ends = "" if change["low"] is None else f" ({change['low']:+.1f} to {change['high']:+.1f})"
    return f"{change['mean']:+.1f}{ends}"


def table(held: Sequence[Row]) -> str:
    """What ran, one row a sharing and balancing, and below it where the rest of the table is empty."""
    lines: list[str] = []
    told = figures(held)
    for name, steps in dict.fromkeys((row["set"], row["steps"]) for row in told):
        here = [row for row in told if (row["set"], row["steps"]) == (name, steps)]
        kept = [row for row in held if (row["set"], row["steps"]) == (name, steps)]
        tasks = list(here[0]["accuracy"])
        lines += [f"### {name}", ""]
        lines += [
            f"{steps} steps a run; {told_once(kept, 'machine')}; {told_once(kept, 'date')}, "
            f"{told_once(kept, 'commit')}.",
            "",
        ]
        heads = ["sharing", "balancing", *(f"{task} %" for task in tasks)]
        heads += ["Δm, % (90 %)", "over equal, % (90 %)", "draws", "processor s"]
        lines += ["| " + " | ".join(heads) + " |", "|---|---|" + "---|" * (len(heads) - 2)]
        for row in here:
            cell = [row["sharing"], row["balancing"], *(f"{row['accuracy'][task]:.1f}" for task in tasks)]
            cell += [interval(row.get("delta_m")), interval(row.get("over_equal"))]
            cell += [str(row["seeds"]), f"{row['processor_seconds']:.1f}"]
            lines.append("| " + " | ".join(cell) + " |")
        lines += ["", *_grid(here), ""]
    return "\n".join(lines).rstrip("\n")


def _grid(here: Sequence[Row]) -> list[str]:
    """Δm with sharings down and balancings across; a dash where nothing ran."""
    from sslcore.multitask import BALANCINGS, SHARINGS

    rules = ["fixed", *(rule for rule in BALANCINGS.names() if rule != "fixed")]
    by_cell = {(row["sharing"], row["balancing"]): row.get("delta_m") for row in here}
    lines = ["| Δm, % | " + " | ".join(rules) + " |", "|---|" + "---|" * len(rules)]
    for sharing in SHARINGS.names():
        changes = [by_cell.get((sharing, rule)) for rule in rules]
        lines.append(
            f"| {sharing} | " + " | ".join(f"{c['mean']:+.1f}" if c else "–" for c in changes) + " |"
        )
    return lines


def main() -> int:
    from sslcore.multitask import BALANCINGS, SHARINGS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="digits, two sharings, four balancings, one seed"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--sets", default="", help="of digits, clinc, fashion-mnist (default: all there are)")
    parser.add_argument("--sharings", default="", help="names, with commas between (default: all)")
    parser.add_argument("--balancings", default="", help="names, with commas between (default: all)")
    parser.add_argument("--edges", action="store_true", help="hard sharing and equal weights alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", default="deep,instant")
    parser.add_argument("--write", action="store_true", help="renew the tables of docs/multitask.md")
    options = parser.parse_args()
    wanted = [name for name in options.sets.split(",") if name] or names()
    sharings = [name for name in options.sharings.split(",") if name] or SHARINGS.names()
    balancings = [name for name in options.balancings.split(",") if name] or BALANCINGS.names()
    seeds = options.seeds
    if options.quick:
        wanted, sharings, seeds = ["digits"], ["hard", "soft"], 1
        balancings = ["fixed", "uncertainty", "pcgrad", "famo"]
    started = time.perf_counter()
    kept = Kept(None, RUNS.key) if options.quick else RUNS
    rows, done = kept.rows(), kept.done()
    todo: list[tuple[str, str]] = []
    if "deep" in options.parts:
        todo += [(ALONE, ALONE), *cells(sharings, balancings, edges=options.edges)]
    if "instant" in options.parts:
        todo += [(INSTANT, ALONE), (INSTANT, "fusion")]
    for name in wanted:
        for seed in range(seeds):
            for sharing, balancing in todo:
                row: Row = {"set": name, "sharing": sharing, "balancing": balancing, "seed": seed}
                row |= {"steps": load(name).steps}
                if kept.of(row) in done:
                    continue
                began = time.process_time()
                row["accuracy"] = run(name, sharing, balancing, seed)
                row |= {"processor_seconds": round(time.process_time() - began, 1)} | facts()
                rows.append(kept.add(row))
                said = " ".join(f"{task} {100 * value:.2f}" for task, value in row["accuracy"].items())
                print(f"{name:<14}{sharing:<14}{balancing:<15}{seed:>2}  {said}", flush=True)
    print("\n" + table(rows))
    if options.write and not options.quick:
        put(PAGE, table(rows), begin=BEGIN, end=END)
    if options.json:
        print(json.dumps({"rows": figures(rows), "seeds": seeds, "seconds": time.perf_counter() - started}))
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
