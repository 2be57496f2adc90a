"""Random: every candidate equally likely.

The control that every other strategy is shown beside, and the one whose labels are a fair sample
of the pool. Score: a uniform draw.
"""

from __future__ import annotations

import numpy as np

from sslcore.queries import QUERIES
from sslcore.queries.pool import Pool, Selection, top


@QUERIES.register("random", title="Random", family="query", paper="")
def random(pool: Pool, n: int, *, rng: np.random.Generator) -> Selection:
    """``n`` candidates drawn without replacement.

    >>> pool = Pool(np.eye(4), np.full(4, -1), np.array([1, 3]))
    >>> sorted(random(pool, 5, rng=np.random.default_rng(0)).row_Q.tolist())
    [1, 3]
    """
    return top(pool.candidate_U, rng.random(len(pool.candidate_U)), n)
