"""How accuracy grows with labels: the instant loop fitted on the first n labels, for a ladder of n.

The labels are those of now, in the order in which they were given; an import's, which all came at
once, in a random but fixed order. Audit items are never among them, nor are labels that a model gave and
a person merely accepted: the curve is about what people's answers bring. Each fit is kept by what it was
fitted on, so a further label costs one more fit, and audit answers none.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.quality.intervals import Interval, proportion_interval
from sslcore.shapes import UNLABELLED, BoolArray, IntArray
from sslcore.store import Task
from sslcore.store.fold import SOURCE_CODE, TaskState
from sslcore.workbench.figures import ENOUGH_AUDIT

if TYPE_CHECKING:
    from sslcore.instant.loop import InstantResult
    from sslcore.instant.view import View

POINTS = 10
"""At most so many fits a curve."""
_KEPT = 40


@dataclass(frozen=True)
class CurvePoint:
    """The instant loop and its supervised head on the first ``labels`` labels.

    Attributes:
        labels: How many labels were given.
        instant: Accuracy of the loop; ``head`` that of the supervised head alone (audit only).
        key_instant: The same against the answer key, on items without a label now; None without one.
    """

    labels: int
    instant: Interval | None
    head: Interval | None
    key_instant: float | None
    key_head: float | None


@dataclass(frozen=True)
class CurveResult:
    """The points by number of labels; ``source`` as in the reports; ``whole`` if none was left out.

    Attributes:
        prediction_SN: What the model of each point says of every item.
        wrong_SA: Whether it errs on each audit item.
        left_out_S2: Labels that were left out in turn at each point: those got right, and all of them.
    """

    points: tuple[CurvePoint, ...]
    source: str
    size: int
    whole: bool
    prediction_SN: tuple[IntArray, ...] = field(default=(), repr=False, compare=False)
    wrong_SA: BoolArray | None = field(default=None, repr=False, compare=False)
    left_out_S2: IntArray | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, eq=False)
class _Fit:
    instant_N: IntArray
    head_N: IntArray | None
    left_out_hits: int
    left_out_size: int


class LearningCurve:
    """Fits and keeps the points of learning curves."""

    def __init__(self) -> None:
        self._fits: OrderedDict[str, _Fit] = OrderedDict()

    def of(
        self, views: Sequence[View], state: TaskState, key_N: IntArray | None, *, seconds: float
    ) -> CurveResult:
        """The curve of one task, within a time budget; at least its last point."""
        classes = len(state.task.classes)
        order_L = label_order(state)
        label_L = state.label_N[order_L]
        deadline = time.monotonic() + seconds
        fits: dict[int, _Fit] = {}
        wanted = ladder(len(order_L), classes)
        # the ends first, then between: a curve that runs out of time is still one from end to end
        for n in sorted(wanted, key=lambda n: (n not in (wanted[0], wanted[-1]), -n)):
            stamp = _stamp(views, state.task.kind, classes, order_L[:n], label_L[:n])
            if stamp not in self._fits and fits and time.monotonic() > deadline:
                continue
            fits[n] = self._fit(stamp, views, state.task, order_L[:n], label_L[:n])
        row_A = state.audit_row_A
        row_A = row_A[state.label_N[row_A] >= 0]
        asked_U = None
        if key_N is not None:
            asked_U = np.flatnonzero((key_N >= 0) & ~state.labelled_N)
        audit = len(row_A) >= ENOUGH_AUDIT
        points = tuple(_point(n, fits[n], state, row_A, key_N, asked_U) for n in sorted(fits))
        along = [fits[n] for n in sorted(fits)]
        said_SN = tuple(fit.instant_N for fit in along)
        return CurveResult(
            points,
            "audit" if audit else "out-of-fold",
            len(row_A) if audit else 0,
            len(fits) == len(wanted),
            prediction_SN=said_SN,
            wrong_SA=np.stack([said_N[row_A] != state.label_N[row_A] for said_N in said_SN]),
            left_out_S2=np.array([(fit.left_out_hits, fit.left_out_size) for fit in along]),
        )

    def _fit(self, stamp: str, views: Sequence[View], task: Task, row_L: IntArray, label_L: IntArray) -> _Fit:
        from sslcore.instant.tasks import loop_for

        held = self._fits.pop(stamp, None)
        if held is None:
            label_N = np.full(len(views[0]), UNLABELLED, dtype=np.int32)
            label_N[row_L] = label_L
            loop: Any = loop_for(task.kind, views, classes=len(task.classes), seed=0)
            result: InstantResult = loop.fit(label_N)
            hits = size = 0
            row_J = result.labelled_row_L[result.evidence_L]
            if len(row_J):
                said_J = result.out_of_fold_proba_LC[result.evidence_L].argmax(axis=1)
                hits, size = int((said_J == label_N[row_J]).sum()), len(row_J)
            head_NC = result.head_proba_NC
            head_N = None if head_NC is None else head_NC.argmax(axis=1).astype(np.int32)
            held = _Fit(result.proba_NC.argmax(axis=1).astype(np.int32), head_N, hits, size)
        self._fits[stamp] = held
        while len(self._fits) > _KEPT:
            self._fits.popitem(last=False)
        return held


def label_order(state: TaskState) -> IntArray:
    """Rows with a label of a person, in the order in which they got it; imported ones shuffled, first.

    An import lists its rows class by class more often than not: its own order would start the curve
    with a few classes only.
    """
    row_L = np.flatnonzero((state.training_label_N >= 0) & ~state.echo_N)
    imported_L: BoolArray = state.source_N[row_L] == SOURCE_CODE["imported"]
    block_L = np.random.default_rng(0).permutation(row_L[imported_L])
    given_L = row_L[~imported_L]
    given_L = given_L[np.argsort(state.row_id_N[given_L], kind="stable")]
    return np.concatenate([block_L, given_L])


def ladder(labels: int, classes: int) -> Sequence[int]:
    """Numbers of labels to stop at: fixed steps by labels a class, so that they recur, and the last.

    >>> ladder(70, 4)
    [4, 8, 12, 20, 32, 48, 70]
    >>> ladder(3, 4), ladder(0, 4)
    ([3], [])
    """
    if labels <= 0:
        return []
    steps: list[int] = []
    a_class = [1, 2, 3, 5, 8, 12, 20, 30, 50, 80]
    while max(classes, 1) * a_class[0] < labels and len(steps) < 100:
        steps += [max(classes, 1) * step for step in a_class]
        a_class = [100 * step for step in a_class]
    steps = [step for step in steps if step < labels * 0.95]
    if len(steps) > POINTS - 1:
        keep = np.unique(np.linspace(0, len(steps) - 1, POINTS - 1).round().astype(int))
        steps = [steps[i] for i in keep]
    return [*steps, labels]


def _point(
    n: int, fit: _Fit, state: TaskState, row_A: IntArray, key_N: IntArray | None, asked_U: IntArray | None
) -> CurvePoint:
    label_A = state.label_N[row_A]

    def on_audit(said_N: IntArray | None) -> Interval | None:
        if said_N is None or len(row_A) < ENOUGH_AUDIT:
            return None
        return proportion_interval(int((said_N[row_A] == label_A).sum()), len(row_A))

    def on_key(said_N: IntArray | None) -> float | None:
        if said_N is None or key_N is None or asked_U is None or not len(asked_U):
            return None
        return float((said_N[asked_U] == key_N[asked_U]).mean())

    instant = on_audit(fit.instant_N)
    if instant is None and fit.left_out_size:
        instant = proportion_interval(fit.left_out_hits, fit.left_out_size)
    return CurvePoint(n, instant, on_audit(fit.head_N), on_key(fit.instant_N), on_key(fit.head_N))


def _stamp(views: Sequence[View], kind: str, classes: int, row_L: IntArray, label_L: IntArray) -> str:
    seen = [(view.name, id(view), len(view)) for view in views]
    digest = hashlib.sha256(f"{seen}\0{kind}\0{classes}".encode())
    digest.update(np.asarray(row_L, dtype=np.int64).tobytes() + np.asarray(label_L, dtype=np.int64).tobytes())
    return digest.hexdigest()
