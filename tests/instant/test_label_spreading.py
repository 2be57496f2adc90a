"""Label spreading against the dense formula of Zhou et al. 2004."""

from __future__ import annotations

import numpy as np
import pytest

from sslcore.graph.density import BACKGROUND
from sslcore.instant.label_spreading import LabelSpreading, SpreadingConfig
from sslcore.instant.model import Known
from tests.instant.blobs import blob_view, some_labels


@pytest.mark.parametrize("graph", ["broad", "sharp"])
@pytest.mark.parametrize("alpha", [0.5, 0.9])
def test_equals_the_dense_formula(graph, alpha):
    view, truth_N = blob_view(items=60, spread=2.0)
    label_N = some_labels(truth_N, 3)
    row_L = np.flatnonzero(label_N >= 0)
    raw = LabelSpreading(SpreadingConfig(alpha=alpha, graph=graph)).raw(view, Known(row_L, label_N[row_L], 3))
    S = getattr(view, graph).toarray().astype(float)
    one_hot = np.zeros((60, 3))
    one_hot[row_L, label_N[row_L]] = 1
    Z = np.linalg.solve(np.eye(60) - alpha * S, one_hot)
    want = np.log(Z / Z.sum(axis=0) + BACKGROUND / 60)
    np.testing.assert_allclose(raw.log_NC, want, atol=0.1)


def test_hubs_do_not_win_by_mass():
    """Twice the labels of one class on the same spot changes no density: mass is divided out."""
    view, truth_N = blob_view(items=60, spread=2.0)
    row_L = np.array([0, 1, 2])
    few = LabelSpreading().raw(view, Known(row_L, truth_N[row_L], 3))
    np.testing.assert_allclose(np.exp(few.log_NC).sum(axis=0), 1 + BACKGROUND, rtol=1e-3)


def test_calibration_is_one_power_of_the_densities():
    view, truth_N = blob_view(spread=2.5)
    label_N = some_labels(truth_N, 6)
    row_L = np.flatnonzero(label_N >= 0)
    known = Known(row_L, label_N[row_L], 3)
    model = LabelSpreading()
    guess = model.fit([view], known)
    power = dict(guess.weights)["label_spreading"]
    logits = power * model.raw(view, known).log_NC
    want = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
    want -= logits.max(1, keepdims=True)
    np.testing.assert_allclose(guess.log_NC, want, atol=1e-3)
