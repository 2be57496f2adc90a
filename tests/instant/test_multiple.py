import time

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from sslcore.errors import DataError
from sslcore.graph.regression import Smoother
from sslcore.instant import multiple
from sslcore.instant.multiple import MultipleLoop, best_cut, judged_answers
from sslcore.instant.sigmoid import expit, left_out_logits, sigmoid_regression
from sslcore.instant.tasks import loop_for, uncertainty
from sslcore.instant.view import View

SHAPES = [[0, 2, 3, 5, 6, 8, 9], [1, 4, 7], [0, 4, 6, 8, 9], [2, 3, 5, 8, 9], [5, 6, 7, 8, 9]]


def digits():
    """Curvy, straight, closed, open, five and up."""
    point_ND, digit_N = load_digits(return_X_y=True)
    return point_ND / 16, np.stack([np.isin(digit_N, shape) for shape in SHAPES], axis=1)


def topics(classes=8, items=1500, seed=0):
    count_ND, truth_NC = make_multilabel_classification(
        items, n_features=50, n_classes=classes, n_labels=2, random_state=seed
    )
    return np.sqrt(count_ND), truth_NC.astype(bool)


def answers(truth_NC, rows):
    return {int(row): np.flatnonzero(truth_NC[row]).tolist() for row in rows}


@pytest.mark.parametrize(
    ("name", "labels"), [("digits", 40), ("digits", 200), ("topics", 60), ("topics", 400)]
)
def test_never_under_independent_logistic_regressions(name, labels):
    point_ND, truth_NC = digits() if name == "digits" else topics()
    view = View.of("v", point_ND.astype(np.float32))
    gains = []
    for seed in range(2):
        rows = np.random.default_rng(seed).permutation(len(point_ND))
        known, rest = rows[:labels], rows[labels:]
        result = MultipleLoop([view], classes=truth_NC.shape[1]).fit(answers(truth_NC, known))
        peer_UC = np.zeros((len(rest), truth_NC.shape[1]))
        for c in range(truth_NC.shape[1]):
            if truth_NC[known, c].any() and not truth_NC[known, c].all():
                head = LogisticRegression(C=10, max_iter=500).fit(view.head_ND[known], truth_NC[known, c])
                peer_UC[:, c] = head.predict_proba(view.head_ND[rest])[:, 1]
            else:
                peer_UC[:, c] = truth_NC[known[0], c]
        for average in ("micro", "macro"):
            ours = f1_score(truth_NC[rest], result.prediction_NC[rest], average=average, zero_division=0)
            peers = f1_score(truth_NC[rest], peer_UC >= 0.5, average=average, zero_division=0)
            gains.append(ours - peers)

        def loss(proba_UC, rest=rest):
            right_UC = np.where(truth_NC[rest], proba_UC, 1 - proba_UC)
            return -np.log(np.clip(right_UC, 1e-4, 1)).mean()

        assert loss(result.proba_NC[rest]) < loss(peer_UC)
    assert min(gains) > -0.01
    assert name == "topics" or np.mean(gains) > 0.05  # the digits' graph knows more than the heads


def test_probabilities_are_calibrated_class_by_class():
    point_ND, truth_NC = topics(items=3000)
    rows = np.random.default_rng(0).permutation(3000)
    view = View.of("v", point_ND.astype(np.float32))
    result = MultipleLoop([view], classes=8).fit(answers(truth_NC, rows[:500]))
    assert result.proba_NC.min() >= 0
    assert result.proba_NC.max() <= 1
    rest = rows[500:]
    for c in range(8):
        expected, seen = result.proba_NC[rest, c].mean(), truth_NC[rest, c].mean()
        assert abs(expected - seen) < 0.07  # the sample of labels itself is off by up to 0.05
        sure = rest[result.proba_NC[rest, c] > 0.6]
        if len(sure) > 100:
            assert abs(result.proba_NC[sure, c].mean() - truth_NC[sure, c].mean()) < 0.12


