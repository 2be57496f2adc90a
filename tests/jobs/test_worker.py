import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sslcore.errors import StoreBusyError, StoreError
from sslcore.features.cache import FeatureCache
from sslcore.jobs.kinds import KINDS
from sslcore.jobs.launch import SILENCE_WHILE_ALIVE, WORD, ensure_worker, reap, tend
from sslcore.jobs.lock import WorkerLock
from sslcore.jobs.worker import Worker
from tests.jobs.conftest import add_items, wait_for, wait_status, work


def start(store):
    return ensure_worker(store.folder.parent, store.folder.name)


def test_two_launches_start_one_worker(store):
    store.runs.add("sleep", {})
    first, second = start(store), start(store)
    assert first is not None
    assert second is None
    run_id = store.runs.list()[0].id
    assert wait_status(store, run_id, "running").pid == first
    assert WorkerLock.holder(store.folder) == first


def test_progress_has_an_estimate_and_figures_arrive_while_it_runs(store):
    run_id = store.runs.add("sleep", {"pieces": 400})
    start(store)
    assert wait_for(lambda: store.runs.get(run_id).progress.get("eta") is not None)
    progress = store.runs.get(run_id).progress
    assert progress["total"] == 400
    assert 0 < progress["done"] < 400
    # a piece takes 50 ms: the estimate must be of that order, on a busy machine too
    assert 0.04 < progress["eta"] / (400 - progress["done"]) < 0.5
    assert store.runs.get(run_id).status == "running"
    assert len(store.runs.metrics(run_id)) > 0


def test_cancel_works_within_two_seconds_and_the_next_run_is_taken(store):
    first, second = store.runs.add("sleep", {}), store.runs.add("sleep", {"pieces": 2})
    start(store)
    assert wait_for(lambda: store.runs.get(first).progress.get("done", 0) > 0)
    store.runs.request_cancel(first)
    asked = time.monotonic()
    assert wait_status(store, first, "cancelled").error is None
    assert time.monotonic() - asked < 2.0
    assert wait_status(store, second, "done").result == {"slept": 2}
    assert len(store.runs.metrics(second)) == 2


def test_work_that_does_not_listen_is_interrupted(store, monkeypatch):
    run_id = store.runs.add("deaf", {})
    start(store)
    wait_for(lambda: store.runs.get(run_id).progress != {})
    store.runs.request_cancel(run_id)
    wait_status(store, run_id, "cancelled", seconds=15)
    assert [metric.name for metric in store.runs.metrics(run_id)] == ["woken"]


def test_a_killed_worker_is_noticed_and_its_run_goes_on_where_it_was(store):
    run_id = store.runs.add("features", {"encoder": "slow_toy"})
    pid = start(store)
    cache = FeatureCache(store.folder)
    assert wait_for(lambda: cache.next_row("slow_toy") >= 20)
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: reap(store) == [run_id], 3.0)
    run = store.runs.get(run_id)
    assert (run.status, run.error) == ("failed", WORD)
    assert WorkerLock.holder(store.folder) is None
    assert wait_for(lambda: reap(store) == [] and not Path(f"/proc/{pid}").exists())  # not even a zombie
    done, log = cache.next_row("slow_toy"), store.folder / "runs" / "worker.log"
    before = len(log.read_text())
    assert 20 <= done < 60

    store.runs.requeue(run_id)
    assert start(store) not in (None, pid)
    assert wait_status(store, run_id, "done").result == {"encoder": "slow_toy", "rows": 60, "dim": 2}
    computed = [line for line in log.read_text()[before:].splitlines() if line.startswith("block")]
    assert computed == [f"block {first}-{first + 10}" for first in range(done, 60, 10)]
    features = cache.load("slow_toy")
    assert np.array_equal(features.feature_ND[:, 0], np.arange(60) * 3)
    assert features.neighbour_NK.shape == (60, 15)
    assert features.map_N2 is not None


def test_sigterm_ends_the_worker_and_puts_its_run_back_to_go_on(store):
    run_id = store.runs.add("features", {"encoder": "slow_toy"})
    pid = start(store)
    cache = FeatureCache(store.folder)
    assert wait_for(lambda: cache.next_row("slow_toy") >= 20)
    os.kill(pid, signal.SIGTERM)
    run = wait_status(store, run_id, "queued", seconds=5)
    assert (run.error, run.pid, run.cancel) == (None, None, False)
    assert wait_for(lambda: WorkerLock.holder(store.folder) is None, 5)
    done, log = cache.next_row("slow_toy"), store.folder / "runs" / "worker.log"
    before = len(log.read_text())
    assert 20 <= done < 60
    assert tend(store) is False  # nobody died
    assert wait_status(store, run_id, "done").result["rows"] == 60
    computed = [line for line in log.read_text()[before:].splitlines() if line.startswith("block")]
    assert computed[0] == f"block {done}-{done + 10}"


