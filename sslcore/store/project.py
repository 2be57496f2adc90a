"""One project's facts: settings, tasks, items, answers; annotations and runs hang off it.

>>> import tempfile, hashlib
>>> from pathlib import Path
>>> store = Store.create(Path(tempfile.mkdtemp()) / "demo", modality="text")
>>> with store.importing() as batch:
...     _ = batch.ensure_task("topic", kind="single", classes=["sport", "politics"])
...     _ = batch.add(
...         [
...             NewItem(
...                 key="a",
...                 text="goal!",
...                 sha256=hashlib.sha256(b"goal!").hexdigest(),
...                 labels={"topic": NewLabel("sport")},
...             )
...         ]
...     )
>>> store.count(), store.task("topic").class_names
(1, ['sport', 'politics'])
"""

from __future__ import annotations

import json
import math
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import sqlalchemy as sa

from sslcore.errors import ConfigError, DataError, ProjectNotFoundError, StoreError
from sslcore.shapes import IntArray
from sslcore.store.annotations import Annotations
from sslcore.store.engine import connect, insert_many, reading, replaced, writing
from sslcore.store.facts import ClassInfo, Item, Kind, NewItem, NewLabel, Task
from sslcore.store.migrate import migrate
from sslcore.store.runs import Runs
from sslcore.store.schema import adoption, annotation, answer, class_, item, setting, task

KINDS: tuple[Kind, ...] = ("single", "multiple", "ordinal", "numeric")
_CHUNK = 5000


