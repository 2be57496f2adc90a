"""Audit questions: the random sample that makes every figure honest.

Some rows are set aside as a fixed random sample and asked blind, one question in five by default; what
is answered on them is never trained on. Setting them aside beforehand (rather than drawing one when
its turn comes) keeps the sample uniform: no strategy has already taken the hard items out of it.
Rows whose label the machine gave in bulk stay in the draw, rows that a person or an import has
labelled do not, for their answers are trained on. An item of the split that lost its answer is asked
again, as blind as before: with the machine's help it would let the machine judge itself.
"""

from __future__ import annotations

import math

import numpy as np

from sslcore.errors import DataError
from sslcore.shapes import BoolArray, IntArray
from sslcore.store import Event
from sslcore.store.fold import SOURCE_CODE, TaskState
from sslcore.workbench.label_events import only

AUDIT_SHARE = 0.2
"""Share of the questions that are audit questions, unless the project's settings say otherwise."""
AUDIT_TARGET = 100
"""Audit items after which no more are asked; an import that brings as many needs none."""


def audit_rows(state: TaskState, permutation_N: IntArray, *, share: float, target: int) -> IntArray:
    """Rows set aside for audit questions, in the order in which they are asked.

    Args:
        state: The current labels.
        permutation_N: A fixed random order of all rows; the same for the life of the project.
        share: Share of the questions that are audit questions, 0 to 1; no more of the rows are taken.
        target: Audit items wanted in all.

    Returns:
        Distinct rows that nobody has answered: first those of the split that lost their answer, whatever
        the share and the target, then new ones while there are not enough.
    """
    lost_N = state.audit_N & state.open_N
    lost_A = permutation_N[lost_N[permutation_N]] if lost_N.any() else np.zeros(0, dtype=np.int64)
    wanted = target - len(state.audit_row_A) - len(lost_A)
    if share <= 0 or wanted <= 0:
        return lost_A
    free_N = _free(state)
    wanted = min(wanted, math.ceil(share * int(free_N.sum())))
    return np.concatenate([lost_A, permutation_N[free_N[permutation_N]][:wanted]])


def outside_audit(event: Event, state: TaskState) -> Event:
    """An accepted suggestion, less the items of the audit split: their answers judge the machine.

    Raises:
        DataError: Nothing is left of it.
    """
    known = len(state.audit_N)  # an item that was imported since is in no split yet
    kept = [k for k, i in enumerate(event.item_ids) if i > known or not state.audit_N[i - 1]]
    if not kept:
        raise DataError("An audit item is answered by hand: it has no suggestion to accept.")
    return only(event, kept)


def audit_due(answered: int, audited: int, *, share: float) -> bool:
    """Whether the next question is an audit question.

    Args:
        answered: Questions answered so far, audit questions among them.
        audited: Audit questions answered so far.
        share: Share wanted, 0 to 1.

    >>> [audit_due(k, k // 5, share=0.2) for k in range(6)]
    [False, False, False, False, True, False]
    """
    return math.floor(share * (answered + 1) + 1e-9) > audited


def answered_by_people(state: TaskState) -> tuple[int, int]:
    """How many rows a person has answered one at a time, and how many of them as audit questions."""
    human_N = state.source_N == SOURCE_CODE["human"]
    return int(human_N.sum()), int((human_N & state.audit_N).sum())


def _free(state: TaskState) -> BoolArray:
    taken_N = np.isin(state.source_N, (SOURCE_CODE["human"], SOURCE_CODE["imported"]))
    return ~taken_N & ~state.skipped_N & ~state.audit_N
