"""The Quality desk: what is wrong in the labels, how far the machine's word goes, what more would bring.

Lists (doubtful labels, near-duplicates, outliers) are settled one case at a time; every answer is an
annotation like any other, so nothing here keeps books of its own. Figures come from the audit split, or
say that they are rough. All of it is computed beside the page and kept until the labels change.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.quality.intervals import Interval, proportion_interval
from sslcore.shapes import BoolArray, FloatArray, IntArray
from sslcore.store import Task
from sslcore.store.annotations import voided
from sslcore.workbench import agreements, bulk, kinds, opinions, prospects, suspects, trust
from sslcore.workbench.agreements import Agreement
from sslcore.workbench.desk import Desk
from sslcore.workbench.figures import positions
from sslcore.workbench.later import PATIENCE, Answer, Later
from sslcore.workbench.learning_curve import POINTS
from sslcore.workbench.map import describe, excerpt, named_value
from sslcore.workbench.prospects import MORE_LABELS, Advice
from sslcore.workbench.snapshot import CHOICE, Snapshot
from sslcore.workbench.suspects import OPEN, Groups, LabelIssues, Strays
from sslcore.workbench.trust import COVERAGES, Calibration, LabelSets

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench

SIMILARITY = 0.995
"""Cosine similarity from which on two items are near-duplicates, unless another one is chosen."""
MOST_CASES = 60
_MOST_TEXT = 1500
_MOST_MEMBERS = 24
_CURVE_SECONDS = 6.0
"""A learning curve that takes longer is gone on with the next time somebody asks: no key waits for it."""
_MOST_ROUNDS = 2 * POINTS


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
        self._rounds: dict[int, tuple[Hashable, int]] = {}
        self._whole: dict[int, tuple[Hashable, Advice]] = {}

    @property
    def finished(self) -> int:
        """Rises whenever a figure is done: what a waiting page looks at."""
        return self._later.finished + self._slow.finished

    def judges(self, task: Task) -> bool:
        """Whether there is anything that labels of this task could be."""
        return task.kind == "numeric" or len(task.classes) > 0

    def foresees(self, task: Task) -> bool:
        """Whether there is a learning curve to tell from what more labels would bring: of one choice."""
        return task.kind in CHOICE and len(task.classes) > 0

    def scale(self, task: Task) -> dict[str, Any] | None:
        """The numbers given so far, JSON-ready; None for other kinds of task."""
        found = kinds.scale(self.snapshot(task))
        return None if found is None else asdict(found)

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
        usual = suspects.number_error(snapshot)
        shown = slice(0, most)
        cards = self._cards(snapshot, found.row_M[shown], text=_MOST_TEXT)
        cases = []
        for card, row, suggested in zip(
            cards, found.row_M[shown].tolist(), found.suggested_M[shown].tolist()
        ):
            if card["label"] is None:
                continue  # taken away since the list was made
            said, given = opinions.said_of(snapshot, row), card["label"]["value"]
            card["prediction"] = named_value(task, suggested)
            card["confidence"] = opinions.confidence(snapshot, said, suggested)
            why = opinions.why_doubted(snapshot, row, given, suggested, usual)
            case = _case(f"i{card['item_id']}", card, [_member(card)], [card], why=why)
            reach = usual if task.kind == "numeric" else None
            cases.append(case | _drawn(snapshot, said, reach))
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
        said: dict[int, list[Any]] = {}
        for row in self.store.annotations.of_items(ids):
            ours = row.task_id == snapshot.task.id and row.value is not None
            if ours and row.verb in ("label", "accept") and row.batch not in gone:
                value = json.loads(row.value)
                said.setdefault(row.item_id, []).append(
                    sorted(positions(value)) if snapshot.multiple else value
                )
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
        usual = suspects.number_error(snapshot)
        reach = usual if task.kind == "numeric" else None
        cases = []
        for row_M, kind in zip(found.rows[:most], found.kind_G[:most].tolist()):
            answers = [opinions.answer_of(snapshot, row) for row in row_M.tolist()]
            # those with a label first: they are what the answer comes from
            order_M = np.argsort([answer is None for answer in answers], kind="stable")
            said = opinions.said_of_all(snapshot, row_M)
            answer = opinions.group_answer(snapshot, opinions.different(answers), said, kind)
            sure = None if answer is None else opinions.confidence(snapshot, said, answer)
            given = {"prediction": named_value(task, answer), "confidence": sure}
            ids = bulk.bench_item_ids(self.bench)[row_M].tolist()
            members = [
                {"item_id": item_id, "label": label, "audit": bool(snapshot.state.audit_N[row])}
                for item_id, label, row in zip(ids, answers, row_M.tolist())
            ]
            cards = self._cards(snapshot, row_M[order_M][:_MOST_MEMBERS], text=420)
            why = opinions.why_grouped(snapshot, answers, kind, said=said, usual=usual)
            case = _case(f"g{ids[0]}-{len(ids)}", given, members, cards, why=why)
            case |= _drawn(snapshot, said, reach)
            # beside an answer that was given, how far the machine is off would be read as that answer's
            cases.append(case if kind == OPEN else case | {"range": None})
        return cases

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
        cases = []
        for card, row, similarity in zip(cards, found.row_M.tolist(), found.similarity_M.tolist()):
            why = (
                f"Far from all others: its {k} nearest are {similarity:.2f} alike on average, where "
                f"{found.usual:.2f} is usual. A broken file, another language, "
                f"{'a class of its own' if task.classes else 'a thing of its own'}?"
            )
            case = _case(f"o{card['item_id']}", card, [_member(card)], [card], why=why)
            case |= _drawn(snapshot, opinions.said_of(snapshot, row), None)
            if (told := kinds.said(snapshot, row)) is not None and told.low is not None:
                case |= {"low": told.low, "high": told.high, "range": card["interval"], "usual": False}
            cases.append(case)
        return cases

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
        """What the next labels are expected to bring, from the learning curve.

        A curve that takes longer than a moment is made in rounds, one each time this is called; until it is
        whole the answer is not fresh, and tells what is known from the one before.
        """
        deadline = time.monotonic() + patience
        while True:
            answer, going_on = self._advice_of(self.snapshot(task), deadline - time.monotonic())
            if not going_on or time.monotonic() >= deadline:
                return answer

    def _advice_of(self, snapshot: Snapshot, patience: float) -> tuple[Answer[Advice], bool]:
        """The advice as far as it is known, and whether a round was done that was not the last."""
        task = snapshot.task
        labels, audit = int((snapshot.state.training_label_N >= 0).sum()), len(snapshot.state.audit_row_A)
        # the curve moves slowly: a fit for every label would cost the labelling more than it tells
        stage, step = _stage(labels)
        # what was done but for first labels, corrections above all
        changes = snapshot.version - labels - audit
        of = (id(snapshot.view), len(task.classes), snapshot.follows.run_id)
        stamp = (*of, stage, changes // step, audit // 5)
        held = self._rounds.get(task.id)
        rounds = held[1] if held is not None and held[0] == stamp else 0
        found = self._slow.ask(
            ("advice", task.id),
            stamp=(stamp, rounds),
            make=lambda: self._round(snapshot, of, stamp, rounds + 1),
            patience=max(0.0, patience),
        )
        held = self._rounds.get(task.id)
        going_on = held is not None and held[0] == stamp and found.fresh and held[1] > rounds
        return Answer(found.value, found.fresh and not going_on, found.error), going_on

    def newest_advice(self, task: Task) -> Advice | None:
        """The advice as it was last told; nothing is computed for it."""
        found = self._slow.newest(("advice", task.id))
        return found if isinstance(found, Advice) else None

    def _round(self, snapshot: Snapshot, of: Hashable, stamp: Hashable, rounds: int) -> Advice:
        """The advice from the curve as far as it got in one round.

        Args:
            snapshot: What is known now.
            of: Features, classes and followed model: advice on others is none on these.
            stamp: What the curve is made from; ``rounds`` how many of these there were with this one.
            rounds: See ``stamp``.
        """
        task_id = snapshot.task.id
        curve = self.bench.compare.learning_curve(snapshot.task, seconds=_CURVE_SECONDS)
        told = prospects.advice(curve, snapshot)
        if told.whole:
            if told.gain is not None:
                self._whole[task_id] = (of, told)
            return told
        if rounds < _MOST_ROUNDS:
            self._rounds[task_id] = (stamp, rounds)
        before = self._whole.get(task_id)
        if before is None or before[0] != of or abs(told.labels - before[1].labels) > MORE_LABELS:
            return told
        return before[1]

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
        choice = task.kind in CHOICE  # sets and numbers have no such figures
        return {
            "task": task.name,
            "label_issues": None if issues is None else self._issues_dict(task, issues, looks),
            "duplicates": None if groups is None else groups.as_dict(),
            "outliers": None if strays is None else len(strays),
            "label_sets": [plain(settled(self.label_sets, coverage)) for coverage in COVERAGES if choice],
            "calibration": plain(settled(self.calibration)) if choice else None,
            "agreement": plain(settled(self.agreement)),
            "advice": plain(settled(self.advice)) if self.foresees(task) else None,
        }

    def _issues_dict(self, task: Task, found: LabelIssues, looks: SecondLooks | None) -> dict[str, Any]:
        item_id_N = bulk.bench_item_ids(self.bench)
        wrong_key = "usual_errors_off" if task.kind == "numeric" else "wrong"
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
                    "given": _plain(task, given),
                    "suggested": _plain(task, suggested),
                    wrong_key: float(wrong),
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


# --- pieces ------------------------------------------------------------------------------------


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


def _case(
    name: str,
    told: dict[str, Any],
    members: list[dict[str, Any]],
    cards: list[dict[str, Any]],
    *,
    why: str,
) -> dict[str, Any]:
    """A case as the page shows it; ``told``: with the answer to take, and how probable it is."""
    return {
        "id": name,
        "suggestion": told["prediction"],
        "confidence": told["confidence"],
        "why": why,
        "members": members,
        "items": cards,
    }


def _drawn(snapshot: Snapshot, said: FloatArray | None, reach: float | None) -> dict[str, Any]:
    """What the page draws beside a set or a number: how probable each class is, or where the number may lie.

    A labelled item has no interval of its own that holds nine in ten: how far numbers usually are off stands
    in for it, and is drawn and called otherwise.

    Args:
        snapshot: What is known now.
        said: What the machine says without the label.
        reach: How far it usually is off, of numbers.
    """
    low = high = None
    if said is not None and reach:
        places = kinds.decimals(snapshot) + 1
        low, high = round(float(said[0]) - reach, places), round(float(said[0]) + reach, places)
    return {
        "proba": opinions.shown_proba(snapshot, said),
        "low": low,
        "high": high,
        "range": f"usually ± {opinions.about(reach)}" if reach else None,
        "usual": low is not None,
    }


def _member(card: dict[str, Any]) -> dict[str, Any]:
    label = card["label"]
    return {
        "item_id": card["item_id"],
        "label": None if label is None else label["value"],
        "audit": card["audit"],
    }


def _plain(task: Task, value: Any) -> Any:
    """An answer by the names of its classes, or a number."""
    if task.kind == "numeric":
        return float(value)
    return [task.class_names[c] for c in value] if isinstance(value, list) else task.class_names[int(value)]
