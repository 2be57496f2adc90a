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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sslcore.errors import DataError
from sslcore.shapes import FloatArray, IntArray
from sslcore.store import LabelState, Store, Task
from sslcore.store.fold import TaskState
from sslcore.workbench.adopted import adopted_numbers, adopted_sets, prediction_file
from sslcore.workbench.figures import (
    ENOUGH_AUDIT,
    answer_report,
    choice_figure,
    figure_of,
    left_out_of,
    positions,
)
from sslcore.workbench.snapshot import CHOICE, Figure, Follow, Snapshot
from sslcore.workbench.titles import recipe_title

if TYPE_CHECKING:
    from sslcore.instant.loop import InstantResult
    from sslcore.instant.multiple import MultipleResult
    from sslcore.instant.numeric import NumericResult
    from sslcore.instant.tasks import TaskLoop, TaskResult
    from sslcore.instant.view import View

    Answer = MultipleResult | NumericResult | None

__all__ = ["ENOUGH_AUDIT", "Live", "feature_folder"]

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How soon facts written by other processes are noticed."""
LARGE = 50_000
"""Items from which on the app's first snapshot does not wait for the first fit: it says what people said."""
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
        self._loops: dict[int, tuple[Any, TaskLoop]] = {}
        self._views: dict[str, tuple[float, View]] = {}
        self._fitted: dict[int, tuple[Any, TaskResult]] = {}
        self._all_fitted: tuple[Any, ...] = ()  # what all tasks were last fitted on
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
        while held is None:
            # while the background makes the first one, look again and again: of a large set it tells what
            # people said long before its first fit is over
            if self._refitting.acquire(timeout=0.02):
                try:
                    if task_id not in self._snapshots:
                        self._take_in()
                    return self._snapshots[task_id]
                finally:
                    self._refitting.release()
            held = self._snapshots.get(task_id)
        return held

    def refresh(self) -> bool:
        """Takes in all facts there are and publishes; returns whether anything changed."""
        with self._refitting:
            return self._take_in(large=True)

    def _take_in(self, *, large: bool = False) -> bool:
        """Publishes what the store says now; ``large``: fits also where that takes long."""
        start = time.perf_counter()
        self.error = None
        self._state.update()
        if self._fits_later:
            self._publish_first()
            if not large:
                return True
        changed = False
        self._fit_all()
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
        result = self._corrected(state, result)
        choice = state.task.kind in CHOICE
        loop_answer = None if choice else cast("MultipleResult | NumericResult | None", result)
        proba_NC, answer, follows = self._followed(state, adopted, view, result)
        head_NC = None if proba_NC is None else getattr(result, "head_proba_NC", None)
        own = follows.kind == "instant"
        figure = (
            _figure(state, proba_NC, result, own)
            if choice
            else figure_of(state, answer_report(state, answer, own=own, head=False))
        )
        self._serial += 1
        key = self._key(state.task)
        self._snapshots[task_id] = Snapshot(
            task=state.task,
            version=self._state.newest,
            serial=self._serial,
            state=state,
            proba_NC=proba_NC,
            follows=follows,
            result=cast("InstantResult | None", result) if choice else None,
            answer=answer,
            loop_answer=loop_answer,
            view=view,
            views=() if result is None else tuple(self._loops[task_id][1].views),
            figure=replace(figure, wants="audit") if follows.kind == "run" else figure,
            head_figure=_figure(state, head_NC, result, False)
            if choice
            else figure_of(state, answer_report(state, loop_answer, own=True, head=True)),
            key_accuracy=_key_accuracy(state, key, proba_NC),
            key_head_accuracy=_key_accuracy(state, key, head_NC),
            label_seconds=time.perf_counter() - start,
        )
        self._seen[task_id] = fingerprint
        return True

    @property
    def _fits_later(self) -> bool:
        """Whether a fit may take longer than a person waits for a page, and comes in the background."""
        return self._thread is not None and len(self._state.item_id_N) >= LARGE

    def _publish_first(self) -> None:
        """What people said, of tasks that have no snapshot: nobody has to wait for the first fit."""
        for task_id, state in self._state.tasks.items():
            if task_id in self._snapshots:
                continue
            state = _frozen_copy(state)
            self._serial += 1
            self._snapshots[task_id] = Snapshot(
                task=state.task,
                version=self._state.newest,
                serial=self._serial,
                state=state,
                proba_NC=None,
                follows=Follow("none", "no predictions yet"),
                result=None,
                view=next(iter(self._ready_views().values()), None),
                views=(),
                figure=figure_of(state, None),
                head_figure=figure_of(state, None),
                key_accuracy=None,
                key_head_accuracy=None,
                label_seconds=0.0,
            )

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

    def _fit(self, state: TaskState, views: dict[str, View]) -> tuple[View | None, TaskResult | None]:
        classes, kind = len(state.task.classes), state.task.kind
        if (classes == 0 and kind != "numeric") or not views:
            return (next(iter(views.values()), None), None)
        used = tuple(views.values())[:MOST_VIEWS]
        wanted = _wanted(state)
        told = (tuple(map(id, used)), classes, wanted.stamp)
        held = self._fitted.get(state.task.id)
        if held is not None and held[0] == told:
            return used[0], held[1]  # an audit answer, a flag: nothing to learn from
        try:
            # every kind's loop takes its own kind of answers
            result = self._loop(state.task, used).fit(wanted.answers, **wanted.more)
        except DataError as error:  # such as a table of items × classes beyond this machine
            self.error = str(error)
            return used[0], None
        self._fitted[state.task.id] = (told, result)
        return used[0], result

    def _fit_all(self) -> None:
        """Where tasks can correct each other: every task is fitted before the first is shown."""
        choices = [state for state in self._state.tasks.values() if state.task.kind in CHOICE]
        views = self._ready_views()
        now = (self._state.newest, len(self._state.item_id_N), len(choices), tuple(map(id, views.values())))
        if len(choices) < 2 or now == self._all_fitted:
            return
        for state in choices:
            self._fit(state, views)
        self._all_fitted = now

    def _corrected(self, state: TaskState, result: TaskResult | None) -> TaskResult | None:
        """The result, corrected by what is known of the other single-choice tasks where that helps."""
        from sslcore.instant.fusion import OtherTask, fuse
        from sslcore.instant.loop import InstantResult

        if not isinstance(result, InstantResult):
            return result
        others = []
        for task_id, (_, held) in self._fitted.items():
            task = self._state.tasks[task_id].task
            if task_id == state.task.id or not isinstance(held, InstantResult) or not _learnt(held):
                continue
            if len(held.proba_NC) == len(result.proba_NC):  # items that came in meanwhile
                others.append(OtherTask.of(task.name, held))
        return fuse(result, others, rejected=state.rejected_pairs()) if others else result

    def _loop(self, task: Task, views: tuple[View, ...]) -> Any:
        """The loop of a task, warm as long as its views and the number of its classes stay the same."""
        from sslcore.instant.tasks import loop_for

        key = (tuple(map(id, views)), len(task.classes))
        held = self._loops.get(task.id)
        if held is None or held[0] != key:
            loop = loop_for(task.kind, list(views), classes=len(task.classes), seed=0)
            held = self._loops[task.id] = (key, loop)
        return held[1]

    def _followed(
        self, state: TaskState, adopted: int | None, view: View | None, result: TaskResult | None
    ) -> tuple[FloatArray | None, Answer, Follow]:
        """Probabilities, answers of a task that is no single choice, and whose they are."""
        loop = None if state.task.kind in CHOICE else cast("Answer", result)
        if adopted is not None:
            proba_NC, answer = self._adopted(adopted, state, loop)
            if proba_NC is not None or answer is not None:
                title = recipe_title(self.store.runs.get(adopted).recipe)
                follows = Follow("run", f"run {adopted} ({title})", "adopted by you", run_id=adopted)
                return proba_NC, answer, follows
        if result is None or view is None or not _learnt(result):
            return None, loop, Follow("none", "no predictions yet")
        names = " and ".join(view.name for view in self._loops[state.task.id][1].views)
        title = f"{result.method} on {names}"
        proba_NC = getattr(result, "proba_NC", None)
        return proba_NC, loop, Follow("instant", title, result.reason, encoder=names)

    def _adopted(self, run_id: int, state: TaskState, loop: Answer) -> tuple[FloatArray | None, Answer]:
        """What an adopted run says; nothing where that does not fit the items and classes of now."""
        from sslcore.instant.numeric import NumericResult

        kind, count = state.task.kind, len(state.label_N)
        said = self._run_said(run_id, state.task)
        if said is None or said.shape != (
            (count,) if kind == "numeric" else (count, len(state.task.classes))
        ):
            return None, None
        if kind == "numeric":
            learnt = isinstance(loop, NumericResult) and len(loop.labelled_row_L) > 0
            return None, adopted_numbers(state, said.astype(np.float64), loop if learnt else None)  # type: ignore[arg-type]
        if kind == "multiple":
            answer = adopted_sets(state, said)
            return answer.proba_NC, answer
        return _without_rejected(state, said), None

    def _run_said(self, run_id: int, task: Task) -> FloatArray | None:
        """The predictions that a run left, float32; None where it left none."""
        key = (run_id, task.id)
        if key not in self._run_proba:
            path = prediction_file(self.store.folder, run_id, task.id, task.kind)
            if not path.is_file():
                return None
            self._run_proba[key] = np.load(path, allow_pickle=False).astype(np.float32)
        return self._run_proba[key]

    def as_if(self, snapshot: Snapshot, run_id: int) -> Snapshot | None:
        """A task as it would be with another run adopted; None where its predictions do not fit."""
        proba_NC, answer = self._adopted(run_id, snapshot.state, snapshot.loop_answer)
        if proba_NC is None and answer is None:
            return None
        return replace(snapshot, proba_NC=proba_NC, answer=answer)

    def _key(self, task: Task) -> IntArray | None:
        """The answer key by row, -1 where there is none; None for a task without one."""
        count = len(self._state.item_id_N)
        held = self._answers.get(task.id)
        if held is None or held[0] != count:
            answers = self.store.answers(task.id) if task.kind in CHOICE else {}
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


