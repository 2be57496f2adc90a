"""Harmonic functions against the dense block solve of Zhu et al. 2003."""

from __future__ import annotations

import numpy as np

from sslcore.instant.harmonic import Harmonic, HarmonicConfig, harmonic
from sslcore.instant.model import Known
from tests.instant.blobs import blob_view, some_labels


def dense(view, row_L, label_L, classes):
    W = view.weight.toarray().astype(float)
    L = np.diag(W.sum(axis=1)) - W
    u = np.setdiff1d(np.arange(len(W)), row_L)
    one_hot = np.eye(classes)[label_L]
    out = np.zeros((len(W), classes))
    out[row_L] = one_hot
    out[u] = np.linalg.solve(L[np.ix_(u, u)], -L[np.ix_(u, row_L)] @ one_hot)
    return out


def test_equals_the_dense_solve_and_sums_to_one():
    view, truth_N = blob_view(items=60, spread=3.0)
    label_N = some_labels(truth_N, 4)
    row_L = np.flatnonzero(label_N >= 0)
    got = harmonic(view, row_L, label_N[row_L], classes=3, steps=500)
    np.testing.assert_allclose(got, dense(view, row_L, label_N[row_L], 3), atol=2e-3)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=3e-3)


def test_labels_are_fixed_and_others_are_means_of_their_neighbours():
    view, truth_N = blob_view(items=60, spread=3.0)
    row_L = np.arange(6)
    got = harmonic(view, row_L, truth_N[:6], classes=3, steps=500)
    np.testing.assert_array_equal(got[:6], np.eye(3)[truth_N[:6]])
    W = view.weight.toarray()
    mean = W @ got / W.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(got[6:], mean[6:], atol=3e-3)


def test_mass_zero_is_the_paper_without_normalisation():
    view, truth_N = blob_view(items=90, spread=3.0)
    label_N = some_labels(truth_N, 4)
    row_L = np.flatnonzero(label_N >= 0)
    guess = Harmonic(HarmonicConfig(mass=0.0)).fit([view], Known(row_L, label_N[row_L], 3))
    plain = harmonic(view, row_L, label_N[row_L], classes=3)
    assert (guess.log_NC.argmax(1) == plain.argmax(1)).all()
