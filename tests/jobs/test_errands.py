"""Short work is done while a long run goes on, by a second worker that takes nothing else."""

import os
import signal

import pytest

from sslcore.jobs.errands import FEW_ITEMS, is_errand, stuck_errands, waiting_errands
from sslcore.jobs.launch import WORD, ensure_worker, reap, tend
from sslcore.jobs.lock import ERRANDS, WorkerLock
from tests.jobs.conftest import add_items, wait_for, wait_status


def start(store):
    return ensure_worker(store.folder.parent, store.folder.name)


def errand_worker(store):
    return WorkerLock.holder(store.folder, file=ERRANDS)


@pytest.fixture
def busy(store):
    """A project whose worker is at long work, and the run."""
    run_id = store.runs.add("sleep", {})
    start(store)
    wait_status(store, run_id, "running")
    return run_id


def test_what_is_an_errand(store):
    def run(kind, **recipe):
        return store.runs.get(store.runs.add(kind, recipe))

    short = [run("ensemble"), run("features", encoder="tfidf")]
    long = [run("train"), run("simulation"), run("import")]
    assert all(is_errand(store, held) for held in short)
    assert not any(is_errand(store, held) for held in long)
    assert waiting_errands(store) == [held.id for held in short]
    add_items(store, FEW_ITEMS)
    assert not is_errand(store, short[1])


def test_a_map_waits_for_its_features_and_is_an_errand_then(store):
    store.runs.add("features", {"encoder": "tfidf"})
    layout = store.runs.get(store.runs.add("map", {"encoder": "tfidf"}))
    assert not is_errand(store, layout)
    start(store)
    wait_status(store, layout.id, "done")
    assert is_errand(store, layout)


def test_an_errand_is_done_while_a_run_goes_on_and_no_second_run_is_taken(store, busy):
    second, errand = store.runs.add("sleep", {"pieces": 2}), store.runs.add("features", {"encoder": "tfidf"})
    helper = start(store)
    assert helper is not None
    assert wait_status(store, errand, "done").pid == helper
    assert store.runs.get(busy).status == "running"
    assert store.runs.get(busy).pid == WorkerLock.holder(store.folder) != helper
    assert store.runs.get(second).status == "queued"
    assert wait_for(lambda: errand_worker(store) is None)  # it ends with the last errand
    assert start(store) is None
    assert store.runs.get(second).status == "queued"
    store.runs.request_cancel(busy)
    wait_status(store, second, "done")


def test_one_helper_at_a_time_and_none_where_none_is_needed(store, busy):
    assert start(store) is None
    store.runs.add("features", {"encoder": "slow_toy"})
    assert start(store) is not None
    assert start(store) is None


def test_an_errand_that_came_before_the_run_began_is_not_left_behind(store):
    run_id = store.runs.add("sleep", {})
    errand = store.runs.add("features", {"encoder": "tfidf"})
    start(store)
    wait_status(store, run_id, "running")
    assert stuck_errands(store) == [errand]
    assert not tend(store)
    wait_status(store, errand, "done")
    assert store.runs.get(run_id).status == "running"


def test_a_killed_helper_is_noticed_and_the_long_run_is_left_alone(store, busy):
    errand = store.runs.add("features", {"encoder": "slow_toy"})
    helper = start(store)
    wait_status(store, errand, "running")
    assert reap(store) == []
    os.kill(helper, signal.SIGKILL)
    assert wait_for(lambda: errand_worker(store) is None)
    assert reap(store) == [errand]
    assert store.runs.get(errand).error == WORD
    assert store.runs.get(busy).status == "running"
    store.runs.requeue(errand)
    assert not tend(store)
    wait_status(store, errand, "done")


def test_a_killed_worker_is_noticed_and_the_helper_is_left_alone(store, busy):
    errand = store.runs.add("features", {"encoder": "slow_toy"})
    start(store)
    wait_status(store, errand, "running")
    os.kill(store.runs.get(busy).pid, signal.SIGKILL)
    assert wait_for(lambda: WorkerLock.holder(store.folder) is None)
    assert reap(store) == [busy]
    wait_status(store, errand, "done")


def test_an_errand_waits_for_no_other_project(store, neighbour):
    long = neighbour.runs.add("long", {"pieces": 1000})
    start(neighbour)
    wait_status(neighbour, long, "running")
    errand = store.runs.add("features", {"encoder": "slow_toy"})  # a network's: with many items it would wait
    start(store)
    wait_status(store, errand, "done")
    assert neighbour.runs.get(long).status == "running"
