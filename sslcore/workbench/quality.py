"""The Quality desk: what is wrong in the labels, how far the machine's word goes, what more would bring.

Lists (doubtful labels, near-duplicates, outliers) are settled one case at a time; every answer is an
annotation like any other, so nothing here keeps books of its own. Figures come from the audit split, or
say that they are rough. All of it is computed beside the page and kept until the labels change.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.quality.intervals import Interval, proportion_interval
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store import Task
from sslcore.store.annotations import voided
from sslcore.workbench import agreements, bulk, prospects, suspects, trust
from sslcore.workbench.agreements import Agreement
from sslcore.workbench.desk import Desk
from sslcore.workbench.later import PATIENCE, Answer, Later
from sslcore.workbench.map import describe, excerpt, named
from sslcore.workbench.prospects import Advice
from sslcore.workbench.snapshot import Snapshot
from sslcore.workbench.suspects import CONTRADICTING, OPEN, Groups, LabelIssues, Strays
from sslcore.workbench.trust import COVERAGES, Calibration, LabelSets

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench

SIMILARITY = 0.995
"""Cosine similarity from which on two items are near-duplicates, unless another one is chosen."""
MOST_CASES = 60
_MOST_TEXT = 1500
_MOST_MEMBERS = 24
_CURVE_SECONDS = 6.0


@dataclass(frozen=True)
class SecondLooks:
    """Labels that a person looked at again: how many were changed, how many kept."""

    changed: int
    kept: int

    @property
    def share_changed(self) -> Interval:
        """With its 90 % interval."""
        return proportion_interval(self.changed, self.changed + self.kept)


class QualityDesk(Desk):
    """What is wrong, and how do we know?"""

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._later, self._slow = Later(), Later()

    @property
    def finished(self) -> int:
        """Rises whenever a figure is done: what a waiting page looks at."""
        return self._later.finished + self._slow.finished

    def judges(self, task: Task) -> bool:
        """Whether the desk has something to say of this kind of task."""
        return task.kind in ("single", "ordinal") and len(task.classes) > 0

    # --- label issues ------------------------------------------------------------------------

    def issues(self, task: Task, *, aside: bool = False, patience: float = PATIENCE) -> Answer[LabelIssues]:
        """Labels that look wrong, worst first; ``aside`` also those that were skipped."""
        snapshot = self.snapshot(task)
        return self._later.ask(
            ("issues", task.id, aside),
            stamp=snapshot.serial,
            make=lambda: suspects.doubtful_labels(snapshot, aside=aside),
            patience=patience,
        )

    def issue_cases(self, task: Task, found: LabelIssues, *, most: int = MOST_CASES) -> list[dict[str, Any]]:
        """The worst of them as the page shows them, JSON-ready."""
        snapshot = self.snapshot(task)
        cases = []
        shown = slice(0, most)
        cards = self._cards(snapshot, found.row_M[shown], text=_MOST_TEXT)
        for card, row, suggested, wrong in zip(
            cards,
            found.row_M[shown].tolist(),
            found.suggested_M[shown].tolist(),
            found.wrong_M[shown].tolist(),
        ):
            said_C = _said_of(snapshot, int(row))
            if card["label"] is None:
                continue  # taken away since the list was made
            card["prediction"] = named(task, int(suggested))
            card["confidence"] = round(float(said_C[suggested]), 4)
            given = card["label"]["position"]
            cases.append(
                {
                    "id": f"i{card['item_id']}",
                    "suggestion": card["prediction"],
                    "confidence": card["confidence"],
                    "wrong": round(float(wrong), 4),
                    "why": _why_doubted(snapshot, int(row), said_C, given, int(suggested)),
                    "members": [_member(card)],
                    "items": [card],
                }
            )
        return cases

    def second_looks(self, task: Task, *, patience: float = PATIENCE) -> Answer[SecondLooks]:
        """What became of the labels that a person looked at again."""
        snapshot = self.snapshot(task)
        return self._later.ask(
            ("looks", task.id),
            stamp=snapshot.version,
            make=lambda: self._second_looks(snapshot),
            patience=patience,
        )

    def _second_looks(self, snapshot: Snapshot) -> SecondLooks:
        state = snapshot.state
        row_M = np.flatnonzero(state.confirmed_N & ~state.audit_N)
        ids = bulk.bench_item_ids(self.bench)[row_M].tolist()
        gone = voided(self.store.annotations.undos())
        said: dict[int, list[str]] = {}
        for row in self.store.annotations.of_items(ids):
            ours = row.task_id == snapshot.task.id and row.value is not None
            if ours and row.verb in ("label", "accept") and row.batch not in gone:
                said.setdefault(row.item_id, []).append(row.value)
        changed = sum(len(values) > 1 and values[-1] != values[0] for values in said.values())
        return SecondLooks(changed, len(said) - changed)

    # --- near-duplicates and outliers --------------------------------------------------------

    def groups(
        self, task: Task, *, threshold: float = SIMILARITY, patience: float = PATIENCE
    ) -> Answer[Groups]:
        """Groups of near-duplicates that ask for an answer, contradicting ones first."""
        snapshot = self.snapshot(task)
        return self._later.ask(
            ("groups", task.id, threshold),
            stamp=snapshot.serial,
            make=lambda: suspects.duplicate_groups(snapshot, threshold=threshold),
            patience=patience,
        )

    def group_cases(self, task: Task, found: Groups, *, most: int = MOST_CASES) -> list[dict[str, Any]]:
        """The first of them as the page shows them, JSON-ready."""
        snapshot = self.snapshot(task)
        cases = []
        for row_M, kind in zip(found.rows[:most], found.kind_G[:most].tolist()):
            label_M = snapshot.state.label_N[row_M]
            # those with a label first: they are what the answer comes from
            order_M = np.argsort(label_M < 0, kind="stable")
            shown_M = row_M[order_M][:_MOST_MEMBERS]
            suggestion, confidence = self._group_answer(snapshot, row_M, kind)
            cards = self._cards(snapshot, shown_M, text=420)
            ids = bulk.bench_item_ids(self.bench)[row_M].tolist()
            cases.append(
                {
                    "id": f"g{ids[0]}-{len(ids)}",
                    "suggestion": None if suggestion is None else named(task, suggestion),
                    "confidence": confidence,
                    "wrong": None,
                    "why": _why_grouped(task, label_M, kind),
                    "members": [
                        {
                            "item_id": item_id,
                            "label": None if label < 0 else int(label),
                            "audit": bool(snapshot.state.audit_N[row]),
                        }
                        for item_id, label, row in zip(ids, label_M.tolist(), row_M.tolist())
                    ],
                    "items": cards,
                }
            )
        return cases

    def _group_answer(
        self, snapshot: Snapshot, row_M: IntArray, kind: int
    ) -> tuple[int | None, float | None]:
        """The class to give to a whole group, and how sure the machine is of it."""
        label_M = snapshot.state.label_N[row_M]
        given = np.unique(label_M[label_M >= 0])
        said = [_said_of(snapshot, int(row)) for row in row_M[:200]]
        mean_C = np.mean(said, axis=0) if said and len(said[0]) else None
        if mean_C is None or not mean_C.any():
            return (int(given[0]), None) if len(given) == 1 else (None, None)
        # of labels that contradict one is right more probably than a third class
        best = int(mean_C.argmax()) if kind == OPEN else int(given[mean_C[given].argmax()])
        return best, round(float(mean_C[best]), 4)

    def outliers(self, task: Task, *, patience: float = PATIENCE) -> Answer[Strays]:
        """Items far from all others that nobody has looked at yet."""
        snapshot = self.snapshot(task)
        return self._later.ask(
            ("outliers", task.id),
            stamp=snapshot.serial,
            make=lambda: suspects.stray_items(snapshot),
            patience=patience,
        )

    def outlier_cases(self, task: Task, found: Strays, *, most: int = MOST_CASES) -> list[dict[str, Any]]:
        """The farthest of them as the page shows them, JSON-ready."""
        snapshot = self.snapshot(task)
        k = 0 if snapshot.view is None or snapshot.view.knn is None else snapshot.view.knn.k
        cards = self._cards(snapshot, found.row_M[:most], text=_MOST_TEXT)
        return [
            {
                "id": f"o{card['item_id']}",
                "suggestion": card["prediction"],
                "confidence": card["confidence"],
                "wrong": None,
                "why": f"Far from all others: its {k} nearest are {similarity:.2f} alike on average, "
                f"where {found.usual:.2f} is usual. A broken file, another language, a class of its own?",
                "members": [_member(card)],
                "items": [card],
            }
            for card, similarity in zip(cards, found.similarity_M.tolist())
        ]

    # --- label sets --------------------------------------------------------------------------

    def label_sets(
        self, task: Task, coverage: float = 0.90, *, patience: float = PATIENCE
    ) -> Answer[LabelSets]:
        """Sets of classes that hold the true one as often as promised; never without an audit."""
        snapshot = self.snapshot(task)
        return self._later.ask(
            ("sets", task.id, coverage),
            stamp=snapshot.serial,
            make=lambda: trust.label_sets(snapshot, self._audit(snapshot), coverage),
            patience=patience,
        )

    # --- calibration -------------------------------------------------------------------------

    def calibration(self, task: Task, *, patience: float = PATIENCE) -> Answer[Calibration | None]:
        """How far confidence is from being right; None where there is nothing to judge it on."""
        snapshot = self.snapshot(task)
        return self._later.ask(
            ("calibration", task.id),
            stamp=snapshot.serial,
            make=lambda: trust.calibration(snapshot, self._audit(snapshot), _left_out(snapshot)),
            patience=patience,
        )

    # --- agreement ---------------------------------------------------------------------------

    def agreement(self, task: Task, *, patience: float = PATIENCE) -> Answer[Agreement | None]:
        """How far the annotators agree; None where no item has answers of two."""
        return self._later.ask(
            ("agreement", task.id),
            stamp=self.snapshot(task).version,
            make=lambda: agreements.agreement(self.store, task),
            patience=patience,
        )

    # --- what more labels would bring --------------------------------------------------------

    def advice(self, task: Task, *, patience: float = PATIENCE) -> Answer[Advice]:
        """What the next labels are expected to bring, from the learning curve."""
        snapshot = self.snapshot(task)
        labels, audit = int((snapshot.state.training_label_N >= 0).sum()), len(snapshot.state.audit_row_A)
        # the curve moves slowly: a fit for every label would cost the labelling more than it tells
        stage, step = _stage(labels)
        # what was done but for first labels, corrections above all
        changes = snapshot.version - labels - audit
        held = (id(snapshot.view), len(snapshot.task.classes), snapshot.follows.run_id)
        stamp = (*held, stage, changes // step, audit // 5)
        return self._slow.ask(
            ("advice", task.id), stamp=stamp, make=lambda: self._advice(snapshot), patience=patience
        )

    def newest_advice(self, task: Task) -> Advice | None:
        """The advice as it was last told; nothing is computed for it."""
        found = self._slow.newest(("advice", task.id))
        return found if isinstance(found, Advice) else None

    def _advice(self, snapshot: Snapshot) -> Advice:
        curve = self.bench.compare.learning_curve(snapshot.task, seconds=_CURVE_SECONDS)
        return prospects.advice(curve, snapshot)

    # --- all of it ---------------------------------------------------------------------------

    def report(self, task: Task, *, seconds: float = 60.0) -> dict[str, Any]:
        """Every figure of a task, JSON-ready; waits for them."""
        deadline = time.monotonic() + seconds

        def settled(ask: Callable[..., Answer[Any]], *args: Any, **more: Any) -> Any:
            return ask(task, *args, patience=max(0.1, deadline - time.monotonic()), **more).value

        def plain(figure: Any) -> dict[str, Any] | None:
            return None if figure is None else figure.as_dict()

        issues, groups = settled(self.issues), settled(self.groups)
        strays, looks = settled(self.outliers), settled(self.second_looks)
        return {
            "task": task.name,
            "label_issues": None if issues is None else self._issues_dict(task, issues, looks),
            "duplicates": None if groups is None else groups.as_dict(),
            "outliers": None if strays is None else len(strays),
            "label_sets": [plain(settled(self.label_sets, coverage)) for coverage in COVERAGES],
            "calibration": plain(settled(self.calibration)),
            "agreement": plain(settled(self.agreement)),
            "advice": plain(settled(self.advice)),
        }

    def _issues_dict(self, task: Task, found: LabelIssues, looks: SecondLooks | None) -> dict[str, Any]:
        names, item_id_N = task.class_names, bulk.bench_item_ids(self.bench)
        rows = zip(found.row_M, found.given_M, found.suggested_M, found.wrong_M)
        return {
            "open": len(found),
            "judged": found.judged,
            "labels_missing": found.missing,
            "noise_rate": found.noise_rate,
            "looked_at_twice": found.confirmed,
            "changed": None if looks is None else looks.changed,
            "set_aside": found.aside,
            "items": [
                {
                    "id": int(item_id_N[row]),
                    "given": names[int(given)],
                    "suggested": names[int(suggested)],
                    "wrong": float(wrong),
                }
                for row, given, suggested, wrong in rows
            ],
        }

    # --- inside ------------------------------------------------------------------------------

    def _audit(self, snapshot: Snapshot) -> IntArray:
        """Audit rows with an answer that the followed model has not trained on."""
        state = snapshot.state
        row_A = state.audit_row_A
        row_A = row_A[state.label_N[row_A] >= 0]
        if snapshot.follows.kind == "run":
            followed = self.bench.compare.candidate(snapshot.task, f"run:{snapshot.follows.run_id}")
            if followed is not None:
                saw_N: BoolArray = np.zeros(len(state.label_N), dtype=bool)
                saw_N[: len(followed.saw_N)] = followed.saw_N
                row_A = row_A[~saw_N[row_A]]
        return row_A

    def _cards(self, snapshot: Snapshot, row_M: IntArray, *, text: int) -> list[dict[str, Any]]:
        """Items as the page shows them, JSON-ready."""
        rows = [int(row) for row in row_M]
        ids = bulk.bench_item_ids(self.bench)[rows].tolist() if rows else []
        return [
            describe(snapshot, row)
            | {
                "item_id": item.id,
                "key": item.key,
                "sha": item.sha256[:16] if item.media is not None else None,
                "text": None if item.text is None else excerpt(item.text, text),
                "clipped": item.text is not None and len(item.text) > text,
                "annotator": snapshot.state.annotator.get(row),
                "margin": round(float(snapshot.margin_N[row]), 4),
            }
            for row, item in zip(rows, self.store.items(ids))
        ]


# --- what the machine says ----------------------------------------------------------------------


def _said_of(snapshot: Snapshot, row: int) -> FloatArray:
    """What the machine says of a row without the row's own label; all 0 while it says nothing."""
    result = snapshot.result
    if result is not None and len(result.labelled_row_L):
        at = int(np.searchsorted(result.labelled_row_L, row))
        if at < len(result.labelled_row_L) and result.labelled_row_L[at] == row:
            return np.asarray(result.out_of_fold_proba_LC[at])
    if snapshot.proba_NC is None:
        return np.zeros(len(snapshot.task.classes))
    return np.asarray(snapshot.proba_NC[row])  # nobody's, or an audit answer: it learnt nothing from it


