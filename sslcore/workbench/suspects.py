"""What looks wrong in a set: labels against the evidence, near-duplicates that contradict, outliers.

Labels are judged by what the instant loop says of them *without* them; classes also by their labelled
neighbours, sets and numbers as ``quality/answer_issues.py`` tells. A label that a person has looked at twice
is a fact and not doubted again; audit answers are never doubted by the machine that they judge, for then
they would come to agree with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslcore.graph.groups import labelled_groups
from sslcore.instant.loop import InstantResult
from sslcore.instant.multiple import MultipleResult, judged_answers
from sslcore.instant.numeric import NumericResult
from sslcore.instant.view import View
from sslcore.quality.answer_issues import DOUBTED, FAR, usual_error, usual_errors_off, wrong_sets
from sslcore.quality.duplicates import near_duplicates, outliers
from sslcore.quality.label_issues import label_issues, neighbour_vote
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store.fold import SOURCE_CODE, TaskState
from sslcore.workbench import kinds
from sslcore.workbench.figures import by_people, positions
from sslcore.workbench.snapshot import CHOICE, Snapshot

FEWEST_LABELS = 20
"""Labels below which none of them is called doubtful: a model that knows less knows nothing."""
CONTRADICTING, PARTLY, OPEN = 0, 1, 2
"""Kinds of groups: two labels or more; one label and items without; no label at all."""


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """Labels that look wrong, worst first.

    Attributes:
        row_M: Their rows; ``given_M`` their labels, ``suggested_M`` the answers that fit better: classes,
            lists of classes, or numbers.
        wrong_M: How probably each is wrong, by the machine's own reckoning; of numbers, by how many usual
            errors it is off.
        judged: Labels that were looked at; 0 while there are too few, or no predictions.
        missing: Labels still needed before any is judged.
        noise_rate: Estimated share of wrong ones among those judged.
        confirmed: Labels that a person has looked at twice.
        aside: Doubtful labels that were skipped.
    """

    row_M: IntArray
    given_M: NDArray[Any]
    suggested_M: NDArray[Any]
    wrong_M: FloatArray
    judged: int
    missing: int
    noise_rate: float
    confirmed: int
    aside: int

    def __len__(self) -> int:
        return len(self.row_M)


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of near-duplicates that ask for something, contradicting ones first.

    Attributes:
        rows: The rows of each group.
        kind_G: ``CONTRADICTING``, ``PARTLY`` or ``OPEN``.
        settled: Groups that ask for nothing: one label for all, or kept apart by a person.
    """

    rows: tuple[IntArray, ...]
    kind_G: IntArray
    settled: int

    def __len__(self) -> int:
        return len(self.rows)

    def count(self, kind: int) -> int:
        """How many there are of a kind."""
        return int((self.kind_G == kind).sum())

    def as_dict(self) -> dict[str, int]:
        """How many there are of each kind, JSON-ready."""
        return {
            "contradicting": self.count(CONTRADICTING),
            "partly_labelled": self.count(PARTLY),
            "unlabelled": self.count(OPEN),
            "settled": self.settled,
        }


@dataclass(frozen=True, eq=False)
class Strays:
    """Items far from all others, farthest first: the mean similarity to their neighbours."""

    row_M: IntArray
    similarity_M: FloatArray
    usual: float

    def __len__(self) -> int:
        return len(self.row_M)


@dataclass(frozen=True, eq=False)
class _Judged:
    """Labels that were looked at, worst first."""

    row_J: IntArray
    given_J: NDArray[Any]
    suggested_J: NDArray[Any]
    wrong_J: FloatArray
    doubted_J: BoolArray
    noise_rate: float


