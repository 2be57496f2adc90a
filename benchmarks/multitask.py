"""Two tasks learned together: every sharing with every balancing, beside each task alone and equal weights.

``python benchmarks/multitask.py [--quick] [--json] [--sets a,b] [--sharings a,b] [--balancings a,b]``.

*clinc* (where ``LABELLOOM_DATA`` has it): 10 domains, 30 % of the items labelled, and 150 intents, 5 %, on
frozen MiniLM features. *fashion-mnist*: 10 classes, 1 % of the images labelled, and what kind of thing they
are (5 kinds), 10 %, images of 28 pixels. *digits* (what ``--quick`` runs): 10 digits, 2 % labelled, and
whether they are small, middle or large, 20 %. The supervised method, the same steps for all, as many labelled
items of a task in a step together as alone; the figure is accuracy on the items without a label of that task.
``delta_m``: the mean over the tasks of the change against each task alone, in per cent of it, with a 90 %
interval over the seeds (Student's t, seeds paired). ``over equal``: the same against equal weights in the
same sharing. Last, the instant loop on frozen features, alone and with label-correlation fusion. Every
finished run goes to ``multitask.jsonl`` in the user's cache folder at once, and is not done again.
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

KEPT = sets.CACHE / "multitask.jsonl"
KINDS = np.array([0, 1, 0, 0, 0, 2, 0, 2, 3, 2])  # of Fashion-MNIST: tops, trousers, shoes, bags
DRESS = 3  # a dress is a kind of its own
SIZES = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])  # of digits
BATCH = 16  # labelled items of a task in a step
ALONE = "alone"


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


class Silent:
    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None: ...

    def progress(self, done: float, total: float, *, note: str = "") -> None: ...

    def image(self, step: int, name: str, image_HWX: Any) -> None: ...

    def should_cancel(self) -> bool:
        return False


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


# -- runs that are kept ------------------------------------------------------------------------------------


def run(name: str, sharing: str, balancing: str, seed: int) -> dict[str, Any]:
    """A row, from the cache where it was done before."""
    key = {"set": name, "sharing": sharing, "balancing": balancing, "seed": seed, "steps": load(name).steps}
    for row in kept():
        if all(row.get(part) == value for part, value in key.items()):
            return row
    pair, started = load(name), time.process_time()
    if sharing == "instant":
        found = instant(pair, balancing, seed)
    elif sharing == ALONE:
        found = {}
        for task in pair.answers:
            found |= deep(pair, [task], "hard", "fixed", seed)
    else:
        found = deep(pair, list(pair.answers), sharing, balancing, seed)
    row = key | {"accuracy": found, "processor_seconds": round(time.process_time() - started, 1)}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row | {"time": time.strftime("%Y-%m-%d %H:%M")}) + "\n")
    return row


def kept() -> list[dict[str, Any]]:
    if not KEPT.is_file():
        return []
    return [json.loads(line) for line in KEPT.read_text("utf-8").splitlines()]


# -- figures -----------------------------------------------------------------------------------------------


def delta_m(rows: Sequence[dict[str, Any]], bars: Sequence[dict[str, Any]]) -> tuple[float, float, float]:
    """Mean change over tasks in per cent of the bar, with the ends of a 90 % interval over the seeds."""
    from scipy.stats import t

    by_seed = {bar["seed"]: bar["accuracy"] for bar in bars}
    change_S = np.array(
        [
            100 * np.mean([value / by_seed[row["seed"]][task] - 1 for task, value in row["accuracy"].items()])
            for row in rows
        ]
    )
    mean = float(change_S.mean())
    if len(change_S) < 2:
        return mean, float("nan"), float("nan")
    half = float(t.ppf(0.95, len(change_S) - 1) * change_S.std(ddof=1) / np.sqrt(len(change_S)))
    return mean, mean - half, mean + half


def figures(name: str, sharing: str, balancing: str, seeds: int) -> dict[str, Any]:
    """One row of the table."""
    rows = [run(name, sharing, balancing, seed) for seed in range(seeds)]
    own = ALONE if sharing != "instant" else "instant"
    alone = [run(name, own, ALONE, seed) for seed in range(seeds)]
    told: dict[str, Any] = {"set": name, "sharing": sharing, "balancing": balancing, "seeds": seeds}
    for task in rows[0]["accuracy"]:
        told[task] = round(100 * float(np.mean([row["accuracy"][task] for row in rows])), 2)
    told["delta_m"], told["low"], told["high"] = (round(part, 2) for part in delta_m(rows, alone))
    if sharing not in (ALONE, "instant"):
        equal = [run(name, sharing, "fixed", seed) for seed in range(seeds)]
        told["over_equal"], told["over_low"], told["over_high"] = (
            round(part, 2) for part in delta_m(rows, equal)
        )
    told["processor_seconds"] = round(float(np.mean([row["processor_seconds"] for row in rows])), 1)
    return told


def show(told: dict[str, Any]) -> None:
    tasks = " ".join(f"{key} {value:6.2f}" for key, value in told.items() if key in load(told["set"]).answers)
    over = ""
    if "over_equal" in told:
        over = (
            f"  over equal {told['over_equal']:+6.2f} ({told['over_low']:+.2f} to {told['over_high']:+.2f})"
        )
    print(
        f"{told['set']:<14}{told['sharing']:<14}{told['balancing']:<15}{tasks}"
        f"  delta_m {told['delta_m']:+6.2f} ({told['low']:+.2f} to {told['high']:+.2f}){over}"
        f"  {told['processor_seconds']:.1f} s",
        flush=True,
    )


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
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", default="deep,instant")
    options = parser.parse_args()
    wanted = [name for name in options.sets.split(",") if name] or names()
    sharings = [name for name in options.sharings.split(",") if name] or SHARINGS.names()
    balancings = [name for name in options.balancings.split(",") if name] or BALANCINGS.names()
    seeds = options.seeds
    if options.quick:
        wanted, sharings, seeds = ["digits"], ["hard", "soft"], 1
        balancings = ["fixed", "uncertainty", "pcgrad", "famo"]
    started, rows = time.perf_counter(), []
    for name in wanted:
        if "deep" in options.parts:
            # both edges of the table first: a long run may be cut off
            pairs = [(sharing, "fixed") for sharing in sharings]
            pairs += [("hard", rule) for rule in balancings if "hard" in sharings and rule != "fixed"]
            every = [(sharing, rule) for sharing in sharings for rule in balancings]
            pairs += [pair for pair in every if pair not in pairs]
            for sharing, balancing in [(ALONE, ALONE), *pairs]:
                rows.append(figures(name, sharing, balancing, seeds))
                show(rows[-1])
        if "instant" in options.parts:
            for how in (ALONE, "fusion"):
                rows.append(figures(name, "instant", how, seeds))
                show(rows[-1])
    if options.json:
        print(json.dumps({"rows": rows, "seeds": seeds, "seconds": time.perf_counter() - started}))
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
