"""Should a task follow a finished run? Run and instant loop on the same audit items, and what that means.

The comparison is paired and suits the kind of the task: right or wrong, the F1 of an item's set, how far a
number is off (:mod:`sslcore.quality.paired`). Where the audit items do not tell, the advice is to stay: the
instant loop follows every label, a run does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sslcore.quality.intervals import alike
from sslcore.quality.paired import SURE, probability_gain
from sslcore.shapes import FloatArray
from sslcore.store import Task
from sslcore.workbench.candidates import Candidate
from sslcore.workbench.figures import ENOUGH_AUDIT
from sslcore.workbench.snapshot import CHOICE

if TYPE_CHECKING:
    from sslcore.workbench.compare import CompareDesk


@dataclass(frozen=True)
class Adoption:
    """A finished run beside the instant loop on the same audit items.

    Attributes:
        instant: The instant loop; ``head`` the supervised head alone; ``run`` the run.
        differ: Audit items on which run and instant loop disagree; on ``run_right`` of them the run is right,
            or nearer to it, on ``instant_right`` the instant loop.
        better: Probability that the run is the better one, from those items; None without any.
        advice: ``"adopt"``, ``"keep"`` or ``"unclear"``; ``"impossible"`` when it does not fit any more.
        reason: The advice in a sentence.
    """

    run: Candidate
    instant: Candidate | None
    head: Candidate | None
    differ: int
    run_right: int
    instant_right: int
    better: float | None
    advice: str
    reason: str


@dataclass(frozen=True)
class Duel:
    """A run against the instant loop on ``size`` audit items.

    Attributes:
        differ: On how many they differ; on ``wins`` the run does better, on ``losses`` the instant loop.
        run: Mean score of the run, ``instant`` of the instant loop, as ``candidates.scores`` has them.
        better: Probability that the run is the better one; None where no item tells.
    """

    size: int
    differ: int
    wins: int
    losses: int
    run: float
    instant: float
    better: float | None


def duel(compare: CompareDesk, task: Task, run: Candidate, instant: Candidate) -> Duel:
    """A run against the instant loop, on the audit items that both can be judged on."""
    run_A, instant_A = compare.scores(task, run), compare.scores(task, instant)
    both_A = np.isfinite(run_A) & np.isfinite(instant_A)
    gain_A = (run_A - instant_A)[both_A]
    differ = int((gain_A != 0).sum())
    if task.kind in CHOICE:  # both may be wrong, each in its own way
        row_A = compare.audit(task)[both_A]
        differ = int((run.prediction(row_A) != instant.prediction(row_A)).sum())
    return Duel(
        size=int(both_A.sum()),
        differ=differ,
        wins=int((gain_A > 0).sum()),
        losses=int((gain_A < 0).sum()),
        run=_mean(run_A[both_A]),
        instant=_mean(instant_A[both_A]),
        better=probability_gain(gain_A),
    )


def _mean(score_A: FloatArray) -> float:
    return float(score_A.mean()) if len(score_A) else float("nan")


def advised(fits: bool, kind: str, duel: Duel | None) -> tuple[str, str]:
    """``"adopt"``, ``"keep"``, ``"unclear"`` or ``"impossible"``, and why in words."""
    if not fits:
        return "impossible", (
            "Items or classes were added since this run. Train again: its predictions do not cover them."
        )
    if duel is None:
        return "adopt", "The instant loop has no predictions yet, so there is nothing to lose."
    if duel.better is None:
        return "unclear", (
            "No audit item tells them apart yet. The instant loop follows every label; stay with it."
        )
    told = _told(kind, duel)
    if duel.better >= SURE:
        return "adopt", f"{told} The run is better with {sure(duel.better)}."
    if duel.better <= 1 - SURE:
        return "keep", f"{told} The instant loop is better with {sure(1 - duel.better)}."
    return (
        "unclear",
        f"{told} That is no clear difference; the instant loop follows every label, a run does not.",
    )


def sure(probability: float) -> str:
    """A probability in words; never certainty.

    >>> sure(0.93), sure(0.9999)
    ('probability 93%', 'a probability of more than 99%')
    """
    return "a probability of more than 99%" if probability > 0.99 else f"probability {probability:.0%}"


def _told(kind: str, duel: Duel) -> str:
    """What the audit items say of two models, as suits the kind of the task."""
    if kind in CHOICE:
        return (
            f"Of the {duel.differ} audit items on which they differ, the run is right on {duel.wins} "
            f"and the instant loop on {duel.losses}."
        )
    if kind == "multiple":
        figures = f"the run's sets have a mean F1 of {duel.run:.0%}, the instant loop's {duel.instant:.0%}"
    else:
        run, instant = alike(-duel.run, -duel.instant)
        figures = f"the run is off by {run} in the mean, the instant loop by {instant}"
    rough = "" if duel.size >= ENOUGH_AUDIT else " (rough)"
    return (
        f"On {duel.size} audit items{rough} {figures}. The run is nearer to the answer on {duel.wins} of "
        f"them, the instant loop on {duel.losses}."
    )
