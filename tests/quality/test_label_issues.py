import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from sslcore.errors import DataError
from sslcore.quality.label_issues import NOBODY, label_issues, neighbour_vote, wrong_probability
from tests.queries.test_contract import blobs


@pytest.fixture(scope="module")
def noisy():
    """digits with a tenth of the labels changed: probabilities, labels, neighbours, what is wrong."""
    feature_ND, true_N = load_digits(return_X_y=True)
    unit_ND = feature_ND - feature_ND.mean(axis=0)
    unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    label_N = true_N.copy()
    wrong = rng.choice(len(label_N), len(label_N) // 10, replace=False)
    label_N[wrong] = (label_N[wrong] + rng.integers(1, 10, len(wrong))) % 10
    proba_NC = cross_val_predict(
        LogisticRegression(C=10, max_iter=300), unit_ND, label_N, cv=5, method="predict_proba"
    )
    similarity_NN = unit_ND @ unit_ND.T - 9 * np.eye(len(label_N))
    neighbour_NK = np.argsort(-similarity_NN, axis=1)[:, :30]
    similarity_NK = np.take_along_axis(similarity_NN, neighbour_NK, axis=1)
    return proba_NC, label_N, (neighbour_NK, similarity_NK), label_N != true_N


def figures(found, wrong_N):
    score_N = np.empty(len(wrong_N))
    score_N[found.row_ranked] = found.score
    hits = wrong_N[found.flagged_rows].sum()
    return hits / len(found.flagged_rows), hits / wrong_N.sum(), average_precision_score(wrong_N, score_N)


def test_finds_most_wrong_labels_and_neighbours_help(noisy):
    proba_NC, label_N, (neighbour_NK, similarity_NK), wrong_N = noisy
    plain = figures(label_issues(proba_NC, label_N), wrong_N)
    vote_NC = neighbour_vote(neighbour_NK, similarity_NK, label_N)
    both = figures(label_issues(proba_NC, label_N, vote_LC=vote_NC), wrong_N)
    assert plain[2] > 0.9
    assert both[0] > 0.9  # precision
    assert both[1] > 0.9  # recall
    assert both[2] > max(0.95, plain[2])


def test_share_of_wrong_labels_is_estimated(noisy):
    proba_NC, label_N, (neighbour_NK, similarity_NK), wrong_N = noisy
    vote_NC = neighbour_vote(neighbour_NK, similarity_NK, label_N)
    found = label_issues(proba_NC, label_N, vote_LC=vote_NC)
    assert abs(found.noise_rate - wrong_N.mean()) < 0.02


def test_probability_of_being_wrong_one_label_at_a_time():
    given_L = np.random.default_rng(0).beta(5, 1, 300) * np.where(np.arange(300) % 8 == 0, 1e-3, 1)
    wrong_L, noise_rate = wrong_probability(given_L, classes=6)
    spread = noise_rate / 5
    for q, wrong in zip(given_L, wrong_L):
        right = min(max((q - spread) / (1 - noise_rate - spread), 0.01 * q), 1)
        a, b = spread * (1 - right), (1 - noise_rate) * right
        assert np.isclose(wrong, a / (a + b), atol=1e-4)
    assert np.isclose(noise_rate, wrong_L.mean(), atol=1e-4)
    assert 0.1 < noise_rate < 0.2


def test_what_was_learnt_from_wrong_labels_does_not_excuse_them():
    """A model calibrated on labels of which a tenth is wrong gives each wrong one its share of the tenth."""
    label_L = np.r_[np.zeros(900, int), np.ones(50, int), np.full(50, 2)]
    proba_LC = np.tile([0.9, 0.05, 0.05], (1000, 1))
    found = label_issues(proba_LC, label_L, vote_LC=np.full((1000, 3), 1 / 3))
    assert sorted(found.flagged_rows) == list(range(900, 1000))
    assert abs(found.noise_rate - 0.1) < 0.01


def test_clean_labels_are_left_alone():
    answer_N = np.arange(200) % 4
    proba_NC = np.full((200, 4), 0.02) + 0.92 * np.eye(4)[answer_N]
    found = label_issues(proba_NC, answer_N, vote_LC=np.eye(4)[answer_N])
    assert not found.flagged.any()
    assert found.noise_rate < 0.01


def test_suggests_the_true_class(noisy):
    proba_NC, label_N, _, _ = noisy
    found = label_issues(proba_NC, label_N)
    true_N = load_digits().target
    worst = found.row_ranked[:100]
    assert (found.suggested[:100] == true_N[worst]).mean() > 0.9
    assert (np.diff(found.score) <= 0).all()


def test_ranking_is_by_self_confidence():
    proba_LC = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    label_L = np.random.default_rng(1).integers(3, size=60)
    found = label_issues(proba_LC, label_L)
    np.testing.assert_array_equal(found.row_ranked, np.argsort(proba_LC[np.arange(60), label_L]))


def test_classes_without_labels_one_class_and_nothing():
    proba_LC = np.random.default_rng(0).dirichlet(np.ones(5), 40)
    found = label_issues(proba_LC, np.where(np.arange(40) % 2, 1, 3))
    assert len(found.row_ranked) == 40
    assert not label_issues(proba_LC, np.full(40, 2)).flagged.any()
    assert len(label_issues(proba_LC[:0], np.empty(0, int)).row_ranked) == 0


def test_unlabelled_items_are_refused():
    with pytest.raises(DataError, match="Leave unlabelled items out"):
        label_issues(np.full((2, 2), 0.5), np.array([0, -1]))


def test_vote_one_item_at_a_time():
    pool = blobs(labelled=60, warm=True)
    found = neighbour_vote(pool.knn.neighbour_NK, pool.knn.similarity_NK, pool.label_N)
    for i in range(len(found)):
        vote = np.full(3, NOBODY / 3)
        for j, s in zip(pool.knn.neighbour_NK[i], pool.knn.similarity_NK[i]):
            if pool.label_N[j] >= 0 and s > 0:
                vote[pool.label_N[j]] += s
        np.testing.assert_allclose(found[i], vote / vote.sum())


def test_two_neighbours_are_no_proof_and_fifteen_are():
    """One item of class 0 whose labelled neighbours all say 1, beside a machine that leans to 1."""
    proba_LC = np.r_[np.tile([0.8, 0.2], (30, 1)), np.tile([0.2, 0.8], (30, 1)), [[0.1, 0.9]]]
    label_L = np.r_[np.zeros(30, int), np.ones(30, int), 0]
    sure_LC = np.eye(2)[label_L]
    for voices, wrong in ((2, False), (15, True)):
        neighbour_1K, similarity_1K = np.arange(30, 30 + voices)[None], np.full((1, voices), 0.9)
        sure_LC[-1] = neighbour_vote(neighbour_1K, similarity_1K, label_L, classes=2)[0]
        assert (60 in label_issues(proba_LC, label_L, vote_LC=sure_LC).flagged_rows) == wrong
