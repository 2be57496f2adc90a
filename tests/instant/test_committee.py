"""The committee at its ends is one of its members."""

from __future__ import annotations

import numpy as np
import pytest

from sslcore.instant.committee import Committee, CommitteeConfig
from sslcore.instant.label_spreading import LabelSpreading
from sslcore.instant.linear import LinearHead
from sslcore.instant.model import Known
from tests.instant.blobs import blob_view, some_labels


@pytest.fixture(scope="module")
def case():
    view, truth_N = blob_view(spread=3.0)
    label_N = some_labels(truth_N, 5)
    row_L = np.flatnonzero(label_N >= 0)
    return view, Known(row_L, label_N[row_L], 3)


@pytest.mark.parametrize(("weight", "member"), [(1.0, LinearHead), (0.0, LabelSpreading)])
def test_weight_one_is_the_head_and_zero_the_graph(case, weight, member):
    view, known = case
    both = Committee(CommitteeConfig(head_weight=weight)).fit([view], known)
    alone = member().fit([view], known)
    np.testing.assert_allclose(both.log_NC, alone.log_NC, atol=1e-4)
    np.testing.assert_allclose(both.left_out_LC, alone.left_out_LC, atol=1e-4)


def test_by_rule_the_head_weighs_n_over_n_plus_20(case):
    view, known = case
    assert dict(Committee().fit([view], known).weights)["linear"] == pytest.approx(15 / 35)
