"""A small project made of drawn facts, and the facts read off a project: for write → read tests."""

from __future__ import annotations

import hashlib
import io
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

from sslcore.exporting import export
from sslcore.importing import import_source
from sslcore.store import LabelState, NewItem, NewLabel, Store
from sslcore.store.facts import SOURCES

QUICK = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

NASTY = [
    "=1+1", "+1", "-1", "@SUM(A1)", '\t=x', "'=x", "''+x", "'", "it's", "\"", "\"\"", "a,b", "a;b",
    'a\tb', 'a\nb', 'a\r\nb', 'a\rb', "[1, 2]", "[\"a\"]", "{}", "null", "None", "NaN", "nan", "1.5",
    "1.0", "007", "1e5", "true", "🦁", "<script>alert(1)</script>", "../../etc/passwd", "..\\x", "/abs",
    "C:\\x", "con", "_unlabeled", "train", "a|b", "_x0041_", '\u202eabc', "é", '\ufeffbom', "CAT",
    "cat", "Cat ", "id", "status", "-0", "٣", 'a\x00b', '\x1f', "x" * 200,
]  # fmt: skip

letters = st.characters(blacklist_categories=("Cs",))
free_text = st.one_of(st.sampled_from(NASTY), st.text(letters, min_size=1, max_size=30))
texts = free_text.filter(lambda text: text.strip())
names = free_text.map(str.strip).filter(lambda name: 0 < len(name) <= 500)
task_names = (
    st.one_of(
        st.sampled_from(
            ["label", "status", "text", "id", "a__source", "task:x", "=t", "path", "mood", "meta"]
        ),
        st.text(
            st.characters(whitelist_categories=("L", "N"), whitelist_characters=" _-+|🦁"),
            min_size=1,
            max_size=12,
        ),
    )
    .map(lambda name: name.strip())
    .filter(bool)
)
sources = st.sampled_from([name for name in SOURCES if name != "pseudo"])
splits = st.one_of(st.none(), st.sampled_from(["train", "validation", "test", "fold 3"]))


@st.composite
def projects(draw, *, image=False):
    """Facts: tasks with kinds, and items with content, split and labels."""
    tasks = {
        name: draw(st.sampled_from(["single", "single", "multiple", "numeric", "ordinal"]))
        for name in draw(st.lists(task_names, min_size=1, max_size=3, unique_by=str.casefold))
    }
    classes = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    contents = draw(st.lists(st.integers(0, 10**6) if image else texts, min_size=1, max_size=6, unique=True))
    keys = draw(st.lists(texts, min_size=len(contents), max_size=len(contents), unique=True))
    items = []
    for key, content in zip(keys, contents):
        labels = {}
        for task, kind in tasks.items():
            if draw(st.booleans()):
                labels[task] = NewLabel(
                    _value(draw, kind, classes),
                    source=draw(sources),
                    purpose=draw(st.sampled_from(["train", "audit"])),
                    annotator=draw(st.one_of(st.none(), names)),
                    confidence=draw(st.one_of(st.none(), st.sampled_from([0.5, 0.25, 1.0]))),
                    verb=draw(st.sampled_from(["label", "accept"])),
                )
        meta = draw(st.one_of(st.just({}), st.dictionaries(names, names, max_size=2)))
        items.append((key, content, draw(splits), labels, meta))
    return tasks, classes, items


def _value(draw, kind, classes):
    if kind == "numeric":
        return draw(st.floats(-1e6, 1e6))
    if kind == "multiple":
        return draw(st.lists(st.sampled_from(classes), min_size=1, unique=True))
    return draw(st.sampled_from(classes))


_EMPTY = {}


def empty_store(folder: Path, modality: str) -> Store:
    """A new project; the database is copied, since migrating takes most of the time."""
    if modality not in _EMPTY:
        made = Path(tempfile.mkdtemp()) / "empty"
        Store.create(made, modality=modality).close()
        _EMPTY[modality] = made
    shutil.copytree(_EMPTY[modality], folder)
    return Store(folder)


def picture(seed: int) -> bytes:
    """A PNG that is different for every seed."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def build(store: Store, drawn) -> None:
    tasks, classes, items = drawn
    with store.importing() as batch:
        for task, kind in tasks.items():
            batch.ensure_task(task, kind=kind, classes=[] if kind == "numeric" else classes)
        new = []
        for key, content, split, labels, meta in items:
            if store.modality == "image":
                data = picture(content)
                sha256 = hashlib.sha256(data).hexdigest()
                place = store.folder / "media" / sha256[:2] / f"{sha256}.png"
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(data)
                media = f"{sha256[:2]}/{sha256}.png"
                new.append(NewItem(key, sha256, media=media, split=split, labels=labels, meta=meta))
            else:
                sha256 = hashlib.sha256(content.encode()).hexdigest()
                new.append(NewItem(key, sha256, text=content, split=split, labels=labels, meta=meta))
        batch.add(new)


def facts(store: Store):
    """All that must survive, by key."""
    state, tasks = LabelState(store), store.tasks()
    found = {}
    for row, item in enumerate(store.iterate()):
        labels = {}
        for task in tasks:
            of = state[task.id]
            value = of.value_of(row)
            if value is None:
                continue
            if task.kind != "numeric":
                value = [task.class_names[at] for at in (value if isinstance(value, list) else [value])]
            confidence = float(of.confidence_N[row])
            labels[task.name] = (
                task.kind,
                value,
                SOURCES[of.source_N[row] - 1],
                of.annotator.get(row),
                None if math.isnan(confidence) else confidence,
                bool(of.audit_N[row]),
            )
        found[item.key] = (item.text, item.sha256, item.split, labels, dict(item.meta))
    return found


def round_trip(drawn, format: str, name: str, *, image=False, **options):
    """The facts before and after: written in a format, read into a fresh project."""
    modality = "image" if image else "text"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        store = empty_store(home / "before", modality)
        build(store, drawn)
        before = facts(store)
        export(store, {}, format=format, out=home / "out" / name, **options)
        store.close()
        fresh = empty_store(home / "after", modality)
        report = import_source(fresh, home / "out" / name)
        after = facts(fresh)
        fresh.close()
        assert report.skipped == ()
        return before, after
