"""The instant loop at work on one project: labels come in, a new :class:`Snapshot` goes out.

A label is stored and acknowledged first; the refit happens afterwards, in one background thread per
project and process, which takes all labels that have gathered meanwhile in one go. Readers never wait
for a refit: they get the newest finished snapshot. Labels, runs and features that other processes
write (the worker, the command line) are noticed within a second.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.errors import DataError
from sslcore.quality.intervals import Interval, proportion_interval
from sslcore.shapes import FloatArray, IntArray
from sslcore.store import LabelState, Store, Task
from sslcore.store.fold import SOURCE_CODE, TaskState
from sslcore.workbench.snapshot import Figure, Follow, Snapshot

if TYPE_CHECKING:
    from sslcore.instant.loop import InstantLoop, InstantResult
    from sslcore.instant.view import View

log = logging.getLogger(__name__)

ENOUGH_AUDIT = 20
"""Audit items from which on figures come from the audit split; below, they are called rough."""
POLL_SECONDS = 1.0
"""How soon facts written by other processes are noticed."""
_BY_PEOPLE = (SOURCE_CODE["human"], SOURCE_CODE["imported"])
MOST_VIEWS = 2
"""Feature views that are combined: the strong encoder's and the simple one's."""


class Live:
    """Keeps the snapshots of one project up to date.

    Args:
        store: The project.
        encoders: Encoder names, the preferred first: the queue and the map stand on the first that is
            ready; the instant loop weighs the first two.
    """

    def __init__(self, store: Store, *, encoders: Callable[[], list[str]]) -> None:
        self.store = store
        self._encoders = encoders
        self._state = LabelState(store)
        self._snapshots: dict[int, Snapshot] = {}
        self._loops: dict[int, tuple[Any, InstantLoop]] = {}
        self._views: dict[str, tuple[float, View]] = {}
        self._fitted: dict[int, tuple[Any, InstantResult]] = {}
        self._seen: dict[int, tuple[Any, ...]] = {}
        self._answers: dict[int, tuple[int, IntArray | None]] = {}
        self._run_proba: dict[tuple[int, int], FloatArray] = {}
        self._serial = 0
        self._refitting = threading.Lock()
        self._wake = threading.Condition()
        self._wanted = False
        self._thread: threading.Thread | None = None
        self._closed = False
        self.error: str | None = None

    # --- reading -----------------------------------------------------------------------------

    def snapshot(self, task_id: int) -> Snapshot:
        """The newest finished snapshot of a task; made on the spot where there is none yet."""
        held = self._snapshots.get(task_id)
        if held is None:
            self.refresh()
            held = self._snapshots[task_id]
        return held

    def refresh(self) -> bool:
        """Takes in all facts there are and publishes; returns whether anything changed."""
        with self._refitting:
            start = time.perf_counter()
            self.error = None
            self._state.update()
            changed = False
            for task_id, state in list(self._state.tasks.items()):
                changed |= self._publish(task_id, state, start)
            return changed

    def wait(self, task_id: int, *, version: int, seconds: float = 5.0) -> Snapshot:
        """The first snapshot that has seen annotation ``version``, or the newest after ``seconds``."""
        deadline = time.monotonic() + seconds
        if self._thread is None:
            self.refresh()
        self.poke()
        while True:
            snapshot = self.snapshot(task_id)
            if snapshot.version >= version or time.monotonic() >= deadline:
                return snapshot
            time.sleep(0.005)

    # --- the background thread ---------------------------------------------------------------

    def start(self) -> None:
        """Begins to follow the store in the background; does nothing when it already does."""
        with self._wake:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._follow, name="labelloom-live", daemon=True)
                self._thread.start()

    def poke(self) -> None:
        """Says that something was written, so that the next refit begins now."""
        with self._wake:
            self._wanted = True
            self._wake.notify_all()

    def close(self) -> None:
        """Ends the background thread."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _follow(self) -> None:
        while True:
            with self._wake:
                if not self._wanted:
                    self._wake.wait(POLL_SECONDS)
                self._wanted = False
                if self._closed:
                    return
            try:
                self.refresh()
            except Exception as error:  # the thread must outlive a bad moment; the page shows the reason
                log.exception("The instant loop of %s stumbled", self.store.folder.name)
                self.error = f"{type(error).__name__}: {error}"
                time.sleep(POLL_SECONDS)

    # --- one snapshot ------------------------------------------------------------------------

    def _publish(self, task_id: int, state: TaskState, start: float) -> bool:
        views = self._ready_views()
        adopted = self.store.adopted(task_id)
        fingerprint = (
            self._state.newest,
            len(state.label_N),
            len(state.task.classes),
            state.task,
            tuple((name, id(view)) for name, view in views.items()),
            adopted,
        )
        if self._seen.get(task_id) == fingerprint:
            return False
        state = _frozen_copy(state)
        view, result = self._fit(state, views)
        proba_NC, follows = self._followed(state, adopted, view, result)
        head_NC = None if proba_NC is None or result is None else result.head_proba_NC
        self._serial += 1
        key = self._key(state.task)
        self._snapshots[task_id] = Snapshot(
            task=state.task,
            version=self._state.newest,
            serial=self._serial,
            state=state,
            proba_NC=proba_NC,
            follows=follows,
            result=result,
            view=view,
            figure=self._figure(state, proba_NC, result, follows),
            head_figure=self._figure(state, head_NC, result, None),
            key_accuracy=_key_accuracy(state, key, proba_NC),
            key_head_accuracy=_key_accuracy(state, key, head_NC),
            label_seconds=time.perf_counter() - start,
        )
        self._seen[task_id] = fingerprint
        return True

    def _ready_views(self) -> dict[str, View]:
        """The complete feature sets, memory-mapped; kept as long as their files stay the same."""
        from sslcore.instant.view import View

        ready: dict[str, View] = {}
        count = len(self._state.item_id_N)
        for name in self._encoders():
            folder = feature_folder(self.store.folder, name)
            try:
                stamp = (folder / "meta.json").stat().st_mtime
                held = self._views.get(name)
                if held is None or held[0] != stamp:
                    held = (stamp, View.load(folder))
                    self._views[name] = held
            except OSError:
                continue
            if len(held[1].feature_ND) == count:
                ready[name] = held[1]
        return ready

    def _fit(self, state: TaskState, views: dict[str, View]) -> tuple[View | None, InstantResult | None]:
        classes = len(state.task.classes)
        if state.task.kind not in ("single", "ordinal") or classes == 0 or not views:
            return (next(iter(views.values()), None), None)
        label_N, rejected = state.training_label_N, state.rejected_pairs()
        used = tuple(views.values())[:MOST_VIEWS]
        told = (tuple(map(id, used)), rejected, classes)
        held = self._fitted.get(state.task.id)
        try:
            if held is not None and held[0] == told and np.array_equal(held[1].label_N, label_N):
                return used[0], held[1]  # an audit answer, a flag: nothing to learn from
            result = self._loop(state.task, used).fit(label_N, rejected=rejected)
        except DataError as error:  # such as a table of items × classes beyond this machine
            self.error = str(error)
            return used[0], None
        self._fitted[state.task.id] = (told, result)
        return used[0], result

    def _loop(self, task: Task, views: tuple[View, ...]) -> InstantLoop:
        """The loop of a task, warm as long as its views and the number of its classes stay the same."""
        from sslcore.instant.loop import InstantLoop

        key = (tuple(map(id, views)), len(task.classes))
        held = self._loops.get(task.id)
        if held is None or held[0] != key:
            loop = InstantLoop(list(views), classes=len(task.classes), seed=0)
            held = self._loops[task.id] = (key, loop)
        return held[1]

    def _followed(
        self, state: TaskState, adopted: int | None, view: View | None, result: InstantResult | None
    ) -> tuple[FloatArray | None, Follow]:
        if adopted is not None:
            proba_NC = self._adopted_proba(adopted, state)
            if proba_NC is not None:
                method = self.store.runs.get(adopted).recipe.get("method", "run")
                return proba_NC, Follow("run", f"run {adopted} ({method})", "adopted by you", run_id=adopted)
        if result is None or view is None or not (result.label_N >= 0).any():
            return None, Follow("none", "no predictions yet")
        names = " and ".join(view.name for view in self._loops[state.task.id][1].views)
        title = f"{result.method} on {names}"
        return result.proba_NC, Follow("instant", title, result.reason, encoder=names)

    def _adopted_proba(self, run_id: int, state: TaskState) -> FloatArray | None:
        """An adopted run's probabilities; rejected classes go to 0. None when they do not fit any more."""
        key = (run_id, state.task.id)
        if key not in self._run_proba:
            path = self.store.folder / "runs" / str(run_id) / f"proba_{state.task.id}.npy"
            if not path.is_file():
                return None
            self._run_proba[key] = np.load(path, allow_pickle=False).astype(np.float32)
        proba_NC = self._run_proba[key]
        if proba_NC.shape != (len(state.label_N), len(state.task.classes)):
            return None
        if state.rejected:
            proba_NC = proba_NC.copy()
            for row, c in state.rejected_pairs():
                proba_NC[row, c] = 0.0
                proba_NC[row] /= max(float(proba_NC[row].sum()), 1e-12)
        return proba_NC

    def _figure(
        self,
        state: TaskState,
        proba_NC: FloatArray | None,
        result: InstantResult | None,
        follows: Follow | None,
    ) -> Figure:
        audit_A = state.audit_row_A
        audit_A = audit_A[state.label_N[audit_A] >= 0]
        if proba_NC is None or proba_NC.shape[1] == 0:
            return Figure(None, len(audit_A), "none")
        if len(audit_A) >= ENOUGH_AUDIT:
            hits = int((proba_NC[audit_A].argmax(axis=1) == state.label_N[audit_A]).sum())
            return Figure(proportion_interval(hits, len(audit_A)), len(audit_A), "audit")
        # Out-of-fold predictions exist for the instant model alone: the others wait for the audit.
        hit_L = (
            _out_of_fold_hits(state, result) if follows is not None and follows.kind == "instant" else None
        )
        if hit_L is None or not len(hit_L):
            return Figure(None, len(audit_A), "none")
        audit_hits = int((proba_NC[audit_A].argmax(axis=1) == state.label_N[audit_A]).sum())
        trials = len(hit_L) + len(audit_A)
        interval: Interval = proportion_interval(int(hit_L.sum()) + audit_hits, trials)
        return Figure(interval, trials, "out-of-fold")

    def _key(self, task: Task) -> IntArray | None:
        """The answer key by row, -1 where there is none; None for a task without one."""
        count = len(self._state.item_id_N)
        held = self._answers.get(task.id)
        if held is None or held[0] != count:
            answers = self.store.answers(task.id) if task.kind in ("single", "ordinal") else {}
            key_N = None
            if answers:
                key_N = np.full(count, -1, dtype=np.int32)
                key_N[self._state.rows(answers)] = list(answers.values())
            self._answers[task.id] = held = (count, key_N)
        return held[1]

    def key(self, task_id: int) -> IntArray | None:
        """The answer key of a task by row (-1: not known), or None; for figures, never for decisions."""
        return self._key(self.snapshot(task_id).task)