def test_an_empty_set_is_an_answer_and_no_answer_is_none():
    point_ND, truth_NC = digits()
    view = View.of("v", point_ND.astype(np.float32))
    loop = MultipleLoop([view], classes=6)
    truth_NC = np.pad(truth_NC, ((0, 0), (0, 1)))
    known = answers(truth_NC, range(60)) | {100: []}
    result = loop.fit(known)
    assert result.labelled_row_L.tolist() == [*range(60), 100]
    assert (result.proba_NC[100] == 0).all()
    assert (result.proba_NC[200] > 0).all()
    assert (result.proba_NC[:60] == truth_NC[:60]).all()
    # nobody has ever said the last class: Laplace's rule, one in n + 2
    assert result.proba_NC[200, 5] == pytest.approx(1 / 63)
    assert uncertainty(result)[100] == 0
    assert uncertainty(result)[200] > 0


def test_nothing_and_one_kind_of_answer():
    view = View.of("v", digits()[0].astype(np.float32))
    loop = loop_for("multiple", [view], classes=5)
    assert (loop.fit({}).proba_NC == 0.5).all()
    one = loop.fit({3: [0]})
    assert np.isfinite(one.proba_NC).all()
    assert one.proba_NC[0, 0] > one.proba_NC[0, 1]
    with pytest.raises(DataError, match="classes below 5"):
        loop.fit({3: [5]})


def test_not_this_class_teaches_only_that():
    point_ND, truth_NC = digits()
    view = View.of("v", point_ND.astype(np.float32))
    known = answers(truth_NC, range(30))
    loop = MultipleLoop([view], classes=5)
    before = loop.fit(known)
    after = loop.fit(known, rejected=[(400, 0), (401, 0)])
    assert (after.proba_NC[[400, 401], 0] == 0).all()
    assert (after.proba_NC[400, 1:] > 0).all()
    assert after.labelled_row_L.tolist() == before.labelled_row_L.tolist()


def test_what_nobody_said_of_rejected_rows_is_no_evidence(monkeypatch):
    fits = []

    def counted(*given, **more):
        fits.append(more["strength"])
        return sigmoid_regression(*given, **more)

    monkeypatch.setattr(multiple, "sigmoid_regression", counted)
    point_ND, _ = topics()
    loop = MultipleLoop([View.of("v", point_ND.astype(np.float32))], classes=2)
    loop.fit({row: [0] for row in range(6)}, rejected=[(row, 1) for row in range(20, 30)])
    assert fits == [10.0]  # no class has a yes and a no: there is nothing to choose a strength by


def test_only_known_answers_vouch_for_each_other():
    answer_LC = np.array([[True], [True], [False], [False], [False]])
    known_LC = np.array([[True], [True], [True], [False], [False]])
    assert judged_answers(answer_LC, None, known_LC)[:, 0].tolist() == [True, True, False, False, False]
    group_L = np.array([0, 1, 2, 2, 3])
    assert judged_answers(answer_LC, group_L, known_LC)[:, 0].tolist() == [True, True, False, False, False]
    assert judged_answers(answer_LC, group_L)[:, 0].tolist() == [True] * 5
    known_LC[2] = False
    assert not judged_answers(answer_LC, None, known_LC).any()


def test_warm_is_as_good_as_cold_and_in_time():
    point_ND, truth_NC = topics(20, 5000, seed=1)
    view = View.of("v", point_ND.astype(np.float32))
    loop = MultipleLoop([view], classes=20)
    loop.fit(answers(truth_NC, range(300)))
    spent = []
    for more in range(301, 306):
        started = time.process_time()
        warm = loop.fit(answers(truth_NC, range(more)))
        spent.append(time.process_time() - started)
    assert min(spent) < 0.4
    cold = MultipleLoop([view], classes=20).fit(answers(truth_NC, range(305)))
    assert np.abs(warm.proba_NC - cold.proba_NC).mean() < 0.02


