"""The Train page in a real browser: the form, charts that move by themselves, buttons, adoption."""

import time

import numpy as np
import pytest
from playwright.sync_api import expect

from sslcore.jobs.lock import WorkerLock
from sslcore.store import Event
from tests.browser.conftest import choose, make_text_project, wait_idle, wait_until

pytestmark = pytest.mark.browser


class Worker:
    """This test in the role of the project's worker: holds its lock, takes runs, tells figures."""

    def __init__(self, store):
        self.store = store
        self.lock = WorkerLock.take(store.folder)
        assert self.lock is not None

    def take(self):
        self.run = self.store.runs.claim()
        return self.run.id

    def tell(self, step, share, **figures):
        rows = [(step, name, value, None if name == "loss" else "topic") for name, value in figures.items()]
        self.store.runs.add_metrics(self.run.id, rows)
        self.store.runs.heartbeat(self.run.id, {"stage": "training", "share": share, "eta": 60 * (1 - share)})

    def finish(self, right=1.0):
        n = self.store.count()
        said_N = np.where(np.arange(n) % 10 < 10 * right, np.arange(n) % 4, 0)
        folder = self.store.folder / "runs" / str(self.run.id)
        folder.mkdir(parents=True)
        np.save(folder / "proba_1.npy", (np.eye(4)[said_N] * 0.9 + 0.025).astype(np.float16))
        self.store.runs.finish(self.run.id, "done", result={"audit_accuracy": right})

    def die(self):
        self.lock.release()


@pytest.fixture
def project(shared_server, request):
    held = []

    def make(name, *, audit=0, **how):
        store = make_text_project(shared_server.home, name, n=how.pop("n", 80), **how)
        events = [
            Event("a", i, "label", task_id=1, item_ids=[80 - i], value=(79 - i) % 4, purpose="audit")
            for i in range(audit)
        ]
        if events:
            store.annotations.append(events)
        held.append(store)
        return store

    yield make
    for store in held:
        store.close()


def open_train(page, server, name):
    page.goto(server.address("train", name))
    wait_idle(page)
    page.locator(".board").wait_for()
    wait_idle(page)


def last_value(page, label):
    entry = page.locator(".legend button", has_text=label).first
    return entry.locator("b").inner_text()


def start_from_form(page):
    page.get_by_role("button", name="Start", exact=True).click()
    wait_idle(page)


def test_a_run_is_started_watched_in_two_tabs_and_adopted(page, shared_server, project, browser):
    store = project("watch", labelled=12, audit=24)
    worker = Worker(store)  # no other one starts: the lock is taken
    open_train(page, shared_server, "watch")
    expect(page.locator(".board .none")).to_be_visible()
    start_from_form(page)
    expect(page.get_by_test_id("stToast")).to_contain_text("Run 1 is in the queue.")
    expect(page.get_by_text("Run 1 was started: see below", exact=True)).to_be_in_viewport()
    row = page.locator(".run").first
    expect(row).to_contain_text("FixMatch")
    expect(row).to_contain_text("next in line")
    run = store.runs.list()[0]
    assert run.recipe["tasks"] == ["topic"]
    assert run.recipe["method"] == "fixmatch"
    assert run.labels_upto == store.annotations.newest()

    worker.take()
    worker.tell(10, 0.1, loss=2.0, audit_accuracy=0.25, key_accuracy=0.3, pseudo_precision=0.5)
    expect(row).to_contain_text("10 % · 54 s left", timeout=15_000)
    second = browser.new_context(viewport={"width": 1024, "height": 768}).new_page()
    open_train(second, shared_server, "watch")
    for step in (20, 30):
        told = time.monotonic()
        worker.tell(step, step / 100, loss=1.0, audit_accuracy=step / 100, key_accuracy=0.6, utilisation=0.4)
        for tab in (page, second):
            wait_until(
                lambda tab=tab, step=step: last_value(tab, "audit accuracy") == f"{step:.1f} %", seconds=5
            )
        assert time.monotonic() - told < 2.5, "a figure is on the screen within 2 s of its evaluation"
    assert last_value(second, "key accuracy") == "60.0 %"
    assert last_value(second, "precision, audit") == "50.0 %"
    assert page.locator(".board").get_attribute("data-mounts") == "1"
    assert page.locator(".plot polyline").count() >= 5
    second.context.close()

    # hover reads values, a click on the legend hides a line
    plot = page.locator("svg[data-panel=Accuracy]")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 60)
    expect(page.locator(".plot .at").nth(1)).to_have_text("step 10")
    assert last_value(page, "audit accuracy") == "25.0 %"
    page.mouse.move(5, 5)
    lines = page.locator("svg[data-panel=Accuracy] polyline")
    before = lines.count()
    page.locator(".legend button", has_text="key accuracy").click()
    expect(lines).to_have_count(before - 1)

    worker.finish()
    expect(row).to_contain_text("done in", timeout=15_000)
    adopt = page.get_by_role("button", name="Adopt this run")
    adopt.wait_for(timeout=30_000)
    expect(page.get_by_text("Adopt run 1 for topic?")).to_be_visible()
    expect(page.get_by_text("Run 1 was started: see below")).to_be_visible()
    adopt.click()
    wait_until(lambda: store.adopted(1) == run.id, what="the adoption is in the store")
    expect(page.get_by_role("button", name="Go back to the instant loop")).to_be_visible(timeout=30_000)
    expect(page.locator(".run .mark").first).to_contain_text("adopted: topic", timeout=15_000)
    expect(page.get_by_text("Run 1 is followed for topic.")).to_be_visible()
    expect(page.get_by_text("Adopt run 1")).to_have_count(0)

    page.reload()
    wait_idle(page)
    expect(page.locator(".run").first).to_contain_text("done in", timeout=10_000)
    wait_until(lambda: last_value(page, "audit accuracy") == "30.0 %", what="charts after a reload")
    page.get_by_role("button", name="Go back to the instant loop").click()
    wait_until(lambda: store.adopted(1) is None, what="the adoption is taken back")
    worker.die()


