"""Finished runs without a worker: predictions of any quality, where a worker would have put them."""

import numpy as np

from sslcore.store import Event
from sslcore.workbench.adopted import prediction_file
from tests.many_tasks import truth_of


def finish(bench, run_id, *, right=1.0, seed=0, task=None, figures=None, rows=None, sure=0.9):
    """Ends a run as its worker does; its prediction of item ``i`` is right with probability ``right``."""
    task = task or bench.task()
    run = bench.store.runs.claim()
    assert run is not None
    assert run.id == run_id
    n, classes = rows or bench.store.count(), len(task.classes)
    rng = np.random.default_rng(seed)
    truth_N = np.arange(n) % classes
    said_N = np.where(rng.random(n) < right, truth_N, (truth_N + 1) % classes)
    proba_NC = np.full((n, classes), (1 - sure) / (classes - 1), dtype=np.float16)
    proba_NC[np.arange(n), said_N] = sure
    folder = bench.folder / "runs" / str(run_id)
    folder.mkdir(parents=True)
    np.save(folder / f"proba_{task.id}.npy", proba_NC)
    bench.store.runs.finish(run_id, "done", result=figures or {})
    return said_N


def audit(bench, count, *, task=None, wrong=(), client="audit"):
    """Answers audit questions on the last ``count`` items; ``wrong`` ones get the next class."""
    task = task or bench.task()
    n, classes = bench.store.count(), len(task.classes)
    rows = range(n - count, n)
    bench.record(
        [
            Event(
                client=client,
                seq=i + 1,
                verb="label",
                task_id=task.id,
                item_ids=[row + 1],
                value=(row + (row in wrong)) % classes,
                purpose="audit",
            )
            for i, row in enumerate(rows)
        ]
    )
    bench.live.refresh()


def finish_with(bench, run_id, task, said, *, figures=None):
    """Ends a run as its worker does, with these probabilities of sets, or these numbers."""
    run = bench.store.runs.claim()
    assert run is not None
    assert run.id == run_id
    numeric = task.kind == "numeric"
    path = prediction_file(bench.folder, run_id, task.id, task.kind)
    path.parent.mkdir(parents=True)
    np.save(path, np.asarray(said, dtype=np.float32 if numeric else np.float16))
    bench.store.runs.finish(run_id, "done", result=figures or {})


def set_proba(bench, task, *, wrong=0.0, seed=0, sure=0.9):
    """Probabilities of the right sets; each class is said the wrong way round with probability ``wrong``."""
    truth = truth_of(bench.store, task.name)
    answer_NC = np.zeros((len(truth), len(task.classes)), dtype=bool)
    for row, classes in enumerate(truth):
        answer_NC[row, classes] = True
    answer_NC ^= np.random.default_rng(seed).random(answer_NC.shape) < wrong
    return np.where(answer_NC, sure, 1 - sure)


def number_guess(bench, task, *, off=0.0, seed=0):
    """The right numbers, each off by a draw of that standard deviation."""
    truth_N = np.array(truth_of(bench.store, task.name), dtype=np.float64)
    return truth_N + off * np.random.default_rng(seed).normal(size=len(truth_N))
