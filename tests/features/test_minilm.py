import numpy as np

from sslcore.features import Items
from sslcore.features.minilm import MiniLM, packaged_model
from tests.features.sets import encode

TEXTS = [
    "The striker scored twice in the final.",
    "Goal!",
    "Parliament voted on the new budget after a long debate about taxes, pensions and spending.",
    "The government raised taxes.",
    "",
    "word " * 400,
]


def test_same_answers_as_the_plain_loop():
    model = packaged_model()
    plain = np.stack([model.encode(text, show_progress_bar=False) for text in TEXTS])
    feature_ND, ticks = encode(MiniLM(), Items.of_texts(TEXTS))
    assert feature_ND.shape == (6, 384)
    assert np.abs(feature_ND - plain).max() < 1e-5
    assert ticks[-1] == len(TEXTS)
    near = feature_ND @ feature_ND.T
    assert near[0, 1] > near[0, 3]
    assert near[2, 3] > near[2, 0]


def test_going_on_gives_the_same_rows():
    items = Items.of_texts(TEXTS[:4])
    whole, _ = encode(MiniLM(), items)
    rest, _ = encode(MiniLM(), items, start=2)
    assert np.abs(rest - whole[2:]).max() < 1e-5
