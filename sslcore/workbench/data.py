"""The data desk: what a project holds, and how more gets into it."""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from sslcore.errors import DataError, StoreError
from sslcore.jobs.learned import Learned, learned_encoders
from sslcore.store import LIVE, Store, Task, home, project_folder, projects
from sslcore.store.facts import Run
from sslcore.store.fold import SOURCE_CODE
from sslcore.store.looks import checked_colour, checked_key
from sslcore.workbench.desk import Desk
from sslcore.workbench.kinds import Scale, scale

if TYPE_CHECKING:
    from sslcore.formats import Inspection, TaskColumn
    from sslcore.importing import ImportReport
    from sslcore.workbench.bench import Workbench

UPLOADS_KEPT_SECONDS = 24 * 3600.0
"""How long an upload that was never imported stays on the disk."""


@dataclass(frozen=True)
class ClassCount:
    """How a class of a task stands."""

    name: str
    position: int
    by_people: int
    by_bulk: int
    imported: int
    predicted: int  # items without any label that the machine puts here


@dataclass(frozen=True)
class TaskOverview:
    """How a task stands."""

    task: Task
    items: int
    labelled: int
    audit: int
    skipped: int
    flagged: int
    rejected: int
    classes: tuple[ClassCount, ...]
    predicted: bool
    scale: Scale | None = None  # of numbers: what was given so far


@dataclass(frozen=True)
class Overview:
    """What the project holds."""

    items: int
    modality: str
    created: float
    splits: Mapping[str, int]
    tasks: tuple[TaskOverview, ...]
    encoders: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


