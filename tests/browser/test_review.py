"""The Review page in a browser: look through, choose, relabel by key, accept in bulk, take it back."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from sslcore.store import LabelState
from tests.browser.conftest import choose, make_image_project, make_text_project, wait_idle, wait_until
from tests.many_tasks import SHAPES, make_digits, make_reviews

pytestmark = pytest.mark.browser


def opened(page, server, project):
    page.goto(server.address("review", project))
    wall = page.get_by_test_id("sample-wall")
    wall.wait_for(timeout=60_000, state="attached")
    wait_idle(page)
    page.get_by_test_id("wall-items").get_by_role("row").first.wait_for()
    return page.get_by_test_id("wall-items")


def state(store):
    return LabelState(store)[1]


def saved(page):
    wait_until(lambda: page.get_by_test_id("wall-saved").inner_text() == "saved", what="all is stored")


def test_accept_a_class_and_undo(page, shared_server):
    store = make_text_project(shared_server.home, "review-accept", n=120, labelled=24)
    opened(page, shared_server, "review-accept")
    before = state(store).label_N.copy()
    words = page.get_by_text(re.compile(r"items? gets? the machine's label; about .* rough: from"))
    choose(page, "Class", "science")
    slider = page.get_by_role("slider", name="Accept from a confidence of")
    slider.focus()
    slider.press("Home")
    wait_idle(page)
    words.wait_for()
    accept = page.get_by_role("button", name=re.compile(r"Accept \d+ items as science"))
    accept.wait_for()
    number = int(re.search(r"Accept (\d+)", accept.inner_text()).group(1))
    accept.click()
    page.get_by_text(f"Accepted {number} items as science.").wait_for()
    after = state(store).label_N
    assert set(after[after != before]) == {2}
    assert (after != before).sum() == number
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_text("Undone.").wait_for()
    np.testing.assert_array_equal(state(store).label_N, before)


def test_wall_by_keyboard(page, shared_server):
    store = make_text_project(shared_server.home, "review-wall", n=100, labelled=20)
    items = opened(page, shared_server, "review-wall")
    cells = items.get_by_role("row")
    shown = [int(cells.nth(i).get_attribute("data-item")) for i in range(4)]
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert page.get_by_test_id("wall-chosen").inner_text() == "2 chosen"
    page.keyboard.press("4")
    saved(page)
    now = state(store)
    assert now.label_N[[i - 1 for i in shown[:2]]].tolist() == [3, 3]
    rows = store.annotations.of_items(shown[:2])
    assert {row.source for row in rows} == {"bulk"}
    assert len({row.batch for row in rows}) == 1
    page.keyboard.press("u")
    saved(page)
    wait_until(lambda: state(store).label_N[shown[0] - 1] == -1, what="both are without a label")
    cells.nth(2).click()
    page.keyboard.press("Enter")
    saved(page)
    row = store.annotations.of_items([shown[2]])[-1]
    assert (row.verb, row.source) == ("accept", "human")
    cells.nth(3).click()
    page.keyboard.press("x")
    page.keyboard.press("f")
    saved(page)
    assert state(store).rejected[shown[3] - 1]
    wait_until(lambda: state(store).flagged_N.any(), what="something is flagged")
    # the list keeps its order while one works
    assert [int(cells.nth(i).get_attribute("data-item")) for i in range(4)] == shown


def test_typing_into_the_search_labels_nothing(page, shared_server):
    store = make_text_project(shared_server.home, "review-type", n=60, labelled=12)
    opened(page, shared_server, "review-type")
    newest = store.annotations.newest()
    field = page.get_by_role("textbox", name="Search")
    field.fill("1 2 ")
    field.press_sequentially("3xu")
    field.press("Enter")
    wait_idle(page)
    page.get_by_text("No item is like that").wait_for()
    assert store.annotations.newest() == newest


def test_table_pages_and_all_of_a_list(page, shared_server):
    store = make_image_project(shared_server.home, "review-table", n=90, labelled=15)
    items = opened(page, shared_server, "review-table")
    page.get_by_text("Table", exact=True).click()
    wait_until(lambda: items.locator(".row.head").count() == 1, what="the table")
    assert items.get_by_role("row").count() == 60
    first = items.get_by_role("row").first.get_attribute("data-item")
    page.get_by_role("button", name="→").click()
    wait_until(lambda: items.get_by_role("row").count() == 15, what="the second page")
    assert items.get_by_role("row").first.get_attribute("data-item") != first
    page.get_by_role("button", name=re.compile("All 75 items")).click()
    page.get_by_role("button", name="Do it").click()
    page.get_by_text("Labelled 75 items as disc.").wait_for()
    wait_idle(page)  # while the page is made anew, the old buttons stand beside the new ones
    assert (state(store).label_N[15:] == 0).all()
    assert state(store).label_N[:15].tolist() == [i % 3 for i in range(15)]
    page.get_by_role("button", name="Recent…").click()
    page.get_by_text(re.compile("Labelled 75 items as disc, just now")).wait_for()
    page.get_by_role("button", name="Undo", exact=True).last.click()
    wait_until(lambda: (state(store).label_N >= 0).sum() == 15, what="all is taken back")


@pytest.mark.parametrize(("make", "name"), [(make_digits, "shape"), (make_reviews, "score")])
def test_what_is_suggested_is_accepted_of_any_kind(page, shared_server, make, name):
    project = f"review-{name}"
    store = make(shared_server.home, project, n=120, labelled=60)
    page.goto(shared_server.address("review", project))
    wait_idle(page)
    choose(page, "Task", name)
    page.get_by_test_id("wall-items").get_by_role("row").first.wait_for()
    expect(page.get_by_role("button", name="Reject")).to_have_count(0)
    cell = page.get_by_test_id("wall-items").get_by_role("row").nth(1)
    row = int(cell.get_attribute("data-item")) - 1
    cell.click()
    page.keyboard.press("x")
    expect(page.get_by_test_id("wall-said")).to_have_text(
        "Say what it is: there is no single class to reject."
    )
    page.keyboard.press("Enter")
    saved(page)
    held = LabelState(store)[store.task(name).id]
    assert held.labelled_N[row]
    words = str(held.value_of(row)) if name == "score" else ", ".join(SHAPES[c] for c in held.value_of(row))
    assert (words.removesuffix(".0") or "none of them") in cell.inner_text()
    event = store.annotations.of_items([row + 1])[-1]
    assert (event.verb, event.source) == ("accept", "human")
    assert event.shown is not None


def test_what_is_refused_is_not_shown_as_done(page, shared_server):
    make_text_project(shared_server.home, "review-refused", n=60, labelled=12)
    items = opened(page, shared_server, "review-refused")
    refusal = {"newest": 0, "stored": [], "refused": [{"seq": 1, "error": "no such class"}]}
    page.route("**/events*", lambda route: route.fulfill(json=refusal))
    cell = items.get_by_role("row").first
    cell.click()
    page.keyboard.press("1")
    expect(page.get_by_test_id("wall-said")).to_have_text("Not stored: no such class")
    expect(cell).not_to_have_class(re.compile("labelled"))
    page.unroute("**/events*")


def test_nothing_suggested_yet(page, shared_server):
    make_text_project(shared_server.home, "review-new", n=30)
    page.goto(shared_server.address("review", "review-new"))
    page.get_by_text("The machine suggests nothing yet. Label a few items").wait_for(timeout=60_000)


def test_sets_stand_under_the_whole_set_and_numbers_under_nothing(page, shared_server):
    make_digits(shared_server.home, "review-sets", n=120, labelled=60)
    page.goto(shared_server.address("review", "review-sets"))
    wait_idle(page)
    choose(page, "Task", "shape")
    wall = page.get_by_test_id("wall-items")
    wall.get_by_role("rowgroup", name=", ").first.wait_for()
    sections = wall.get_by_role("rowgroup").all()
    names = [section.get_attribute("aria-label") for section in sections]
    assert len(set(names)) == len(names)
    for section, name in zip(sections, names):
        said = section.locator(".cell .said:not([hidden]) .name").all_inner_texts()
        assert set(said) == {name}
    mixed = next(section for section, name in zip(sections, names) if ", " in name)
    mixed.get_by_role("button", name="Choose all").click()
    chosen = wall.locator(".cell[aria-selected=true]")
    assert chosen.count() == mixed.get_by_role("row").count()

    make_reviews(shared_server.home, "review-numbers", n=120, labelled=60)
    page.goto(shared_server.address("review", "review-numbers"))
    wait_idle(page)
    choose(page, "Task", "score")
    expect(page.get_by_test_id("wall-items").get_by_role("row")).to_have_count(60)
    expect(page.get_by_test_id("wall-items").get_by_role("heading")).to_have_count(0)
    expect(page.get_by_test_id("wall-items").get_by_role("button", name="Choose all")).to_have_count(0)


def test_numbers_are_shown_with_their_interval_and_no_confidence(page, shared_server):
    make_reviews(shared_server.home, "review-intervals", n=120, labelled=60)
    page.goto(shared_server.address("review", "review-intervals"))
    wait_idle(page)
    slider = page.get_by_test_id("stSlider").filter(has_text=re.compile("^Confidence"))
    expect(slider).to_be_visible()
    choose(page, "Task", "score")
    wall = page.get_by_test_id("wall-items")
    wall.get_by_role("row").first.wait_for()
    expect(slider).to_have_count(0)
    interval = re.compile(r"^\d+\.\d+ – \d+\.\d+$")
    expect(wall.locator(".cell .said:not([hidden]) .quiet").first).to_have_text(interval)
    page.get_by_text("Table", exact=True).click()
    head = wall.locator(".row.head")
    expect(head).to_contain_text("Nine in ten")
    expect(head).not_to_contain_text("Confidence")
    expect(head).not_to_contain_text("Margin")
    expect(wall.locator(".cell .meter").first).to_have_text(interval)
    page.get_by_role("textbox", name="Search").fill("no such review")
    page.get_by_role("textbox", name="Search").press("Enter")
    page.get_by_text("No item is like that").wait_for()
    expect(page.get_by_text("The machine suggests nothing yet")).to_have_count(0)
