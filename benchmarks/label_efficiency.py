"""Accuracy on what was not labelled, by labels a class, beside a linear head and scikit-learn.

``python benchmarks/label_efficiency.py [--quick] [--json] [--sets bbc-news,…] [--labels 4,25]``. The same
features, the same random labels (the same number of each class) for all; nothing is tuned to a set.
Rivals: scikit-learn's ``LogisticRegression`` (C = 10) and ``LabelSpreading`` (15 neighbours, α = .9) on
centred features of length 1. Pixels are raw; texts are all-MiniLM-L6-v2, computed once and kept in the
user's cache folder. ``--quick``: two seeds, and TF-IDF components for texts whose sentence features
are not there yet (the table says which).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout

SETS = ("bbc-news", "mnist-5k", "digits")
TARGETS = {  # shared targets by set and labels a class, in percent
    "bbc-news": {1: 93, 4: 95, 10: 96, 25: 97},
    "mnist-5k": {1: 80, 4: 90, 10: 93, 25: 95},
    "digits": {1: 92, 2: 95, 4: 97, 10: 98.5},
}


def features(name: str, quick: bool) -> tuple[Any, Any, str]:
    """Features, true classes, and what the features are."""
    from sslcore.catalogue import load

    found = load(name, items=None if name != "fashion-mnist" else 10_000)
    if found.image_NHW is not None:
        return found.image_NHW.reshape(len(found), -1) / np.float32(255.0), found.answer_N, "pixels"
    return (*text_features(name, found.texts, found.answer_N, quick),)


def text_features(name: str, texts: Any, answer_N: Any, quick: bool) -> tuple[Any, Any, str]:
    from sslcore.features import Items, find_encoder

    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "labelloom" / "benchmarks"
    kept = folder / f"{name}-minilm.npy"
    if kept.is_file():
        return np.load(kept, allow_pickle=False), answer_N, "minilm"
    encoder_name = "tfidf" if quick else "minilm"
    encoder, items = find_encoder(encoder_name), Items.of_texts(list(texts))
    blocks = encoder.blocks(items, plan=encoder.plan(items), start=0, tick=lambda done: None)
    feature_ND = np.concatenate(list(blocks))
    if encoder_name == "minilm":
        folder.mkdir(parents=True, exist_ok=True)
        np.save(kept, feature_ND.astype(np.float16))
    return feature_ND, answer_N, encoder_name


def draw(answer_N: Any, a_class: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    label_N = np.full(len(answer_N), -1)
    for label in np.unique(answer_N):
        label_N[rng.permutation(np.flatnonzero(answer_N == label))[:a_class]] = label
    return label_N


def rivals(unit_ND: Any, label_N: Any) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.semi_supervised import LabelSpreading

    known = label_N >= 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head = LogisticRegression(C=10, max_iter=300).fit(unit_ND[known], label_N[known])
        spreading = LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.9, max_iter=100).fit(
            unit_ND, label_N
        )
    return {"linear head": head.predict(unit_ND), "LabelSpreading": spreading.transduction_}


def compare(name: str, budgets: list[int], seeds: int, quick: bool) -> list[dict[str, Any]]:
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View
    from sslcore.quality.calibration import expected_calibration_error

    feature_ND, answer_N, encoder = features(name, quick)
    centred_ND = np.asarray(feature_ND, np.float32) - np.mean(feature_ND, axis=0, dtype=np.float64)
    unit_ND = centred_ND / np.maximum(np.linalg.norm(centred_ND, axis=1, keepdims=True), 1e-12)
    view, classes = View.of(encoder, feature_ND), int(answer_N.max()) + 1
    rows = []
    for a_class in budgets:
        figures: dict[str, list[float]] = {}
        for seed in range(seeds):
            label_N = draw(answer_N, a_class, seed)
            free_N = label_N < 0
            result = InstantLoop([view], classes=classes, seed=seed).fit(label_N)
            said = {"ours": result.prediction_N} | rivals(unit_ND.astype(np.float32), label_N)
            for who, prediction_N in said.items():
                figures.setdefault(who, []).append(float((prediction_N == answer_N)[free_N].mean()))
            figures.setdefault("ece", []).append(
                expected_calibration_error(result.proba_NC[free_N], answer_N[free_N])
            )
        row = {"set": name, "features": encoder, "labels a class": a_class, "labels": a_class * classes}
        rows.append(row | {who: round(100 * float(np.mean(values)), 1) for who, values in figures.items()})
        rows[-1]["least of ours"] = round(100 * min(figures["ours"]), 1)
        rows[-1]["target"] = TARGETS.get(name, {}).get(a_class)
        show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    print(
        f"{row['set']:14}{row['features']:9}{row['labels a class']:>6}{row['ours']:>8}"
        f"{row['least of ours']:>8}{row['linear head']:>8}{row['LabelSpreading']:>8}{row['ece']:>7}"
        f"{row['target'] if row['target'] is not None else '':>8}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds, two budgets")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--sets", default=",".join(SETS), help="names from the catalogue")
    parser.add_argument("--labels", default="", help="labels a class, e.g. 1,4,25")
    parser.add_argument("--seeds", type=int, default=0)
    chosen = parser.parse_args()
    started = time.perf_counter()
    print(
        f"{'set':14}{'features':9}{'labels':>6}{'ours':>8}{'least':>8}{'head':>8}{'spread':>8}{'ECE':>7}{'target':>8}"
    )
    rows = []
    for name in chosen.sets.split(","):
        budgets = [int(part) for part in chosen.labels.split(",") if part]
        if not budgets:
            budgets = [1, 4] if chosen.quick else sorted(TARGETS.get(name, {1: 0, 4: 0, 10: 0, 25: 0}))
        rows += compare(name, budgets, chosen.seeds or (2 if chosen.quick else 5), chosen.quick)
    worst = min(row["ours"] - row["linear head"] for row in rows)
    print(f"Least lead over the linear head: {worst:+.1f} points.")
    if chosen.json:
        print(
            json.dumps(
                {
                    "rows": rows,
                    "least_lead_over_head": round(worst, 1),
                    "seconds": time.perf_counter() - started,
                }
            )
        )


if __name__ == "__main__":
    main()
