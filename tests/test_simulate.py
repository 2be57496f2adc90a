import json

import numpy as np
import pytest

from sslcore.errors import DataError, UnknownNameError
from sslcore.instant.view import View
from sslcore.simulate import simulate


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    answer_N = np.arange(300) % 5
    feature_ND = rng.normal(size=(300, 12)) + 4 * np.eye(12)[answer_N]
    return [View.of("made up", feature_ND)], answer_N


def test_more_answers_better_labels_and_all_is_counted(world):
    views, answer_N = world
    curves = simulate(views, answer_N, strategy="auto", budget=40, seeds=[0, 1])
    assert [curve.seed for curve in curves] == [0, 1]
    for curve in curves:
        assert curve.label_S == (10, 20, 30, 40)
        assert curve.accuracy_S[-1] > 0.9
        assert curve.accuracy_S[-1] > curve.accuracy_S[0] - 0.02
        assert len(curve.head_accuracy_S) == len(curve.classes_S) == 4
        assert curve.classes_S[-1] == 5
    json.dumps([curve.as_dict() for curve in curves], allow_nan=False)


def test_same_seed_same_curve(world):
    views, answer_N = world
    one, two = (simulate(views, answer_N, strategy="random", budget=(5, 15), seeds=[3]) for _ in range(2))
    assert one == two
    other = simulate(views, answer_N, strategy="random", budget=(5, 15), seeds=[4])
    assert other[0].accuracy_S != one[0].accuracy_S


def test_items_without_an_answer_are_neither_asked_nor_counted(world):
    views, answer_N = world
    answer_N = answer_N.copy()
    answer_N[:280] = -1
    curve = simulate(views, answer_N, strategy="kmeans", budget=1000)[0]
    assert curve.label_S == (10, 20)
    assert curve.accuracy_S[-1] == 1.0  # nothing is left


@pytest.mark.parametrize("strategy", ["bald", "badge", "uherding", "class_balance", "typiclust"])
def test_any_query_can_be_replayed(world, strategy):
    views, answer_N = world
    assert simulate(views, answer_N, strategy=strategy, budget=(10, 25))[0].accuracy_S[-1] > 0.75


def test_a_matrix_will_do(world):
    views, answer_N = world
    plain = simulate(views[0].feature_ND, answer_N, strategy="random", budget=10)
    assert plain == simulate(views, answer_N, strategy="random", budget=10)


def test_wrong_use_is_explained(world):
    views, answer_N = world
    with pytest.raises(DataError, match="10 answers"):
        simulate(views, answer_N[:10])
    with pytest.raises(DataError, match="budget 0"):
        simulate(views, answer_N, budget=0)
    with pytest.raises(UnknownNameError, match="margin"):
        simulate(views, answer_N, strategy="margn", budget=10)
