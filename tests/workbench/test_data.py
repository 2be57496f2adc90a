"""The Data page's desk: what there is, what is asked, and how more gets in."""

import io
import re
import zipfile

import pytest
from PIL import Image

from sslcore.errors import DataError, FormatError, StoreError
from sslcore.formats import TaskColumn
from sslcore.store import Store
from sslcore.workbench import Workbench
from sslcore.workbench import data as desk
from tests.browser.harness import make_image_project, make_text_project


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def bench(home):
    make_text_project(home, "texts", n=40, labelled=12).close()
    opened = Workbench.open("texts")
    yield opened
    opened.close()


def test_overview_counts_what_is_there(bench):
    held = bench.data.overview()
    task = held.tasks[0]
    assert (held.items, held.modality, task.labelled, task.audit) == (40, "text", 12, 0)
    assert [c.imported for c in task.classes] == [3, 3, 3, 3]
    assert sum(c.predicted for c in task.classes) == 28
    assert held.splits == {"no split": 40}


def test_tasks_and_classes(bench):
    task = bench.data.add_task("tone", kind="single", class_names="dry\nwarm\n\ndry")
    assert task.class_names == ["dry", "warm"]
    with pytest.raises(DataError, match="already"):
        bench.data.add_task("tone", kind="single", class_names="x")
    with pytest.raises(DataError, match="at least one class"):
        bench.data.add_task("other", kind="single", class_names=" , ")
    assert bench.data.add_classes(task, "warm, cool") == 1
    task = bench.task("tone")
    bench.data.change_class(task, 0, name="arid", hotkey="q", colour="#102030")
    info = bench.task("tone").classes[0]
    assert (info.name, info.hotkey, info.colour) == ("arid", "q", "#102030")
    for wrong in ({"name": "warm"}, {"name": " "}, {"colour": "red"}):
        with pytest.raises(DataError, match=re.compile("Received|called")):
            bench.data.change_class(bench.task("tone"), 0, **wrong)
    with pytest.raises(DataError, match="belongs to"):
        bench.data.change_class(bench.task("tone"), 1, hotkey="q")


def test_looking_writes_nothing_and_takes_ones_own_columns(home, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "title,body,kind,tone\na,first long text of many words,x,p\nb,second long text here,y,q\n" * 6
    )
    seen = desk.look(path)
    assert seen.format == "csv"
    seen = desk.look(path, mapping={"text": "body", "tasks": ["tone"]})
    assert seen.sample[0].text == "first long text of many words"
    assert dict(seen.sample[0].labels) == {"tone": "p"}
    with pytest.raises(DataError, match="no column 'nope'"):
        desk.look(path, mapping={"text": "nope"})
    with pytest.raises(FormatError):
        desk.look(tmp_path / "missing.csv")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("kind", ["single", "ordinal", "multiple"])
def test_a_chosen_kind_keeps_the_words_that_mean_no_label(home, tmp_path, kind):
    path = tmp_path / "films.csv"
    path.write_text("text,mood\na fine film,good\na dull film,nan\na bad film,bad\n")
    seen = desk.look(path, mapping={"tasks": [{"column": "mood", "kind": kind}]})
    assert seen.mapping.tasks[0].unlabelled == ("nan",)
    assert "In column 'mood', 'nan' is taken as 'no label'." in seen.warnings
    assert desk.no_label_choices(seen.mapping.tasks[0], seen) == ["nan"]
    exact = TaskColumn("mood", "mood", kind)
    assert desk.look(path, mapping={"tasks": [exact]}).mapping.tasks == (exact,)


def test_an_order_is_read_with_every_name_once(home, tmp_path):
    path = tmp_path / "films.csv"
    path.write_text("text,mood\na fine film,good\na dull film,nan\na bad film,bad\n")
    seen = desk.look(path, mapping={"tasks": [{"column": "mood", "kind": "ordinal"}]})
    names = desk.usual_order(seen.mapping.tasks[0], seen)
    assert names == ["bad", "good"]
    assert desk.read_order("good < bad", names) == ("good", "bad")
    assert desk.read_order("<1 < 1–5", ["1–5", "<1"]) == ("<1", "1–5")
    with pytest.raises(DataError, match="The order lacks 'bad'"):
        desk.read_order("good < dull", names)
    with pytest.raises(DataError, match="names 'bad' twice"):
        desk.read_order("bad < good < bad", names)


def test_a_failed_first_import_leaves_no_project(home, tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("text,kind\none two three four,x\nfive six seven eight,y\n" * 3)

    def fail(*args, **kwargs):
        raise DataError("broken")

    monkeypatch.setattr("sslcore.importing.import_source", fail)
    with pytest.raises(DataError, match="broken"):
        desk.import_into("p", path)
    assert not (home / "p").exists()


def test_images_do_not_go_into_a_project_of_texts(home, tmp_path):
    make_image_project(home, "pictures", n=3, features=False).close()
    path = tmp_path / "t.csv"
    path.write_text("text,kind\none two three four,x\nfive six seven eight,y\n" * 3)
    with pytest.raises(StoreError, match="holds images and the source texts"):
        desk.import_into("pictures", path)
    assert Store(home / "pictures").count() == 3


def test_uploads_get_safe_names_and_leave_after_a_day(home, monkeypatch):
    path = desk.keep_upload("../..\\evil name?.csv", io.BytesIO(b"a,b\n"))
    assert path.parent.parent == home / ".uploads"
    assert re.fullmatch(r"[A-Za-z0-9._-]+", path.name)
    assert path.read_bytes() == b"a,b\n"
    monkeypatch.setattr(desk, "UPLOADS_KEPT_SECONDS", -1.0)
    desk.uploads()
    assert not path.exists()


def test_project_names_from_file_names(home):
    assert desk.free_name("My tickets (1).csv") == "My-tickets-1"
    assert desk.free_name("…") == "project"
    make_text_project(home, "a", n=2, features=False).close()
    assert desk.free_name("a.zip") == "a-2"


def test_a_zip_of_images_comes_in_as_the_preview_said(home, tmp_path):
    """The format that a preview names is the one within the archive; the import must open the archive."""
    packed = tmp_path / "drawings.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(6):
            picture = Image.new("RGB", (8, 8), (40 * i, 10, 200))
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            archive.writestr(f"{'ab'[i % 2]}/{i}.png", buffer.getvalue())
    assert desk.look(packed).count == 6
    assert desk.import_into("zipped", packed).imported == 6


def test_what_an_import_said_stays_until_put_away_and_an_empty_project_can_go(home):
    store = Store.create(home / "failed", modality="text")
    run_id = store.runs.add("import", {"source": "/nowhere"})
    store.close()
    bench = Workbench.open("failed")
    with pytest.raises(StoreError, match="stays"):
        bench.data.discard()
    assert bench.store.runs.claim().id == run_id
    bench.store.runs.finish(run_id, "failed", error="no such file")
    assert [run.error for run in bench.data.imports()] == ["no such file"]
    bench.data.put_away()
    assert bench.data.imports() == []
    bench.data.discard()
    assert not (home / "failed").exists()
