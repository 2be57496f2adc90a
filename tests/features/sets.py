"""Small sets made on the spot or shipped by a package."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def digit_files(folder, count):
    """The first digits as PNG files of 8×8 grey pixels; returns paths and labels."""
    digits = load_digits()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for row in range(count):
        path = folder / f"{row:05d}.png"
        Image.fromarray((digits.images[row] * 15.9).astype(np.uint8)).save(path)
        paths.append(path)
    return paths, digits.target[:count]


def colour_files(folder, count, size):
    """Smooth random colour pictures."""
    rng, paths = np.random.default_rng(0), []
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(count):
        coarse = rng.integers(0, 256, size=(4, 4, 3), dtype=np.uint8)
        path = folder / f"{row}.png"
        Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths


def encode(encoder, items, *, start=0, plan=None):
    """All features from ``start`` on, and the ticks."""
    ticks = []
    plan = encoder.plan(items) if plan is None else plan
    blocks = list(encoder.blocks(items, plan=plan, start=start, tick=ticks.append))
    return np.concatenate(blocks), ticks
