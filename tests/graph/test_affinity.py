"""Each weighting against its formula, one pair at a time."""

from __future__ import annotations

import numpy as np
import pytest

from sslcore.graph.affinity import affinity, normalised, self_tuned, shared
from sslcore.graph.knn import knn_graph


@pytest.fixture(scope="module")
def graph():
    return knn_graph(np.random.default_rng(0).normal(size=(40, 6)), k=5)


def test_cosine_power_by_hand(graph):
    want = np.zeros((40, 40))
    for i in range(40):
        for j, cosine in zip(graph.neighbour_NK[i], graph.similarity_NK[i]):
            want[i, j] += max(cosine, 0) ** 3
    np.testing.assert_allclose(affinity(graph).toarray(), want + want.T, rtol=1e-5)


def test_self_tuned_by_hand(graph):
    want = np.zeros((40, 40))
    scale = np.sqrt(2 - 2 * graph.similarity_NK[:, -1])
    for i in range(40):
        for j, cosine in zip(graph.neighbour_NK[i], graph.similarity_NK[i]):
            want[i, j] += np.exp(-4 * (2 - 2 * cosine) / (scale[i] * scale[j]))
    np.testing.assert_allclose(self_tuned(graph).toarray(), want + want.T, rtol=1e-3)


def test_shared_by_hand(graph, monkeypatch):
    monkeypatch.setattr("sslcore.graph.affinity._BLOCK", 7)  # several slices, the last one short
    weight = self_tuned(graph)
    lists = [{i, *graph.neighbour_NK[i].tolist()} for i in range(40)]
    got, plain = shared(graph, weight).toarray(), weight.toarray()
    for i in range(40):
        for j in range(40):
            overlap = len(lists[i] & lists[j]) / len(lists[i] | lists[j])
            assert got[i, j] == pytest.approx(plain[i, j] * overlap, rel=1e-5)


def test_normalised_has_the_root_of_degrees_as_eigenvector(graph):
    weight = affinity(graph)
    root = np.sqrt(np.asarray(weight.sum(axis=1)).ravel())
    np.testing.assert_allclose(normalised(weight) @ root, root, rtol=1e-4)
    assert np.abs(np.linalg.eigvalsh(normalised(weight).toarray())).max() <= 1 + 1e-5


@pytest.mark.parametrize("weigh", [affinity, self_tuned])
def test_symmetric_without_loops_and_finite_on_duplicates(weigh):
    graph = knn_graph(np.repeat(np.eye(2), 8, axis=0), k=3)
    weight = weigh(graph).toarray()
    np.testing.assert_array_equal(weight, weight.T)
    assert not weight.diagonal().any()
    assert np.isfinite(weight).all()
    assert weight.any(axis=1).all()


@pytest.mark.parametrize("items", [0, 1])
def test_no_neighbours_is_an_empty_graph(items):
    graph = knn_graph(np.ones((items, 3)))
    weight = self_tuned(graph)
    assert normalised(shared(graph, weight)).shape == (items, items)
    assert weight.nnz == 0