def doubtful_labels(snapshot: Snapshot, *, aside: bool = False) -> LabelIssues:
    """The labels that look wrong.

    Args:
        snapshot: What is known now.
        aside: Whether those that were skipped are listed too.
    """
    state = snapshot.state
    confirmed = int((state.confirmed_N & ~state.audit_N).sum())
    result: Any = snapshot.result if snapshot.task.kind in CHOICE else snapshot.loop_answer
    labels = 0 if result is None else len(result.labelled_row_L)
    found = None if labels < FEWEST_LABELS else _judged(snapshot)
    if found is None or not len(found.row_J):
        nothing = np.zeros(0, dtype=np.int64)
        missing = max(0, FEWEST_LABELS - labels)
        return LabelIssues(nothing, nothing, nothing, np.zeros(0), 0, missing, 0.0, confirmed, 0)
    skipped_J = found.doubted_J & state.skipped_N[found.row_J]
    listed_J = found.doubted_J if aside else found.doubted_J & ~skipped_J
    return LabelIssues(
        row_M=found.row_J[listed_J],
        given_M=found.given_J[listed_J],
        suggested_M=found.suggested_J[listed_J],
        wrong_M=found.wrong_J[listed_J],
        judged=len(found.row_J),
        missing=0,
        noise_rate=found.noise_rate,
        confirmed=confirmed,
        aside=int(skipped_J.sum()),
    )


def _judged(snapshot: Snapshot) -> _Judged | None:
    if isinstance(snapshot.loop_answer, MultipleResult):
        return _judged_sets(snapshot, snapshot.loop_answer)
    if isinstance(snapshot.loop_answer, NumericResult):
        return _judged_numbers(snapshot, snapshot.loop_answer)
    return _judged_classes(snapshot)


def _judged_classes(snapshot: Snapshot) -> _Judged | None:
    result, view = snapshot.result, snapshot.view
    if result is None:
        return None
    judged_L = result.evidence_L & ~snapshot.state.confirmed_N[result.labelled_row_L]
    if not judged_L.any():
        return None
    row_J = result.labelled_row_L[judged_L]
    label_J = result.label_N[row_J]
    vote_JC = None if view is None else _vote(view, row_J, result)
    found = label_issues(result.out_of_fold_proba_LC[judged_L], label_J, vote_LC=vote_JC)
    given_J = label_J[found.row_ranked]
    return _Judged(
        row_J=row_J[found.row_ranked],
        given_J=given_J,
        suggested_J=found.suggested,
        wrong_J=found.score,
        doubted_J=found.flagged & (found.suggested != given_J),
        noise_rate=found.noise_rate,
    )


def _judged_sets(snapshot: Snapshot, result: MultipleResult) -> _Judged:
    row_L, answer_LC = result.labelled_row_L, result.answer_LC
    group_N = None if snapshot.view is None else snapshot.view.group_N
    evidence_LC = judged_answers(answer_LC, labelled_groups(group_N, row_L))
    judged_L = _doubtable(snapshot.state)[row_L] & evidence_LC.any(axis=1)
    row_J, answer_JC, evidence_JC = row_L[judged_L], answer_LC[judged_L], evidence_LC[judged_L]
    said_JC = result.out_of_fold_proba_LC[judged_L]
    wrong_J, noise_rate = wrong_sets(said_JC, answer_JC, judged_LC=evidence_JC)
    better_JC = np.where(evidence_JC, said_JC >= 0.5, answer_JC)
    doubted_J = (wrong_J > DOUBTED) & (better_JC != answer_JC).any(axis=1)
    order_J = np.argsort(-wrong_J, kind="stable")
    return _Judged(
        row_J=row_J[order_J],
        given_J=_listed(answer_JC[order_J]),
        suggested_J=_listed(better_JC[order_J]),
        wrong_J=wrong_J[order_J],
        doubted_J=doubted_J[order_J],
        noise_rate=noise_rate,
    )


def _judged_numbers(snapshot: Snapshot, result: NumericResult) -> _Judged:
    judged_L = _doubtable(snapshot.state)[result.labelled_row_L]
    off_L = np.zeros(len(judged_L))
    by_people_L = by_people(snapshot.state)[
        result.labelled_row_L
    ]  # those looked at twice tell how far is far
    off_L[by_people_L] = usual_errors_off((result.value_L - result.out_of_fold_L)[by_people_L])
    value_J, off_J = result.value_L[judged_L], off_L[judged_L]
    better_J = result.out_of_fold_L[judged_L].round(kinds.decimals(snapshot))
    doubted_J = (off_J > FAR) & (better_J != value_J)
    order_J = np.argsort(-off_J, kind="stable")
    return _Judged(
        row_J=result.labelled_row_L[judged_L][order_J],
        given_J=value_J[order_J],
        suggested_J=better_J[order_J],
        wrong_J=off_J[order_J],
        doubted_J=doubted_J[order_J],
        noise_rate=float(doubted_J.mean()) if len(doubted_J) else 0.0,
    )


