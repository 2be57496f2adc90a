"""What looks wrong in a set: labels against the evidence, near-duplicates that contradict, outliers.

Labels are judged by what the instant loop says of them *without* them, and by their labelled neighbours.
A label that a person has looked at twice is a fact and not doubted again; audit answers are never doubted
by the machine that they judge, for then they would come to agree with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.instant.view import View
from sslcore.quality.duplicates import near_duplicates, outliers
from sslcore.quality.label_issues import label_issues, neighbour_vote
from sslcore.shapes import FloatArray, IntArray
from sslcore.store.fold import SOURCE_CODE, TaskState
from sslcore.workbench.snapshot import Snapshot

FEWEST_LABELS = 20
"""Labels below which none of them is called doubtful: a model that knows less knows nothing."""
CONTRADICTING, PARTLY, OPEN = 0, 1, 2
"""Kinds of groups: two labels or more; one label and items without; no label at all."""


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """Labels that look wrong, worst first.

    Attributes:
        row_M: Their rows; ``given_M`` their labels, ``suggested_M`` the classes that fit better.
        wrong_M: How probably each is wrong, by the machine's own reckoning.
        judged: Labels that were looked at; 0 while there are too few, or no predictions.
        missing: Labels still needed before any is judged.
        noise_rate: Estimated share of wrong ones among those judged.
        confirmed: Labels that a person has looked at twice.
        aside: Doubtful labels that were skipped.
    """

    row_M: IntArray
    given_M: IntArray
    suggested_M: IntArray
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


def doubtful_labels(snapshot: Snapshot, *, aside: bool = False) -> LabelIssues:
    """The labels that look wrong.

    Args:
        snapshot: What is known now.
        aside: Whether those that were skipped are listed too.
    """
    state, result, view = snapshot.state, snapshot.result, snapshot.view
    confirmed = int((state.confirmed_N & ~state.audit_N).sum())
    labels = 0 if result is None else len(result.labelled_row_L)
    judged_L = np.zeros(0, dtype=bool)
    if result is not None:
        judged_L = result.evidence_L & ~state.confirmed_N[result.labelled_row_L]
    if result is None or labels < FEWEST_LABELS or not judged_L.any():
        nothing = np.zeros(0, dtype=np.int64)
        missing = max(0, FEWEST_LABELS - labels)
        return LabelIssues(nothing, nothing, nothing, np.zeros(0), 0, missing, 0.0, confirmed, 0)
    row_J = result.labelled_row_L[judged_L]
    label_J = result.label_N[row_J]
    vote_JC = None if view is None else _vote(view, row_J, result.label_N)
    found = label_issues(result.out_of_fold_proba_LC[judged_L], label_J, vote_LC=vote_JC)
    doubted_J = found.flagged & (found.suggested != label_J[found.row_ranked])
    row_M = row_J[found.row_ranked]
    skipped_M = doubted_J & state.skipped_N[row_M]
    listed_M = doubted_J if aside else doubted_J & ~skipped_M
    return LabelIssues(
        row_M=row_M[listed_M],
        given_M=label_J[found.row_ranked][listed_M],
        suggested_M=found.suggested[listed_M],
        wrong_M=found.score[listed_M],
        judged=len(row_J),
        missing=0,
        noise_rate=found.noise_rate,
        confirmed=confirmed,
        aside=int(skipped_M.sum()),
    )


def _vote(view: View, row_J: IntArray, label_N: IntArray) -> FloatArray | None:
    if view.knn is None:
        return None
    neighbour_JK, similarity_JK = view.knn.neighbour_NK[row_J], view.knn.similarity_NK[row_J]
    return neighbour_vote(np.asarray(neighbour_JK), np.asarray(similarity_JK), label_N)


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
    kind_G = np.array([_kind(state, row_M) for row_M in found])
    asking = np.flatnonzero(kind_G >= 0)
    asking = asking[np.argsort(kind_G[asking], kind="stable")]
    return Groups(tuple(found[g] for g in asking), kind_G[asking], len(found) - len(asking))


def _kind(state: TaskState, row_M: IntArray) -> int:
    """The kind of a group, or -1 where it asks for nothing."""
    label_M = state.label_N[row_M]
    given_M, skipped_M = label_M >= 0, state.skipped_N[row_M]
    distinct = len(set(label_M[given_M].tolist()))
    if distinct > 1:
        settled_M = state.confirmed_N[row_M] | skipped_M
        return -1 if settled_M[given_M].all() else CONTRADICTING
    if given_M.all() or skipped_M[~given_M].all() or (distinct and skipped_M[given_M].all()):
        return -1
    return PARTLY if distinct else OPEN


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
