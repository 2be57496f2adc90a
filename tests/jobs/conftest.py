import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from sslcore.jobs import launch
from sslcore.jobs.lock import ERRANDS, EVERYTHING, WorkerLock
from sslcore.store import NewItem, Store

collect_ignore = ["toys.py"]  # looking for doctests would register them in this process


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A text project whose worker knows the toys; whatever worker is left is ended."""
    monkeypatch.setenv("LABELLOOM_PLUGINS", "tests.jobs.toys")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    store = Store.create(tmp_path / "toy", modality="text")
    add_items(store, 60)
    yield store
    end_worker(store)


@pytest.fixture
def neighbour(store):
    """Another project of the same home folder."""
    other = Store.create(store.folder.parent / "other", modality="text")
    add_items(other, 3)
    yield other
    end_worker(other)


def end_worker(store):
    for file in (EVERYTHING, ERRANDS):
        pid = WorkerLock.holder(store.folder, file=file)
        if pid:
            os.kill(pid, signal.SIGKILL)
        assert wait_for(lambda file=file: WorkerLock.holder(store.folder, file=file) is None)
    launch._bury()
    store.close()


def add_items(store, count):
    first = store.count()
    with store.importing() as batch:
        batch.ensure_task("topic", kind="single", classes=["a", "b"])
        batch.add(
            [
                NewItem(key=f"k{i}", text=f"text {i}", sha256=hashlib.sha256(str(i).encode()).hexdigest())
                for i in range(first, first + count)
            ]
        )


def work(store):
    """Works off the queue in a process of its own (the toys must not stay in this one); what it printed."""
    command = [sys.executable, "-m", "sslcore.jobs.worker", "--home", str(store.folder.parent)]
    command += ["--project", store.folder.name, "--until-idle"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(condition, seconds=20.0):
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def wait_status(store, run_id, *statuses, seconds=20.0):
    wait_for(lambda: store.runs.get(run_id).status in statuses, seconds)
    run = store.runs.get(run_id)
    assert run.status in statuses, (run, (store.folder / "runs" / "worker.log").read_text())
    return run
