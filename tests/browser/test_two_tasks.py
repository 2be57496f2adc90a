"""Two questions about every picture, from a manifest to a file: labelled, learned together, adopted."""

import csv
import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from sslcore.features.cache import FeatureCache
from sslcore.store import LabelState, Store
from sslcore.workbench.palette import class_hotkeys
from tests.browser.conftest import choose, wait_idle, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SHAPES = ("disc", "square", "bar")
COLOURS = {"red": (220, 60, 50), "green": (60, 190, 90), "blue": (70, 110, 230)}
ITEMS, GIVEN = 126, 108
"""From 100 given labels on an import sets an audit split aside: of 108 a fifth, 21."""
ANSWERS = 5


def truth(key):
    """What is drawn, by the name of its file: ``("disc", "red")``."""
    shape, colour, _ = key.rpartition("/")[2].split("-")
    return {"shape": shape, "colour": colour}


def draw_manifest(folder):
    """Pictures, and a table of their paths with a column a task; the last rows have no label."""
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    rows = []
    for i in range(ITEMS):
        shape, colour = SHAPES[i % 3], list(COLOURS)[i // 3 % 3]
        image = Image.fromarray(rng.integers(0, 50, (32, 32, 3), dtype=np.uint8))
        draw, (x, y) = ImageDraw.Draw(image), rng.integers(11, 21, 2).tolist()
        box = {"disc": (x - 8, y - 8, x + 8, y + 8), "bar": (x - 9, y - 3, x + 9, y + 3)}
        pen = draw.ellipse if shape == "disc" else draw.rectangle
        pen(box.get(shape, (x - 7, y - 7, x + 7, y + 7)), fill=COLOURS[colour])
        path = f"pictures/{shape}-{colour}-{i:03d}.png"
        image.save(folder / path)
        rows.append((path, shape, colour) if i < GIVEN else (path, "", ""))
    table = folder / "manifest.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "shape", "colour"), *rows])
    return table


class Journey:
    """One browser, one project, and the store to see what really happened."""

    def __init__(self, page, server):
        self.page, self.server = page, server

    def open(self, name):
        self.page.goto(self.server.address(name, "drawings"))
        wait_idle(self.page)

    def load(self, table):
        self.page.goto(self.server.url)
        wait_idle(self.page)
        self.fill("Folder or file", str(table))
        expect(self.page.get_by_text(f"{ITEMS} images", exact=True)).to_be_visible()
        self.fill("Name of the new project", "drawings")
        self.page.get_by_test_id("stMain").get_by_role("button", name="Import").last.click()
        expect(self.page.get_by_text(f"Imported {ITEMS} items")).to_be_visible()
        self.store = Store(self.server.home / "drawings")
        self.keys = {item.id: item.key for item in self.store.iterate()}

    def fill(self, label, words):
        field = self.page.get_by_label(label, exact=True)
        expect(field).to_have_count(1)  # while a page is drawn anew, what it had stands beside it
        field.fill(words)
        field.press("Enter")
        wait_idle(self.page)

    def label(self, name):
        """Answers questions of a task by its keys; ``t`` is the key to the other task."""
        task, card = self.store.task(name), self.page.get_by_test_id("label-card")
        for _ in range(ANSWERS):
            expect(card).to_have_attribute("data-item", re.compile(r"^\d+$"))
            item = int(card.get_attribute("data-item"))
            answer = task.class_names.index(truth(self.keys[item])[name])
            self.page.keyboard.press(class_hotkeys(task.classes)[answer])
            expect(card).not_to_have_attribute("data-item", str(item))
        wait_until(lambda: len(self.answered(name)) == ANSWERS, what=f"the answers to {name} are stored")

    def answered(self, name):
        """Items that a person answered, each with the name of its class."""
        task = self.store.task(name)
        rows = [row for row in self.store.annotations.since() if row.source == "human"]
        return {row.item_id: task.class_names[int(row.value)] for row in rows if row.task_id == task.id}

    def train(self):
        features = FeatureCache(self.store.folder)
        wait_until(lambda: features.is_complete("pixels", ITEMS), seconds=120, what="features to learn from")
        self.open("train")
        choose(self.page, "Tasks to learn together", "colour")
        self.page.keyboard.press("Escape")
        more = self.page.get_by_text("Warm start and transfer, sharing and balancing")
        expect(more).to_be_visible()
        self.fill("Time budget (min)", "0.05")
        choose(self.page, "Learns from", "features of pixels")  # raw pictures teach little in 3 s
        more.click()
        choose(self.page, "Balancing", "Uncertainty weighting")
        self.page.get_by_role("button", name="Start", exact=True).click()
        run = wait_until(lambda: self.store.runs.list(kind="train"), what="a run is queued")[0]
        assert run.recipe["tasks"] == ["shape", "colour"]
        assert run.recipe["balancing"] == "uncertainty"
        wait_until(lambda: self.store.runs.get(run.id).ended, seconds=120, what="the run is over")
        run = self.store.runs.get(run.id)
        assert run.status == "done", run.error
        return run

    def adopt(self, run, name):
        """Where the run's own panel compares it with the instant loop, for the task of the side bar."""
        choose(self.page, "Task", name)
        expect(self.page.get_by_text(f"Adopt run {run.id} for {name}?")).to_be_visible()
        self.page.get_by_role("button", name="Adopt this run").click()
        task_id = self.store.task(name).id
        wait_until(lambda: self.store.adopted(task_id) == run.id, what=f"{name} follows the run")
        expect(self.page.get_by_role("button", name="Go back to the instant loop")).to_be_visible()

    def export(self):
        self.open("export")
        self.page.get_by_role("button", name="Prepare the file").first.click()
        button = self.page.get_by_role("button", name=re.compile("^Download")).first
        expect(button).to_be_visible()
        wait_idle(self.page)
        with self.page.expect_download() as download:
            button.click()
        with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".csv")]
            return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))


