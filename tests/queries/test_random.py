import numpy as np

from tests.queries.pools import blobs
from tests.queries.test_contract import ask


def test_every_candidate_is_equally_likely():
    pool = blobs(n=25)
    count = np.zeros(25)
    for seed in range(2000):
        count[ask("random", pool, 2, seed).row_Q] += 1
    assert count[pool.candidate_U].min() > 150  # 200 expected, standard deviation 13
    assert count[pool.candidate_U].max() < 250
