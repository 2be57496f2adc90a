"""Can it learn more? Background training: what there is to choose, the runs, their figures, adoption.

A run is a wish in the store (a recipe, and the labels there were at that moment); a worker process
reads it. What a page shows of it comes from the store, so a reload, a second tab and a restart of the
app change nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore import choices
from sslcore.choices import Choice
from sslcore.errors import LabelloomError, RecipeError, StoreError, did_you_mean
from sslcore.jobs.errands import ALWAYS
from sslcore.store import LIVE, Run, Task
from sslcore.workbench import kinds
from sslcore.workbench.adoption import Adoption, advised, duel
from sslcore.workbench.candidates import PREDICTS
from sslcore.workbench.desk import Desk
from sslcore.workbench.foresight import Foresight
from sslcore.workbench.refusals import refuse_task
from sslcore.workbench.titles import FUSION, USUAL, recipe_title

if TYPE_CHECKING:
    from sslcore.training.recipe import Recipe
    from sslcore.workbench.bench import Workbench

KIND = "train"
"""The kind of a training run in the store."""
RAW = "none"
"""The encoder's name where a run learns from the raw items."""
SHOWN = 50
"""Runs that a page lists; older ones stay in the store."""
QUIET_SECONDS = 30.0
"""A running run without a sign of life for so long is said to be quiet."""
ADOPTION_SECONDS = 5.0
"""How late an adoption by another process may show in the list of runs."""
PICTURE = re.compile(r"[a-z0-9_]+-[0-9]{8}")
"""Names of the pictures that a run draws: what, and at which step."""
USUAL_OF_IMAGES, USUAL_OF_TEXTS = "mean_teacher", "fixmatch"
SEVERAL = ("sharing", "balancing")
"""Those that matter only where several tasks are learned together."""


@dataclass(frozen=True)
class RunCard:
    """A run as a page shows it.

    Attributes:
        position: Place in the queue, 1 is next; None when it does not wait.
        share: How much of it is done, 0 to 1.
        eta: Seconds left; None when not known.
        seconds: How long it has worked.
        quiet: Seconds without a sign of life, where that is worth saying.
        adopted: Names of the tasks that follow this run.
        note: What it is doing, or what it had to say at its end.
        figures: What the run itself measured at its end, by name.
    """

    id: int
    title: str
    method: str
    tasks: tuple[str, ...]
    status: str
    position: int | None = None
    share: float = 0.0
    eta: float | None = None
    seconds: float | None = None
    step: int | None = None
    quiet: float | None = None
    note: str = ""
    error: str | None = None
    cancelling: bool = False
    adopted: tuple[str, ...] = ()
    created: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status in LIVE

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Defaults:
    """Settings sized to the project, and why."""

    method_config: dict[str, Any]
    train_config: dict[str, Any]
    encoder: str
    reason: str