def test_two_tasks_from_a_manifest_to_a_file(page, server, tmp_path):
    journey = Journey(page, server)
    journey.load(draw_manifest(tmp_path / "source"))
    assert {task.name: task.kind for task in journey.store.tasks()} == {"shape": "single", "colour": "single"}
    journey.open("label")
    journey.label("shape")
    page.keyboard.press("t")
    expect(page.locator('[data-task="colour"]')).to_have_attribute("aria-current", "true")
    journey.label("colour")
    run = journey.train()
    assert {row.name for row in journey.store.runs.metrics(run.id) if row.task} >= {"task_weight"}
    journey.adopt(run, "shape")
    journey.adopt(run, "colour")
    rows = journey.export()

    by_key = {row["id"]: row for row in rows}
    assert set(by_key) == set(journey.keys.values())
    state = LabelState(journey.store)
    for task in journey.store.tasks():
        held, said = state[task.id], journey.answered(task.name)
        given = {journey.keys[item]: name for item, name in said.items()}
        assert all(truth(key)[task.name] == name for key, name in given.items())
        assert {by_key[key][task.name] for key in given} <= set(task.class_names)
        assert all(by_key[key][task.name] == name for key, name in given.items())
        assert all(by_key[key][f"{task.name}__source"] == "human" for key in given)
        sources = [row[f"{task.name}__source"] for row in rows]
        assert (sources.count("imported"), sources.count("pseudo")) == (GIVEN, ITEMS - GIVEN - ANSWERS)
        assert len(held.audit_row_A) >= 20
        proba_NC = np.load(journey.store.folder / "runs" / str(run.id) / f"proba_{task.id}.npy")
        for key, best in zip(journey.keys.values(), proba_NC.argmax(axis=1).tolist()):
            if by_key[key][f"{task.name}__source"] == "pseudo":  # what the adopted run says of it
                assert by_key[key][task.name] == task.class_names[best]
    journey.store.close()
