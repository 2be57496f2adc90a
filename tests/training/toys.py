"""Small sets made on the spot, and a reporter that remembers."""

import numpy as np
from sklearn.datasets import load_digits, make_blobs

from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.recipe import Recipe


class Remember:
    """A reporter that keeps all it is told, and cancels when asked to."""

    def __init__(self, cancel_after=None):
        self.rows, self.notes, self.cancel_after, self.asked = [], [], cancel_after, 0

    def metric(self, step, name, value, *, task=None):
        self.rows.append((step, name, value, task))

    def progress(self, done, total, *, note=""):
        self.notes.append((done, total, note))

    def should_cancel(self):
        self.asked += 1
        return self.cancel_after is not None and self.asked > self.cancel_after

    def names(self):
        return {name for _, name, _, _ in self.rows}


def some_labels(key_N, per_class, audit, seed=0, name="label"):
    """A task with a few labels of each class and an audit split, the rest unlabelled."""
    key_N = np.asarray(key_N, dtype=np.int64)
    rng = np.random.default_rng(seed)
    label_N = np.full(len(key_N), -1)
    for label in range(int(key_N.max()) + 1):
        label_N[rng.choice(np.flatnonzero(key_N == label), per_class, replace=False)] = label
    audit_A = rng.permutation(np.flatnonzero(label_N < 0))[:audit]
    return TaskLabels(name, "single", int(key_N.max()) + 1, label_N, audit_A, key_N[audit_A])


def blobs(count=300, per_class=2, audit=40, seed=0):
    """Three overlapping clouds in eight dimensions, as frozen features of texts."""
    feature_ND, key_N = make_blobs(count, 8, centers=3, cluster_std=3.0, random_state=seed)
    task = some_labels(key_N, per_class, audit, seed)
    return TrainingData("text", [task], feature_ND=feature_ND.astype(np.float32), key_N={"label": key_N})


def digits(per_class=4, audit=60, seed=0, count=300):
    """Some of the digits that scikit-learn ships: grey images of 8 pixels."""
    image_NHW, key_N = (values[:count] for values in load_digits(return_X_y=True))
    image_NXHW = (image_NHW.reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8)
    task = some_labels(key_N, per_class, audit, seed)
    return TrainingData("image", [task], image_NXHW=image_NXHW, key_N={"label": key_N})


def recipe(method="fixmatch", *, seed=0, method_config=None, **train_config):
    settings = {"batch": 8, "unlabelled_ratio": 4, "device": "cpu"} | train_config
    return Recipe.parse(
        {"method": method, "method_config": method_config or {}, "train_config": settings, "seed": seed}
    )
