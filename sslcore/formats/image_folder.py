"""Image folder: ``root/[split/]class/picture.png``, the layout of torchvision's ImageFolder.

``_unlabeled`` (also ``_unlabelled``, ``unlabeled``) and loose files have no label; ``train``,
``validation``, ``test`` on top are splits; a lone folder around it all is looked through. What this
product writes has a ``labelloom.jsonl`` beside the folders: it tells keys, provenance and further tasks
of every file that is still where it was put; one that was moved has the class of the folder it is in now.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sslcore.config import Config, param
from sslcore.errors import DataError, FormatError
from sslcore.formats import FORMATS
from sslcore.formats.columns import MANY_CLASSES, column_of
from sslcore.formats.jsonl import Jsonl
from sslcore.formats.manifest import copy_files
from sslcore.formats.names import safe_name, told_apart
from sslcore.formats.record import (
    SPLIT_SYNONYMS,
    ColumnMapping,
    Inspection,
    ProjectExport,
    Record,
    Skipped,
    TaskColumn,
)
from sslcore.formats.scales import natural
from sslcore.formats.table import SHOWN_ROWS
from sslcore.media import IMAGE_SUFFIXES, is_inside

MANIFEST = "labelloom.jsonl"
UNLABELLED_FOLDER = "_unlabeled"
_UNLABELLED = frozenset({"_unlabeled", "_unlabelled", "unlabeled", "unlabelled"})
_LITTER = frozenset({"thumbs.db", "desktop.ini", ".ds_store", MANIFEST})


@dataclass(frozen=True)
class ImageFolderOptions(Config):
    """How to read a folder of images."""

    task: str = param("label", help="Name of the task that the class folders answer.")


@dataclass(frozen=True, slots=True)
class Placed:
    """What the place of a file says of it."""

    relative: str
    split: str | None
    label: str | None


def placed(names: Sequence[str]) -> list[Placed]:
    """Reads split and class off relative paths.

    >>> for one in placed(["train/cat/1.png", "test/dog/2.png", "train/_unlabeled/3.png"]):
    ...     print(one.split, one.label)
    train cat
    test dog
    train None
    """
    folders = [name.split("/")[:-1] for name in names]
    skip = _wrappers(folders)
    tops = {parts[skip].lower() for parts in folders if len(parts) > skip} - _UNLABELLED
    splits = bool(tops) and tops <= set(SPLIT_SYNONYMS)
    out = []
    for name, parts in zip(names, folders):
        parts, split = parts[skip:], None
        if splits and parts and parts[0].lower() in SPLIT_SYNONYMS:
            split, parts = SPLIT_SYNONYMS[parts[0].lower()], parts[1:]
        label = parts[0] if parts and parts[0].lower() not in _UNLABELLED else None
        out.append(Placed(name, split, label.strip() or None if label else None))
    return out


def _wrappers(folders: Sequence[Sequence[str]]) -> int:
    """How many folders lie around all files and say nothing: there are folders within."""
    depth = 0
    while True:
        tops = {parts[depth] if len(parts) > depth else None for parts in folders}
        top = next(iter(tops), None)
        deeper = any(len(parts) > depth + 1 for parts in folders)
        if len(tops) != 1 or top is None or not deeper or top.lower() in SPLIT_SYNONYMS:
            return depth
        depth += 1


@FORMATS.register(
    "image_folder",
    title="Image folder",
    family="format",
    paper="torchvision.datasets.ImageFolder",
    config=ImageFolderOptions,
)
class ImageFolder:
    """One folder per class."""

    can_write = True

    def sniff(self, source: Path) -> float:
        """A folder with an image in it; one with our manifest for certain."""
        if not source.is_dir():
            return 0.0
        if (source / MANIFEST).is_file():
            return 1.0
        return 0.7 if next((name for name in _walk(source) if _is_image(name)), None) else 0.0

    def inspect(self, source: Path, options: Any) -> Inspection:
        """As :meth:`Format.inspect`; counts by names alone."""
        options = options or ImageFolderOptions()
        names = _images(source)
        told, remarks = _manifest(source), []
        if not names:
            raise FormatError("The folder holds no image. Expected class/picture.png.", file=source)
        plan = placed(names)
        counts: dict[str, int] = {}
        for one in plan:
            if one.label is not None:
                counts[_text(one.label)] = counts.get(_text(one.label), 0) + 1
        if not counts:
            remarks.append("There are no class folders: everything will be unlabelled.")
        if len(counts) > MANY_CLASSES:
            remarks.append(f"There are {len(counts):,} folders. Is each of them a class?")
        by_class: dict[str | None, list[Placed]] = {}
        for one in plan:
            by_class.setdefault(one.label, []).append(one)
        spread = (
            one for row in zip_longest(*(group[:4] for group in by_class.values())) for one in row if one
        )
        records = self._records(source, list(spread)[:SHOWN_ROWS], told, options.task)
        tasks = [TaskColumn("folder", options.task)] if counts else []
        return Inspection(
            format="image_folder",
            title=source.name,
            modality="image",
            columns=(),
            mapping=told.mapping if told else ColumnMapping(path="file", tasks=tuple(tasks)),
            sample=tuple(record for record in records if isinstance(record, Record)),
            count=len(names),
            classes={options.task: counts} if counts else {},
            warnings=tuple(remarks),
        )

    def read(self, source: Path, mapping: ColumnMapping | None, options: Any) -> Iterator[Record | Skipped]:
        """As :meth:`Format.read`. A mapping may rename the task, or leave it out."""
        options = options or ImageFolderOptions()
        told = _manifest(source)
        task: str | None = options.task
        if mapping is not None and not told:
            task = mapping.tasks[0].task if mapping.tasks else None
        for name in _walk(source):
            if not _is_image(name):
                yield Skipped(_text(name), "no image by its name")
        yield from self._records(source, placed(_images(source)), told, task)

    def write(self, export: ProjectExport, out: Path) -> None:
        """As :meth:`Format.write`: class folders of the main task, and the manifest beside them.

        Raises:
            DataError: The project is of texts, or ``out`` is there and not empty.
        """
        if export.modality != "image":
            raise DataError("An image folder holds images and this project is of texts. Export a table.")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DataError("There is something there already. Choose a new or empty folder.", file=out)
        paths = folder_paths(export)
        out.parent.mkdir(parents=True, exist_ok=True)
        building = out.parent / f".{uuid.uuid4().hex}.part"
        try:
            building.mkdir()
            copy_files(export.files, building, paths)
            table = ProjectExport(export.modality, export.tasks, {**export.table, "path": paths})
            Jsonl().write(table, building / MANIFEST)
            if out.exists():
                out.rmdir()
            building.rename(out)
        except OSError as error:
            raise DataError(f"The folder cannot be written: {error.strerror or error}.", file=out) from error
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _records(
        self, source: Path, plan: Sequence[Placed], told: _Told | None, task: str | None
    ) -> Iterator[Record | Skipped]:
        for one in plan:
            if told and one.relative in told.records:
                yield told.records[one.relative]
                continue
            path = source / one.relative
            if not is_inside(source, path):
                yield Skipped(_text(one.relative), "it is a link that leaves the folder")
                continue
            label = told.class_of(one) if told else one.label
            name = told.task if told else task
            labels = {name: _text(label)} if label is not None and name else {}
            yield Record(_text(one.relative), None, path, one.split, labels)


def folder_paths(export: ProjectExport) -> list[str]:
    """Where each image goes: ``[split/]class/name``, all of it safe to write."""
    task = next((task for task in export.tasks if task.name == export.main_task), None)
    task = task or next((task for task in export.tasks if task.kind in ("single", "ordinal")), None)
    none: list[Any] = [None] * len(export.names)
    label_N = export.table[column_of(task.name)] if task and task.kind in ("single", "ordinal") else none
    split_N = export.table.get("split", none)
    different = list(dict.fromkeys(label for label in label_N if label is not None))
    taken = (*_UNLABELLED, *SPLIT_SYNONYMS)  # a class called "train" must not look like a split
    folders = dict(zip(different, told_apart((safe_name(label) for label in different), taken)))
    split_names = list(dict.fromkeys(split for split in split_N if split))
    splits = dict(zip(split_names, told_apart(safe_name(split) for split in split_names)))
    use_splits = bool(split_names) and set(split_names) <= set(SPLIT_SYNONYMS.values()) and all(split_N)
    paths = []
    for label, split, name in zip(label_N, split_N, export.names):
        folder = folders[label] if label is not None else UNLABELLED_FOLDER
        paths.append("/".join([splits[split], folder, name] if use_splits else [folder, name]))
    return paths


@dataclass(frozen=True)
class _Told:
    """What the manifest in an exported folder says, by path."""

    records: Mapping[str, Record]
    mapping: ColumnMapping
    task: str | None  # the one that the folders speak of
    classes: Mapping[str, str | None]  # folder → class

    def class_of(self, one: Placed) -> str | None:
        folder = one.relative.rpartition("/")[0]
        return self.classes.get(folder, one.label)


def _manifest(source: Path) -> _Told | None:
    file = source / MANIFEST
    if not file.is_file():
        return None
    reader = Jsonl()
    mapping = reader.inspect(file, None).mapping
    records: dict[str, Record] = {}
    for record in reader.read(file, mapping, None):
        if isinstance(record, Record) and record.media is not None:
            records[record.media.relative_to(source).as_posix()] = record
    single = [task.task for task in mapping.tasks if task.kind in ("single", "ordinal")]
    classes: dict[str, str | None] = {}
    for relative, record in records.items() if single else ():
        label = record.labels.get(single[0])
        classes.setdefault(relative.rpartition("/")[0], label if isinstance(label, str) else None)
    return _Told(records, mapping, single[0] if single else None, classes)


def _walk(source: Path) -> Iterator[str]:
    """Every file under ``source`` that is neither hidden nor litter, as a POSIX path, in a steady order."""
    for folder, folders, files in os.walk(source):
        folders[:] = sorted((name for name in folders if not _hidden(name)), key=natural)
        prefix = os.path.relpath(folder, source).replace(os.sep, "/")
        for name in sorted(files, key=natural):
            if not _hidden(name) and name.lower() not in _LITTER:
                yield name if prefix == "." else f"{prefix}/{name}"


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _images(source: Path) -> list[str]:
    return [name for name in _walk(source) if _is_image(name)]


def _text(name: str) -> str:
    """A file name as text; bytes that are not UTF-8 become the replacement character."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
