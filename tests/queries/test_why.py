import dataclasses
import json

import numpy as np

from sslcore.queries import Pool
from sslcore.queries.why import why, whys
from tests.queries.pools import blobs

NAMES = ["sport", "politics", "tech"]


def test_says_between_what_it_wavers_and_how_many_wait():
    rng = np.random.default_rng(0)
    feature_ND = np.concatenate([rng.normal([5, 0, 0], 0.1, (3, 3)), rng.normal([0, 5, 0], 0.1, (38, 3))])
    proba_NC = np.tile([0.48, 0.45, 0.07], (41, 1))
    label_N = np.full(41, -1)
    label_N[:3] = 0
    pool = Pool(feature_ND, label_N, np.arange(3, 41), proba_NC)
    found = why(pool, 10, class_names=NAMES)
    assert found.text == (
        "Uncertain between sport and politics (0.48 / 0.45), far from anything labelled, "
        "37 similar items wait for it."
    )
    assert found.numbers["similar"] == 37
    assert (found.numbers["best"], found.numbers["second"]) == (0, 1)
    json.dumps(found.numbers, allow_nan=False)


def test_a_label_near_by_is_not_called_far_and_its_items_do_not_wait():
    pool = blobs(labelled=9, warm=True)
    for row, found in zip(range(20, 30), whys(pool, np.arange(20, 30), class_names=NAMES)):
        unit_ND = pool.feature_ND - pool.feature_ND.mean(axis=0)
        unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
        nearest = (unit_ND[:9] @ unit_ND[row]).max()
        assert abs(found.numbers["nearest"] - nearest) < 0.1  # the centre shifts with the rows looked at
        assert ("far" in found.text) == (found.numbers["nearest"] < 0.5)


def test_many_at_once_say_what_one_at_a_time_says():
    pool = blobs(labelled=9, warm=True)
    together = whys(pool, np.array([20, 30]), class_names=NAMES)
    assert together[0].text.split("(")[0] == why(pool, 20, class_names=NAMES).text.split("(")[0]
    assert whys(pool, np.array([], dtype=int), class_names=NAMES) == []


def test_no_model_no_labels_one_class():
    assert why(blobs(), 3, class_names=NAMES).text.startswith("Nothing is labelled yet")
    one = dataclasses.replace(blobs(labelled=3), proba_NC=np.ones((120, 1)))
    assert "only sport is known" in why(one, 20, class_names=NAMES).text


def test_large_pools_say_about():
    rng = np.random.default_rng(0)
    feature_ND = np.concatenate([rng.normal(3, 0.1, (4000, 3)), rng.normal(-3, 0.1, (4000, 3))])
    label_N = np.full(8000, -1)
    label_N[0] = 0
    found = why(Pool(feature_ND, label_N, np.arange(1, 8000)), 5000, class_names=NAMES)
    assert "about" in found.text
    assert abs(found.numbers["similar"] - 4000) < 400
