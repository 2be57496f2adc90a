"""The Quality page in a browser: doubtful labels by keyboard, duplicates at a stroke, honest figures."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from sslcore.store import Event, LabelState
from sslcore.workbench import Workbench
from tests.browser.conftest import make_image_project, make_text_project, wait_idle, wait_until
from tests.many_tasks import make_digits, make_reviews, truth_of

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


def opened(page, server, project, tab=None, task=None):
    page.goto(server.address("quality", project) + (f"&task={task}" if task else ""))
    page.get_by_test_id("settle").wait_for(timeout=60_000)
    if tab is not None:
        page.get_by_role("tab", name=tab).click()
    wait_idle(page)
    return page.get_by_test_id("settle")


def state(store, task=None):
    return LabelState(store)[1 if task is None else task.id]


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


def spoilt(store, task_name, spoil, *, labelled=160):
    """Imported labels, every tenth of them wrong."""
    task, truth, rng = store.task(task_name), truth_of(store, task_name), np.random.default_rng(0)
    wrong = set(rng.choice(labelled, labelled // 10, replace=False).tolist())
    store.annotations.append(
        [
            Event("import-02", i, "label", task.id, [i + 1], value=value, source="imported")
            for i, value in enumerate(spoil(held) if i in wrong else held for i, held in enumerate(truth))
            if i < labelled
        ]
    )
    return task


def shown_cases(settle):
    cases = settle.get_by_role("option")
    cases.first.wait_for()
    return [int(case[1:]) for case in cases.evaluate_all("rows => rows.map((row) => row.dataset.case)")]


def test_a_doubtful_set_and_a_doubtful_number_by_keyboard(page, shared_server):
    store = make_digits(shared_server.home, "quality-sets", n=220)
    task = spoilt(store, "shape", lambda held: sorted({0, 1, 2} - set(held)))

    def value(item_id):
        return state(store, task).value_of(item_id - 1)

    settle = opened(page, shared_server, "quality-sets", task="shape")
    tabs = page.get_by_role("tab").all_inner_texts()
    assert tabs == ["Label issues", "Duplicates", "Outliers", "Agreement"]
    shown = shown_cases(settle)
    before = {item_id: value(item_id) for item_id in shown[:4]}
    assert "Without this label the machine gives “" in page.get_by_test_id("settle-why").inner_text()
    page.keyboard.press("k")
    page.keyboard.press("Enter")  # the suggested set
    page.keyboard.press("2")  # a mark of one's own, and no answer yet
    assert item(page) == shown[2]
    expect(page.get_by_test_id("settle-acceptTool")).to_contain_text("Give ")
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    saved(page)
    assert value(shown[0]) == before[shown[0]]
    assert value(shown[1]) != before[shown[1]]
    assert value(shown[2]) == sorted({1} ^ set(before[shown[2]]))
    now = state(store, task)
    assert now.confirmed_N[[item_id - 1 for item_id in shown[:3]]].all()
    assert now.skipped_N[shown[3] - 1]
    page.keyboard.press("u")
    page.keyboard.press("u")
    saved(page)
    wait_until(lambda: value(shown[2]) == before[shown[2]], what="the set is taken back")
    assert item(page) == shown[2]
    page.keyboard.press("0")  # none of them
    saved(page)
    wait_until(lambda: value(shown[2]) == [], what="none of them")

    store = make_reviews(shared_server.home, "quality-numbers", n=220)
    task = spoilt(store, "score", lambda held: (held + 5) % 10)
    settle = opened(page, shared_server, "quality-numbers", task="score")
    shown = shown_cases(settle)
    before = {item_id: value(item_id) for item_id in shown[:3]}
    why = page.get_by_test_id("settle-why").inner_text()
    assert re.search(r"the machine says [\d.-]+ \(usually ± [\d.]+\); given", why)
    expect(settle.locator(".track .band.usual")).to_be_visible()
    page.keyboard.press("k")
    page.keyboard.press("Enter")  # the suggested number
    for key in ("4", "7", "Backspace", ".", "2"):
        page.keyboard.press(key)
    assert item(page) == shown[2]
    page.keyboard.press("Enter")
    saved(page)
    assert value(shown[0]) == before[shown[0]]
    assert value(shown[1]) != before[shown[1]]
    assert value(shown[2]) == 4.2
    assert state(store, task).confirmed_N[[item_id - 1 for item_id in shown[:3]]].all()
    page.keyboard.press("u")
    saved(page)
    wait_until(lambda: value(shown[2]) == before[shown[2]], what="the number is taken back")
    answers = [
        Event(who, seq, "label", task.id, [item_id], value=float(item_id % 9 + off), annotator=who)
        for who, off in (("ann", 0), ("ben", 1))
        for seq, item_id in enumerate(range(170, 200))
    ]
    store.annotations.append(answers)
    page.get_by_role("tab", name="Agreement").click()
    page.get_by_text("Usually apart by").wait_for(timeout=30_000)
    page.get_by_test_id("stMetricValue").filter(has_text=re.compile(r"^1$")).wait_for()
