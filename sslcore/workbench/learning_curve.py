"""How accuracy grows with labels: the instant loop fitted on the first n labels, for a ladder of n.

The labels are those of now, in the order in which they were given; an import's, which all came at
once, in a random but fixed order. Audit items are never among them, nor are labels that a model gave and
a person merely accepted: the curve is about what people's answers bring. Each fit is kept by what it was
fitted on, so a further label costs one more fit, and audit answers none.

Every point is judged on the same items: on the audit answers, or, as long as these are few, on them and all
labels of people, also at a point that learned from the first few labels alone. What it did not learn from it
simply says; what it did it says without that label, left out in turn. A point judged on its own labels only
would be right about the few easy items with which labelling began, and the curve would fall from there.
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
from sslcore.workbench.figures import ENOUGH_AUDIT, answered_audit, by_people

if TYPE_CHECKING:
    from sslcore.instant.loop import InstantResult
    from sslcore.instant.view import View

POINTS = 10
"""At most so many fits a curve."""
FEWEST_JUDGED = 10
"""Items below which a share of right ones tells nothing: such a point has no figure."""
_KEPT = 40


@dataclass(frozen=True)
class CurvePoint:
    """The instant loop and its supervised head on the first ``labels`` labels.

    Attributes:
        labels: How many labels were given.
        instant: Accuracy of the loop, None on fewer than ten items; ``head`` that of the supervised head
            alone (audit only).
        key_instant: The same against the answer key, on items without a label now; None without one.
    """

    labels: int
    instant: Interval | None
    head: Interval | None
    key_instant: float | None
    key_head: float | None


@dataclass(frozen=True)
class CurveResult:
    """The points by number of labels.

    Attributes:
        points: In the order of their labels.
        source: ``"audit"``, or ``"out-of-fold"`` while audit answers are few; ``size`` the items judged.
        whole: Whether none was left out for lack of time.
        prediction_SN: What the model of each point says of every item.
        wrong_SJ: Whether it errs on each item that points are judged on.
        judged_SJ: Whether it can be judged on that item: it was not given away by a near-duplicate, nor the
            only one of its class among what the point learned from.
    """

    points: tuple[CurvePoint, ...]
    source: str
    size: int
    whole: bool
    prediction_SN: tuple[IntArray, ...] = field(default=(), repr=False, compare=False)
    wrong_SJ: BoolArray | None = field(default=None, repr=False, compare=False)
    judged_SJ: BoolArray | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, eq=False)
class _Fit:
    """``left_out_L``: what it says of rows it learned from without their label; -1 where that is no test."""

    instant_N: IntArray
    head_N: IntArray | None
    row_L: IntArray
    left_out_L: IntArray


class LearningCurve:
    """Fits and keeps the points of learning curves."""

    def __init__(self) -> None:
        self._fits: OrderedDict[str, _Fit] = OrderedDict()

    def of(
        self, views: Sequence[View], state: TaskState, key_N: IntArray | None, *, seconds: float
    ) -> CurveResult:
        """The curve of one task, within a time budget; at least one more point than was fitted before."""
        classes = len(state.task.classes)
        order_L = label_order(state)
        label_L = state.label_N[order_L]
        deadline = time.monotonic() + seconds
        fits: dict[int, _Fit] = {}
        wanted = ladder(len(order_L), classes)
        new = 0
        # the ends first, then between: a curve that runs out of time is still one from end to end
        for n in sorted(wanted, key=lambda n: (n not in (wanted[0], wanted[-1]), -n)):
            stamp = _stamp(views, state.task.kind, classes, order_L[:n], label_L[:n])
            if stamp not in self._fits:
                if new and time.monotonic() > deadline:
                    continue
                new += 1
            fits[n] = self._fit(stamp, views, state.task, order_L[:n], label_L[:n])
        row_A = answered_audit(state)
        asked_U = None
        if key_N is not None:
            asked_U = np.flatnonzero((key_N >= 0) & ~state.labelled_N)
        audit = len(row_A) >= ENOUGH_AUDIT
        along = [fits[n] for n in sorted(fits)]
        row_J = row_A if audit else np.concatenate([_told_apart(along[-1], state), row_A])
        group_N = None if audit else views[0].group_N
        judged = [_judged(fit, row_J, state.label_N[row_J], group_N) for fit in along]
        wrong_SJ, judged_SJ = (np.stack(part) for part in zip(*judged))
        points = []
        for n, wrong_J, judged_J in zip(sorted(fits), wrong_SJ, judged_SJ):
            right_J = ~wrong_J[judged_J]
            head_row_A = row_A if audit else row_A[:0]
            points.append(_point(n, fits[n], right_J, state, head_row_A, key_N, asked_U))
        return CurveResult(
            tuple(points),
            "audit" if audit else "out-of-fold",
            len(row_J),
            len(fits) == len(wanted),
            prediction_SN=tuple(fit.instant_N for fit in along),
            wrong_SJ=wrong_SJ,
            judged_SJ=judged_SJ,
        )

    def _fit(self, stamp: str, views: Sequence[View], task: Task, row_L: IntArray, label_L: IntArray) -> _Fit:
        from sslcore.instant.tasks import loop_for

        held = self._fits.pop(stamp, None)
        if held is None:
            label_N = np.full(len(views[0]), UNLABELLED, dtype=np.int32)
            label_N[row_L] = label_L
            loop: Any = loop_for(task.kind, views, classes=len(task.classes), seed=0)
            result: InstantResult = loop.fit(label_N)
            said_L = result.out_of_fold_proba_LC.argmax(axis=1)
            said_L = np.where(result.evidence_L, said_L, UNLABELLED)
            head_NC = result.head_proba_NC
            head_N = None if head_NC is None else head_NC.argmax(axis=1).astype(np.int32)
            instant_N = result.proba_NC.argmax(axis=1).astype(np.int32)
            held = _Fit(instant_N, head_N, result.labelled_row_L, said_L)
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


def _told_apart(last: _Fit, state: TaskState) -> IntArray:
    """Rows of people's labels that the model of now could name without them: points are judged on these."""
    known_L = last.left_out_L != UNLABELLED
    return last.row_L[known_L & by_people(state)[last.row_L]]