def feature_folder(project: Path, encoder: str) -> Path:
    """Where the features of an encoder are kept."""
    from sslcore.features.cache import folder_name

    return project / "features" / folder_name(encoder)


def _frozen_copy(state: TaskState) -> TaskState:
    fresh = copy.copy(state)
    for name, value in vars(state).items():
        if isinstance(value, np.ndarray):
            setattr(fresh, name, value.copy())
        elif isinstance(value, dict):
            setattr(fresh, name, {k: set(v) if isinstance(v, set) else v for k, v in value.items()})
    return fresh


def _out_of_fold_hits(state: TaskState, result: InstantResult | None) -> Any:
    if result is None or result.out_of_fold_proba_LC is None or not len(result.labelled_row_L):
        return None
    label_L = state.label_N[result.labelled_row_L]
    hit_L = result.out_of_fold_proba_LC.argmax(axis=1) == label_L
    # Labels that the machine gave, accepted in bulk, agree with it and are no evidence for it.
    return hit_L[np.isin(state.source_N[result.labelled_row_L], _BY_PEOPLE)]


def _key_accuracy(state: TaskState, key_N: IntArray | None, proba_NC: FloatArray | None) -> float | None:
    if key_N is None or proba_NC is None or proba_NC.shape[1] == 0:
        return None
    by_nobody_N = (key_N >= 0) & ~state.labelled_N
    if not by_nobody_N.any():
        return None
    return float((proba_NC[by_nobody_N].argmax(axis=1) == key_N[by_nobody_N]).mean())
