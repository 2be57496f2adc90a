"""The Data page: look first, import, read the report; classes; sources that are none."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from sslcore.store import Store
from tests.browser.harness import choose, make_text_project, wait_idle, wait_until

pytestmark = pytest.mark.browser
ODD = 'text,mood\n"He said ""never"" 😀",<script>x</script>\n=1+1,"=1+1"\nplain words,\nmore words,=1+1\n'


def test_a_zip_of_pictures_by_path_with_its_preview(shared_server: Any, page: Any, tmp_path: Path) -> None:
    make_text_project(shared_server.home, "data-elsewhere", n=8, features=False).close()
    packed = tmp_path / "drawings.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(12):
            buffer = io.BytesIO()
            Image.new("RGB", (16, 16), (20 * i, 90, 160)).save(buffer, "PNG")
            archive.writestr(f"{('disc', 'square')[i % 2]}/{i}.png", buffer.getvalue())
        archive.writestr("disc/broken.png", b"")
    _open(shared_server, page, "data-elsewhere")
    _by_path(page, str(packed))
    page.get_by_text("13 images", exact=True).wait_for()
    wait_until(lambda: page.get_by_test_id("stImage").count() >= 4, what="pictures in the preview")
    _import(page, "data-drawings")
    page.get_by_text("Imported 12 items").wait_for(timeout=30_000)
    page.get_by_text("1 entry skipped").wait_for()
    page.reload()
    page.get_by_text("Imported 12 items").wait_for()
    page.get_by_role("tab", name="Tasks and classes").click()
    page.get_by_role("button", name="Got it").click()
    page.get_by_text("Imported 12 items").wait_for(state="detached")
    wait_idle(page)
    expect(page.get_by_role("tab", name="Tasks and classes")).to_have_attribute("aria-selected", "true")
    store = Store(shared_server.home / "data-drawings")
    assert (store.count(), store.tasks()[0].class_names) == (12, ["disc", "square"])
    store.close()


def test_an_upload_with_odd_names_and_missing_labels(shared_server: Any, page: Any) -> None:
    make_text_project(shared_server.home, "data-elsewhere-2", n=8, features=False).close()
    _open(shared_server, page, "data-elsewhere-2")
    page.get_by_test_id("stMain").get_by_text("Upload", exact=True).first.click()
    files = [{"name": "../odd <b>.csv", "mimeType": "text/csv", "buffer": ODD.encode()}]
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_text("4 texts", exact=True).wait_for()
    _import(page, "data-odd")
    page.get_by_text("Imported 4 items").wait_for(timeout=30_000)
    store = Store(shared_server.home / "data-odd")
    assert store.tasks()[0].class_names == ["<script>x</script>", "=1+1"]
    assert sorted(store.texts())[0] == "=1+1"
    store.close()


def test_columns_of_sets_and_of_numbers(shared_server: Any, page: Any, tmp_path: Path) -> None:
    make_text_project(shared_server.home, "data-elsewhere-3", n=8, features=False).close()
    tags = ("red, blue", "red", "blue, green", "green", "red, green")
    rows = [f'some words of number {i},"{tags[i % 5]}",{i + 0.5}' for i in range(40)]
    table = tmp_path / "sets.csv"
    table.write_text("\n".join(["text,tags,length", *rows]))
    _open(shared_server, page, "data-elsewhere-3")
    _by_path(page, str(table))
    page.get_by_text("40 texts", exact=True).wait_for()
    page.get_by_text("What the columns mean").click()
    choose(page, "“tags” holds", "any number of classes each (multiple)")
    choose(page, "Between the classes stands", ",")
    _import(page, "data-sets")
    page.get_by_text("Imported 40 items").wait_for(timeout=30_000)
    store = Store(shared_server.home / "data-sets")
    kinds = {task.name: (task.kind, task.class_names) for task in store.tasks()}
    assert kinds == {"tags": ("multiple", ["blue", "green", "red"]), "length": ("numeric", [])}
    page.get_by_text("a number each · 40 items labelled (100 %) · from 0.5 to 39.5").wait_for()
    store.close()


def test_an_order_and_the_words_that_are_no_label(shared_server: Any, page: Any, tmp_path: Path) -> None:
    make_text_project(shared_server.home, "data-elsewhere-4", n=8, features=False).close()
    moods = ("great", "bad", "nan", "fair", "None")
    table = tmp_path / "moods.csv"
    table.write_text("\n".join(["text,mood", *(f"words of number {i},{moods[i % 5]}" for i in range(40))]))
    _open(shared_server, page, "data-elsewhere-4")
    _by_path(page, str(table))
    page.get_by_text("40 texts", exact=True).wait_for()
    page.get_by_text("'None', 'nan' is taken as 'no label'").wait_for()
    page.get_by_text("What the columns mean").click()
    choose(page, "“mood” holds", "one class each, in an order (ordinal)")
    wait_idle(page)
    order = page.get_by_label("Order of “mood”, lowest first")
    wait_until(lambda: order.input_value() == "bad < fair < great", what="the order of the scale")
    order.fill("great < fair")
    order.press("Enter")
    page.get_by_test_id("stAlert").get_by_text("The order lacks 'bad'").wait_for()
    order.fill("great < fair < bad")
    order.press("Enter")
    wait_idle(page)
    _import(page, "data-moods")
    page.get_by_text("Imported 40 items").wait_for(timeout=30_000)
    store = Store(shared_server.home / "data-moods")
    assert [(t.kind, t.class_names) for t in store.tasks()] == [("ordinal", ["great", "fair", "bad"])]
    store.close()


def test_what_cannot_be_read_is_said(shared_server: Any, page: Any, tmp_path: Path) -> None:
    make_text_project(shared_server.home, "data-bad", n=8, features=False).close()
    (tmp_path / "empty").mkdir()
    (tmp_path / "paper.csv").write_bytes(b"%PDF-1.7\n" + bytes(range(256)))
    _open(shared_server, page, "data-bad")
    for name, words in (
        ("nowhere", "No such file or folder"),
        ("empty", "The folder is empty"),
        ("paper.csv", "No reader knows this file"),
    ):
        _by_path(page, str(tmp_path / name))
        page.get_by_test_id("stAlert").get_by_text(words).wait_for()
        assert page.get_by_test_id("stMain").get_by_role("button", name="Import").count() == 0


def test_a_class_is_renamed_and_one_is_added(shared_server: Any, page: Any) -> None:
    store = make_text_project(shared_server.home, "data-classes", n=8, features=False)
    _open(shared_server, page, "data-classes", tab="Tasks and classes")
    table = page.get_by_test_id("stDataFrame").first
    table.wait_for()
    editor = page.locator("textarea.gdg-input")

    def first_name_opens() -> bool:  # the table is a canvas that listens a while after it shows
        box = table.bounding_box()
        page.mouse.dblclick(box["x"] + 150, box["y"] + 52)
        page.wait_for_timeout(300)
        return bool(editor.count())

    wait_until(first_name_opens, what="the first class's name is being edited")
    editor.fill("games")
    editor.press("Enter")
    page.get_by_role("button", name="Save changes").click()
    wait_until(lambda: store.tasks()[0].class_names[0] == "games", what="the new name is stored")
    wait_idle(page)
    page.get_by_label("More classes").fill("weather, food")
    page.get_by_role("button", name="Add", exact=True).click()
    wait_until(lambda: store.tasks()[0].class_names[-2:] == ["weather", "food"], what="two more classes")
    store.close()


def _open(server: Any, page: Any, project: str, tab: str = "Add data") -> None:
    page.goto(server.address("", project))
    page.get_by_role("tab", name=tab).click()
    wait_idle(page)


def _by_path(page: Any, path: str) -> None:
    field = page.get_by_label("Folder or file")
    field.fill(path)
    field.press("Enter")


def _import(page: Any, name: str) -> None:
    field = page.get_by_label("Name of the new project")
    field.fill(name)
    field.press("Enter")
    wait_idle(page)
    page.get_by_test_id("stMain").get_by_role("button", name="Import").last.click()


def test_the_page_has_the_address_that_people_type(shared_server: Any, page: Any) -> None:
    make_text_project(shared_server.home, "data-typed", n=8, features=False).close()
    page.goto(shared_server.address("data", "data-typed"))
    page.get_by_role("heading", name="What do I have?").wait_for()
    wait_idle(page)
    assert page.get_by_text("Page not found").count() == 0
    assert "project=data-typed" in page.url
    assert page.get_by_role("combobox", name="Project").input_value() == "data-typed"
    assert page.get_by_role("link", name="Data").count() == 1


def test_a_name_that_is_taken_is_refused_before_anything_is_imported(
    shared_server: Any, page: Any, tmp_path: Any
) -> None:
    store = make_text_project(shared_server.home, "data-taken", n=8, features=False)
    table = tmp_path / "more.csv"
    table.write_text(
        "text,label\n" + "".join(f"a text number {i},spam\n" for i in range(9)), encoding="utf-8"
    )
    _open(shared_server, page, "data-taken")
    _by_path(page, str(table))
    page.get_by_label("Name of the new project").fill("data-taken")
    page.get_by_label("Name of the new project").press("Enter")
    expect(page.get_by_text("There is a project 'data-taken' already.")).to_be_visible()
    expect(page.get_by_test_id("stMain").get_by_role("button", name="Import").last).to_be_disabled()
    page.get_by_label("Name of the new project").fill("data-free")
    page.get_by_label("Name of the new project").press("Enter")
    expect(page.get_by_test_id("stMain").get_by_role("button", name="Import").last).to_be_enabled()
    assert store.count() == 8
    store.close()


def test_an_import_that_failed_is_told_where_the_button_was(
    shared_server: Any, page: Any, tmp_path: Any
) -> None:
    """Its task is of another kind in the project: nothing comes in, and the tab in sight says so."""
    store = make_text_project(shared_server.home, "data-clash", n=8, features=False)
    table = tmp_path / "numbers.csv"
    rows = "".join(f"a text number {i},{i}.5\n" for i in range(9))
    table.write_text(f"text,{store.tasks()[0].name}\n{rows}", encoding="utf-8")
    _open(shared_server, page, "data-clash")
    _by_path(page, str(table))
    page.get_by_text("Add to the current project").click()
    wait_idle(page)
    page.get_by_test_id("stMain").get_by_role("button", name="Import").last.click()
    expect(page.get_by_text("The import failed and left nothing behind.")).to_be_visible(timeout=60_000)
    expect(page.get_by_label("Folder or file")).to_be_visible()
    store.close()


def test_whole_numbers_ask_what_they_are(shared_server: Any, page: Any, tmp_path: Any) -> None:
    make_text_project(shared_server.home, "data-whole", n=8, features=False).close()
    table = tmp_path / "ages.csv"
    rows = "".join(f"a text number {i} of many,{20 + i % 5}\n" for i in range(40))
    table.write_text(f"text,age\n{rows}", encoding="utf-8")
    _open(shared_server, page, "data-whole")
    _by_path(page, str(table))
    note = page.get_by_text("holds whole numbers, read as names of classes")
    expect(note).to_be_visible()
    choose(page, "“age” holds", re.compile("numeric"), exact=False)
    expect(note).to_have_count(0)
