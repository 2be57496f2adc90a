"""The Compare page in a real browser: every tab, both themes, names that try to be markup."""

import os

import numpy as np
import pytest
from playwright.sync_api import expect

from sslcore.store import Event, Store
from sslcore.workbench import Workbench
from tests.browser.conftest import choose, make_image_project, make_text_project, wait_idle, wait_until
from tests.many_tasks import answer, make_digits, make_reviews
from tests.workbench.runs import finish_with, number_guess, set_proba

pytestmark = pytest.mark.browser

TABS = ("Classes", "Confusion", "Learning curve", "Calibration", "Where they differ")
NASTY = ("<img src=x onerror='window.hit=1'>", "politics & <b>law</b>", "🎉 {x} $y$", "`music`")
SHOTS = os.environ.get("LABELLOOM_SCREENSHOTS")


def prepare(store, *, audit, right=(), classes=4):
    """Audit answers for the last items, and finished runs that are right on so many of ten items."""
    n = store.count()
    events = [
        Event(
            client="a",
            seq=i + 1,
            verb="label",
            task_id=1,
            item_ids=[n - i],
            value=(n - 1 - i) % classes,
            purpose="audit",
        )
        for i in range(audit)
    ]
    if events:
        store.annotations.append(events)
    for tenths in right:
        run_id = store.runs.add("train", {"method": "fixmatch", "tasks": ["topic"]}, labels_upto=12)
        store.runs.claim()
        said_N = np.where(np.arange(n) % 10 < tenths, np.arange(n) % classes, 0)
        folder = store.folder / "runs" / str(run_id)
        folder.mkdir(parents=True)
        proba_NC = np.eye(classes)[said_N] * 0.9 + 0.1 / classes
        np.save(folder / "proba_1.npy", proba_NC.astype(np.float16))
        store.runs.finish(run_id, "done")
    store.close()


def open_compare(page, server, name):
    page.goto(server.address("compare", name))
    wait_idle(page)
    page.get_by_text("What works best?").wait_for()
    wait_idle(page)


def no_exception(page):
    assert page.locator("[data-testid=stException]").count() == 0


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()
    wait_idle(page)
    page.wait_for_timeout(200)
    wait_idle(page)
    no_exception(page)


def test_every_tab_with_names_that_try_to_be_markup(page, shared_server):
    prepare(
        make_text_project(shared_server.home, "nasty", n=80, labelled=12, classes=NASTY),
        audit=24,
        right=(9, 5),
    )
    page.emulate_media(color_scheme="dark")
    open_compare(page, shared_server, "nasty")
    no_exception(page)
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    for name in TABS:
        open_tab(page, name)
        if name in ("Confusion", "Learning curve", "Calibration"):
            expect(page.locator(".js-plotly-plot")).to_have_count(2)
    expect(page.get_by_text("They agree on every item.")).to_be_visible()
    choose(page, "The other", "Run 2: FixMatch", exact=False)
    expect(page.get_by_text("They differ on")).to_be_visible()
    assert page.evaluate("window.hit") is None
    if SHOTS:
        open_tab(page, "Learning curve")
        page.wait_for_timeout(500)
        page.screenshot(path=f"{SHOTS}/compare.png")


def test_few_answers_are_called_rough(page, shared_server):
    prepare(make_text_project(shared_server.home, "rough", n=60, labelled=8), audit=5)
    open_compare(page, shared_server, "rough")
    expect(page.get_by_text("Figures are rough: 15 more audit answers")).to_be_visible()
    open_tab(page, "Learning curve")
    expect(page.get_by_text("Rough: out-of-fold")).to_be_visible()


def test_without_labels_the_page_says_what_to_do(page, shared_server):
    prepare(make_text_project(shared_server.home, "bare", n=20, features=False), audit=0)
    open_compare(page, shared_server, "bare")
    expect(page.get_by_text("There is no model to compare yet")).to_be_visible()
    page.get_by_role("button", name="Go to Label").click()
    page.wait_for_url("**/label*")


