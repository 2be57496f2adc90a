"""Image folders: classes, splits and the unlabelled; nobody's name becomes a path."""

import os

import pytest
from hypothesis import given

from sslcore.errors import DataError, FormatError
from sslcore.exporting import export
from sslcore.formats import ColumnMapping, Record, Skipped, TaskColumn, sniff
from sslcore.formats.image_folder import ImageFolder, ImageFolderOptions, placed
from sslcore.formats.names import safe_name, told_apart
from sslcore.importing import import_source
from sslcore.store import NewLabel
from tests.formats.roundtrip import NASTY, QUICK, build, empty_store, facts, picture, projects, round_trip


def make(root, *names):
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(seed))


def labels(root, mapping=None, options=None):
    found = ImageFolder().read(root, mapping, options)
    return {r.key: (r.split, r.labels.get("label")) for r in found if isinstance(r, Record)}


@QUICK
@given(projects(image=True))
def test_written_then_read_is_the_same(drawn):
    before, after = round_trip(drawn, "image_folder", "out", image=True)
    assert after == before


@QUICK
@given(projects(image=True))
def test_tables_with_their_images_are_the_same(drawn):
    before, after = round_trip(drawn, "csv", "a.csv", image=True)
    assert after == before


def test_classes_splits_unlabelled_and_loose(tmp_path):
    make(
        tmp_path,
        "cat/1.png",
        "dog/2.png",
        "_unlabeled/3.png",
        "_unlabelled/4.PNG",
        "loose.png",
        "cat/deep/5.png",
    )
    assert sniff(tmp_path) == "image_folder"
    assert labels(tmp_path) == {
        "cat/1.png": (None, "cat"),
        "cat/deep/5.png": (None, "cat"),
        "dog/2.png": (None, "dog"),
        "_unlabeled/3.png": (None, None),
        "_unlabelled/4.PNG": (None, None),
        "loose.png": (None, None),
    }
    seen = ImageFolder().inspect(tmp_path, None)
    assert (seen.count, seen.classes) == (6, {"label": {"cat": 2, "dog": 1}})


def test_splits_on_top_and_a_folder_around(tmp_path):
    make(
        tmp_path,
        "data/train/cat/1.png",
        "data/val/dog/2.png",
        "data/test/3.png",
        "data/train/_unlabeled/4.png",
    )
    assert sorted(labels(tmp_path).values(), key=str) == [
        ("test", None), ("train", "cat"), ("train", None), ("validation", "dog")
    ]  # fmt: skip


def test_a_class_called_train_is_a_class():
    assert [p.label for p in placed(["train/1.png", "bus/2.png"])] == ["train", "bus"]
    assert [(p.split, p.label) for p in placed(["train/1.png", "test/2.png"])] == [
        ("train", None),
        ("test", None),
    ]


def test_the_task_can_be_named_or_left_out(tmp_path):
    make(tmp_path, "cat/1.png")
    named = list(ImageFolder().read(tmp_path, None, ImageFolderOptions(task="animal")))
    assert named[0].labels == {"animal": "cat"}
    mapped = ColumnMapping(path="file", tasks=(TaskColumn("folder", "beast"),))
    assert next(ImageFolder().read(tmp_path, mapped, None)).labels == {"beast": "cat"}
    assert next(ImageFolder().read(tmp_path, ColumnMapping(path="file"), None)).labels == {}


def test_litter_is_ignored_others_are_told_and_links_that_leave_are_refused(tmp_path):
    root = tmp_path / "set"
    make(root, "cat/1.png")
    make(tmp_path, "outside.png")
    (root / "cat" / "notes.txt").write_text("x")
    (root / "cat" / "Thumbs.db").write_text("x")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "2.png").write_bytes(b"x")
    (root / "cat" / "leak.png").symlink_to(tmp_path / "outside.png")
    told = {s.place: s.reason for s in ImageFolder().read(root, None, None) if isinstance(s, Skipped)}
    assert set(told) == {"cat/notes.txt", "cat/leak.png"}
    assert "link" in told["cat/leak.png"]


def test_file_names_that_are_no_utf8_become_text(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this disk knows UTF-8 names alone")
    with open(folder + b"/1.png", "wb") as file:
        file.write(picture(1))
    store = empty_store(tmp_path / "p", "image")
    assert import_source(store, tmp_path, format="image_folder").classes == {"label": ("caf\ufffd",)}


@pytest.mark.parametrize("extra", [[], ["notes.md"]])
def test_empty_folder_is_a_clear_error(tmp_path, extra):
    for name in extra:
        (tmp_path / name).write_text("x")
    with pytest.raises(FormatError, match="class/picture"):
        sniff(tmp_path)


@pytest.mark.parametrize("name", [*NASTY, "a/b/../../c", "x\0y", "nul.txt", " ", "...", "\ud800", "é" * 300])
def test_no_name_becomes_an_unsafe_path(name):
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert not set(safe) & set('/\\:*?"<>|\0\n\r\t')
    assert len(safe.encode()) <= 130
    assert safe == safe.strip(" .")


def test_equal_names_are_told_apart():
    assert told_apart(["a.png", "A.png", "a~2.png"]) == ["a.png", "A~2.png", "a~2~2.png"]


def test_hostile_keys_and_classes_stay_in_the_folder(tmp_path):
    classes = ["../../up", "/abs", "con", "train", "_unlabeled", "<b>", "CAT", "cat", ".."]
    drawn = (
        {"label": "single"},
        classes,
        [
            (
                f"../../key{i}.png",
                i,
                None,
                {"label": NewLabel(name)},
                {},
            )
            for i, name in enumerate(classes)
        ],
    )
    store = empty_store(tmp_path / "p", "image")
    build(store, drawn)
    export(store, {}, format="image_folder", out=tmp_path / "out" / "images")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "p"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["images"]
    folders = {path.name.casefold() for path in (tmp_path / "out" / "images").iterdir() if path.is_dir()}
    assert len(folders) == len(classes)
    assert not folders & {"_unlabeled", "train"}
    fresh = empty_store(tmp_path / "q", "image")
    import_source(fresh, tmp_path / "out" / "images")
    assert facts(fresh) == facts(store)


def test_a_file_moved_to_another_class_folder_has_that_class(tmp_path):
    make(tmp_path / "set", "a: b/1.png", "c/2.png", "_unlabeled/3.png")
    store = empty_store(tmp_path / "p", "image")
    import_source(store, tmp_path / "set")
    out = tmp_path / "out"
    export(store, {}, format="image_folder", out=out)
    (out / "_unlabeled" / "3.png").rename(out / "a_ b" / "3.png")
    fresh = empty_store(tmp_path / "q", "image")
    import_source(fresh, out)
    assert (
        sorted(str(labels) for *_, labels, _ in facts(fresh).values()).count(
            str({"label": ("single", ["a: b"], "imported", None, None, False)})
        )
        == 2
    )


def test_a_folder_with_something_in_it_is_not_overwritten(tmp_path):
    make(tmp_path / "set", "a/1.png")
    store = empty_store(tmp_path / "p", "image")
    import_source(store, tmp_path / "set")
    with pytest.raises(DataError, match="something there already"):
        export(store, {}, format="image_folder", out=tmp_path / "set")