def _stage(labels: int) -> tuple[int, int]:
    """A number that rises with every 5 labels, from 100 on with every 5 % more; and how many that is.

    >>> _stage(4), _stage(5), _stage(100), _stage(1000)
    ((0, 5), (1, 5), (20, 5), (67, 49))
    """
    if labels < 100:
        return labels // 5, 5
    grown = int(math.log(labels / 100) / math.log(1.05))
    return 20 + grown, int(5 * 1.05**grown)


def _left_out(snapshot: Snapshot) -> tuple[FloatArray, IntArray] | None:
    """What the instant loop says of labels that it was not shown, and these labels."""
    result = snapshot.result
    if snapshot.follows.kind != "instant" or result is None:
        return None
    held_L = result.evidence_L
    return result.out_of_fold_proba_LC[held_L], result.label_N[result.labelled_row_L][held_L]


# --- words -------------------------------------------------------------------------------------


def _why_doubted(snapshot: Snapshot, row: int, said_C: FloatArray, given: int, suggested: int) -> str:
    right, wrong = (f"“{snapshot.task.class_names[c]}”" for c in (suggested, given))
    text = f"Without this label the machine gives {wrong} {_percent(said_C[given])}"
    if int(said_C.argmax()) == suggested:
        text = f"Without this label the machine says {right}, {_percent(said_C[suggested])}"
    if snapshot.view is None or snapshot.view.knn is None or snapshot.result is None:
        return text + "."
    label_K = snapshot.result.label_N[np.asarray(snapshot.view.knn.neighbour_NK[row])]
    known, like, unlike = (
        int(hit_K.sum()) for hit_K in (label_K >= 0, label_K == suggested, label_K == given)
    )
    if not known:
        return text + "; none of its nearest items has a label."
    return (
        f"{text}; of the {known} labelled items nearest to it {like} say {right}, {unlike or 'none'} {wrong}."
    )


def _why_grouped(task: Task, label_M: IntArray, kind: int) -> str:
    names, n = task.class_names, len(label_M)
    given, counts = np.unique(label_M[label_M >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    labels = ", ".join(f"{counts[i]} × {names[given[i]]}" for i in order[:4])
    without = int((label_M < 0).sum())
    if kind == CONTRADICTING:
        rest = f", {without} without a label" if without else ""
        return f"{n} items that are all but the same, with different labels: {labels}{rest}."
    if kind == OPEN:
        return f"{n} items that are all but the same, none with a label: one answer can serve them all."
    return f"{n} items that are all but the same: {labels}, {without} without a label."


def _percent(share: float) -> str:
    return ">99 %" if share > 0.995 else "<1 %" if share < 0.005 else f"{100 * share:.0f} %"


def _member(card: dict[str, Any]) -> dict[str, Any]:
    label = card["label"]
    return {
        "item_id": card["item_id"],
        "label": None if label is None else label["position"],
        "audit": card["audit"],
    }