def test_many_classes_become_pairs_and_images_become_pictures(page, shared_server):
    classes = [f"class {c}" for c in range(40)]
    prepare(
        make_text_project(shared_server.home, "many", n=200, labelled=80, classes=classes),
        audit=40,
        right=(5,),
        classes=40,
    )
    open_compare(page, shared_server, "many")
    open_tab(page, "Confusion")
    expect(page.get_by_text("40 classes are too many for a matrix")).to_be_visible()
    prepare(
        make_image_project(shared_server.home, "pictures", n=60, labelled=12), audit=21, right=(5,), classes=3
    )
    asked = []
    page.on("response", lambda answer: "/labelloom/media/" in answer.url and asked.append(answer.status))
    open_compare(page, shared_server, "pictures")
    open_tab(page, "Where they differ")
    choose(page, "The other", "Run 1: FixMatch", exact=False)
    page.wait_for_timeout(1000)
    assert asked, "pictures of the items are shown"
    assert set(asked) == {200}


def test_labelling_is_replayed_while_one_watches(page, shared_server):
    prepare(make_text_project(shared_server.home, "replayed", n=80, labelled=12), audit=0)
    page.set_viewport_size({"width": 1024, "height": 768})
    open_compare(page, shared_server, "replayed")
    page.get_by_text("Replayed labelling").click()
    expect(page.get_by_text("No replay yet.")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("10 replays, random questions among them, on tfidf")).to_be_visible()
    page.get_by_label("Labels", exact=True).fill("40")
    page.get_by_label("Seeds", exact=True).fill("2")
    page.get_by_label("Seeds", exact=True).press("Tab")
    page.get_by_role("button", name="Start", exact=True).click()
    run = page.locator(".run", has_text="auto · 40 labels · 2 seeds")
    expect(run).to_be_visible(timeout=30_000)
    expect(run).to_contain_text("done in", timeout=90_000)
    lines = page.locator("svg[data-panel='Accuracy by labels'] polyline")
    expect(lines).to_have_count(4)  # the strategy, random, and the head alone beside each
    expect(page.locator(".legend")).to_contain_text("random: head alone")
    expect(page.get_by_text("For comparing; nothing is decided by it.")).to_be_visible(timeout=30_000)
    no_exception(page)
    box = page.locator(".plot").bounding_box()
    assert box["x"] + box["width"] <= 1024
    page.reload()  # what was replayed is kept
    wait_idle(page)
    page.get_by_text("Replayed labelling").click()
    expect(run).to_contain_text("done in", timeout=30_000)


def test_without_a_key_replays_say_why(page, shared_server):
    prepare(make_text_project(shared_server.home, "keyless", n=40, labelled=8, key=False), audit=0)
    open_compare(page, shared_server, "keyless")
    page.get_by_text("Replayed labelling").click()
    expect(page.get_by_text("has no answer key")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Go to Data").click()
    page.wait_for_url(lambda address: "/compare" not in address)


def test_names_stand_in_full_and_nothing_lies_on_the_axis(page, shared_server):
    prepare(make_text_project(shared_server.home, "names", n=60, labelled=12), audit=24, right=(9,))
    page.set_viewport_size({"width": 1024, "height": 768})
    open_compare(page, shared_server, "names")
    chart = page.locator(".js-plotly-plot").first
    expect(chart.locator(".ytick")).to_have_count(3)
    assert "…" not in "".join(chart.locator(".ytick").all_text_contents())
    legend = chart.locator(".legend").bounding_box()
    for tick in chart.locator(".xtick").all():
        assert tick.bounding_box()["y"] >= legend["y"] + legend["height"]
    assert chart.locator(".modebar").count() == 0


def tick(page, row):
    """Ticks a row of the table of models: it is drawn on a canvas, so by its place."""
    table = page.locator("[data-testid=stDataFrame]").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 18, box["y"] + 35 + 35 * row + 17)
    page.wait_for_timeout(300)
    wait_idle(page)


def adopt(page, store, run_id, *, row, words=None):
    tick(page, row)
    if words is not None:
        expect(page.get_by_text(words)).to_be_visible()
    page.get_by_role("button", name=f"Adopt run {run_id}").click()
    wait_until(lambda: store.adopted(1) == run_id)
    wait_idle(page)


