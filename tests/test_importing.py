"""Imports: all or nothing, once, with every bad input told."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslcore.errors import ConfigError, DataError, FormatError, StoreBusyError
from sslcore.importing import audit_sample, import_source, preview
from sslcore.media import check_image
from sslcore.store import Event, LabelState, NewItem, NewLabel
from tests.formats.roundtrip import empty_store, picture


def table(folder, rows, header="text,label", name="a.csv"):
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def texts(tmp_path):
    return empty_store(tmp_path / "p", "text")


@pytest.fixture
def images(tmp_path):
    return empty_store(tmp_path / "p", "image")


def labels(store, task="label"):
    held = store.task(task)
    state = LabelState(store)[held.id]
    return [held.class_names[at] if at >= 0 else None for at in state.label_N]


def test_a_second_run_does_nothing(texts, tmp_path):
    path = table(tmp_path, [f"some words {i},{'ab'[i % 2] if i < 6 else ''}" for i in range(10)])
    first = import_source(texts, path)
    assert (first.imported, first.labelled, first.duplicates, first.audit) == (10, 6, 0, 0)
    rows = len(texts.annotations.since())
    again = import_source(texts, path)
    assert (again.imported, again.labelled, again.duplicates, again.updated) == (0, 0, 10, 0)
    assert (texts.count(), len(texts.annotations.since())) == (10, rows)


def test_equal_content_comes_once_and_different_labels_are_told(texts, tmp_path):
    path = table(tmp_path, ["same words,a", "same words,a", "same words,b", "other words,", "other words,b"])
    report = import_source(texts, path)
    assert (report.imported, report.duplicates, len(report.conflicts)) == (2, 3, 1)
    assert len(report.doubled) == 3
    assert all(one.reason.startswith("the same content as ") for one in report.doubled)
    assert report.conflicts[0].place == "a.csv#3 (same content as a.csv#1)"
    assert labels(texts) == ["a", "b"]


def test_labels_that_come_later_reach_the_items_that_are_there(texts, tmp_path):
    import_source(texts, table(tmp_path, ["one thing,", "two things,a", "three things,"]))
    task = texts.task("label")
    texts.annotations.append([Event(client="c", seq=1, verb="label", task_id=task.id, item_ids=[3], value=0)])
    report = import_source(
        texts, table(tmp_path, ["one thing,b", "two things,b", "three things,b", "four things,b"])
    )
    assert (report.imported, report.updated, len(report.conflicts)) == (1, 1, 2)
    assert labels(texts) == ["b", "a", "a", "b"]


def test_a_fifth_of_many_labels_is_set_aside_class_by_class(texts, tmp_path):
    rows = [f"some words {i},{'a' if i % 4 else 'b'}" for i in range(400)]
    report = import_source(texts, table(tmp_path, rows))
    state = LabelState(texts)[1]
    assert report.audit == state.audit_N.sum() == 80
    assert np.bincount(state.label_N[state.audit_N]).tolist() == [60, 20]
    more = import_source(texts, table(tmp_path, [f"more words {i},{'ab'[i % 2]}" for i in range(2000)]))
    assert more.audit == 220  # 300 at most in all


def test_audit_draw_is_of_the_seed(tmp_path):
    path = table(tmp_path, [f"some words {i},{'ab'[i % 2]}" for i in range(200)])
    drawn = []
    for seed in (0, 0, 1):
        store = empty_store(tmp_path / f"s{len(drawn)}", "text")
        import_source(store, path, seed=seed)
        drawn.append(LabelState(store)[1].audit_N.tolist())
    assert drawn[0] == drawn[1] != drawn[2]


def test_items_of_one_audit_are_audit_for_every_task(texts, tmp_path):
    rows = [f"some words {i},{'ab'[i % 2]},{'xyz'[i % 3]}" for i in range(300)]
    import_source(texts, table(tmp_path, rows, header="text,label,topic"))
    state = LabelState(texts)
    assert (state[1].audit_N == state[2].audit_N).all()
    assert state[1].audit_N.sum() == 60


@given(st.lists(st.sampled_from("abcde"), max_size=200), st.integers(0, 60))
def test_audit_sample_is_even_and_leaves_every_class_a_label(classes, size):
    chosen = audit_sample(classes, size, np.random.default_rng(0))
    kept = {name: classes.count(name) for name in set(classes)}
    assert len(chosen) == len(set(chosen)) == min(size, sum(n - 1 for n in kept.values()))
    taken = {name: sum(classes[at] == name for at in chosen) for name in kept}
    for name, count in kept.items():
        assert taken[name] <= count - 1
        if size * 4 <= len(classes):
            assert abs(taken[name] - count * size / len(classes)) <= len(kept)


def test_bad_images_are_told_and_the_rest_is_imported(images, tmp_path):
    root = tmp_path / "set"
    for name, data in {
        "a/1.png": picture(1), "a/2.png": picture(2)[:50], "a/3.png": b"", "b/4.jpg": picture(4),
        "b/5.png": b"<svg/>", "b/6.png": picture(1), "b/notes.txt": b"x",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    report = import_source(images, root)
    assert (report.imported, report.duplicates, report.skipped_count) == (2, 1, 4)
    told = {s.place: s.reason for s in report.skipped}
    assert set(told) == {"a/2.png", "a/3.png", "b/5.png", "b/notes.txt"}
    assert "zero bytes" in told["a/3.png"]
    assert [c.place for c in report.conflicts] == ["b/6.png (same content as a/1.png)"]
    paths = images.media_paths()
    assert [path.suffix for path in paths] == [".png", ".png"]  # by content, not by name
    assert all(check_image(path).sha256 == path.stem for path in paths)
    (root / "a/1.png").write_bytes(b"changed")
    assert check_image(paths[0]).format == "PNG"
    assert not list((images.folder / "media").glob(".incoming-*"))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "zero bytes"),
        (b"text,label\n", "Nothing in it"),
        (b"text,label\n ,a\n,b\n", "Nothing in it.*row 1: the text is empty"),
        (b"n,m\n1,2\n3,4\n", "'text' or 'path'"),
        (bytes(range(256)) * 20, "not text"),
        (b'text,label\n"open,a\n', "never closed"),
    ],
)
def test_wrong_tables_are_one_clear_error_and_store_nothing(texts, tmp_path, content, error):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=error):
        import_source(texts, path)
    assert (texts.count(), texts.tasks()) == (0, [])


def test_wrong_column_format_and_option(texts, tmp_path):
    path = table(tmp_path, ["some words,a"] * 2)
    with pytest.raises(DataError, match="column 'body'"):
        import_source(texts, path, mapping={"text": "body"})
    with pytest.raises(FormatError):
        import_source(texts, path, format="parquet")
    with pytest.raises(ConfigError, match="has no setting 'colour'"):
        import_source(texts, path, options={"colour": "red"})
    (tmp_path / "none").mkdir()
    with pytest.raises(FormatError, match="is empty"):
        preview(tmp_path / "none")


def test_images_do_not_go_into_a_project_of_texts(texts, tmp_path):
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "1.png").write_bytes(picture(1))
    with pytest.raises(DataError, match="project is of texts"):
        import_source(texts, tmp_path / "set")


def test_the_mapping_may_come_with_the_options(texts, tmp_path):
    path = table(tmp_path, ["some words,other words,a", "more words,last words,b"], header="one,two,kind")
    chosen = {"mapping": {"text": "two", "tasks": ["kind"]}, "delimiter": ","}
    seen = preview(path, options=chosen)
    assert [record.text for record in seen.sample] == ["other words", "last words"]
    import_source(texts, path, options=chosen)
    assert (texts.texts(), labels(texts, "kind")) == (["other words", "last words"], ["a", "b"])


def test_none_labelled_one_class_and_all_labelled(tmp_path):
    for number, (rows, classes) in enumerate(
        [(["a b,", "c d,"], ()), (["a b,x", "c d,"], ("x",)), (["a b,x", "c d,y"], ("x", "y"))]
    ):
        store = empty_store(tmp_path / str(number), "text")
        assert import_source(store, table(tmp_path, rows)).classes == {"label": classes}
    store = empty_store(tmp_path / "no-column", "text")
    assert import_source(store, table(tmp_path, ["a b", "c d"], header="text")).classes == {"label": ()}


def test_ten_thousand_classes(texts, tmp_path):
    report = import_source(texts, table(tmp_path, [f"some words {i},class {i}" for i in range(10_000)]))
    assert len(report.classes["label"]) == 10_000
    assert any("10,000 classes" in said for said in report.warnings)
    assert texts.task("label").class_names[:3] == ["class 0", "class 1", "class 2"]
    assert report.audit == 0  # no class has a label to spare


def test_any_name_is_kept_as_text(texts, tmp_path):
    names = [
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "🦁",
        '"',
        "'; DROP TABLE item; --",
        "\u202eabc",
        "a|b",
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"id": n, "text": f"t {n}", n: n, "label": n}) for n in names))
    import_source(texts, path)
    assert labels(texts) == names
    assert [item.key for item in texts.iterate()] == names
    path.write_text('{"text": "half \\ud83d pair", "label": "\\ud83d"}\n{"text": "b", "label": "x"}')
    import_source(texts, path)
    assert texts.texts()[-2] == "half ? pair"


def test_equal_keys_are_told_apart(texts, tmp_path):
    import_source(
        texts,
        table(tmp_path, ["x,one thing", "x,two things"], header="id,text"),
        mapping={"text": "text", "id": "id"},
    )
    import_source(
        texts, table(tmp_path, ["x,three things"], header="id,text"), mapping={"text": "text", "id": "id"}
    )
    assert [item.key for item in texts.iterate()] == ["x", "x (2)", "x (3)"]


def test_a_task_of_another_kind_is_refused_whole(texts, tmp_path):
    import_source(texts, table(tmp_path, ["one thing,a", "two things,b"]))
    mapped = {"text": "text", "tasks": [{"column": "label", "kind": "numeric"}]}
    with pytest.raises(DataError, match="kind 'single'"):
        import_source(texts, table(tmp_path, ["three things,1.5"]), mapping=mapped)
    assert texts.count() == 2


def test_words_for_an_empty_cell_are_no_numbers_and_are_told(texts, tmp_path):
    words = ["nan", "NA", "n/a", "NULL", "None", "-nan"]
    rows = [f"some words {i},{i}.5" for i in range(20)] + [f"more words {word},{word}" for word in words]
    path = table(tmp_path, [*rows, "last words,inf"], header="text,y")
    mapped = {"text": "text", "tasks": [{"column": "y", "kind": "numeric"}]}
    report = import_source(texts, path, mapping=mapped)
    assert (report.imported, report.labelled, report.left_out_count) == (27, 20, 1)
    assert "is not finite" in report.left_out[0].reason
    assert any(
        said.startswith("Task 'y': 6 cells hold no number but 'nan', 'NA'") for said in report.warnings
    )
    state = LabelState(texts)[1]
    assert [state.value_of(row) for row in range(26)] == [i + 0.5 for i in range(20)] + [None] * 6


def test_a_column_of_numbers_with_words_for_empty_cells_is_one_of_numbers(tmp_path):
    rows = [f"some words {i},{'NA' if i % 3 else i / 2}" for i in range(30)]
    seen = preview(table(tmp_path, rows, header="text,y"))
    assert [(task.column, task.kind, task.unlabelled) for task in seen.mapping.tasks] == [
        ("y", "numeric", ("NA",))
    ]
    assert "In column 'y', 'NA' is taken as 'no label'." in seen.warnings


def test_a_cell_that_is_no_number_costs_that_label_alone(texts, tmp_path):
    rows = [f"some words {i},{'ab'[i % 2]},{i}.5" for i in range(6)]
    path = table(tmp_path, [*rows, "more words,b,n/a?", 'last words,a,"7,5"'], header="text,topic,y")
    mapped = {"text": "text", "tasks": ["topic", {"column": "y", "kind": "numeric"}]}
    report = import_source(texts, path, mapping=mapped)
    assert (report.imported, report.labelled, report.skipped_count, report.left_out_count) == (8, 8, 0, 1)
    assert (report.left_out[0].place, report.left_out[0].reason) == (
        "row 7, column 'y'",
        "'n/a?' is no number",
    )
    assert labels(texts, "topic")[6:] == ["b", "a"]
    state = LabelState(texts)[texts.task("y").id]
    assert [state.value_of(row) for row in range(5, 8)] == [5.5, None, 7.5]


def test_a_column_of_words_taken_as_numbers_is_refused_whole(texts, tmp_path):
    mapped = {"text": "text", "tasks": [{"column": "label", "kind": "numeric"}]}
    with pytest.raises(DataError, match=r"No cell of it can be read .* column 'label': 'good' is no number"):
        import_source(texts, table(tmp_path, ["one thing,good", "two things,bad"]), mapping=mapped)
    assert (texts.count(), texts.tasks()) == (0, [])


def test_words_for_an_empty_cell_are_no_classes(texts, tmp_path):
    rows = [
        f"some words {i},{'nan' if i % 5 == 0 else 'ab'[i % 2]},{'x|N/A' if i % 4 else 'y|x'}"
        for i in range(40)
    ]
    seen = preview(table(tmp_path, rows, header="text,mood,tags"))
    assert [(task.column, task.kind, task.unlabelled) for task in seen.mapping.tasks] == [
        ("mood", "single", ("nan",)),
        ("tags", "multiple", ("N/A",)),
    ]
    assert "In column 'mood', 'nan' is taken as 'no label'." in seen.warnings
    report = import_source(texts, tmp_path / "a.csv")
    assert report.classes == {"mood": ("a", "b"), "tags": ("x", "y")}


def test_none_is_a_class_as_a_step_of_a_scale_or_where_it_is_said_to_be(texts, tmp_path):
    rows = [f"some words {i},{('none', 'low', 'high')[i % 3]},{('None', 'blue')[i % 2]}" for i in range(30)]
    path = table(tmp_path, rows, header="text,risk,colour")
    seen = preview(path)
    assert [task.unlabelled for task in seen.mapping.tasks] == [(), ("None",)]
    kept = [{"column": "risk"}, {"column": "colour", "unlabelled": []}]
    under = preview(path, options={"mapping": {"text": "text", "tasks": kept}})
    assert not any("no label" in warning for warning in under.warnings)
    report = import_source(texts, path, mapping=under.mapping)
    assert report.classes["colour"] == ("None", "blue")


def test_a_cell_with_nothing_but_such_a_word_has_no_label(texts, tmp_path):
    task = {"column": "tags", "kind": "multiple", "separator": "|", "unlabelled": ["NA"]}
    path = table(tmp_path, ["one thing,NA", "two things,a|NA"], header="text,tags")
    report = import_source(texts, path, mapping={"text": "text", "tasks": [task]})
    assert report.labelled == 1


STEPS = ["great", "bad", "fair", "poor", "good"]


def ordinal(**more):
    task = {"column": "label", "kind": "ordinal", **more}
    return {"text": "text", "tasks": [task]}


def test_words_of_a_known_scale_are_put_in_its_order(texts, tmp_path):
    path = table(tmp_path, [f"some words {i},{STEPS[i % 5]}" for i in range(20)])
    assert import_source(texts, path, mapping=ordinal()).classes == {
        "label": ("bad", "poor", "fair", "good", "great")
    }


def test_a_word_for_no_label_after_the_first_rows_is_told(texts, tmp_path):
    path = table(tmp_path, [f"some words {i},{STEPS[i % 5]}" for i in range(2100)] + ["other words,nan"])
    told = import_source(texts, path).warnings
    assert any("Task 'label' has got 'nan' as a class. If that means no label" in words for words in told)
    again = import_source(
        texts, table(tmp_path, ["third words,nan"], name="b.csv"), mapping=ordinal(kind="single")
    )
    assert not any("has got" in words for words in again.warnings)


def test_an_order_of_ones_own_is_kept_and_what_it_does_not_name_comes_last(texts, tmp_path):
    path = table(tmp_path, [f"some words {i},{STEPS[i % 5]}" for i in range(20)])
    report = import_source(texts, path, mapping=ordinal(order=["great", "good", "bad", "poor"]))
    assert report.classes == {"label": ("great", "good", "bad", "poor", "fair")}
    assert "Task 'label': the order did not name 'fair': they come last." in report.warnings
    more = table(tmp_path, ["other words,good"], name="b.csv")
    again = import_source(texts, more, mapping=ordinal(order=["bad", "good"]))
    assert "Task 'label' had an order already, which was kept." in again.warnings


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_never_stored(texts, number):
    item = NewItem("a", "0" * 64, text="words", labels={"y": NewLabel(number)})
    with texts.importing() as batch:
        batch.ensure_task("y", kind="numeric")
        with pytest.raises(DataError, match="must be finite"):
            batch.add([item])


def manifest(folder, classes):
    row = {
        "id": "1",
        "text": "words",
        "topic": "a",
        "topic__source": "human",
        "status": "accepted",
        "sha256": "",
    }
    path = folder / "own.jsonl"
    path.write_text(json.dumps(row | {"topic__classes": classes}))
    return path


def test_keys_and_colours_are_held_to_what_a_person_may_set(texts, tmp_path):
    classes = [
        {"name": "a", "hotkey": "Enter", "colour": "url(http://evil.example/x)"},
        {"name": "b", "hotkey": "Q", "colour": "#102030"},
        {"name": "c", "hotkey": "q", "colour": "banana"},
        {"name": "d", "hotkey": "shift+d"},
    ]
    report = import_source(texts, manifest(tmp_path, classes))
    held = texts.task("topic").classes
    assert [info.name for info in held] == ["a", "b", "c", "d"]
    assert [info.hotkey for info in held] == [None, "q", None, "Shift+D"]
    assert [info.colour for info in held] == [None, "#102030", None, None]
    told = "Task 'topic': 4 keys or colours of classes left out. The first, of 'a': A key is a digit"
    assert any(said.startswith(told) for said in report.warnings)
    again = import_source(texts, manifest(tmp_path, [{"name": "e", "hotkey": "q"}, classes[1]]))
    assert texts.task("topic").classes[4].hotkey is None
    assert any("The key 'q' belongs to 'b'" in said for said in again.warnings)


def test_progress_is_told_and_may_cancel(texts, tmp_path):
    path = table(tmp_path, [f"some words {i},a" for i in range(1000)])
    told = []
    import_source(texts, path, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (1, 1000)
    assert told[-1] == (1000, 1000)

    def cancel(done, total):
        raise KeyboardInterrupt

    other = empty_store(tmp_path / "q", "text")
    with pytest.raises(KeyboardInterrupt):
        import_source(other, path, progress=cancel)
    assert other.count() == 0


def test_a_full_disk_stores_nothing_and_takes_images_back(images, tmp_path, monkeypatch):
    root = tmp_path / "set" / "a"
    root.mkdir(parents=True)
    for i in range(5):
        (root / f"{i}.png").write_bytes(picture(i))

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sslcore.importing.os.sync", full)
    with pytest.raises(StoreBusyError, match="disk is full"):
        import_source(images, root.parent)
    monkeypatch.undo()
    assert images.count() == 0
    assert not [path for path in (images.folder / "media").rglob("*") if path.is_file()]
    assert import_source(images, root.parent).imported == 5


KILLED = """
import sys
from pathlib import Path
from sslcore.importing import import_source
from sslcore.store import Store
import sslcore.store.project as project

