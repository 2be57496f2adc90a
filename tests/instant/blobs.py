"""Data on the spot for the instant models."""

from __future__ import annotations

import numpy as np

from sslcore.instant.view import View


def blobs(items=240, classes=3, spread=1.0, seed=0, dims=12):
    """Gaussian blobs, items dealt to classes in turn: features, truth."""
    rng = np.random.default_rng(seed)
    centre_CD = rng.normal(0, 2.0, (classes, dims))
    truth_N = np.arange(items) % classes
    return centre_CD[truth_N] + rng.normal(0, spread, (items, dims)), truth_N


def blob_view(**kwargs):
    """The same as a view with its graph: view, truth."""
    feature_ND, truth_N = blobs(**kwargs)
    return View.of("blobs", feature_ND, k=10), truth_N


def some_labels(truth_N, a_class, seed=0):
    """Labels of a few random items of each class, -1 elsewhere."""
    rng = np.random.default_rng(seed)
    label_N = np.full(len(truth_N), -1)
    for label in np.unique(truth_N):
        label_N[rng.permutation(np.flatnonzero(truth_N == label))[:a_class]] = label
    return label_N
