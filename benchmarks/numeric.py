"""Numbers from few labels: error, intervals that hold what they promise, and what wrong labels do.

``python benchmarks/numeric.py [--quick] [--json] [--draws N]``. Nine sets: of scikit-learn *diabetes*,
*digits* (the digit as a number, and how much ink is above the middle) and *friedman*; and made here: a linear
rule among 60 features, none at all, heavy tails (Student's t, 3 degrees of freedom), noise that grows with a
feature, and skewed values. For each, labels drawn at random; then with a share of them moved by 4 to 8
standard deviations of the set, up or down. Told, on the items without a label:

- ``error``: mean absolute error in standard deviations of the set; ``ridge`` is scikit-learn's RidgeCV on the
  same features and labels;
- ``holds``: share of the items whose interval holds the true number (0.9 is promised), and ``wide``: its mean
  width over that of the narrowest constant interval that would hold so many;
- ``found`` and ``right``: share of the moved labels that are doubted, of the doubted ones that were moved.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout

from sslcore.instant.numeric import NumericLoop
from sslcore.instant.view import View
from sslcore.quality.answer_issues import FAR, usual_errors_off

LABELS = (12, 30, 60, 150)
MOVED = (0.0, 0.05, 1 / 6)


@dataclass(frozen=True)
class Numbers:
    """A set: features and the number of every item."""

    name: str
    point_ND: Any
    value_N: Any


def every() -> Iterator[Numbers]:
    """The sets."""
    from sklearn.datasets import load_diabetes, load_digits, make_friedman1

    rng = np.random.default_rng(0)
    digits, diabetes = load_digits(), load_diabetes()
    ink_N = digits.data[:, :32].sum(1) - digits.data[:, 32:].sum(1) + rng.normal(0, 5, len(digits.data))
    yield Numbers("digits, ink", digits.data, ink_N)
    yield Numbers("digits, digit", digits.data, digits.target.astype(float))
    yield Numbers("diabetes", diabetes.data, diabetes.target)
    yield Numbers("friedman", *make_friedman1(1000, noise=1, random_state=0))
    point_ND, noise_N = rng.normal(size=(1000, 60)), rng.normal(size=1000)
    yield Numbers("nothing to learn", point_ND, noise_N)
    yield Numbers("linear, of 60", point_ND, point_ND[:, :5].sum(1) + noise_N / 2)
    yield Numbers("heavy tails", point_ND[:, :10], point_ND[:, :3].sum(1) + rng.standard_t(3, 1000))
    yield Numbers("uneven noise", point_ND[:, :5], point_ND[:, 0] + noise_N * np.exp(point_ND[:, 1]))
    yield Numbers("skewed", point_ND[:, :8], np.exp(point_ND[:, 0] + noise_N / 2))


def measure(held: Numbers, view: View, *, labels: int, moved: float, seed: int) -> dict[str, float]:
    """The figures of one draw."""
    from sklearn.linear_model import RidgeCV

    rng = np.random.default_rng(seed)
    spread = float(held.value_N.std())
    row_L = np.sort(rng.choice(len(held.value_N), labels, replace=False))
    moved_L = np.isin(np.arange(labels), rng.permutation(labels)[: round(moved * labels)])
    off_L = rng.choice([-1.0, 1.0], labels) * rng.uniform(4, 8, labels) * spread
    given_L = held.value_N[row_L] + np.where(moved_L, off_L, 0.0)
    found = NumericLoop([view]).fit(dict(zip(row_L.tolist(), given_L.tolist())))
    free_N = ~np.isin(np.arange(len(held.value_N)), row_L)
    true_F = held.value_N[free_N]
    off_F = np.abs(found.prediction_N[free_N] - true_F)
    peer = RidgeCV(np.logspace(-3, 3, 13)).fit(view.head_ND[row_L], given_L)
    low_F, high_F = found.low_N[free_N], found.high_N[free_N]
    doubted_L = usual_errors_off(found.out_of_fold_L - found.value_L) > FAR
    return {
        "error": off_F.mean() / spread,
        "ridge": np.abs(peer.predict(view.head_ND[free_N]) - true_F).mean() / spread,
        "holds": ((low_F <= true_F) & (true_F <= high_F)).mean(),
        "wide": (high_F - low_F).mean() / (2 * np.quantile(off_F, found.coverage)),
        "found": doubted_L[moved_L].mean() if moved_L.any() else np.nan,
        "right": moved_L[doubted_L].mean() if moved_L.any() and doubted_L.any() else np.nan,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two draws of 30 labels")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--draws", type=int, default=10, help="draws of labels (default 10)")
    options = parser.parse_args()
    draws, counts = (2, (30,)) if options.quick else (options.draws, LABELS)
    rows: list[dict[str, Any]] = []
    for held in every():
        view = View.of(held.name, np.asarray(held.point_ND, dtype=np.float32))
        for labels in counts:
            for moved in MOVED:
                each = [measure(held, view, labels=labels, moved=moved, seed=seed) for seed in range(draws)]
                means = {key: [told[key] for told in each if np.isfinite(told[key])] for key in each[0]}
                figures = {key: round(float(np.mean(kept)), 3) for key, kept in means.items() if kept}
                rows.append({"set": held.name, "labels": labels, "moved": round(moved, 3)} | figures)
                told = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
                print(f"{held.name:<17}{labels:>4}{moved:>6.0%}  {told}", flush=True)
    for labels in counts:
        for moved in MOVED:
            here = [row for row in rows if (row["labels"], row["moved"]) == (labels, round(moved, 3))]
            told = "  ".join(
                f"{key} {np.mean([row[key] for row in here if key in row]):.3f}"
                for key in ("error", "ridge", "holds", "wide", "found", "right")
                if any(key in row for row in here)
            )
            print(f"{'all':<17}{labels:>4}{moved:>6.0%}  {told}")
    if options.json:
        print(json.dumps({"draws": draws, "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
