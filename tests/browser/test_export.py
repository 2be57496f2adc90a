"""The Export page: what is downloaded is what was promised, and reads back."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from sslcore.workbench.data import look
from tests.browser.harness import make_text_project, wait_idle

pytestmark = pytest.mark.browser


def test_a_table_with_provenance_reads_back(shared_server: Any, page: Any, tmp_path: Path) -> None:
    make_text_project(shared_server.home, "export-texts", n=60, labelled=24).close()
    page.goto(shared_server.address("export", "export-texts"))
    page.get_by_text("60 of 60 items with a label").wait_for(timeout=30_000)
    wait_idle(page)
    page.locator("label", has_text="The machine's own").click()
    page.get_by_text("24 of 60 items with a label").wait_for()
    table = _download(page, tmp_path)
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert sum(bool(row["topic"]) for row in rows) == 24
    assert {row[name] for row in rows for name in row if "source" in name} == {"imported", ""}
    assert [task.task for task in look(table).mapping.tasks] == ["topic"]

    page.get_by_role("tab", name="Model").click()
    page.get_by_text("are still being computed; the model stands on them").wait_for()


def _download(page: Any, folder: Path) -> Path:
    page.get_by_role("button", name="Prepare the file").first.click()
    button = page.get_by_role("button", name="Download").first
    button.wait_for(timeout=30_000)
    wait_idle(page)
    with page.expect_download() as held:
        button.click()
    path = folder / held.value.suggested_filename
    held.value.save_as(path)
    return path
