"""The Quality page in a browser: doubtful labels by keyboard, duplicates at a stroke, honest figures."""

import re

import numpy as np
import pytest

from sslcore.store import Event, LabelState
from sslcore.workbench import Workbench
from tests.browser.conftest import make_image_project, make_text_project, wait_idle, wait_until

pytestmark = pytest.mark.browser
VOCABULARY = tuple(
    a + b for a in ["river", "stone", "cloud", "garden", "copper"] for b in ["side", "bed", "less", "ward"]
)


def noisy_texts(server, name, *, n=260, labelled=180, audit=0):
    """Texts of four topics; every tenth of the labelled ones was given a wrong topic."""
    store = make_text_project(server.home, name, n=n)
    rng = np.random.default_rng(0)
    wrong = rng.choice(labelled, labelled // 10, replace=False)
    events = []
    for i in range(labelled):
        value = (i + int(i in wrong)) % 4
        events.append(Event("import-01", i + 1, "label", 1, [i + 1], value=value, source="imported"))
    for i in range(audit):
        row = labelled + i
        events.append(Event("audit-01", i + 1, "label", 1, [row + 1], value=row % 4, purpose="audit"))
    store.annotations.append(events)
    return store, set((wrong + 1).tolist())


def opened(page, server, project, tab=None):
    page.goto(server.address("quality", project))
    page.get_by_test_id("settle").wait_for(timeout=60_000)
    if tab is not None:
        page.get_by_role("tab", name=tab).click()
    wait_idle(page)
    return page.get_by_test_id("settle")


def state(store):
    return LabelState(store)[1]


def saved(page):
    wait_until(
        lambda: page.locator("[data-testid=settle-saved]:visible").inner_text() == "✓ saved",
        what="all is stored",
    )


def item(page):
    return int(page.locator("[data-testid=settle]:visible").get_attribute("data-item"))


def test_doubtful_labels_by_keyboard(page, shared_server):
    store, wrong = noisy_texts(shared_server, "quality-keys")
    settle = opened(page, shared_server, "quality-keys")
    settle.get_by_role("option").first.wait_for()
    shown = [
        int(case[1:])
        for case in settle.get_by_role("option").evaluate_all("rows => rows.map((row) => row.dataset.case)")
    ]
    assert len(wrong & set(shown)) >= 12  # of 18
    assert len(set(shown) - wrong) <= 4
    before = state(store).label_N.copy()
    first = item(page)
    assert first == shown[0]
    assert "Without this label the machine says" in page.get_by_test_id("settle-why").inner_text()

    page.keyboard.press("k")  # kept: the same label again
    assert item(page) == shown[1]
    page.keyboard.press("Enter")  # the suggestion
    page.keyboard.press("4")  # a class by its key
    page.keyboard.press("Space")  # set aside
    saved(page)
    now = state(store)
    assert now.label_N[first - 1] == before[first - 1]
    assert now.confirmed_N[[i - 1 for i in shown[:3]]].all()
    assert now.label_N[shown[1] - 1] != before[shown[1] - 1]
    assert now.label_N[shown[2] - 1] == 3
    assert now.skipped_N[shown[3] - 1]
    assert now.label_N[shown[3] - 1] == before[shown[3] - 1]
    rows = store.annotations.of_items(shown[:3])
    assert {(row.verb, row.source) for row in rows if row.source != "imported"} <= {
        ("label", "human"),
        ("accept", "human"),
    }
    assert item(page) == shown[4]

    page.keyboard.press("u")  # the skip comes back, and stands there
    page.keyboard.press("u")  # so does the class by key
    saved(page)
    assert item(page) == shown[2]
    wait_until(lambda: state(store).label_N[shown[2] - 1] == before[shown[2] - 1], what="taken back")
    assert not state(store).skipped_N[shown[3] - 1]

    page.reload()  # what was kept or changed does not come back, what was taken back does
    settle = opened(page, shared_server, "quality-keys")
    settle.get_by_role("option").first.wait_for()
    cases = settle.get_by_role("option").evaluate_all("rows => rows.map((row) => row.dataset.case)")
    assert not {f"i{shown[0]}", f"i{shown[1]}"} & set(cases)
    assert {f"i{shown[2]}", f"i{shown[3]}"} <= set(cases)


def test_skipped_doubts_are_not_called_settled(page, shared_server):
    store, _ = noisy_texts(shared_server, "quality-skipped", n=120, labelled=60)
    bench = Workbench.open("quality-skipped", root=shared_server.home)
    found = bench.quality.issues(bench.task(), patience=60.0).value
    bench.close()
    doubted = (found.row_M + 1).tolist()
    assert len(doubted) > 1
    store.annotations.append([Event("person-01", i, "skip", 1, [id]) for i, id in enumerate(doubted[1:])])
    settle = opened(page, shared_server, "quality-skipped")
    settle.get_by_role("option").first.wait_for()
    page.get_by_text(f"1 doubtful label ({len(doubted) - 1} skipped)").wait_for()
    page.keyboard.press("Space")
    page.get_by_text("All doubtful labels are settled or skipped.").wait_for()
    saved(page)
    page.reload()
    opened(page, shared_server, "quality-skipped")
    page.get_by_text(
        f"None of the 60 labels looks wrong but for {len(doubted)} that were skipped."
    ).wait_for()
    page.get_by_text(f"0 of 60 labels look wrong ({len(doubted)} skipped)").wait_for()


def test_one_answer_for_near_duplicates_and_one_undo(page, shared_server):
    rng = np.random.default_rng(0)
    words = list(VOCABULARY)
    texts = [" ".join(rng.choice(words, 120)) for _ in range(40)]
    texts += [f"{texts[0]} .", f"{texts[0]} !", f"{texts[0]} ;"]
    store = make_text_project(shared_server.home, "quality-twins", texts=texts, labelled=24)
    twins = [1, 41, 42, 43]
    store.annotations.append([Event("person-01", 1, "label", 1, [41], value=2)])
    settle = opened(page, shared_server, "quality-twins", "Duplicates")
    settle.get_by_text("4 × ").wait_for()
    page.get_by_text("4 items that are all but the same, with different labels").wait_for()
    page.keyboard.press("4")
    saved(page)
    assert state(store).label_N[[i - 1 for i in twins]].tolist() == [3, 3, 3, 3]
    rows = [row for row in store.annotations.of_items(twins) if row.value == "3"]
    assert len({row.batch for row in rows}) == 1
    page.keyboard.press("u")
    saved(page)
    assert state(store).label_N[[i - 1 for i in twins]].tolist() == [0, 2, -1, -1]
    page.keyboard.press("k")  # they are different indeed
    saved(page)
    assert state(store).confirmed_N[[0, 40]].all()


def test_figures_come_from_the_audit_or_say_what_is_missing(page, shared_server):
    noisy_texts(shared_server, "quality-audit", n=140, labelled=60, audit=40)
    noisy_texts(shared_server, "quality-rough", n=80, labelled=40, audit=5)
    opened(page, shared_server, "quality-audit", "Label sets")
    page.get_by_text("Coverage seen on the audit").wait_for()
    page.get_by_role("button", name="95 %").or_(page.get_by_role("radio", name="95 %")).first.click()
    page.get_by_text("promised 95 %").wait_for()
    page.get_by_role("tab", name="Calibration").click()
    page.get_by_text("by chance alone").wait_for()
    page.get_by_role("tab", name="Agreement").click()
    page.get_by_text("No item has answers of two people yet").wait_for()
    page.get_by_text(re.compile(r"20 more labels are expected to bring")).wait_for(timeout=60_000)
    opened(page, shared_server, "quality-rough", "Label sets")
    page.get_by_text("15 more audit answers and label sets can be given").wait_for()
    page.get_by_role("tab", name="Calibration").click()
    page.get_by_text("labels left out in turn. 20 audit answers make it sound").wait_for()


def test_empty_states_say_what_to_do(page, shared_server):
    make_text_project(shared_server.home, "quality-none", n=30)
    make_image_project(shared_server.home, "quality-few", n=30, labelled=9)
    make_image_project(shared_server.home, "quality-nofeatures", n=12, labelled=6, features=False)
    empty = page.get_by_test_id("settle-empty")

    def said():  # while one list takes the place of another, both are there for a moment
        return " ".join(empty.all_inner_texts())

    opened(page, shared_server, "quality-none")
    wait_until(lambda: "There is no label yet" in said(), what="no labels")
    opened(page, shared_server, "quality-few")
    wait_until(lambda: "11 more labels and they can be judged" in said(), what="too few")
    page.get_by_role("tab", name="Outliers").click()
    wait_until(lambda: "No item stands apart" in said(), what="no outliers")
    page.get_by_role("tab", name="Calibration").click()
    page.get_by_text(re.compile("Rough: from|nothing to judge")).first.wait_for()
    opened(page, shared_server, "quality-nofeatures")
    wait_until(lambda: "features are still being computed" in said(), what="no features")
