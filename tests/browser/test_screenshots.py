"""Every page at two sizes and in both themes: no script errors, nothing wider than the window.

With ``LABELLOOM_SCREENSHOTS=<folder>`` the pictures are kept there (`make screenshots`: docs/screenshots).
"""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from sslcore.store import Event
from tests.browser.conftest import make_image_project, make_text_project, wait_idle, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
PAGES = ("data", "label", "review", "quality", "map", "train", "compare", "export")
SIZES = {1440: 900, 1024: 768}
KEEP = os.environ.get("LABELLOOM_SCREENSHOTS")
TOPICS = ("billing", "delivery", "product", "account")
OPENINGS = ("Hello,", "Good morning,", "Hi there,", "Dear team,", "To whom it may concern,", "Hey,")
CLOSINGS = ("Many thanks.", "Please let me know.", "I would be glad of a quick answer.", "Best wishes.")
MIDDLES = {
    "billing": (
        "I was charged twice for my order in {month}.",
        "the invoice for {month} shows a price that I did not agree to.",
        "my refund from {month} has not arrived on my bank account yet.",
        "the discount was missing on the bill that you sent in {month}.",
    ),
    "delivery": (
        "my parcel has been on its way since {month} and the tracking page says nothing.",
        "the courier left the package in the rain in {month}.",
        "could you send the parcel to another address, we moved in {month}?",
        "the shipment from {month} came with one box missing.",
    ),
    "product": (
        "the lamp that I bought in {month} flickers when it gets warm.",
        "the zip of the jacket broke after a week in {month}.",
        "the kettle from {month} leaks where the handle meets the lid.",
        "does the shelf from the {month} catalogue also come in oak?",
    ),
    "account": (
        "I cannot sign in since I changed my password in {month}.",
        "please delete my profile, I have not used it since {month}.",
        "the confirmation mail for my new login has not come since {month}.",
        "my user name shows the wrong family name since {month}.",
    ),
}
MONTHS = ("January", "March", "May", "June", "July", "August", "October", "November", "December")


def tickets(n):
    """Letters of customers that nobody wrote; letter i is of topic ``i % 4``."""
    rng = np.random.default_rng(0)
    ways = {t: list(itertools.product(OPENINGS, MIDDLES[t], MONTHS, CLOSINGS)) for t in TOPICS}
    order = {t: rng.permutation(len(ways[t])) for t in TOPICS}
    letters = []
    for i in range(n):
        topic = TOPICS[i % 4]
        opening, middle, month, closing = ways[topic][order[topic][i // 4]]
        letters.append(f"{opening} {middle.format(month=month)} {closing}")
    return letters


def audited(store, rows, classes):
    store.annotations.append(
        [
            Event(
                "audit", i + 1, "label", task_id=1, item_ids=[row + 1], value=row % classes, purpose="audit"
            )
            for i, row in enumerate(rows)
        ]
    )
    compute_map(store)


def compute_map(store):
    from sslcore.features.compute import compute_map as compute

    name = "pixels" if store.modality == "image" else "tfidf"
    compute(store.folder, name)


@pytest.fixture(scope="module")
def projects(shared_server):
    letters = make_text_project(
        shared_server.home, "letters", texts=tickets(480), classes=TOPICS, labelled=24, key=False
    )
    audited(letters, range(100, 132), 4)
    shapes = make_image_project(shared_server.home, "shapes", n=300, labelled=15, key=False)
    audited(shapes, range(100, 130), 3)
    yield {"text": "letters", "image": "shapes"}
    letters.close()
    shapes.close()


def cases():
    for kind in ("text", "image"):
        for theme, width in itertools.product(("light", "dark"), SIZES):
            everyday = (kind, theme, width) in {("text", "light", 1440), ("image", "dark", 1024)}
            if everyday or KEEP:
                yield pytest.param(kind, theme, width, id=f"{kind}-{theme}-{width}")


@pytest.mark.parametrize(("kind", "theme", "width"), list(cases()))
def test_every_page(browser, shared_server, projects, kind, theme, width):
    context = browser.new_context(viewport={"width": width, "height": SIZES[width]}, color_scheme=theme)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        for name in PAGES:
            page.goto(shared_server.address("" if name == "data" else name, projects[kind]))
            wait_idle(page, 60_000)
            wait_until(lambda name=name: _settled(page, name), seconds=30, what=f"{name} shows its content")
            page.wait_for_timeout(400)
            assert page.get_by_test_id("stException").count() == 0, name
            wide = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{name} is {wide} pixels wider than the window"
            if KEEP:
                folder = Path(KEEP)
                folder.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=folder / f"{name}-{kind}-{theme}-{width}.png")
        assert errors == []
    finally:
        context.close()


def _settled(page, name):
    if page.get_by_test_id("stSkeleton").count() or page.get_by_text("Working out").count():
        return False
    if name == "label":
        return page.get_by_test_id("label-card").get_attribute("data-item")
    if name == "map":
        return page.get_by_test_id("embedding-map").get_attribute("data-ready")
    if name == "review":
        return page.get_by_test_id("wall-items").locator("[data-item]").count()
    if name == "quality":
        return page.get_by_test_id("settle").get_attribute("data-open")
    if name == "train":
        return page.locator(".board").count()
    return page.get_by_test_id("stMain").inner_text().strip()
