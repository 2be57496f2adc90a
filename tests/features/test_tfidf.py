import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sslcore.features import Items
from sslcore.features import tfidf as module
from sslcore.features.tfidf import Tfidf
from tests.features.sets import encode

FILMS = "the film was {} and the actors were {}"
FOOD = "the soup tasted {} and the cook is {}"
WORDS = [
    "fine",
    "awful",
    "great",
    "dull",
    "long",
    "short",
    "bright",
    "sad",
    "loud",
    "kind",
    "strange",
    "warm",
]


def texts(n):
    rng = np.random.default_rng(0)
    return [(FILMS if i % 2 else FOOD).format(*rng.choice(WORDS, 2)) for i in range(n)]


def test_topics_are_told_apart_and_rows_have_length_one():
    feature_ND, ticks = encode(Tfidf(), Items.of_texts(texts(300)))
    assert np.allclose(np.linalg.norm(feature_ND, axis=1), 1, atol=1e-5)
    assert ticks[-1] == 300
    target = np.arange(300) % 2
    assert LogisticRegression().fit(feature_ND[:10], target[:10]).score(feature_ND, target) > 0.95


def test_letters_join_words_of_one_stem():
    items = Items.of_texts(["booking a flight", "booked flights", "tax forms", "taxes formed"] * 3)
    with_letters, _ = encode(Tfidf(), items, plan={"letters": True, "dim": 256})
    words_alone, _ = encode(Tfidf(), items, plan={"letters": False, "dim": 256})
    assert Tfidf().plan(items)["letters"]
    assert with_letters[0] @ with_letters[1] > words_alone[0] @ words_alone[1] + 0.1
    assert Tfidf().plan(Items.of_texts(["word " * 200]))["letters"] is False


def test_fitted_on_a_part_all_rows_follow(monkeypatch):
    whole, _ = encode(Tfidf(), Items.of_texts(texts(400)))
    monkeypatch.setattr(module, "_FIT", 200)
    part, _ = encode(Tfidf(), Items.of_texts(texts(400)))
    assert len(part) == 400
    near = (part @ part.T)[0].argsort()[-20:]
    assert set(near % 2) == {0}
    assert whole.shape[0] == part.shape[0]


@pytest.mark.parametrize(
    "odd",
    [["", "", ""], ["👍", "👎", "?!"], ["a"], ["same"] * 5, ["x" * 100_000, "y"], ["日本語 の 文", "中文"]],
)
def test_odd_texts_get_finite_features(odd):
    feature_ND, _ = encode(Tfidf(), Items.of_texts(odd))
    assert len(feature_ND) == len(odd)
    assert np.isfinite(feature_ND).all()


def test_the_same_texts_give_the_same_features():
    one, _ = encode(Tfidf(), Items.of_texts(texts(100)))
    two, _ = encode(Tfidf(), Items.of_texts(texts(100)))
    assert np.array_equal(one, two)