class Store:
    """The facts of one project, in the folder ``folder``.

    Args:
        folder: A project folder that exists; :meth:`create` makes one.

    Raises:
        ProjectNotFoundError: The folder holds no project.
        StoreError: The database is damaged or from a newer version.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "project.db").is_file():
            raise ProjectNotFoundError(f"{folder} holds no project.")
        self.folder = folder
        self._engine = connect(folder / "project.db")
        migrate(self._engine)
        self.annotations = Annotations(self._engine)
        self.runs = Runs(self._engine)

    @classmethod
    def create(cls, folder: Path, *, modality: str, settings: Mapping[str, Any] | None = None) -> Store:
        """Makes a new, empty project.

        Args:
            folder: Where it shall be; must not hold a project.
            modality: ``"image"`` or ``"text"``.
            settings: Further settings to store.

        Raises:
            StoreError: There is a project already.
        """
        if modality not in ("image", "text"):
            raise ConfigError(f"A project's modality is 'image' or 'text'. Received: {modality!r}.")
        if (folder / "project.db").exists():
            raise StoreError(f"There is a project in {folder.name!r} already. Choose another name.")
        (folder / "media").mkdir(parents=True, exist_ok=True)
        (folder / "project.db").touch()
        store = cls(folder)
        store.set_settings({"name": folder.name, "modality": modality, "created": time.time(), "seed": 0})
        store.set_settings(settings or {})
        return store

    def close(self) -> None:
        """Lets go of the database file."""
        self._engine.dispose()

    @property
    def replaced(self) -> bool:
        """Whether another database lies in the folder than the one that was opened, or none at all."""
        return replaced(self._engine)

    # --- settings ----------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """All settings."""
        with reading(self._engine) as connection:
            return {row.key: json.loads(row.value) for row in connection.execute(sa.select(setting))}

    def set_settings(self, values: Mapping[str, Any]) -> None:
        """Stores settings under their keys; others stay."""
        with writing(self._engine) as connection:
            for key, value in values.items():
                connection.execute(setting.delete().where(setting.c.key == key))
                connection.execute(setting.insert().values(key=key, value=json.dumps(value)))

    @property
    def modality(self) -> str:
        """``"image"`` or ``"text"``."""
        return cast(str, self.settings().get("modality", "text"))

    # --- tasks -------------------------------------------------------------------------------

    def tasks(self) -> list[Task]:
        """The tasks in order, each with its classes by position."""
        with reading(self._engine) as connection:
            return _tasks(connection)

    def task(self, name: str) -> Task:
        """One task by name.

        Raises:
            StoreError: There is none of that name; the message lists them.
        """
        held = self.tasks()
        for candidate in held:
            if candidate.name == name:
                return candidate
        names = ", ".join(t.name for t in held) or "none"
        raise StoreError(f"The project has no task {name!r}. It has: {names}.")

    def add_task(
        self, name: str, *, kind: Kind = "single", classes: Sequence[str] = (), weight: float = 1.0
    ) -> Task:
        """Adds a task, or classes to the one of that name; returns it."""
        with writing(self._engine) as connection:
            ensure_task(connection, name, kind=kind, classes=classes, weight=weight)
        return self.task(name)

    def add_class(self, task_id: int, name: str) -> ClassInfo:
        """Adds a class at the end of a task, or returns the one of that name."""
        with writing(self._engine) as connection:
            held = next(t for t in _tasks(connection) if t.id == task_id)
            ensure_task(connection, held.name, kind=held.kind, classes=[name])
            return next(
                info for t in _tasks(connection) if t.id == task_id for info in t.classes if info.name == name
            )

    def change_class(
        self,
        task_id: int,
        position: int,
        *,
        name: str | None = None,
        hotkey: str | None = None,
        colour: str | None = None,
    ) -> None:
        """Renames a class or sets its key or colour; its position, and so every label, stays."""
        values = {"name": name, "hotkey": hotkey, "colour": colour}
        values = {key: value for key, value in values.items() if value is not None}
        if values:
            with writing(self._engine) as connection:
                connection.execute(
                    class_.update()
                    .where(class_.c.task_id == task_id, class_.c.position == position)
                    .values(values)
                )

    # --- items -------------------------------------------------------------------------------

    def count(self) -> int:
        """How many items there are."""
        # ids are given out without gaps and items never go: no row is counted, however many there are
        with reading(self._engine) as connection:
            return int(connection.execute(sa.select(sa.func.max(item.c.id))).scalar() or 0)

    def item_ids(self) -> IntArray:
        """All item ids in row order (int64). Every array of the project follows this order."""
        return np.arange(1, self.count() + 1, dtype=np.int64)

    def items(self, ids: Iterable[int] | None = None) -> list[Item]:
        """Items by id, in the order asked for (all of them in row order by default)."""
        if ids is None:
            return list(self.iterate())
        wanted = [int(i) for i in ids]
        found: dict[int, Item] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(wanted), _CHUNK):
                query = sa.select(item).where(item.c.id.in_(wanted[start : start + _CHUNK]))
                found |= {row.id: _item(row) for row in connection.execute(query)}
        missing = [i for i in wanted if i not in found]
        if missing:
            raise DataError(f"The project has no item {missing[0]}.")
        return [found[i] for i in wanted]

    def iterate(self) -> Iterator[Item]:
        """All items in row order, a few thousand in memory at a time."""
        last = 0
        while True:
            query = sa.select(item).where(item.c.id > last).order_by(item.c.id).limit(_CHUNK)
            with reading(self._engine) as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield from (_item(row) for row in rows)
            last = rows[-1].id

    def texts(self) -> list[str]:
        """The texts of all items in row order ("" where an item has none)."""
        with reading(self._engine) as connection:
            query = sa.select(item.c.text).order_by(item.c.id)
            return [text or "" for text in connection.execute(query).scalars()]

    def media_paths(self) -> list[Path]:
        """The image files of all items in row order."""
        with reading(self._engine) as connection:
            query = sa.select(item.c.media).order_by(item.c.id)
            return [self.folder / "media" / (media or "") for media in connection.execute(query).scalars()]

    def splits(self) -> list[str | None]:
        """The split of all items in row order."""
        with reading(self._engine) as connection:
            return list(connection.execute(sa.select(item.c.split).order_by(item.c.id)).scalars())

    def find(self, text: str, *, limit: int = 50) -> list[int]:
        """Ids of items whose key or text contains ``text`` (case-insensitive)."""
        pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        query = (
            sa.select(item.c.id)
            .where(sa.or_(item.c.key.ilike(pattern, escape="\\"), item.c.text.ilike(pattern, escape="\\")))
            .order_by(item.c.id)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def known_content(self) -> dict[str, str]:
        """``sha256 → key`` of every item: what an import need not bring again."""
        with reading(self._engine) as connection:
            return {row.sha256: row.key for row in connection.execute(sa.select(item.c.sha256, item.c.key))}

    def keys(self) -> set[str]:
        """The keys of all items."""
        with reading(self._engine) as connection:
            return set(connection.execute(sa.select(item.c.key)).scalars())

    @contextmanager
    def importing(self) -> Iterator[ImportBatch]:
        """One transaction for a whole import: all of it is there afterwards, or nothing.

        Other writers (a person labelling) wait until it ends, so keep slow work (hashing, copying,
        decoding) before or outside of it.
        """
        with writing(self._engine) as connection:
            batch = ImportBatch(connection)
            yield batch

    # --- answer key --------------------------------------------------------------------------

    def answers(self, task_id: int) -> dict[int, Any]:
        """The hidden answers of a task by item id; empty where there is no key."""
        with reading(self._engine) as connection:
            query = sa.select(answer.c.item_id, answer.c.value).where(answer.c.task_id == task_id)
            return {row.item_id: json.loads(row.value) for row in connection.execute(query)}

    # --- which predictions a task follows ----------------------------------------------------

    def adopt(self, task_id: int, run_id: int | None) -> None:
        """From now on the task follows a finished run, or with None the instant loop again."""
        with writing(self._engine) as connection:
            connection.execute(adoption.insert().values(task_id=task_id, run_id=run_id, time=time.time()))

    def adopted(self, task_id: int) -> int | None:
        """The run that the task follows; None for the instant loop."""
        query = (
            sa.select(adoption.c.run_id)
            .where(adoption.c.task_id == task_id)
            .order_by(adoption.c.id.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            return connection.execute(query).scalar()


class ImportBatch:
    """Writes items, tasks and labels within the transaction of :meth:`Store.importing`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._name = f"import-{secrets.token_hex(8)}"
        self._seq = 0
        self._tasks = {t.name: t for t in _tasks(connection)}
        self._positions = {
            t.name: {info.name: info.position for info in t.classes} for t in self._tasks.values()
        }
        # Ids are given out here, without gaps, so that row and id order agree and bounds check them.
        self._next_id = int(connection.execute(sa.select(sa.func.max(item.c.id))).scalar() or 0) + 1

    def ensure_task(
        self, name: str, *, kind: Kind = "single", classes: Sequence[str] = (), weight: float = 1.0
    ) -> Task:
        """Adds a task, or classes to the one of that name."""
        ensure_task(self._connection, name, kind=kind, classes=classes, weight=weight)
        self._tasks = {t.name: t for t in _tasks(self._connection)}
        self._positions[name] = {info.name: info.position for info in self._tasks[name].classes}
        return self._tasks[name]

    def set_looks(self, name: str, looks: Sequence[Mapping[str, str]]) -> None:
        """Gives classes the ``hotkey`` and ``colour`` that come with an import, where they have none yet."""
        held = {info.name: info for info in self._tasks[name].classes}
        for look in looks:
            info = held.get(look["name"])
            free = {
                part: look[part]
                for part in ("hotkey", "colour")
                if info is not None and look.get(part) and getattr(info, part) is None
            }
            if info is not None and free:
                where = (class_.c.task_id == self._tasks[name].id, class_.c.position == info.position)
                self._connection.execute(class_.update().where(*where).values(free))

    def add(self, items: Sequence[NewItem]) -> list[int]:
        """Writes items with their labels and answers; returns their ids.

        Raises:
            DataError: A label of a task that was not ensured, a number that is not finite, or a key that
                the project has already.
        """
        if not items:
            return []
        self._add_classes(items)
        now, first = time.time(), self._next_id
        ids = list(range(first, first + len(items)))
        self._next_id += len(items)
        try:
            insert_many(
                self._connection,
                item.insert(),
                [
                    {
                        "id": item_id,
                        "key": new.key,
                        "media": new.media,
                        "text": new.text,
                        "sha256": new.sha256,
                        "split": new.split,
                        "meta": json.dumps(dict(new.meta)) if new.meta else None,
                        "added": now,
                    }
                    for item_id, new in zip(ids, items)
                ],
            )
        except sa.exc.IntegrityError as error:
            raise DataError(
                f"Two items have the same key, or the project has it already: {error.orig}."
            ) from error
        labels = [(item_id, new.labels) for item_id, new in zip(ids, items) if new.labels]
        self.add_labels(labels)
        answers = [
            {
                "item_id": item_id,
                "task_id": self._task(name).id,
                "value": json.dumps(self._encode(name, value)),
            }
            for item_id, new in zip(ids, items)
            for name, value in new.answers.items()
        ]
        if answers:
            insert_many(self._connection, answer.insert(), answers)
        return ids

    def add_labels(self, labels: Sequence[tuple[int, Mapping[str, NewLabel]]]) -> None:
        """Writes labels of items that are there: ``(item id, {task name: label})``."""
        now = time.time()
        rows = [
            {
                "item_id": item_id,
                "task_id": self._task(name).id,
                "verb": label.verb,
                "value": None if label.value is None else json.dumps(self._encode(name, label.value)),
                "source": label.source,
                "purpose": label.purpose,
                "annotator": label.annotator,
                "confidence": label.confidence,
                "time": now,
                "batch": self._name,
            }
            for item_id, by_task in labels
            for name, label in by_task.items()
        ]
        if rows:
            insert_many(self._connection, annotation.insert(), rows)

    def _task(self, name: str) -> Task:
        if name not in self._tasks:
            raise DataError(
                f"A label names the task {name!r}, which the import did not announce. "
                f"It announced: {', '.join(self._tasks) or 'none'}."
            )
        return self._tasks[name]

    def _add_classes(self, items: Sequence[NewItem]) -> None:
        new: dict[str, dict[str, None]] = {}
        for entry in items:
            for name, value in [
                *((name, label.value) for name, label in entry.labels.items()),
                *entry.answers.items(),
            ]:
                if self._task(name).kind == "numeric" or value is None:
                    continue
                for class_name in [value] if isinstance(value, str) else value:
                    if class_name not in self._positions[name]:
                        new.setdefault(name, {})[class_name] = None
        for name, classes in new.items():
            self.ensure_task(name, kind=self._tasks[name].kind, classes=list(classes))

    def _encode(self, name: str, value: Any) -> Any:
        if self._task(name).kind == "numeric":
            number = float(value)
            if not math.isfinite(number):
                raise DataError(f"A number of the task {name!r} must be finite. Received: {value!r}.")
            return number
        positions = self._positions[name]
        return positions[value] if isinstance(value, str) else [positions[part] for part in value]


