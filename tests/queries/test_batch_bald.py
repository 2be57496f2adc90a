import itertools

import numpy as np
from scipy.stats import entropy

from sslcore.queries import batch_bald as module
from sslcore.queries.batch_bald import greedy_joint
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def joint_information(proba_MUC, batch):
    """By the definition: over every configuration of answers."""
    count, _, classes = proba_MUC.shape
    joint = []
    for answers in itertools.product(range(classes), repeat=len(batch)):
        joint.append(
            np.mean([np.prod([proba_MUC[m, u, c] for u, c in zip(batch, answers)]) for m in range(count)])
        )
    own = sum(np.mean([entropy(proba_MUC[m, u]) for m in range(count)]) for u in batch)
    return entropy(joint) - own


def test_formula_one_pick_at_a_time():
    proba_MUC = np.random.default_rng(0).dirichlet(np.full(3, 0.5), (6, 12))
    at_Q, information_Q = greedy_joint(proba_MUC, 3, rng=np.random.default_rng(0))
    batch = []
    for at, information in zip(at_Q, information_Q):
        best = max(joint_information(proba_MUC, [*batch, u]) for u in range(12) if u not in batch)
        batch.append(int(at))
        assert np.isclose(information, joint_information(proba_MUC, batch))
        assert np.isclose(information, best)


def test_sampled_configurations_estimate_the_exact_ones(monkeypatch):
    proba_MUC = np.random.default_rng(0).dirichlet(np.full(3, 0.5), (6, 12))
    exact_Q = greedy_joint(proba_MUC, 5, rng=np.random.default_rng(0))[1]
    monkeypatch.setattr(module, "CONFIGURATIONS", 60)
    sampled_Q = np.mean(
        [greedy_joint(proba_MUC, 5, rng=np.random.default_rng(s))[1] for s in range(20)], axis=0
    )
    np.testing.assert_allclose(sampled_Q, exact_Q, atol=0.12)


def test_one_item_is_bald():
    pool = blobs(labelled=9, warm=True)
    one, bald = ask("batch_bald", pool, 1), ask("bald", pool, 1)
    np.testing.assert_array_equal(one.row_Q, bald.row_Q)
    np.testing.assert_allclose(one.score_Q, bald.score_Q)


def test_an_answer_known_from_another_adds_nothing():
    # items 0 and 1 are one question asked twice; item 2 is another, a little less telling
    proba_MUC = np.empty((4, 3, 2))
    proba_MUC[:, 0, 0] = proba_MUC[:, 1, 0] = [1.0, 1.0, 0.0, 0.0]
    proba_MUC[:, 2, 0] = [0.9, 0.1, 0.9, 0.1]
    proba_MUC[..., 1] = 1 - proba_MUC[..., 0]
    at_Q, _ = greedy_joint(proba_MUC, 2, rng=np.random.default_rng(0))
    assert set(at_Q.tolist()) in ({0, 2}, {1, 2})