def test_left_out_logits_are_those_of_a_fit_without_the_row():
    point_ND, truth_NC = topics(3, 80)
    rows = point_ND.astype(np.float32)
    rows = (rows - rows.mean(0)) / np.linalg.norm(rows - rows.mean(0), axis=1, keepdims=True)
    known_NC = np.ones_like(truth_NC)
    solved = sigmoid_regression(rows, truth_NC, known_NC, strength=1.0)
    left_NC = left_out_logits(rows, truth_NC, known_NC, solved, strength=1.0)
    exact_NC = np.empty_like(left_NC)
    for row in range(80):
        others = np.arange(80) != row
        coef_DC, bias_C = sigmoid_regression(rows[others], truth_NC[others], known_NC[others], strength=1.0)
        exact_NC[row] = rows[row] @ coef_DC + bias_C
    seen_NC = rows @ solved[0] + solved[1]
    assert (
        np.abs(expit(left_NC) - expit(exact_NC)).mean()
        < 0.2 * np.abs(expit(seen_NC) - expit(exact_NC)).mean()
    )


def test_a_group_leaves_the_regression_as_a_whole():
    point_ND, truth_NC = topics(3, 80)
    rows = point_ND.astype(np.float32)
    rows = (rows - rows.mean(0)) / np.linalg.norm(rows - rows.mean(0), axis=1, keepdims=True)
    rows[40:60], truth_NC[40:60] = rows[20:40] + np.float32(1e-3), truth_NC[20:40]
    rows[60:70], truth_NC[60:70] = rows[20:30] - np.float32(1e-3), truth_NC[20:30]
    group_N = np.arange(80)
    group_N[40:60], group_N[60:70] = group_N[20:40], group_N[20:30]
    known_NC = np.ones_like(truth_NC)
    known_NC[25, 0] = False
    solved = sigmoid_regression(rows, truth_NC, known_NC, strength=1.0)
    singly_NC = left_out_logits(rows, truth_NC, known_NC, solved, strength=1.0)
    left_NC = left_out_logits(rows, truth_NC, known_NC, solved, strength=1.0, group_L=group_N)
    exact_NC = np.empty_like(left_NC)
    for row in range(80):
        others = group_N != group_N[row]
        coef_DC, bias_C = sigmoid_regression(rows[others], truth_NC[others], known_NC[others], strength=1.0)
        exact_NC[row] = rows[row] @ coef_DC + bias_C
    in_group_N = (group_N >= 20) & (group_N < 40)

    def off(said_NC, where_N):
        return np.abs(expit(said_NC) - expit(exact_NC))[where_N & known_NC[:, 0]].mean()

    assert off(left_NC, in_group_N) < 0.25 * off(singly_NC, in_group_N)
    assert np.array_equal(left_NC[~in_group_N], singly_NC[~in_group_N])


def test_the_regression_is_scikit_learns():
    point_ND, truth_NC = topics(4, 200)
    coef_DC, bias_C = sigmoid_regression(point_ND[:, :10], truth_NC, np.ones_like(truth_NC), strength=0.5)
    for c in range(4):
        peer = LogisticRegression(C=0.5, tol=1e-6, max_iter=2000).fit(point_ND[:, :10], truth_NC[:, c])
        ours = expit(point_ND[:, :10] @ coef_DC[:, c] + bias_C[c])
        assert np.abs(ours - peer.predict_proba(point_ND[:, :10])[:, 1]).max() < 0.01


def test_the_smoother_forgets_and_leaves_out():
    rng = np.random.default_rng(0)
    view = View.of("v", rng.normal(size=(120, 6)).astype(np.float32))
    value_LC = rng.normal(size=(40, 3))
    rows = np.arange(40)
    warm = Smoother(view.broad, alpha=0.9)
    warm.update(np.arange(50), rng.normal(size=(50, 3)))
    warm.update(rows[:35], value_LC[:35])
    spread = warm.update(rows, value_LC)
    cold = Smoother(view.broad, alpha=0.9).update(rows, value_LC)
    assert np.allclose(spread.sum_NC, cold.sum_NC, atol=2e-2)
    without = Smoother(view.broad, alpha=0.9).update(rows[1:], value_LC[1:])
    alone = Smoother(view.broad, alpha=0.9)
    alone.update(rows[:20], value_LC[:20])
    singly = alone.update(rows, value_LC)
    assert np.allclose(singly.left_LC[0], without.sum_NC[0], atol=2e-2)


