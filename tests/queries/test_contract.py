"""What every registered query strategy promises."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest

from sslcore.errors import DataError
from sslcore.queries import QUERIES, Pool
from tests.queries.pools import blobs

ALL = QUERIES.names()
POOLS = {
    "nothing labelled": blobs(),
    "labels, no model": blobs(labelled=6),
    "one class labelled": blobs(classes=1, labelled=4),
    "warm": blobs(labelled=9, warm=True),
    "warm, model alone": dataclasses.replace(blobs(labelled=9, warm=True), committee=(), knn=None),
    "many labels": blobs(n=300, labelled=200, warm=True),
    "all alike": Pool(np.ones((30, 4)), np.full(30, -1), np.arange(30)),
    "all alike, warm": Pool(np.ones((30, 4)), np.full(30, -1), np.arange(30), np.full((30, 3), 1 / 3)),
    "sure of all": Pool(np.eye(30), np.full(30, -1), np.arange(30), np.eye(3)[np.arange(30) % 3]),
    "half precision": Pool(
        blobs(labelled=9, warm=True).feature_ND.astype(np.float16),
        blobs(labelled=9, warm=True).label_N,
        np.arange(9, 100),
        blobs(labelled=9, warm=True).proba_NC.astype(np.float32),
    ),
    "one candidate": dataclasses.replace(blobs(labelled=9, warm=True), candidate_U=np.array([50])),
    "no candidate": dataclasses.replace(blobs(labelled=9, warm=True), candidate_U=np.array([], dtype=int)),
}


def ask(name: str, pool: Pool, n: int, seed: int = 0):
    return QUERIES[name].value(pool, n, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("situation", POOLS)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_distinct_candidates_most_wanted_first(name, situation, n):
    pool = POOLS[situation]
    found = ask(name, pool, n)
    assert len(found.row_Q) == len(found.score_Q) == min(n, len(pool.candidate_U))
    assert len(set(found.row_Q.tolist())) == len(found.row_Q)
    assert set(found.row_Q.tolist()) <= set(pool.candidate_U.tolist())
    assert np.issubdtype(found.row_Q.dtype, np.integer)
    assert np.isfinite(found.score_Q).all()
    assert (np.diff(found.score_Q) <= 1e-9).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("situation", ["nothing labelled", "warm", "all alike, warm"])
def test_same_seed_same_rows(name, situation):
    one, two = ask(name, POOLS[situation], 9, seed=3), ask(name, POOLS[situation], 9, seed=3)
    np.testing.assert_array_equal(one.row_Q, two.row_Q)
    np.testing.assert_array_equal(one.score_Q, two.score_Q)


@pytest.mark.parametrize("name", ALL)
def test_pool_is_left_as_it_was(name):
    pool = blobs(labelled=9, warm=True)
    before = [np.array(a) for a in (pool.feature_ND, pool.label_N, pool.candidate_U, pool.proba_NC)]
    for array in (pool.feature_ND, pool.label_N, pool.candidate_U, pool.proba_NC, *pool.committee):
        array.setflags(write=False)
    ask(name, pool, 5)
    for old, new in zip(before, (pool.feature_ND, pool.label_N, pool.candidate_U, pool.proba_NC)):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", ALL)
def test_fast_enough_for_the_loop(name):
    rng = np.random.default_rng(0)
    n = 20_000
    label_N = np.full(n, -1)
    label_N[:40] = np.arange(40) % 10
    proba_NC = rng.dirichlet(np.ones(10), n).astype(np.float32)
    feature_ND = rng.normal(size=(n, 64)).astype(np.float32)
    pool = Pool(feature_ND, label_N, np.arange(40, n), proba_NC, committee=(proba_NC, proba_NC[:, ::-1]))
    ask(name, pool, 50)
    start = time.process_time()
    ask(name, pool, 50)
    assert time.process_time() - start < 2.0  # a guard against quadratic code, not a benchmark


@pytest.mark.parametrize("name", ALL)
def test_has_its_test_its_title_and_its_paper(name):
    entry = QUERIES[name]
    assert (Path(__file__).parent / f"test_{name}.py").exists()
    assert entry.title
    assert entry.paper or name in ("random", "label_issues")
    assert entry.family == "query"
    assert len(entry.text.splitlines()) >= 3
    assert entry.module.rsplit(".", 1)[1] == name


def test_a_pool_that_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match="label_N"):
        Pool(np.eye(3), np.array([-1, -1]), np.arange(3))
    with pytest.raises(DataError, match=r"0…2"):
        Pool(np.eye(3), np.full(3, -1), np.array([3]))
    with pytest.raises(DataError, match="once"):
        Pool(np.eye(3), np.full(3, -1), np.array([1, 1]))
    with pytest.raises(DataError, match=r"committee\[0\]"):
        Pool(np.eye(3), np.full(3, -1), np.arange(3), committee=(np.eye(2),))