class TrainDesk(Desk):
    """Starts, watches and adopts background runs."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)
        self._adoptions: tuple[float, dict[int, list[str]]] = (-ADOPTION_SECONDS, {})
        self._foresight = Foresight(bench)

    # --- what there is to choose -------------------------------------------------------------

    def methods(self) -> list[Choice]:
        """The methods that train a network in the background, as plain data."""
        return choices.methods("deep") + choices.methods("generative")

    def usual_method(self, tasks: Sequence[str]) -> str:
        """The method that a form begins with: what gained most on images in short runs, and about as much as
        any on texts (docs/methods/scores.md), each method by itself; where no task asks for one class an
        item, there is nothing to gain from answers."""
        from sslcore.models.ground import CLASS_KINDS

        if not any(self.store.task(name).kind in CLASS_KINDS for name in tasks):
            return "supervised"
        return USUAL_OF_IMAGES if self.bench.modality == "image" else USUAL_OF_TEXTS

    def usual_words(self, tasks: Sequence[str]) -> str:
        """Why a form begins with that method, and how advice goes with it; "" where nothing is advised."""
        name = self.usual_method(tasks)
        if name == "supervised":
            return ""
        where = "images" if self.bench.modality == "image" else "texts"
        gained = f"gained most on {where}" if where == "images" else f"gained about as much on {where} as any"
        return (
            f"The form begins with {self.method(name)['title']}: of the methods by themselves it {gained} in "
            "short runs. Where a proposal above differs, it goes first: it also weighs what goes with a "
            "method (teachers, warm starts, features) for this project. “Change it first” fills the form "
            "with it."
        )

    def method(self, name: str) -> Choice:
        """One method by name.

        Raises:
            RecipeError: There is none of that name, or it is no background method.
        """
        held = {entry["name"]: entry for entry in self.methods()}
        if name not in held:
            other = {entry["name"]: entry["family"] for entry in choices.methods()}.get(name)
            hint = did_you_mean(name, held) if other is None else f" {_ELSEWHERE[other].format(name=name)}"
            raise RecipeError(f"No background method is named {name!r}.{hint} There are: {', '.join(held)}.")
        return held[name]

    def fusion(self, tasks: int = 1) -> dict[str, dict[str, Choice]]:
        """What a recipe chooses beside its method: by choice, what there is by name, the usual one first."""
        held: dict[str, dict[str, Choice]] = {}
        for name in FUSION if tasks > 1 else (name for name in FUSION if name not in SEVERAL):
            found = {entry["name"]: entry for entry in choices.methods(name)}
            usual = USUAL[name]
            held[name] = {usual: found.pop(usual)} | found
        return held

    def training_params(self) -> list[dict[str, Any]]:
        """The settings that all methods share: schedule, sizes, device."""
        return list(choices.training()["params"])

    def sources(self) -> list[str]:
        """What a run can learn from: raw items (:data:`RAW`), then each complete feature set."""
        from sslcore.features.cache import FeatureCache

        total, cache = self.store.count(), FeatureCache(self.bench.folder)
        return [RAW, *(name for name in self.bench.encoders() if cache.is_complete(name, total))]

    def defaults(self, method: str, tasks: Sequence[str]) -> Defaults:
        """Settings sized to the project: its modality, its items, the labels at hand."""
        schema = self.method(method)
        labelled, classes = self._labels(tasks)
        items = self.store.count()
        encoder = RAW
        if self.bench.modality == "text":
            # On few labels a small network on good frozen features gets further than any on the raw texts.
            ready = [name for name in self.sources() if name != RAW]
            encoder = ready[0] if ready else RAW
        shared = {param["name"]: param["default"] for param in self.training_params()}
        shared["minutes"] = _minutes(items, self.bench.modality, encoder)
        # raw items are sized by the run: images by a measurement, texts by the network that reads them
        shared["batch"] = 0 if encoder == RAW else 16 if labelled < 400 else 32 if labelled < 4000 else 64
        sizes = f"a time budget and {shared['batch']} labelled items a step"
        if encoder == RAW:
            by = "the network sets" if self.bench.modality == "text" else "a measurement sets"
            sizes = f"a time budget; {by} the rest"
        each = f" (about {labelled / classes:.0f} a class)" if classes else ""
        reason = f"The form begins with what suits {items:,} items and {labelled:,} labels{each}: {sizes}."
        if self.bench.modality == "text" and encoder != RAW:
            reason += (
                f" Learns from the features of {encoder!r}: on few labels a small network on these gets "
                "further than a transformer fine-tuned on the raw texts, in a tenth of the time."
            )
        own = {param["name"]: param["default"] for param in schema["params"]}
        return Defaults(own, shared, encoder, reason)

    def obstacle(self, tasks: Sequence[str], method: str, **wish: Any) -> str | None:
        """Why no such run can start on the labels of now; None where one can.

        Args:
            tasks: Names of the tasks to learn together.
            method: A background method.
            wish: The rest of the recipe, as :meth:`start` takes it; without any of it only the labels are
                looked at.
        """
        try:
            if wish:
                self._refuse_nonsense(tasks, self._recipe(method, _told(**wish)))
            else:
                self._refuse_tasks(tasks, method)
        except LabelloomError as error:
            return str(error)
        return None

    def doubts(self, tasks: Sequence[str]) -> list[str]:
        """What a person should know before starting: too few labels, no audit answers yet."""
        found = []
        for task in self._tasks(tasks):
            count_C = kinds.class_counts(self.snapshot(task))
            missing = [name for name, count in zip(task.class_names, count_C.tolist()) if not count]
            if missing and len(missing) < len(task.classes):
                some = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
                found.append(
                    f"{task.name}: {len(missing)} of {len(task.classes)} classes have no label yet "
                    f"({some}). No run can learn them."
                )
            needed = self.bench.compare.audit_needed(task)
            if needed:
                found.append(
                    f"{task.name}: its figures are rough until {needed} more audit answers are there."
                )
        return found

    # --- runs --------------------------------------------------------------------------------

    def start(
        self,
        tasks: Sequence[str],
        *,
        method: str,
        method_config: Mapping[str, Any] | None = None,
        train_config: Mapping[str, Any] | None = None,
        encoder: str = RAW,
        seed: int = 0,
        fusion: Mapping[str, Any] | None = None,
    ) -> int:
        """Queues a run on the labels of now, sees to a worker, and returns the run's id.

        Args:
            tasks: Names of the tasks to learn together.
            method: A background method.
            method_config: Its settings; what is left out takes its default.
            train_config: Schedule, sizes and device; likewise.
            encoder: Feature set to learn from; :data:`RAW` for the raw items.
            seed: Everything random in the run follows from it.
            fusion: Of :data:`FUSION` what is not the usual one, and ``<choice>_config`` for its settings.

        Raises:
            RecipeError: The choices make no sense together or with these labels; says why.
            ConfigError: A setting is out of its range.
            StoreError: Too many runs are waiting.
        """
        from sslcore.jobs.launch import ensure_worker

        recipe = self._recipe(
            method,
            _told(
                method_config=method_config,
                train_config=train_config,
                encoder=encoder,
                seed=seed,
                fusion=fusion,
            ),
        )
        self._refuse_nonsense(tasks, recipe)
        run_id = self.store.runs.add(
            KIND,
            recipe.as_dict() | {"tasks": list(tasks)},
            labels_upto=self.store.annotations.newest(),
            seed=seed,
        )
        ensure_worker(self.bench.folder.parent, self.bench.project)
        return run_id

    def cancel(self, run_id: int) -> None:
        """Asks a run to stop; one that waits is gone at once."""
        self._train_run(run_id)
        self.store.runs.request_cancel(run_id)

    def resume(self, run_id: int) -> None:
        """Queues a failed or cancelled run again; it goes on from its checkpoint where it has one.

        Raises:
            StoreError: The run is neither.
        """
        self._train_run(run_id)
        self.bench.resume(run_id)

    def runs(self) -> list[RunCard]:
        """The training runs, newest first."""
        every = self.store.runs.list()
        live = [run for run in every if run.live]
        adopted = self._adopted()
        return [self._card(run, live, adopted) for run in every if run.kind == KIND][:SHOWN]

    def run(self, run_id: int) -> RunCard:
        """One training run.

        Raises:
            StoreError: The project has no such run.
        """
        return self._card(self._train_run(run_id), self.store.runs.list(status=LIVE), self._adopted())

    def points(self, run_id: int, *, after: int = 0) -> list[tuple[int, int, str, str | None, float | None]]:
        """The figures of a run above id ``after``, in order: id, step, name, task, value."""
        rows = self.store.runs.metrics(run_id, after=after)
        return [(row.id, row.step, row.name, row.task, row.value) for row in rows]

    def pictures(self, run_id: int) -> list[str]:
        """Names of the sheets of pictures that a run drew, oldest first."""
        folder = self.bench.folder / "runs" / str(run_id) / "pictures"
        found = [path.stem for path in folder.glob("*.png") if PICTURE.fullmatch(path.stem)]
        return sorted(found, key=lambda name: (name.rpartition("-")[0], name))

    def picture(self, run_id: int, name: str) -> bytes:
        """A sheet of pictures as PNG.

        Raises:
            StoreError: The run drew none of that name, or it made room for newer ones.
        """
        if name not in self.pictures(run_id):
            raise StoreError(f"Run {run_id} has no picture {name!r} any more.")
        path = self.bench.folder / "runs" / str(run_id) / "pictures" / f"{name}.png"
        try:
            return path.read_bytes()
        except OSError:
            raise StoreError(f"Run {run_id} has no picture {name!r} any more.") from None

    def recipe(self, run_id: int) -> dict[str, Any]:
        """The recipe of a run: with its labels it repeats it."""
        return dict(self._train_run(run_id).recipe)

    # --- adoption ----------------------------------------------------------------------------

    def adoption(self, task: Task, run_id: int) -> Adoption:
        """A finished run beside the instant loop on the same audit items, and what follows from it.

        Raises:
            StoreError: The run has no predictions for this task.
        """
        found = {candidate.key: candidate for candidate in self.bench.compare.candidates(task)}
        run = found.get(f"run:{run_id}")
        if run is None:
            learned = self.bench.store.runs.get(run_id).recipe.get("tasks") or []
            instead = f" It learned {', '.join(map(repr, learned))}." if learned else ""
            raise StoreError(
                f"Run {run_id} has no predictions for the task {task.name!r}.{instead} Choose another run, "
                "or the run's own task in the side bar."
            )
        instant, head = found.get("instant"), found.get("head")
        held = None if instant is None else duel(self.bench.compare, task, run, instant)
        advice, reason = advised(run.fits(self.snapshot(task)), task.kind, held)
        if advice != "impossible" and self._collapsed(run_id, task):
            advice, reason = "keep", str(self._train_run(run_id).result.get("note") or reason)
        untold = advice == "unclear" and held is not None and held.better is None
        if untold and self.store.adopted(task.id) == run_id:
            reason = _FOLLOWED_UNTOLD
        if held is None:
            return Adoption(run, instant, head, 0, 0, 0, None, advice, reason)
        return Adoption(run, instant, head, held.differ, held.wins, held.losses, held.better, advice, reason)

    def adopt(self, task: Task, run_id: int) -> None:
        """From now on the task follows this run.

        Raises:
            StoreError: The run is not done, or it knows other items or classes than the project has now.
        """
        run = self._train_run(run_id)
        if run.status != "done":
            raise StoreError(f"Run {run_id} is {run.status}: only a finished run can be adopted.")
        adoption = self.adoption(task, run_id)
        if adoption.advice == "impossible":
            raise StoreError(adoption.reason)
        self._follow(task, run_id)

    def follow_instant(self, task: Task) -> None:
        """From now on the task follows the instant loop again."""
        self._follow(task, None)

    # --- inside ------------------------------------------------------------------------------

    def _tasks(self, names: Sequence[str]) -> list[Task]:
        return [self.store.task(name) for name in names]

    def _labels(self, tasks: Sequence[str]) -> tuple[int, int]:
        """Training labels and classes of the task that has fewest labels."""
        counts = [
            (int((kinds.training_label_N(self.snapshot(task)) >= 0).sum()), len(task.classes))
            for task in self._tasks(tasks)
        ]
        return min(counts, default=(0, 0))

    def _recipe(self, method: str, rest: Mapping[str, Any]) -> Recipe:
        from sslcore.training.recipe import Recipe

        self.method(method)
        return Recipe.parse({"method": method, **rest})

    def _refuse_nonsense(self, tasks: Sequence[str], recipe: Recipe) -> None:
        """Refuses what is well-formed and cannot work, with the reason."""
        self._refuse_tasks(tasks, recipe.method)
        self._refuse_encoder(recipe.encoder)
        self._foresight.refuse(self._tasks(tasks), recipe)

    def _refuse_encoder(self, name: str) -> None:
        sources = self.sources()
        if name in sources:
            return
        planned = self.bench.encoders()
        ready = f"Ready: {', '.join(held for held in sources if held != RAW) or 'none yet'}."
        if name in planned:
            raise RecipeError(
                f"The features of {name!r} are not complete. {ready} "
                "Wait for them, choose others, or learn from the raw items."
            )
        listed = [entry["name"] for entry in choices.encoders()]
        if name in listed or ":" in name:
            what, hint = f"This project has no features of {name!r}.", did_you_mean(name, planned)
        else:
            what, hint = f"No encoder is named {name!r}.", did_you_mean(name, [*planned, *listed, RAW])
        raise RecipeError(
            f"{what}{hint} {ready} Choose one of these, or {RAW!r} to learn from the raw items."
        )

    def _refuse_tasks(self, tasks: Sequence[str], method: str) -> None:
        if not tasks:
            raise RecipeError("A run learns at least one task. Choose one.")
        for task in self._tasks(tasks):
            refuse_task(task, self.snapshot(task), method, self.method(method))

    def _train_run(self, run_id: int) -> Run:
        run = self.store.runs.get(run_id)
        if run.kind not in PREDICTS:
            raise StoreError(f"Run {run_id} is no training run: it computes {run.kind}.")
        return run

    def _collapsed(self, run_id: int, task: Task) -> bool:
        """Whether the run itself says that it is not to be trusted."""
        figures = self._train_run(run_id).result.get("tasks", {})
        return bool(figures.get(task.name, {}).get("collapsed"))

    def _adopted(self) -> dict[int, list[str]]:
        """Tasks by the run that they follow; kept for a moment, because every open tab asks each second."""
        now = time.monotonic()
        if now - self._adoptions[0] < ADOPTION_SECONDS:
            return self._adoptions[1]
        held: dict[int, list[str]] = {}
        for task in self.bench.tasks():
            run_id = self.store.adopted(task.id)
            if run_id is not None:
                held.setdefault(run_id, []).append(task.name)
        self._adoptions = (now, held)
        return held

    def _follow(self, task: Task, run_id: int | None) -> None:
        self.store.adopt(task.id, run_id)
        self._adoptions = (-ADOPTION_SECONDS, {})
        self.bench.live.refresh()

    def _card(self, run: Run, live: Sequence[Run], adopted: Mapping[int, list[str]]) -> RunCard:
        method = str(run.recipe.get("method", "?"))
        card = run_card(
            run,
            live,
            title=recipe_title(run.recipe),
            method=method,
            tasks=tuple(run.recipe.get("tasks", ())),
        )
        figures = {key: run.result[key] for key in _FIGURES if key in run.result}
        return replace(card, adopted=tuple(adopted.get(run.id, ())), figures=figures)


def _told(
    *,
    method_config: Mapping[str, Any] | None = None,
    train_config: Mapping[str, Any] | None = None,
    encoder: str = RAW,
    seed: int = 0,
    fusion: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The choices of a recipe beside its method, as :meth:`TrainDesk.start` takes them, in one mapping."""
    settings = {"method_config": method_config or {}, "train_config": train_config or {}}
    return {**settings, "encoder": encoder, "seed": seed, **(fusion or {})}