@dataclass(frozen=True)
class _Wanted:
    """What a loop is to be fitted on, and what tells whether that has changed."""

    answers: Any
    more: dict[str, Any]
    stamp: Any


def _wanted(state: TaskState) -> _Wanted:
    kind = state.task.kind
    rejected, echo_N = state.rejected_pairs(), state.echo_N
    more = {"rejected": rejected, "echo_N": echo_N if echo_N.any() else None}
    if kind in CHOICE:
        label_N = state.training_label_N
        return _Wanted(label_N, more, (rejected, label_N.tobytes(), echo_N.tobytes()))
    audit_N = state.audit_N
    taught = {row: value for row, value in state.value.items() if not audit_N[row]}
    if kind == "multiple":
        answers = {row: positions(value) for row, value in taught.items()}
        return _Wanted(answers, more, (rejected, answers, echo_N.tobytes()))
    audit = {row: float(value) for row, value in state.value.items() if audit_N[row]}
    return _Wanted(taught, {"audit": audit}, (taught, audit))


def _learnt(result: TaskResult) -> bool:
    """Whether there was anything to learn from."""
    return len(result.labelled_row_L) > 0 or bool((getattr(result, "label_N", np.zeros(0)) >= 0).any())


def _figure(state: TaskState, proba_NC: FloatArray | None, result: TaskResult | None, own: bool) -> Figure:
    """Figures of one choice among classes; left-out answers exist for the instant loop's own alone."""
    from sslcore.instant.loop import InstantResult

    left_out = None
    if own and isinstance(result, InstantResult) and len(result.labelled_row_L):
        left_out = left_out_of(state, result)
    return choice_figure(state, proba_NC, left_out)


def _without_rejected(state: TaskState, proba_NC: FloatArray) -> FloatArray:
    """Probabilities of one class an item; classes that a person rejected have none."""
    if state.rejected:
        proba_NC = proba_NC.copy()
        for row, c in state.rejected_pairs():
            proba_NC[row, c] = 0.0
            proba_NC[row] /= max(float(proba_NC[row].sum()), 1e-12)
    return proba_NC


def _key_accuracy(state: TaskState, key_N: IntArray | None, proba_NC: FloatArray | None) -> float | None:
    if key_N is None or proba_NC is None or proba_NC.shape[1] == 0:
        return None
    by_nobody_N = (key_N >= 0) & ~state.labelled_N
    if not by_nobody_N.any():
        return None
    return float((proba_NC[by_nobody_N].argmax(axis=1) == key_N[by_nobody_N]).mean())