def _judged(
    fit: _Fit, row_J: IntArray, label_J: IntArray, group_N: IntArray | None
) -> tuple[BoolArray, BoolArray]:
    """Where a fit errs on some rows, and on which of them it can be judged."""
    said_N = fit.instant_N.copy()
    said_N[fit.row_L] = fit.left_out_L
    said_J = said_N[row_J]
    fair_J: BoolArray = said_J != UNLABELLED
    if group_N is not None:  # near-duplicates of what it learned from: within the fit they leave together
        learnt_J = np.isin(row_J, fit.row_L)
        fair_J &= learnt_J | ~np.isin(group_N[row_J], group_N[fit.row_L])
    return said_J != label_J, fair_J


def _point(
    n: int,
    fit: _Fit,
    right_J: BoolArray,
    state: TaskState,
    row_A: IntArray,
    key_N: IntArray | None,
    asked_U: IntArray | None,
) -> CurvePoint:
    def share(right_J: BoolArray) -> Interval | None:
        if len(right_J) < FEWEST_JUDGED:
            return None
        return proportion_interval(int(right_J.sum()), len(right_J))

    def on_key(said_N: IntArray | None) -> float | None:
        if said_N is None or key_N is None or asked_U is None or not len(asked_U):
            return None
        return float((said_N[asked_U] == key_N[asked_U]).mean())

    head = None if fit.head_N is None else share(fit.head_N[row_A] == state.label_N[row_A])
    return CurvePoint(n, share(right_J), head, on_key(fit.instant_N), on_key(fit.head_N))


def _stamp(views: Sequence[View], kind: str, classes: int, row_L: IntArray, label_L: IntArray) -> str:
    seen = [(view.name, id(view), len(view)) for view in views]
    digest = hashlib.sha256(f"{seen}\0{kind}\0{classes}".encode())
    digest.update(np.asarray(row_L, dtype=np.int64).tobytes() + np.asarray(label_L, dtype=np.int64).tobytes())
    return digest.hexdigest()
