"""Pools made on the spot for the tests of query strategies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.queries import Pool
from sslcore.shapes import FloatArray, IntArray


@dataclass(frozen=True)
class Graph:
    neighbour_NK: IntArray
    similarity_NK: FloatArray


def blobs(
    *, n: int = 120, classes: int = 3, labelled: int = 0, warm: bool = False, seed: int = 0, dims: int = 8
) -> Pool:
    """Gaussian classes; the first rows labelled; probabilities, a committee and a graph when warm."""
    rng = np.random.default_rng(seed)
    class_N = np.arange(n) % classes
    centre_CD = rng.normal(size=(classes, dims)) * 3
    feature_ND = centre_CD[class_N] + rng.normal(size=(n, dims))
    label_N = np.full(n, -1)
    label_N[:labelled] = class_N[:labelled]
    candidate_U = np.arange(labelled, n)[: n - labelled - 5]  # the last five are skipped
    if not warm:
        return Pool(feature_ND, label_N, candidate_U)
    logits_NC = rng.normal(size=(n, classes)) + 2 * np.eye(classes)[class_N]
    committee = tuple(softmax(logits_NC + rng.normal(size=logits_NC.shape)) for _ in range(3))
    unit_ND = feature_ND - feature_ND.mean(axis=0)
    unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
    similarity_NN = unit_ND @ unit_ND.T - 9 * np.eye(n)
    neighbour_NK = np.argsort(-similarity_NN, axis=1)[:, :10]
    graph = Graph(neighbour_NK, np.take_along_axis(similarity_NN, neighbour_NK, axis=1))
    return Pool(feature_ND, label_N, candidate_U, softmax(logits_NC), graph, committee)


def softmax(logits_NC: FloatArray) -> FloatArray:
    proba_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
    return proba_NC / proba_NC.sum(axis=1, keepdims=True)
