import numpy as np

from sslcore.queries import Pool
from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_formula_one_pick_at_a_time():
    pool = blobs(labelled=7, warm=True)
    count_C = np.bincount(pool.label_N[:7], minlength=3).astype(float)
    left = set(pool.candidate_U.tolist())
    for row in ask("class_balance", pool, 20).row_Q:
        c = int(count_C.argmin())
        assert pool.proba_NC[row, c] == max(pool.proba_NC[other, c] for other in left)
        left.remove(int(row))
        count_C += pool.proba_NC[row]


def test_certain_and_right_probabilities_end_even():
    class_N = np.repeat([0, 1, 2], [100, 30, 20])
    label_N = np.full(150, -1)
    label_N[:12] = 0
    pool = Pool(np.eye(150), label_N, np.arange(12, 150), np.eye(3)[class_N])
    chosen = ask("class_balance", pool, 30).row_Q
    counts = np.bincount(np.concatenate([class_N[chosen], np.zeros(12, int)]), minlength=3)
    assert counts.tolist() == [14, 14, 14]