def test_a_followed_run_without_audit_answers_says_what_its_figure_needs(page, shared_server, project):
    store = project("unaudited", labelled=12)
    worker = Worker(store)
    run_id = store.runs.add("train", {"method": "fixmatch", "tasks": ["topic"]}, labels_upto=12)
    worker.take()
    worker.finish()
    open_train(page, shared_server, "unaudited")
    side = page.get_by_test_id("stSidebar")
    expect(side).to_contain_text("right (rough: from 12 labels left out in turn)")
    page.get_by_role("button", name="Adopt this run").click()
    expect(side).to_contain_text(
        f"The rest: run {run_id} is followed; its figure needs 20 more audit answers"
    )
    expect(page.get_by_text("The instant loop follows every label, this run does not.")).to_be_visible()
    worker.die()


def test_charts_say_in_words_what_they_show(page, shared_server, project):
    store = project("words", labelled=12)
    worker = Worker(store)
    run_id = store.runs.add("train", {"method": "fixmatch", "tasks": ["topic"]}, labels_upto=12)
    worker.take()
    shares = {f"share/{c}": share for c, share in enumerate([0.7, 0.1, 0.1, 0.1])}
    shares |= {f"prior/{c}": 0.25 for c in range(4)}
    for step in (10, 20):
        worker.tell(
            step, 0.1, loss=1.0, audit_accuracy=0.8, audit_accuracy_low=0.7, audit_accuracy_high=0.9,
            audit_size=40, utilisation=0.6, acceptance_low=0.2, acceptance_high=0.9, flip_rate=0.05,
            calibration_error=0.12, largest_class_over_prior=2.8, **shares,
        )  # fmt: skip
    open_train(page, shared_server, "words")
    plots = page.locator(".plot")
    accuracy, steady = plots.filter(has_text="Accuracy"), plots.filter(has_text="Steadiness")
    expect(accuracy.locator(".words")).to_have_text(
        "80.0 % right on the audit split (70.0 % to 90.0 %) (rough: 40 audited answers)."
    )
    expect(accuracy.locator("polygon")).to_have_count(1)
    expect(steady.locator(".words")).to_contain_text("5.0 % of a sample changed its answer")
    expect(plots.filter(has_text="Pseudo-labels").locator(".words")).to_have_text(
        "60.0 % of the unlabelled answers are learned from."
    )
    expect(plots.filter(has_text="Confidence needed")).to_be_hidden()  # this run told none
    bars = page.locator(".bars li")
    expect(bars).to_have_count(4)
    expect(bars.first).to_contain_text("70 %")
    assert bars.first.locator(".track b").get_attribute("style") == "left: 35.7%;"
    expect(page.locator(".pictures")).to_be_hidden()

    from PIL import Image

    folder = store.folder / "runs" / str(run_id) / "pictures"
    folder.mkdir(parents=True)
    for step in (10, 20):
        Image.new("RGB", (40, 40), "red").save(folder / f"samples-{step:08d}.png")
    shown = page.locator(".pictures img")
    expect(shown).to_have_attribute("alt", "samples, step 20", timeout=10_000)
    wait_until(lambda: shown.evaluate("image => image.naturalWidth") == 40, what="the picture is there")
    page.get_by_role("button", name="Earlier picture of samples").click()
    expect(shown).to_have_attribute("alt", "samples, step 10")
    assert page.locator(".board").get_attribute("data-mounts") == "1"
    worker.die()