add = project.ImportBatch.add
def slowly(self, items):
    ids = add(self, items)
    print("writing", flush=True)
    import time; time.sleep({pause})
    return ids
project.ImportBatch.add = slowly
def told(done, total):
    print("reading", done, flush=True)
import_source(Store(Path(sys.argv[1])), Path(sys.argv[2]), progress=told)
print("done", flush=True)
"""


def killed(store, source, moment):
    """Runs an import in a child and kills it (-9) when it says so."""
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(pause=0.5), str(store.folder), str(source)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    with child:
        for line in child.stdout:
            if line.startswith(moment):
                child.send_signal(signal.SIGKILL)
                break
        child.stdout.read()
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["reading 10240", "writing"])
def test_killed_import_leaves_nothing_and_can_be_run_again(texts, tmp_path, moment):
    path = table(tmp_path, [f"some words {i},{'ab'[i % 2]}" for i in range(20_000)])
    killed(texts, path, moment)
    assert (texts.count(), texts.tasks(), texts.annotations.newest()) == (0, [], 0)
    report = import_source(texts, path)
    assert (report.imported, report.duplicates, report.audit) == (20_000, 0, 300)


def test_killed_import_of_images_leaves_no_litter_behind_the_next_one(images, tmp_path):
    root = tmp_path / "set" / "a"
    root.mkdir(parents=True)
    for i in range(600):
        (root / f"{i}.png").write_bytes(picture(i))
    killed(images, root.parent, "reading 512")
    assert list((images.folder / "media").glob(".incoming-*"))
    assert images.count() == 0
    assert import_source(images, root.parent).imported == 600
    files = [path for path in (images.folder / "media").rglob("*") if path.is_file()]
    assert len(files) == 600
    assert not list((images.folder / "media").glob(".incoming-*"))


@pytest.mark.slow
def test_a_hundred_thousand_texts(texts, tmp_path):
    words = [f"word{i}" for i in range(2000)]
    rng = np.random.default_rng(0)
    path = table(
        tmp_path, [f"{' '.join(rng.choice(words, 25))} {i},{'abcde'[i % 5]}" for i in range(100_000)]
    )
    started = time.process_time()
    assert import_source(texts, path).imported == 100_000
    assert time.process_time() - started < 20