def run_card(run: Run, live: Sequence[Run], *, title: str, method: str, tasks: tuple[str, ...]) -> RunCard:
    """What the row of a run and those of the live runs of its project say, for a page.

    Args:
        run: The run.
        live: All queued and running ones, for its place in the queue.
        title: How it is called.
        method: Name of the method.
        tasks: Names of the tasks it concerns.
    """
    now = time.time()
    position = None
    if run.status == "queued":
        if run.kind in ALWAYS:  # another worker takes these while a run is trained
            live = [other for other in live if other.kind in ALWAYS]
        ahead = [other for other in live if other.status == "running" or other.id < run.id]
        position = len(ahead) + (0 if any(other.status == "running" for other in ahead) else 1)
    beat = run.heartbeat if run.status == "running" else None
    quiet = now - beat if beat is not None and now - beat > QUIET_SECONDS else None
    end = run.ended if run.ended is not None else now
    return RunCard(
        id=run.id,
        title=title,
        method=method,
        tasks=tasks,
        status=run.status,
        position=position,
        share=1.0 if run.status == "done" else _share(run.progress),
        eta=run.progress.get("eta") if run.status == "running" else None,
        seconds=None if run.started is None else max(0.0, end - run.started),
        step=run.progress.get("step"),
        quiet=quiet,
        note=str(run.result.get("note") or (_note(run.progress) if run.status == "running" else "")),
        error=run.error,
        cancelling=run.cancel and run.status == "running",
        created=run.created,
    )