def ensure_task(
    connection: sa.Connection,
    name: str,
    *,
    kind: Kind = "single",
    classes: Sequence[str] = (),
    weight: float = 1.0,
) -> None:
    """Adds a task or the classes that the one of that name lacks, within a transaction."""
    if kind not in KINDS:
        raise ConfigError(f"A task's kind is one of {', '.join(KINDS)}. Received: {kind!r}.")
    if not name.strip():
        raise DataError("A task needs a name. Received: an empty one.")
    held = {t.name: t for t in _tasks(connection)}
    if name in held and held[name].kind != kind:
        raise DataError(f"The task {name!r} is of kind {held[name].kind!r}. Received: kind {kind!r}.")
    if name not in held:
        connection.execute(task.insert().values(name=name, kind=kind, position=len(held), weight=weight))
        held = {t.name: t for t in _tasks(connection)}
    known = set(held[name].class_names)
    fresh = [c for c in dict.fromkeys(classes) if c not in known]
    if fresh:
        first = len(held[name].classes)
        connection.execute(
            class_.insert(),
            [{"task_id": held[name].id, "position": first + i, "name": c} for i, c in enumerate(fresh)],
        )


def _tasks(connection: sa.Connection) -> list[Task]:
    classes: dict[int, list[ClassInfo]] = {}
    for row in connection.execute(sa.select(class_).order_by(class_.c.task_id, class_.c.position)):
        info = ClassInfo(position=row.position, name=row.name, hotkey=row.hotkey, colour=row.colour)
        classes.setdefault(row.task_id, []).append(info)
    return [
        Task(
            id=row.id,
            name=row.name,
            kind=row.kind,
            classes=tuple(classes.get(row.id, ())),
            position=row.position,
            weight=row.weight,
        )
        for row in connection.execute(sa.select(task).order_by(task.c.position))
    ]


def _item(row: sa.Row[Any]) -> Item:
    return Item(
        id=row.id,
        key=row.key,
        media=row.media,
        text=row.text,
        sha256=row.sha256,
        split=row.split,
        meta=json.loads(row.meta) if row.meta else {},
    )


__all__ = ["ImportBatch", "Item", "NewItem", "NewLabel", "Store", "Task", "ensure_task"]
