"""Which one? Three cards in a real browser: change one, try all, and what they gave."""

import numpy as np
import pytest
from playwright.sync_api import expect

from sslcore.jobs.lock import WorkerLock
from tests.browser.conftest import make_text_project, wait_idle, wait_until

pytestmark = pytest.mark.browser


def lefts(cards):
    boxes = [cards.nth(place).bounding_box() for place in range(cards.count())]
    return {round(box["x"]) for box in boxes if box is not None}


def test_three_recipes_are_proposed_changed_tried_and_ranked(page, shared_server):
    store = make_text_project(shared_server.home, "which", n=80, labelled=16)
    lock = WorkerLock.take(store.folder)  # no worker starts: runs stay in the queue
    page.goto(shared_server.address("train", "which"))
    wait_idle(page)
    cards = page.locator(".st-key-advice [data-testid=stColumn]")
    expect(cards).to_have_count(3)
    expect(page.locator(".st-key-advice")).to_contain_text("To beat: the instant loop")
    wait_until(lambda: len(lefts(cards)) == 3, what="side by side at 1440")

    # the form begins with what the proposal says
    first = cards.filter(has_text="A small network on the tfidf features")
    expect(first).to_have_count(1)
    first.get_by_role("button", name="Change it first").click()
    wait_idle(page)
    expect(page.get_by_text("Filled from the proposal")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    run = wait_until(lambda: next(iter(store.runs.list()), None))
    assert run.recipe["encoder"] == "tfidf"

    page.get_by_role("button", name="Try all three").click()
    wait_until(lambda: len(store.runs.list()) == 4)
    wait_idle(page)
    expect(first).to_contain_text("queued")

    # what a run gave stands on its card and in the leaderboard
    for _ in range(4):
        run = store.runs.claim()
        folder = store.folder / "runs" / str(run.id)
        folder.mkdir(parents=True)
        np.save(folder / "proba_1.npy", (np.eye(4)[np.arange(80) % 4] * 0.9 + 0.025).astype(np.float16))
        store.runs.finish(run.id, "done", result={"seconds": 61.0})
    expect(first).to_contain_text("key accuracy 100.0 %", timeout=30_000)  # by itself
    expect(first.get_by_role("button", name="Start again")).to_be_enabled()
    page.set_viewport_size({"width": 1024, "height": 768})
    wait_until(lambda: len(lefts(cards)) == 1, what="one above the other at 1024")
    expect(page.get_by_text("What has worked best here")).to_contain_text("(4 runs)")
    lock.release()
    store.close()