_ELSEWHERE = {
    "instant": "It is an instant model: the app fits it after every label, without a run.",
    **{part: f"It is a choice of {part}, beside a method: {part}={{name}}." for part in FUSION},
}
"""What to say of a name that is no method but another choice, by its family."""
_FOLLOWED_UNTOLD = (
    "No audit item tells them apart yet. The instant loop follows every label, this run does not."
)
"""The reason of a run that is followed already, where nothing speaks for or against it."""
_FIGURES = ("audit_accuracy", "key_accuracy", "steps", "seconds")


def _share(progress: Mapping[str, Any]) -> float:
    """How much of a run is done, from what its worker says."""
    if "share" in progress:
        return float(np.clip(progress["share"], 0, 1))
    total = progress.get("total") or 0
    return float(np.clip(progress.get("done", 0) / total, 0, 1)) if total else 0.0


def _note(progress: Mapping[str, Any]) -> str:
    """What a worker is at; the training itself shows in the figures and needs no word."""
    stage = progress.get("stage", "")
    return str(progress.get("note") or ("" if stage == "training" else stage))


def _minutes(items: int, modality: str, encoder: str) -> float:
    """A time budget in which a run gets through the set often enough, on two cores.

    Images need the most: measured, FixMatch passes its supervised twin on 10,000 images within 4 min.
    Features are small: a minute is hundreds of passes.
    """
    if encoder != RAW:
        return float(np.clip(round(0.5 + items / 10_000), 1, 10))
    each = 3000 if modality == "image" else 5000
    return float(np.clip(round(1 + items / each), 2, 30))