def test_a_group_leaves_the_graph_as_a_whole_however_it_came():
    rng = np.random.default_rng(0)
    point_ND = rng.normal(size=(160, 6)).astype(np.float32)
    point_ND[40:60] = point_ND[20:40] + np.float32(0.01)
    graph = View.of("v", point_ND).broad
    value_LC = rng.normal(size=(60, 2))
    group_L = np.arange(60)
    group_L[40:] = group_L[20:40]
    rows = np.arange(60)

    def without(row, kept):
        others = [at for at in kept if group_L[at] != group_L[row]]
        return Smoother(graph, alpha=0.9).update(rows[others], value_LC[others]).sum_NC[row]

    grown = Smoother(graph, alpha=0.9)
    some = [*range(24), *range(25, 46)]
    for kept in map(np.array, (range(22), range(31), range(45), range(46), some, range(53), range(60))):
        spread = grown.update(rows[kept], value_LC[kept], group_L[kept])
        for at in (3, 21, len(kept) - 1):
            assert np.allclose(spread.left_LC[at], without(kept[at], kept), atol=2e-2), (len(kept), at)
    value_LC[41] += 1.0
    spread = grown.update(rows, value_LC, group_L)
    assert np.allclose(spread.left_LC[21], without(21, rows), atol=2e-2)
    assert np.allclose(spread.left_LC[41], without(41, rows), atol=2e-2)
    bulk = Smoother(graph, alpha=0.9).update(rows, value_LC, group_L)
    assert np.allclose(bulk.sum_NC, spread.sum_NC, atol=2e-2)


def test_near_duplicates_do_not_vouch_for_each_other():
    rng = np.random.default_rng(0)
    point_ND = rng.normal(size=(300, 24)).astype(np.float32)
    point_ND[150:] = point_ND[:150] + 1e-3 * rng.normal(size=(150, 24)).astype(np.float32)
    truth_NC = rng.random((300, 3)) < 0.5  # nothing of it can be learned …
    truth_NC[150:] = truth_NC[:150]  # … but from a twin
    rows = [*range(40), *range(150, 190)]
    view = View.of("toy", point_ND)
    assert view.group_N is not None
    result = MultipleLoop([view], classes=3).fit(answers(truth_NC, rows))
    assert ((result.out_of_fold_proba_LC > 0.5) == truth_NC[result.labelled_row_L]).mean() < 0.65
    twin_N = np.delete(np.arange(300), rows)
    assert np.abs(result.proba_NC[twin_N] - 0.5).mean() < 0.2  # and what it says of the rest is as unsure


def test_the_cut_is_where_expected_f1_is_highest():
    proba_NC = np.random.default_rng(0).beta(1, 4, size=(4000, 5))
    truth_NC = np.random.default_rng(1).random((4000, 5)) < proba_NC
    reached = {
        cut: f1_score(truth_NC, proba_NC >= cut, average="micro", zero_division=0)
        for cut in np.arange(0.05, 0.6, 0.05)
    }
    ours = f1_score(truth_NC, proba_NC >= best_cut(proba_NC), average="micro", zero_division=0)
    assert ours > max(reached.values()) - 0.01
    assert ours > reached[max(reached)] + 0.05


def test_answers_that_echo_the_model_weigh_nothing():
    rng = np.random.default_rng(0)
    point_ND = rng.normal(size=(300, 6))
    truth_NC = point_ND[:, :3] + rng.normal(0, 1.5, (300, 3)) > 0
    answers = {row: np.flatnonzero(truth_NC[row]).tolist() for row in range(40)}
    view = View.of("toy", point_ND)
    before = MultipleLoop([view], classes=3).fit(answers)
    echo_N = np.arange(300) >= 40
    echo_N[200:] = False
    answers |= {row: np.flatnonzero(before.suggestion_NC[row]).tolist() for row in range(40, 200)}
    trusting = MultipleLoop([view], classes=3).fit(answers)
    after = MultipleLoop([view], classes=3).fit(answers, echo_N=echo_N)

    def sure(result):
        return float(np.abs(result.proba_NC[200:] - 0.5).mean())

    assert sure(after) < sure(trusting) - 0.05
