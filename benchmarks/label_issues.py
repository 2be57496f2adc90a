"""Labels that look wrong: how many of those called so are, how many of the wrong ones are called so.

``python benchmarks/label_issues.py [--quick] [--json] [--draws N] [--sets a,b] [--labels 3,10,25,all]``. Sets
with known answers (``LABELLOOM_DATA`` adds those kept there), some labels a class, drawn at random, and a
tenth of them changed to another class; then the same without a change, where every label that is called wrong
is called so in vain. The rule of the Quality page beside confident learning (cleanlab), on the same left-out
probabilities:

- ``precision``: share of the doubted labels that are wrong;
- ``recall``: share of the wrong ones that are doubted;
- ``ranking``: average precision of the order in which they are shown;
- ``in vain``: share of the labels that are doubted where none is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout

from benchmarks import sets
from sslcore.instant.loop import InstantLoop
from sslcore.instant.view import View
from sslcore.quality.label_issues import Issues, label_issues, neighbour_vote

SETS = ("digits", "mnist-5k", "fashion-mnist", "sign-digits", "bbc-news", "ag-news")
CHANGED = 0.1
MOST = 3000
"""Items of a set that are taken."""
TOLD = ("precision", "recall", "ranking", "in vain")
KEYS = ("doubted", "hits", "wrong", "judged", "ranking")


def drawn(answer_N: Any, labels: int | None, *, changed: float, seed: int) -> Any:
    """Some labels a class (None: every item's), a share of them changed."""
    rng, classes = np.random.default_rng(seed), int(answer_N.max()) + 1
    label_N = np.full(len(answer_N), -1)
    for label in range(classes):
        row_M = np.flatnonzero(answer_N == label)
        label_N[rng.permutation(row_M)[:labels]] = label
    row_L = np.flatnonzero(label_N >= 0)
    for row in rng.permutation(row_L)[: round(changed * len(row_L))]:
        label_N[row] = (label_N[row] + rng.integers(1, classes)) % classes
    return label_N


def told(found: Issues, wrong_J: Any) -> dict[str, float]:
    """Counts, and the average precision of the ranking."""
    from sklearn.metrics import average_precision_score

    row_M = found.row_ranked[found.flagged]
    place_J = np.argsort(found.row_ranked)
    ranking = average_precision_score(wrong_J, -place_J) if wrong_J.any() else np.nan
    return dict(zip(KEYS, (len(row_M), int(wrong_J[row_M].sum()), int(wrong_J.sum()), len(wrong_J), ranking)))


def measure(views: list[View], answer_N: Any, label_N: Any) -> Iterator[tuple[str, dict[str, float]]]:
    """The figures of one draw, by rule."""
    found = InstantLoop(views, classes=int(answer_N.max()) + 1).fit(label_N)
    row_J, said_JC = found.labelled_row_L[found.evidence_L], found.out_of_fold_proba_LC[found.evidence_L]
    near, label_J = views[0].knn, label_N[row_J]
    assert near is not None
    vote_JC = neighbour_vote(
        np.asarray(near.neighbour_NK[row_J]),
        np.asarray(near.similarity_NK[row_J]),
        label_N,
        classes=said_JC.shape[1],
    )
    for rule, vote in (("here", vote_JC), ("cleanlab", None)):
        yield rule, told(label_issues(said_JC, label_J, vote_LC=vote), label_J != answer_N[row_J])


def figures(each: list[dict[str, float]], clean: list[dict[str, float]]) -> dict[str, float]:
    """The draws of one cell together."""
    total = {key: sum(held[key] for held in each) for key in KEYS[:-1]}
    return {
        "precision": total["hits"] / max(total["doubted"], 1),
        "recall": total["hits"] / max(total["wrong"], 1),
        "ranking": float(np.nanmean([held["ranking"] for held in each])),
        "in vain": sum(held["doubted"] for held in clean) / sum(held["judged"] for held in clean),
    }


def spoken(row: Mapping[str, Any]) -> str:
    """The figures of a line."""
    return "  ".join(f"{key} {row[key]:.3f}" for key in TOLD)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="digits, one draw of ten labels a class")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--draws", type=int, default=3, help="draws of labels (default 3)")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--labels", default="3,10,25,all", help="labels a class")
    options = parser.parse_args()
    draws, names, counts = options.draws, options.sets.split(","), options.labels.split(",")
    if options.quick:
        draws, names, counts = 1, ["digits"], ["10"]
    rows: list[dict[str, Any]] = []
    for name in names:
        held = sets.load(name)
        row_N = np.random.default_rng(0).permutation(len(held.answer_N))[:MOST]
        answer_N = held.answer_N[row_N].astype(np.int64)
        views = [
            View.of(encoder, np.asarray(feature_ND, np.float32)[row_N])
            for encoder, feature_ND in held.features.items()
        ]
        for count in counts:
            labels = None if count == "all" else int(count)
            each: dict[str, list[dict[str, float]]] = {"here": [], "cleanlab": []}
            clean: dict[str, list[dict[str, float]]] = {"here": [], "cleanlab": []}
            for seed in range(draws):
                for into, changed in ((each, CHANGED), (clean, 0.0)):
                    label_N = drawn(answer_N, labels, changed=changed, seed=seed)
                    for rule, counted in measure(views, answer_N, label_N):
                        into[rule].append(counted)
            for rule in each:
                row = {"set": name, "labels": count, "rule": rule} | figures(each[rule], clean[rule])
                rows.append(row)
                print(f"{name:<15}{count:>4}  {rule:<9}{spoken(row)}", flush=True)
    for count in counts:
        for rule in ("here", "cleanlab"):
            here = [row for row in rows if (row["labels"], row["rule"]) == (count, rule)]
            mean = {key: float(np.mean([row[key] for row in here])) for key in TOLD}
            print(f"{'all':<15}{count:>4}  {rule:<9}{spoken(mean)}")
    if options.json:
        print(json.dumps({"draws": draws, "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