def test_cancel_a_dead_worker_and_resume(page, shared_server, project):
    store = project("dies", labelled=12)
    worker = Worker(store)
    run_id = store.runs.add("train", {"method": "mean_teacher", "tasks": ["topic"]}, labels_upto=12)
    worker.take()
    waiting = store.runs.add("train", {"method": "fixmatch", "tasks": ["topic"]}, labels_upto=12)
    open_train(page, shared_server, "dies")
    running, queued = page.locator(f"[data-run='{run_id}']"), page.locator(f"[data-run='{waiting}']")
    expect(queued).to_contain_text("next in line")
    page.get_by_role("button", name=f"Cancel run {waiting}").click()
    expect(queued).to_contain_text("cancelled", timeout=15_000)
    assert store.runs.get(waiting).status == "cancelled"
    page.get_by_role("button", name=f"Cancel run {run_id}").click()
    expect(running).to_contain_text("stopping", timeout=15_000)
    assert store.runs.get(run_id).cancel
    store.runs.finish(run_id, "failed", error="The loss became NaN at step 3. Lower the learning rate.")
    expect(running.locator(".error")).to_have_text(
        "failed: The loss became NaN at step 3. Lower the learning rate.", timeout=15_000
    )
    page.get_by_role("button", name=f"Resume run {run_id}").click()
    wait_until(lambda: store.runs.get(run_id).status == "queued", what="the run is queued again")
    assert worker.take() == run_id
    worker.die()  # its lock is free and its run has no one: the tab notices by itself
    expect(running.locator(".error")).to_contain_text("the worker stopped", timeout=12_000)
    expect(page.get_by_role("button", name=f"Resume run {run_id}")).to_be_enabled()


def test_a_run_that_fails_again_before_anyone_looks_can_be_resumed_again(page, shared_server, project):
    store = project("again", labelled=12)
    worker = Worker(store)
    run_id = store.runs.add("train", {"method": "fixmatch", "tasks": ["topic"]}, labels_upto=12)

    def fail():
        assert worker.take() == run_id
        store.runs.finish(run_id, "failed", error="The disk is full.")

    def fail_at_once(route):  # the page hears of it when all is over
        answer = route.fetch()
        fail()
        route.fulfill(response=answer)

    fail()
    open_train(page, shared_server, "again")
    page.route("**/labelloom/runs/*/resume*", fail_at_once)
    resume = page.get_by_role("button", name=f"Resume run {run_id}")
    for _ in range(2):
        with page.expect_response("**/labelloom/runs/*/resume*"):
            resume.click()
        expect(resume).to_be_enabled()
    worker.die()


def test_charts_survive_a_restart_of_the_app(page, server):
    store = make_text_project(server.home, "restart", n=40, labelled=8)
    worker = Worker(store)
    store.runs.add("train", {"method": "fixmatch", "tasks": ["topic"]}, labels_upto=8)
    worker.take()
    worker.tell(10, 0.1, loss=2.0, audit_accuracy=0.25)
    open_train(page, server, "restart")
    wait_until(lambda: last_value(page, "audit accuracy") == "25.0 %")
    server.kill()
    worker.tell(20, 0.2, loss=1.5, audit_accuracy=0.5)
    server.start()
    wait_until(lambda: last_value(page, "audit accuracy") == "50.0 %", seconds=25, what="charts again")
    worker.die()
    store.close()


def test_where_nothing_can_be_learned_the_page_says_why(page, shared_server, project):
    project("nothing", n=20, labelled=0, features=False)
    open_train(page, shared_server, "nothing")
    expect(page.get_by_text("has no label to learn from")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()


def test_choices_that_do_not_go_together_are_told_beside_the_button(page, shared_server, project):
    project("unsuited", n=40, labelled=12)
    open_train(page, shared_server, "unsuited")
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_enabled()
    page.get_by_text("Warm start and transfer").click()
    choose(page, "Warm start", "Rotation")
    expect(page.get_by_text("Rotation cannot warm a network that reads frozen features")).to_be_visible()
    expect(start).to_be_disabled()
    choose(page, "Warm start", "SimCLR")
    expect(start).to_be_enabled()


@pytest.mark.slow
def test_a_real_run_from_start_to_done(page, server):
    store = make_text_project(server.home, "real", n=120, labelled=16)
    open_train(page, server, "real")
    minutes = page.get_by_role("spinbutton", name="Time budget (min)")
    minutes.fill("0.1")
    minutes.press("Enter")
    wait_idle(page)
    start_from_form(page)
    wait_until(store.runs.list, what="the run is in the queue")
    wait_until(lambda: store.runs.list()[0].status == "done", seconds=180, what="the run is done")
    expect(page.get_by_role("button", name="Adopt this run")).to_be_enabled(timeout=30_000)
    assert float(last_value(page, "key accuracy").split()[0]) > 60
    store.close()
