import dataclasses

import numpy as np

from sslcore.queries.uherding import kernel_width
from sslcore.queries.uncertainty import margin_score
from tests.queries.pools import blobs
from tests.queries.test_contract import ask
from tests.queries.test_coreset import unit


def test_formula_one_pick_at_a_time():
    pool = blobs(n=60, labelled=4, warm=True)
    unit_ND = unit(pool)
    sigma = min(np.linalg.norm(unit_ND[a] - unit_ND[b]) for a in range(4) for b in range(a))
    weight_U = margin_score(pool.proba_NC[pool.candidate_U])

    def worth(chosen):
        gap = ((unit_ND[pool.candidate_U][:, None] - unit_ND[chosen][None]) ** 2).sum(axis=2)
        return (weight_U * np.exp(-gap / min(sigma, 1.0) ** 2).max(axis=1)).mean()

    done = pool.labelled_L.tolist()
    found = ask("uherding", pool, 6)
    for row, score in zip(found.row_Q, found.score_Q):
        gain = {c: worth([*done, c]) - worth(done) for c in pool.candidate_U}
        assert np.isclose(gain[row], max(gain.values()), atol=1e-5)
        assert np.isclose(score, gain[row], atol=1e-4)
        done.append(row)


def test_without_a_model_it_is_max_herding():
    pool = blobs()
    np.testing.assert_array_equal(ask("uherding", pool, 8).row_Q, ask("max_herding", pool, 8).row_Q)


def test_a_narrow_kernel_is_margin():
    # two labelled copies all but on top of each other narrow the kernel to its limit
    pool = blobs(n=80, labelled=4, warm=True, dims=30)
    feature_ND = pool.feature_ND.copy()
    feature_ND[1] = feature_ND[0] * 1.01
    pool = dataclasses.replace(pool, feature_ND=feature_ND)
    np.testing.assert_array_equal(ask("uherding", pool, 8).row_Q, ask("margin", pool, 8).row_Q)


def test_width_has_limits():
    assert kernel_width(np.empty((0, 3))) == 1.0
    assert kernel_width(np.array([[1.0, 0.0], [-1.0, 0.0]])) == 1.0
    assert kernel_width(np.array([[1.0, 0.0], [0.9999, 0.01]])) == 0.05