def test_models_are_combined_adopted_and_the_former_taken_back(page, shared_server):
    prepare(
        make_text_project(shared_server.home, "together", n=80, labelled=12, key=False),
        audit=30,
        right=(9, 5),
    )
    store = Store(shared_server.home / "together")
    try:
        open_compare(page, shared_server, "together")
        nothing = page.get_by_text("Tick one model to adopt it")
        expect(nothing).to_be_visible()
        adopt(page, store, 2, row=2)
        expect(nothing).to_be_visible()
        tick(page, 2)
        expect(page.get_by_text("follow this model")).to_be_visible()
        tick(page, 3)
        page.get_by_role("button", name="Combine 2 models").click()
        made = wait_until(lambda: store.runs.list(kind="ensemble", status=("done",)), seconds=60)[0]
        assert [member["key"] for member in made.recipe["members"]] == ["run:1", "run:2"]
        expect(page.get_by_text(f"Run {made.id} is in the table")).to_be_visible()
        wait_idle(page)
        adopt(page, store, made.id, row=2, words="held-out audit items")
        expect(nothing).to_be_visible()
        adopt(page, store, 2, row=3)
        no_exception(page)
    finally:
        store.close()


def test_what_cannot_be_combined_is_said(page, shared_server):
    prepare(make_text_project(shared_server.home, "classes", n=60, labelled=8), audit=5, right=(9, 5))
    store = Store(shared_server.home / "classes")
    store.add_class(1, "weather")
    store.close()
    open_compare(page, shared_server, "classes")
    tick(page, 2)
    tick(page, 3)
    expect(page.get_by_role("button", name="Combine 2 models")).to_be_disabled()
    expect(page.get_by_text("knows 4 of the 5 classes")).to_be_visible()


def taught(home, name, make, task_name):
    """A project of sets or numbers with labels, audit answers, and a finished run that is right."""
    make(home, name, n=120).close()
    bench = Workbench.open(name, root=home)
    task = bench.task(task_name)
    answer(bench, task, range(30))
    answer(bench, task, range(80, 110), client="auditor", purpose="audit")
    run_id = bench.store.runs.add(
        "train", {"method": "fixmatch", "tasks": [task_name]}, labels_upto=bench.store.annotations.newest()
    )
    right = set_proba if task.kind == "multiple" else number_guess
    finish_with(bench, run_id, task, right(bench, task))
    bench.close()
    return Store(home / name), task


def test_runs_of_sets_and_numbers_are_ranked_adopted_and_given_back(page, shared_server):
    for name, make, task_name, figure, words in (
        ("ranked-sets", make_digits, "shape", "F1 (items)", "sets have a mean F1 of 100%"),
        ("ranked-numbers", make_reviews, "score", "Mean absolute error", "The run is nearer to the answer"),
    ):
        store, task = taught(shared_server.home, name, make, task_name)
        open_compare(page, shared_server, name)
        choose(page, "Task", task_name)
        chart = page.locator(".js-plotly-plot").first
        expect(chart.locator(".legendtext").first).to_have_text(figure)
        expect(chart.locator(".ytick")).to_have_count(3)
        tick(page, 0)  # the best stands first
        expect(page.get_by_text(words)).to_be_visible()
        page.get_by_role("button", name="Adopt run 1").click()
        wait_until(lambda store=store, task=task: store.adopted(task.id) == 1, what="the run is followed")
        expect(page.get_by_text("Tick one model to adopt it.")).to_be_visible()
        tick(page, 1)
        tick(page, 2)
        expect(page.get_by_text("of tasks with one class an item")).to_be_visible()
        tick(page, 1)
        if not page.get_by_role("button", name="Go back to the instant loop").count():
            tick(page, 1)
            tick(page, 2)
        page.get_by_role("button", name="Go back to the instant loop").click()
        wait_until(lambda store=store, task=task: store.adopted(task.id) is None, what="it is given back")
        no_exception(page)
        store.close()
