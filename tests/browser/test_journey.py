"""What a user does, from an empty home to a file: once with texts, once with images."""

import csv
import io
import math
import re
import zipfile

import pytest
from playwright.sync_api import TimeoutError as Unheard

from sslcore.store import LabelState, Store
from sslcore.workbench.palette import class_hotkeys
from tests.browser.conftest import choose, wait_idle, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


class Journey:
    """One browser, one project, and the store to see what really happened."""

    def __init__(self, page, server, project):
        self.page, self.server, self.project = page, server, project
        self.store = None

    def begin(self):
        """An empty home: the Data page offers the demos; one is taken."""
        self.page.goto(self.server.url)
        wait_idle(self.page, 60_000)
        self.page.get_by_role("button", name=f"Make {self.project}").click()
        folder = self.server.home / self.project
        self.page.get_by_role("button", name="Start labelling").wait_for(timeout=120_000)
        self.store = Store(folder)
        self.task = self.store.tasks()[0]
        self.answers = self.store.answers(self.task.id)
        self.keys = class_hotkeys(self.task.classes)  # digits have their own

    def go(self, name):
        link = self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name)
        for _ in range(3):  # a click while the page before is still being drawn may go unheard
            link.click()
            try:
                self.page.wait_for_url(f"**/{name.lower()}*", timeout=10_000)
            except Unheard:
                continue
            wait_idle(self.page, 60_000)
            return
        raise AssertionError(f"The link {name} was clicked three times. The page is still {self.page.url}.")

    def state(self):
        return LabelState(self.store)[self.task.id]

    def humans(self):
        return [row for row in self.store.annotations.since() if row.source == "human"]

    def label_ten(self):
        self.go("Label")
        card = self.page.get_by_test_id("label-card")
        figure = self.page.get_by_test_id("figure-source")
        wait_until(lambda: card.get_attribute("data-item"), seconds=60, what="a question")
        wait_until(lambda: figure.inner_text(), seconds=90, what="a first estimate")
        before = figure.inner_text()
        for _ in range(10):
            item = int(card.get_attribute("data-item"))
            self.page.keyboard.press(self.keys[self.answers[item]])
            wait_until(
                lambda item=item: card.get_attribute("data-item") != str(item), what="the next question"
            )
        wait_until(lambda: len(self.humans()) == 10, what="ten stored answers")
        assert all(int(row.value) == self.answers[row.item_id] for row in self.humans())
        assert sum(row.purpose == "audit" for row in self.humans()) == 2
        wait_until(lambda: figure.inner_text() != before, seconds=15, what="the audit figure has moved")

    def accept_in_bulk(self):
        self.go("Review")
        wait_until(
            lambda: self.page.get_by_role("button", name=re.compile(r"^Accept [\d,]+ items")).count(),
            seconds=60,
            what="something to accept",
        )
        self.page.get_by_role("combobox", name="Class", exact=True).click()
        self.page.get_by_role("option").nth(1).click()
        wait_idle(self.page)
        labelled = int(self.state().labelled_N.sum())
        self.page.get_by_role("button", name=re.compile(r"^All [\d,]+ items")).click()
        choose(self.page, "Action", re.compile("accept", re.I))
        self.page.get_by_role("button", name="Do it").click()
        wait_until(lambda: int(self.state().labelled_N.sum()) > labelled + 20, what="accepted in bulk")
        assert len({r.batch for r in self.store.annotations.since() if r.source == "bulk"}) == 1
        wait_idle(self.page)
        self.page.get_by_role("button", name="Undo", exact=True).first.click()
        wait_until(lambda: int(self.state().labelled_N.sum()) == labelled, what="taken back as one")

    def lasso(self):
        self.go("Map")
        root = self.page.get_by_test_id("embedding-map")
        root.wait_for(timeout=60_000)
        wait_until(lambda: root.get_attribute("data-ready"), seconds=60, what="the points are there")
        wait_idle(self.page)
        before = self.state().label_N.copy()
        self.page.keyboard.press("l")
        box = self.page.get_by_test_id("map-stage").bounding_box()
        cx, cy = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        r = 0.3 * min(box["width"], box["height"])
        self.page.mouse.move(cx + r, cy)
        self.page.mouse.down()
        for step in range(1, 24):
            angle = 2 * math.pi * step / 24
            self.page.mouse.move(cx + r * math.cos(angle), cy + r * math.sin(angle))
        self.page.mouse.up()
        selected = self.page.get_by_test_id("map-selected")
        wait_until(lambda: re.search(r"[1-9]", selected.inner_text()), what="points are selected")
        self.page.keyboard.press("1")
        wait_until(lambda: (self.state().label_N != before).any(), what="the selection is labelled")
        self.page.get_by_test_id("map-done").get_by_role("button", name="Undo").click()
        wait_until(lambda: (self.state().label_N == before).all(), what="and given back")

    def train_and_adopt(self):
        self.go("Train")
        self.page.locator(".board").wait_for(timeout=60_000)
        minutes = self.page.get_by_role("spinbutton", name="Time budget (min)")
        minutes.fill("0.1")
        minutes.press("Enter")
        wait_idle(self.page)
        self.page.get_by_role("button", name="Start", exact=True).click()
        wait_until(lambda: self.store.runs.list(kind="train"), what="a run is queued")
        run = self.store.runs.list(kind="train")[0]
        self.page.reload()  # the run lives in the store, not in the page
        self.page.locator(".plot polyline").first.wait_for(timeout=500_000)
        wait_until(lambda: not self.store.runs.get(run.id).live, seconds=300)
        assert self.store.runs.get(run.id).status == "done", self.store.runs.get(run.id).error
        assert self.store.runs.metrics(run.id)
        self.page.locator(".run").first.click()
        adopt = self.page.get_by_role("button", name=re.compile("^Adopt"))
        adopt.wait_for(timeout=30_000)
        adopt.click()
        wait_until(lambda: self.store.adopted(self.task.id) == run.id, what="the run is adopted")

    def export(self):
        """As the page offers it: CSV, every source."""
        self.go("Export")
        self.page.get_by_role("button", name="Prepare the file").first.click()
        with self.page.expect_download(timeout=60_000) as download:
            self.page.get_by_role("button", name=re.compile("^Download")).first.click()
        return download.value.path().read_bytes()


def table(content, task):
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    return {row["id"]: (row[task], row[f"{task}__source"]) for row in rows}


@pytest.mark.parametrize("project", [pytest.param("bbc-news", marks=pytest.mark.slow), "digits"])
def test_from_an_empty_home_to_a_file(page, server, project):
    journey = Journey(page, server, project)
    journey.begin()
    journey.label_ten()
    journey.accept_in_bulk()
    journey.lasso()
    journey.train_and_adopt()
    content = journey.export()
    if project == "digits":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            assert sum(name.endswith(".png") for name in archive.namelist()) == 1797
            content = archive.read(names[0])
    held = table(content, journey.task.name)
    assert len(held) == journey.store.count()
    keys = {item.id: item.key for item in journey.store.iterate()}
    for row in journey.humans():
        name = journey.task.class_names[journey.answers[row.item_id]]
        assert held[keys[row.item_id]] == (name, "human")
    assert {source for _, source in held.values()} == {"human", "imported", "pseudo"}
    journey.store.close()