def test_sigterm_does_not_bring_a_cancelled_run_back(store):
    run_id = store.runs.add("sleep", {})
    store.runs.claim()
    store.runs.request_cancel(run_id)
    store.runs.put_back(run_id)
    assert store.runs.get(run_id).status == "cancelled"
    store.runs.put_back(run_id)
    assert store.runs.get(run_id).status == "cancelled"


def test_projects_take_turns_at_long_work(store, neighbour):
    mine = store.runs.add("long", {"pieces": 1000})
    start(store)
    wait_for(lambda: store.runs.get(mine).progress.get("stage") == "long")
    theirs, quick = neighbour.runs.add("long", {"pieces": 3}), neighbour.runs.add("sleep", {"pieces": 1})
    start(neighbour)
    assert wait_for(lambda: neighbour.runs.get(theirs).progress.get("note") == "waiting for project toy")
    time.sleep(0.6)
    assert neighbour.runs.get(theirs).status == "running"
    assert len(neighbour.runs.metrics(theirs)) == 0
    assert store.runs.get(mine).status == "running"
    store.runs.add("long", {"pieces": 1000})  # must stand behind those who wait already
    store.runs.request_cancel(mine)
    done = wait_status(neighbour, theirs, "done")
    assert done.result == {"slept": 3}
    assert wait_status(neighbour, quick, "done")


def test_who_waits_can_be_cancelled_and_a_killed_holder_lets_go(store, neighbour):
    mine = store.runs.add("long", {"pieces": 1000})
    pid = start(store)
    wait_for(lambda: store.runs.get(mine).progress.get("stage") == "long")
    first, second = (neighbour.runs.add("long", {"pieces": 2}) for _ in range(2))
    start(neighbour)
    wait_for(lambda: neighbour.runs.get(first).progress != {})
    neighbour.runs.request_cancel(first)
    wait_status(neighbour, first, "cancelled", seconds=5)
    os.kill(pid, signal.SIGKILL)
    wait_status(neighbour, second, "done")


def test_errors_are_told_in_plain_words_and_the_worker_goes_on(store):
    wishes = [
        store.runs.add("broken", {"how": "bug"}),
        store.runs.add("broken", {"how": "memory"}),
        store.runs.add("features", {"encoder": "nonesuch"}),
        store.runs.add("features", {"encoder": "pixels"}),
        store.runs.add("features", {"encoder": "tfidf"}),
    ]
    work(store)
    runs = [store.runs.get(run_id) for run_id in wishes]
    assert [run.status for run in runs] == ["failed"] * 4 + ["done"]
    assert runs[0].error.startswith("An error in the program: division by zero (ZeroDivisionError)")
    assert "Traceback" in (store.folder / "runs" / str(wishes[0]) / "log.txt").read_text()
    assert "memory was not enough" in runs[1].error
    assert "No encoder is named 'nonesuch'" in runs[2].error
    assert "reads images, and these items are texts" in runs[3].error


def test_new_items_extend_a_networks_features(store):
    store.runs.add("features", {"encoder": "slow_toy"})
    work(store)
    add_items(store, 15)
    assert not FeatureCache(store.folder).is_complete("slow_toy", 75)
    store.runs.add("features", {"encoder": "slow_toy"})
    computed = [line for line in work(store).splitlines() if line.startswith("block")]
    assert computed == ["block 60-70", "block 70-75"]
    features = FeatureCache(store.folder).load("slow_toy")
    assert np.array_equal(features.feature_ND[:, 0], np.arange(75) * 3)
    assert len(features.map_N2) == len(features.neighbour_NK) == 75


@pytest.mark.parametrize(("kind", "recipe"), [("sleep", {}), ("features", {"encoder": "slow_toy"})])
def test_a_worker_ends_when_its_project_is_deleted_and_brings_nothing_back(store, tmp_path, kind, recipe):
    run_id = store.runs.add(kind, recipe)
    start(store)
    assert wait_for(lambda: store.runs.get(run_id).progress.get("done", 0) > 0)
    away = tmp_path / "away"
    store.folder.rename(away)
    try:
        assert wait_for(lambda: WorkerLock.holder(away) is None, 15)
        assert not store.folder.exists()
    finally:
        away.rename(store.folder)