class DataDesk(Desk):
    """What do I have?"""

    def __init__(self, bench: Workbench) -> None:
        super().__init__(bench)

    def overview(self) -> Overview:
        """Counts of everything, as of now."""
        settings = self.store.settings()
        splits: dict[str, int] = {}
        for split in self.store.splits():
            splits[split or "no split"] = splits.get(split or "no split", 0) + 1
        return Overview(
            items=self.store.count(),
            modality=self.bench.modality,
            created=float(settings.get("created", 0.0)),
            splits=splits,
            tasks=tuple(self.task_overview(task) for task in self.bench.tasks()),
            encoders=tuple(self.bench.encoder_progress()),
            settings=settings,
        )

    def learned_encoders(self) -> list[Learned]:
        """Finished runs, of this and other projects, whose models can encode this project's items."""
        held = {row["name"] for row in self.bench.encoder_progress()}
        found = learned_encoders(self.bench.folder.parent, self.bench.modality)
        return [learned for learned in found if learned.name not in held]

    def add_encoder(self, name: str) -> int:
        """Queues the features and the map of a further encoder; returns the id of the features' run.

        Args:
            name: A run's (``run:PROJECT:ID``), one through a door (``timm:resnet18``), or a registered one.

        Raises:
            UnknownNameError: There is none of that name.
            SourceUnavailableError: The run has no model.
            DataError: It reads another kind of items.
        """
        check_encoder(name, self.bench.modality, self.bench.folder)
        run = self.store.runs.add("features", {"encoder": name})
        self.store.runs.add("map", {"encoder": name})
        self.bench.wake()
        return run

    def task_overview(self, task: Task) -> TaskOverview:
        """Counts of one task."""
        snapshot = self.snapshot(task)
        state, size = snapshot.state, len(snapshot.task.classes)

        def per_class(code: int) -> Any:
            rows_N = state.labelled_N & (state.source_N == code)
            if snapshot.multiple:
                given = [position for row in np.flatnonzero(rows_N) for position in state.value[int(row)]]
                return np.bincount(np.array(given, dtype=np.int64), minlength=size)
            return np.bincount(state.label_N[rows_N & (state.label_N >= 0)], minlength=size)

        human, bulk = per_class(SOURCE_CODE["human"]), per_class(SOURCE_CODE["bulk"])
        imported = per_class(SOURCE_CODE["imported"])
        predicted_rows = snapshot.pseudo_N & (snapshot.prediction_N >= 0)
        predicted = np.bincount(snapshot.prediction_N[predicted_rows], minlength=size)
        return TaskOverview(
            task=snapshot.task,
            items=len(state.label_N),
            labelled=int(state.labelled_N.sum()),
            audit=len(state.audit_row_A),
            skipped=int((state.skipped_N & ~state.labelled_N).sum()),
            flagged=int(state.flagged_N.sum()),
            rejected=len(state.rejected),
            classes=tuple(
                ClassCount(
                    name=info.name,
                    position=info.position,
                    by_people=int(human[info.position]),
                    by_bulk=int(bulk[info.position]),
                    imported=int(imported[info.position]),
                    predicted=int(predicted[info.position]),
                )
                for info in snapshot.task.classes
            ),
            predicted=snapshot.proba_NC is not None,
            scale=scale(snapshot),
        )

    def add_task(self, name: str, *, kind: str, class_names: str) -> Task:
        """Adds a task; ``class_names`` has one class a line, or commas between them.

        Raises:
            DataError: No name, a name that is taken, or a choice task without a class.
        """
        classes = split_names(class_names)
        if name.strip() in {task.name for task in self.bench.tasks()}:
            raise DataError(f"There is a task {name.strip()!r} already.")
        if kind != "numeric" and not classes:
            raise DataError("A task to choose from needs at least one class. Received: none.")
        return self.store.add_task(name.strip(), kind=kind, classes=classes)  # type: ignore[arg-type]

    def add_classes(self, task: Task, class_names: str) -> int:
        """Adds classes at the end of a task; returns how many were new."""
        fresh = [name for name in split_names(class_names) if name not in task.class_names]
        for name in fresh:
            self.store.add_class(task.id, name)
        self.bench.live.poke()
        return len(fresh)

    def change_class(
        self,
        task: Task,
        position: int,
        *,
        name: str | None = None,
        hotkey: str | None = None,
        colour: str | None = None,
    ) -> None:
        """Renames a class, or sets its key or its colour.

        Raises:
            DataError: Another class has that name or that key; an empty name; a colour that is none.
        """
        if name is not None and not name.strip():
            raise DataError("A class needs a name. Received: an empty one.")
        hotkey = None if hotkey is None else checked_key(hotkey)
        colour = None if colour is None else checked_colour(colour)
        for info in task.classes:
            if info.position != position and name is not None and info.name == name.strip():
                raise DataError(f"Another class is called {name.strip()!r}.")
            if info.position != position and hotkey and info.hotkey == hotkey:
                raise DataError(f"The key {hotkey!r} belongs to {info.name!r}.")
        self.store.change_class(
            task.id, position, name=None if name is None else name.strip(), hotkey=hotkey, colour=colour
        )
        self.bench.live.poke()

    def last_report(self) -> Mapping[str, Any] | None:
        """What the newest finished import said, until :meth:`put_away`."""
        for run in self._imports_unseen():
            if run.status == "done":
                return run.result
        return None

    def imports(self) -> list[Run]:
        """Imports that wait, run or failed since the newest one that was done, until :meth:`put_away`."""
        held = []
        for run in self._imports_unseen():
            if run.status == "done":
                break
            held.append(run)
        return held

    def put_away(self) -> None:
        """What the imports that have ended said has been read."""
        ended = [run.id for run in self.store.runs.list(kind="import") if not run.live]
        self.store.set_settings({"import_read": max(ended, default=0)})

    def discard(self) -> None:
        """Removes the project, which must be empty: an import that failed leaves such a one behind.

        Raises:
            StoreError: It holds items, or something is still on its way into it.
        """
        if self.store.count() or self.store.runs.list(status=LIVE):
            raise StoreError(f"The project {self.bench.project!r} is not empty, and stays.")
        self.bench.close()
        shutil.rmtree(self.bench.folder, ignore_errors=True)

    def _imports_unseen(self) -> list[Run]:
        seen = int(self.store.settings().get("import_read", 0))
        return [run for run in self.store.runs.list(kind="import") if run.id > seen or run.live]


# --- before there is a project -------------------------------------------------------------------


def split_names(text: str) -> list[str]:
    """Names out of lines or, in one line, out of commas; each once, blanks trimmed.

    >>> split_names("cat, dog,, cat"), split_names("New York, USA\\nParis")
    (['cat', 'dog'], ['New York, USA', 'Paris'])
    """
    lines = text.splitlines()
    parts = lines if len(lines) > 1 else text.split(",")
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def free_name(wanted: str, root: Path | None = None) -> str:
    """A valid project name like ``wanted`` that no project has yet.

    >>> free_name("My photos (2024).zip", Path("/nowhere"))
    'My-photos-2024'
    """
    stem = wanted.rsplit(".", 1)[0] if "." in wanted[1:] else wanted
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_.")[:48] or "project"
    held, candidate, number = set(projects(root)), name, 2
    while candidate in held:
        candidate, number = f"{name}-{number}", number + 1
    return candidate


