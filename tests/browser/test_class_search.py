"""More classes than buttons: on Review, Quality and Map the others are found by typing."""

import numpy as np
import pytest

from sslcore.store import Event, LabelState
from tests.browser import test_map, test_quality, test_review
from tests.browser.conftest import make_text_project, wait_until

pytestmark = pytest.mark.browser
CLASSES = [f"kind {c:02d}" for c in range(24)]
WANTED = 21


def project(server, name):
    """Texts of 24 classes, half of them labelled."""
    store = make_text_project(server.home, name, n=240, classes=CLASSES)
    events = [
        Event("import-01", i + 1, "label", 1, [i + 1], value=i % 24, source="imported") for i in range(120)
    ]
    store.annotations.append(events)
    return store


def typed(page, place):
    """Types into the field that stands in a place; the button of what was found."""
    field = place.get_by_role("searchbox", name="Find a class to give")
    field.fill(CLASSES[WANTED])
    found = place.get_by_label("Found classes").get_by_role("button", name=CLASSES[WANTED])
    found.wait_for()
    return field


def test_a_class_without_a_button_is_given_by_its_name(page, shared_server):
    store = project(shared_server, "search-review")
    items = test_review.opened(page, shared_server, "search-review")
    first = int(items.get_by_role("row").first.get_attribute("data-item"))
    page.keyboard.press("/")
    field = typed(page, page.get_by_test_id("sample-wall"))
    assert field.evaluate("field => field.getRootNode().activeElement === field")
    field.press("Enter")
    test_review.saved(page)
    assert LabelState(store)[1].label_N[first - 1] == WANTED
    assert field.input_value() == ""
    page.keyboard.press("u")
    test_review.saved(page)
    wait_until(lambda: LabelState(store)[1].label_N[first - 1] == -1, what="it is taken back")


def test_near_duplicates_are_given_a_class_found_by_name(page, shared_server):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list(test_quality.VOCABULARY), 120)) for _ in range(60)]
    texts += [f"{texts[0]} .", f"{texts[0]} !"]
    store = make_text_project(shared_server.home, "search-quality", texts=texts, classes=CLASSES, labelled=48)
    store.annotations.append([Event("person-01", 1, "label", 1, [61], value=2)])
    settle = test_quality.opened(page, shared_server, "search-quality", "Duplicates")
    settle.get_by_text("3 × ").wait_for()
    page.keyboard.press("/")
    typed(page, page.locator("[data-testid=settle]:visible")).press("Enter")
    test_quality.saved(page)
    assert LabelState(store)[1].label_N[[0, 60, 61]].tolist() == [WANTED] * 3


def test_a_selection_is_labelled_with_a_class_found_by_name(page, shared_server):
    store = project(shared_server, "search-map")
    test_map.blobs(store, "tfidf", 4)
    root = test_map.opened(page, shared_server, "search-map")
    page.get_by_role("application").focus()
    page.keyboard.press("Control+a")
    typed(page, root).press("Enter")
    wait_until(lambda: (LabelState(store)[1].label_N == WANTED).sum() > 100, what="all open items have it")