def test_a_project_deleted_while_its_run_is_taken_stays_deleted(store, tmp_path, monkeypatch):
    store.runs.add("sleep", {})
    away, claim = tmp_path / "away", store.runs.claim

    def claim_and_lose(*wish):
        run = claim(*wish)
        store.folder.rename(away)
        return run

    monkeypatch.setattr(store.runs, "claim", claim_and_lose)
    worker = Worker(store, idle=60.0)
    try:
        assert worker.work() == 1
        assert not store.folder.exists()
    finally:
        away.rename(store.folder)


def test_the_queue_has_an_end(store):
    for _ in range(20):
        store.runs.add("sleep", {})
    with pytest.raises(StoreError, match="20 runs are waiting already"):
        store.runs.add("sleep", {})


def test_a_run_elsewhere_is_judged_by_its_heartbeat(store, monkeypatch):
    monkeypatch.setattr("sslcore.store.runs.socket.gethostname", lambda: "elsewhere")
    store.runs.add("sleep", {})
    run = store.runs.claim()
    monkeypatch.undo()
    assert reap(store) == []
    monkeypatch.setattr("sslcore.jobs.launch.SILENCE", -1.0)
    assert reap(store) == [run.id]
    assert store.runs.get(run.id).error == WORD


@pytest.fixture
def clocks(monkeypatch):
    """The wall clock and the one that nobody sets, both of them set by the test."""
    now = {"time": time.time(), "monotonic": time.monotonic()}
    monkeypatch.setattr("sslcore.jobs.launch.time", SimpleNamespace(**{k: lambda k=k: now[k] for k in now}))

    def later(seconds, *, monotonic=None):
        now["time"] += seconds
        now["monotonic"] += seconds if monotonic is None else monotonic

    return later


@pytest.fixture
def mine(store):
    """A running run of this process, which holds the worker's lock."""
    store.runs.add("sleep", {})
    lock = WorkerLock.take(store.folder)
    yield store.runs.claim()
    lock.release()


@pytest.mark.parametrize("monotonic", [0.0, 4 * 3600.0], ids=["a clock that sleeps", "one that does not"])
def test_a_machine_that_slept_fails_no_run(store, mine, clocks, monotonic):
    assert reap(store) == []
    clocks(4 * 3600.0, monotonic=monotonic)
    for _ in range(20):  # it is awake, and its heart has not beaten yet
        assert reap(store) == []
        clocks(2.0)
    store.runs.heartbeat(mine.id)
    assert reap(store) == []


def test_a_worker_that_is_silent_while_one_looks_is_given_up(store, mine, clocks):
    def looks_until_given_up():
        for look in range(1, 1000):
            if reap(store):
                return look
            clocks(2.0)
        return None

    clocks(3000.0)
    for _ in range(200):
        assert reap(store) == []
        clocks(2.0)
    store.runs.heartbeat(mine.id)
    assert looks_until_given_up() * 2.0 == pytest.approx(SILENCE_WHILE_ALIVE, abs=5.0)
    assert store.runs.get(mine.id).error == WORD


@pytest.fixture
def hands(store, monkeypatch):
    """A worker in this process whose work is done at once, and whose waits take no time."""
    monkeypatch.setitem(KINDS._entries, "sleep", SimpleNamespace(value=lambda job: {"slept": 1}))
    monkeypatch.setattr("sslcore.jobs.worker.LONGEST_WAIT", 0.0)
    return Worker(store, idle=0.0)


def fail_to_write(monkeypatch, store, times):
    """Lets the end of a run fail to be written so often; what the run said of itself meanwhile."""
    finish, said = store.runs.finish, []

    def busy(run_id, *rest, **more):
        if len(said) < times:
            said.append(store.runs.get(run_id).progress.get("note", ""))
            raise StoreBusyError("Nothing was stored. The disk is full.")
        said.append(store.runs.get(run_id).progress.get("note", ""))
        return finish(run_id, *rest, **more)

    monkeypatch.setattr(store.runs, "finish", busy)
    return said


def test_a_result_waits_until_it_can_be_stored(store, hands, monkeypatch):
    run_id = store.runs.add("sleep", {})
    said = fail_to_write(monkeypatch, store, times=40)
    hands.work()
    run = store.runs.get(run_id)
    assert (run.status, run.result) == ("done", {"slept": 1})
    assert said[0] == ""
    assert "The disk is full" in said[-1]


def test_a_worker_told_to_end_does_not_wait_for_ever(store, hands, monkeypatch):
    run_id = store.runs.add("sleep", {})
    said = fail_to_write(monkeypatch, store, times=1000)
    monkeypatch.setattr(KINDS["sleep"], "value", lambda job: hands.terminate() or {})
    hands.work()
    assert store.runs.get(run_id).status == "running"
    assert len(said) == 5