def _doubtable(state: TaskState) -> BoolArray:
    """Rows whose label a person gave one by one or that came with the data, and looked at once."""
    return by_people(state) & ~state.audit_N & ~state.confirmed_N


def _listed(answer_JC: BoolArray) -> NDArray[Any]:
    """Sets as lists of positions."""
    found_J = np.empty(len(answer_JC), dtype=object)
    for at, answer_C in enumerate(answer_JC):
        found_J[at] = np.flatnonzero(answer_C).tolist()
    return found_J


def number_error(snapshot: Snapshot) -> float:
    """How far the machine's numbers usually are from those of people that it was not shown; 0 without any."""
    result = snapshot.loop_answer
    if not isinstance(result, NumericResult):
        return 0.0
    by_people_L = by_people(snapshot.state)[result.labelled_row_L]
    return usual_error((result.value_L - result.out_of_fold_L)[by_people_L])


def _vote(view: View, row_J: IntArray, result: InstantResult) -> FloatArray | None:
    if view.knn is None:
        return None
    neighbour_JK, similarity_JK = view.knn.neighbour_NK[row_J], view.knn.similarity_NK[row_J]
    classes = result.out_of_fold_proba_LC.shape[1]
    neighbour, similarity = np.asarray(neighbour_JK), np.asarray(similarity_JK)
    return neighbour_vote(neighbour, similarity, result.label_N, classes=classes)


def duplicate_groups(snapshot: Snapshot, *, threshold: float) -> Groups:
    """The groups of near-duplicates that ask for an answer, contradicting ones first, then the largest.

    Args:
        snapshot: What is known now.
        threshold: Cosine similarity from which on two items are near-duplicates.
    """
    view, state = snapshot.view, snapshot.state
    found = [] if view is None or view.knn is None else near_duplicates(view.knn, threshold=threshold)
    if not found:
        return Groups((), np.zeros(0, dtype=np.int64), 0)
    usual = number_error(snapshot)
    kind_G = np.array([_kind(state, row_M, usual) for row_M in found])
    asking = np.flatnonzero(kind_G >= 0)
    asking = asking[np.argsort(kind_G[asking], kind="stable")]
    return Groups(tuple(found[g] for g in asking), kind_G[asking], len(found) - len(asking))


def _kind(state: TaskState, row_M: IntArray, usual: float) -> int:
    """The kind of a group, or -1 where it asks for nothing."""
    given_M, skipped_M = state.labelled_N[row_M], state.skipped_N[row_M]
    if _apart(state, row_M[given_M], usual):
        settled_M = state.confirmed_N[row_M] | skipped_M
        return -1 if settled_M[given_M].all() else CONTRADICTING
    if given_M.all() or skipped_M[~given_M].all() or (given_M.any() and skipped_M[given_M].all()):
        return -1
    return PARTLY if given_M.any() else OPEN


def _apart(state: TaskState, row_M: IntArray, usual: float) -> bool:
    """Whether labels contradict each other: two classes, two sets, or numbers more than ``usual`` apart."""
    if state.task.kind in CHOICE:
        return len(set(state.label_N[row_M].tolist())) > 1
    answers = [state.value[row] for row in row_M.tolist()]
    if state.task.kind == "multiple":
        return len({tuple(sorted(positions(value))) for value in answers}) > 1
    return bool(answers) and max(answers) - min(answers) > usual


def stray_items(snapshot: Snapshot) -> Strays:
    """Items far from all others that no person has looked at yet, farthest first."""
    view, state = snapshot.view, snapshot.state
    if view is None or view.knn is None or len(view) < 4:
        return Strays(np.zeros(0, dtype=np.int64), np.zeros(0), 0.0)
    found = outliers(view.knn)
    seen_N = state.flagged_N | state.skipped_N | state.confirmed_N | state.audit_N
    seen_N |= state.source_N == SOURCE_CODE["human"]
    row_M = np.flatnonzero(found.flagged_N & ~seen_N)
    row_M = row_M[np.argsort(-found.score_N[row_M], kind="stable")]
    return Strays(row_M, 1.0 - found.score_N[row_M], 1.0 - float(np.median(found.score_N)))
