"""Milliseconds from a label to every probability renewed, beside scikit-learn's on the same data.

``python benchmarks/instant.py [--quick] [--json] [--sizes 5000,20000]``. Data: 384 numbers in float16,
10 classes of 6 clusters each; 100 labels are there, then single ones arrive. "first" is the cold fit,
"label" the median of the warm ones (wall clock, and processor time, which a busy machine does not
change), each with margin and confidence of all items read. Rival: scikit-learn's ``LabelSpreading``
(kNN 15), which fits from nothing each time and includes its neighbour search; so its time is also
given less one neighbour search by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout

CLASSES = 10
nan = float("nan")
TARGET_MS = {5_000: 40, 20_000: 150, 100_000: 800, 1_000_000: 8000}
MUST_MS = {5_000: 150, 20_000: 400}


def clusters(items: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(CLASSES * 6, 384)).astype(np.float32) * 0.3
    which = rng.integers(0, CLASSES * 6, items)
    feature_ND = np.empty((items, 384), np.float16)
    for start in range(0, items, 50_000):  # a million in float32 would be what is measured
        part = which[start : start + 50_000]
        feature_ND[start : start + 50_000] = centre[part] + rng.normal(size=(len(part), 384)) * 0.4
    return feature_ND, which % CLASSES


def ours(feature_ND: Any, answer_N: Any, labels: int) -> dict[str, float]:
    from sslcore.instant.loop import InstantLoop
    from sslcore.instant.view import View

    started = time.perf_counter()
    view = View.of("features", feature_ND)
    built = time.perf_counter() - started
    order = np.random.default_rng(1).permutation(len(answer_N))
    label_N = np.full(len(answer_N), -1)
    label_N[order[:100]] = answer_N[order[:100]]
    loop = InstantLoop([view], classes=CLASSES)
    started = time.perf_counter()
    loop.fit(label_N)
    first = time.perf_counter() - started
    wall, processor = [], []
    for row in order[100 : 100 + labels]:
        label_N[row] = answer_N[row]
        started, spent = time.perf_counter(), time.process_time()
        result = loop.fit(label_N)
        assert result.margin_N.shape == result.confidence_N.shape  # both computed
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - spent)
    free_N = label_N < 0
    return {
        "graph_s": built,
        "first_ms": 1e3 * first,
        "label_ms": 1e3 * float(np.median(wall)),
        "label_p95_ms": 1e3 * float(np.quantile(wall, 0.95)),
        "label_cpu_ms": 1e3 * float(np.median(processor)),
        "accuracy": float((result.prediction_N == answer_N)[free_N].mean()),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def rival(feature_ND: Any, answer_N: Any) -> dict[str, float]:
    from sklearn.neighbors import NearestNeighbors
    from sklearn.semi_supervised import LabelSpreading

    feature_ND = feature_ND.astype(np.float32)
    label_N = np.full(len(answer_N), -1)
    order = np.random.default_rng(1).permutation(len(answer_N))[:100]
    label_N[order] = answer_N[order]
    started = time.perf_counter()
    NearestNeighbors(n_neighbors=15).fit(feature_ND).kneighbors_graph(feature_ND)
    search = time.perf_counter() - started
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        model = LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.9, max_iter=100).fit(feature_ND, label_N)
        total = time.perf_counter() - started
    free_N = label_N < 0
    return {
        "sklearn_ms": 1e3 * total,
        "sklearn_less_search_ms": 1e3 * max(total - search, 0.0),
        "sklearn_accuracy": float((model.transduction_ == answer_N)[free_N].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5,000 items")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--sizes", default="", help="items, e.g. 5000,20000,100000,1000000")
    chosen = parser.parse_args()
    sizes = [int(part) for part in chosen.sizes.split(",") if part]
    sizes = sizes or ([5_000] if chosen.quick else [5_000, 20_000])
    print(
        f"{'items':>9}{'graph s':>9}{'first ms':>10}{'label ms':>10}{'p95':>8}{'cpu ms':>8}{'target':>8}"
        f"{'sklearn ms':>12}{'(no search)':>12}{'peak MB':>9}"
    )
    rows = []
    for items in sizes:
        feature_ND, answer_N = clusters(items)
        row: dict[str, Any] = {
            "items": items,
            "target_ms": TARGET_MS.get(items),
            "must_ms": MUST_MS.get(items),
        }
        row |= ours(feature_ND, answer_N, labels=20 if items <= 20_000 else 6)
        if items <= 20_000:  # beyond it the rival takes minutes
            row |= rival(feature_ND, answer_N)
        rows.append(row)
        print(
            f"{items:>9}{row['graph_s']:>9.1f}{row['first_ms']:>10.0f}{row['label_ms']:>10.1f}"
            f"{row['label_p95_ms']:>8.0f}{row['label_cpu_ms']:>8.1f}{row['target_ms'] or '':>8}"
            f"{row.get('sklearn_ms', nan):>12.0f}{row.get('sklearn_less_search_ms', nan):>12.0f}"
            f"{row['peak_mb']:>9.0f}",
            flush=True,
        )
    if chosen.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