def name_trouble(name: str, root: Path | None = None) -> str:
    """Why a new project cannot have this name; "" where it can.

    >>> name_trouble("photos", Path("/nowhere")), name_trouble("my photos", Path("/nowhere"))[:22]
    ('', "A project's name has 1")
    """
    try:
        project_folder(name, root)
    except StoreError as error:
        return str(error)
    if name in projects(root):
        return f"There is a project {name!r} already. Choose another name; to add to it, open it first."
    return ""


def uploads(root: Path | None = None) -> Path:
    """Where uploads wait for their import; old ones are removed on the way."""
    folder = (root or home()) / ".uploads"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > UPLOADS_KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def keep_upload(name: str, content: BinaryIO, *, root: Path | None = None) -> Path:
    """Writes an upload to the disk, in pieces, under a safe name; returns where."""
    folder = uploads(root) / uuid.uuid4().hex
    folder.mkdir()
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(name.replace("\\", "/")).name).lstrip(".") or "upload"
    path = folder / safe[-120:]
    with path.open("wb") as out:
        shutil.copyfileobj(content, out, 1 << 20)
    return path


def look(
    source: Path,
    *,
    format: str | None = None,
    mapping: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Inspection:
    """What a source holds, before anything is written.

    Args:
        source: A file or folder.
        format: Its format's name, instead of what is sniffed.
        mapping: Parts of columns that overrule the proposed ones: ``{"text": "body", "tasks": ["topic"]}``.
        options: Settings of the format, such as ``{"encoding": "latin-1"}``.

    Raises:
        FormatError: Nothing there that can be read; says what was expected.
    """
    from sslcore.formats import ColumnMapping
    from sslcore.importing import preview

    source = source.expanduser()
    seen = preview(source, format=format, options=options)
    if not mapping:
        return seen
    _check_columns(mapping, seen)
    whole = ColumnMapping.from_dict({**seen.mapping.as_dict(), "more_text": (), **mapping})
    signs = {task.column: task.separator for task in seen.mapping.tasks}
    told = [
        replace(task, separator=signs.get(task.column))
        if task.kind == "multiple" and task.separator is None
        else task
        for task in whole.tasks
    ]
    for place, given in enumerate(mapping.get("tasks") or ()):
        if isinstance(given, str) or (isinstance(given, Mapping) and "unlabelled" not in given):
            told[place] = with_no_label(told[place], seen)
    whole = replace(whole, tasks=tuple(told))
    return preview(source, format=format, options={**(options or {}), "mapping": whole})


def with_no_label(task: TaskColumn, seen: Inspection) -> TaskColumn:
    """The task with the words of its column that mean "no label" where nobody says otherwise."""
    from sslcore.formats.columns import no_label_words

    for guessed in seen.mapping.tasks:
        if (guessed.column, guessed.kind, guessed.separator) == (task.column, task.kind, task.separator):
            return replace(task, unlabelled=guessed.unlabelled)
    names = seen.names.get(task.column, ())
    return replace(task, unlabelled=no_label_words(names, task.kind, task.separator))


def takes_numbers_as_names(task: TaskColumn, seen: Inspection) -> bool:
    """Whether a column's whole numbers would become names of classes, which may not be what they are."""
    from sslcore.formats.columns import takes_numbers_as_names

    return takes_numbers_as_names(task, seen.names.get(task.column, ()))


def no_label_choices(task: TaskColumn, seen: Inspection) -> list[str]:
    """The words of a column that may be taken as "no label", or as a class; none among numbers."""
    from sslcore.formats.columns import offered_words

    names = [
        part.strip()
        for name in seen.names.get(task.column, ())
        for part in (name.split(task.separator) if task.separator else [name])
    ]
    words = dict.fromkeys([*task.unlabelled, *offered_words(names)])
    return [] if task.kind == "numeric" else list(words)


def usual_order(task: TaskColumn, seen: Inspection) -> list[str]:
    """The names in a column in the order that they have by themselves, lowest first."""
    from sslcore.formats.scales import in_order

    return in_order(name for name in seen.names.get(task.column, ()) if name not in task.unlabelled)


def read_order(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """An order as it is typed, lowest first, with "<" between the names.

    Args:
        text: What was typed.
        names: Those that must be in it; others may be.

    Raises:
        DataError: A name is missing, or stands there twice.

    >>> read_order("bad < fair<good", ["bad", "good"])
    ('bad', 'fair', 'good')
    """
    sign = r"\s<\s" if any("<" in name for name in names) else "<"
    order = [part.strip() for part in re.split(sign, text) if part.strip()]
    missing = [name for name in names if name not in order]
    if missing:
        raise DataError(f"The order lacks {', '.join(map(repr, missing[:10]))}. Name every class once.")
    twice = next((name for name in order if order.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"The order names {twice!r} twice. Name every class once.")
    return tuple(order)


def import_into(
    project: str,
    source: Path,
    *,
    format: str | None = None,
    mapping: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> ImportReport:
    """Imports a source into a project, which is made where it does not exist; in this process.

    A project that was made for an import that fails is taken away again.
    """
    from sslcore.importing import import_source

    seen = look(source, format=format, mapping=mapping, options=options)
    store, fresh = _open_or_create(project, seen)
    try:
        return import_source(
            store,
            source.expanduser(),
            format=format,  # what ``seen`` names is, for an archive, the format within
            mapping=seen.mapping if mapping else None,
            options=options,
            progress=progress,
        )
    except BaseException:
        if fresh:
            store.close()
            shutil.rmtree(store.folder, ignore_errors=True)
        raise
    finally:
        store.close()


def start_import(
    project: str,
    source: Path,
    *,
    format: str | None = None,
    mapping: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Queues an import as a background run and sees to a worker; returns the run's id."""
    from sslcore.jobs.launch import ensure_worker

    seen = look(source, format=format, mapping=mapping, options=options)
    store, _ = _open_or_create(project, seen)
    recipe = {
        "source": str(source.expanduser().resolve()),
        "format": format,
        "mapping": json.loads(json.dumps(seen.mapping.as_dict())) if mapping else None,
        "options": dict(options or {}),
    }
    run_id = store.runs.add("import", recipe)
    folder = store.folder
    store.close()
    ensure_worker(folder.parent, folder.name)
    return run_id


def demos() -> dict[str, bool]:
    """The catalogue sets and whether each can be made here and now."""
    from sslcore.catalogue import available

    return available()


def make_demo(name: str, *, labelled: int, seed: int = 0) -> str:
    """Makes a catalogue set into a project and begins its background work; returns the project's name."""
    from sslcore.catalogue import create_demo
    from sslcore.workbench.bench import Workbench

    store = create_demo(home(), name, labelled=labelled, seed=seed, project=free_name(name))
    project = store.folder.name
    store.close()
    Workbench.open(project).prepare()
    return project


def _open_or_create(project: str, seen: Inspection) -> tuple[Store, bool]:
    folder = project_folder(project)
    if not (folder / "project.db").is_file():
        return Store.create(folder, modality=seen.modality), True
    store = Store(folder)
    if store.modality != seen.modality and store.count():
        held = store.modality
        store.close()
        raise StoreError(
            f"The project {project!r} holds {held}s and the source {seen.modality}s. "
            "Choose another project, or a new one."
        )
    return store, False


def _check_columns(mapping: Mapping[str, Any], seen: Inspection) -> None:
    from sslcore.formats import ColumnMapping

    named = [mapping.get(role) for role in ("text", "path", "id", "split")]
    named += [task.column for task in ColumnMapping.from_dict({"tasks": mapping.get("tasks")}).tasks]
    for column in named:
        if column is not None and column not in seen.columns:
            raise DataError(f"There is no column {column!r}. There are: {', '.join(seen.columns)}.")


def check_encoder(name: str, modality: str, project_folder: Path) -> None:
    """Refuses an encoder that is not there, or reads other items.

    Args:
        name: Its name, as :meth:`DataDesk.add_encoder` takes it.
        modality: Of the items, "image" or "text".
        project_folder: The project's folder, which need not be there yet.

    Raises:
        UnknownNameError: There is none of that name.
        SourceUnavailableError: The run has no model.
        DataError: It reads another kind of items.
    """
    from sslcore.features import Items
    from sslcore.features.encoder import check_modality
    from sslcore.jobs.learned import encoder_of

    nothing = Items.of_texts([]) if modality == "text" else Items.of_images([])
    check_modality(encoder_of(name, project_folder), name, nothing)
