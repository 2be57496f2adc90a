"""The Label page as people use it: keys in a real browser, what the store then holds."""

import json
import re
import sqlite3

import pytest

from sslcore.store import Event, LabelState
from tests.browser.conftest import make_image_project, make_text_project, wait_idle, wait_until

pytestmark = pytest.mark.browser
EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


class CardPage:
    """The label card of one project in a browser."""

    def __init__(self, page, server, store):
        self.page, self.server, self.store = page, server, store
        self.card = page.get_by_test_id("label-card")

    def open(self):
        self.page.goto(self.server.address("label", self.store.folder.name))
        wait_idle(self.page)
        self.ready()
        return self

    def ready(self):
        self.page.wait_for_function(
            "() => document.querySelector('[data-testid=stApp]') && "
            f"({_CARD})?.dataset.item && ({_CARD})?.view?.questions.ahead.length > 1",
            timeout=20_000,
        )

    @property
    def item(self):
        return int(wait_until(lambda: self.card.get_attribute("data-item"), what="a question"))

    @property
    def suggestion(self):
        return self.page.evaluate(f"() => ({_CARD}).view.questions.current.card.suggestion?.[0] ?? null")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self):
        self.page.wait_for_function(f"() => ({_CARD})?.view.outbox.state === 'saved'", timeout=20_000)

    def rows(self):
        query = (
            "SELECT verb, item_id, value, purpose, source, shown, seconds, undoes, client, seq "
            "FROM annotation WHERE source != 'imported' ORDER BY id"
        )
        with sqlite3.connect(self.store.folder / "project.db") as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def state(self):
        return LabelState(self.store)[1]


_CARD = (
    "[...document.querySelectorAll('*')].map((node) => node.shadowRoot?.querySelector('.loom') ?? "
    "(node.matches('.loom') ? node : null)).find(Boolean)"
)


@pytest.fixture
def open_card(shared_server, page):
    stores = []

    def make(name, *, images=False, audit=0.0, **settings):
        maker = make_image_project if images else make_text_project
        stores.append(maker(shared_server.home, name, **settings))
        stores[-1].set_settings({"audit_share": audit})
        return CardPage(page, shared_server, stores[-1]).open()

    yield make
    for store in stores:
        store.close()


def test_every_key_does_what_its_button_says(open_card):
    card = open_card("keys", labelled=16)
    seen = []

    def act(key):
        seen.append((card.item, card.suggestion))
        card.press(key)

    for key in ("2", "Enter", "a", "x", "Space", "f", "3"):
        act(key)
    card.saved()
    rows = card.rows()
    assert [row["verb"] for row in rows] == ["label", "accept", "accept", "reject", "skip", "flag", "label"]
    assert [row["item_id"] for row in rows] == [item for item, _ in seen]
    expected = [1, seen[1][1], seen[2][1], seen[3][1], None, None, 2]
    assert [None if row["value"] is None else json.loads(row["value"]) for row in rows] == expected
    assert json.loads(rows[0]["shown"])[0] == seen[0][1]
    assert all(0 < row["seconds"] < 60 for row in rows)
    assert seen[5][0] == seen[6][0]  # a flag stays on the sample
    assert len({item for item, _ in seen}) == 6
    state = card.state()
    assert state.flagged_N[seen[5][0] - 1]
    assert state.skipped_N[seen[4][0] - 1]


def test_undo_goes_back_and_redo_does_it_again(open_card):
    card = open_card("undo", labelled=16)
    first = card.item
    card.press("1")
    second = card.item
    card.press("2", "u")
    assert card.item == second
    card.press("Backspace")
    assert card.item == first
    card.saved()
    assert not card.state().labelled_N[[first - 1, second - 1]].any()
    card.press("Control+Shift+Z")
    assert card.item == second
    card.press("Control+Shift+Z")
    card.saved()
    assert card.state().label_N[[first - 1, second - 1]].tolist() == [0, 1]
    card.press("Control+z", "4")
    card.saved()
    assert card.state().label_N[[first - 1, second - 1]].tolist() == [0, 3]


def test_going_back_shows_what_was_given_and_changes_it(open_card):
    card = open_card("back", labelled=16)
    first = card.item
    card.press("1")
    second = card.item
    card.press("2")
    third = card.item
    card.press("ArrowLeft", "ArrowLeft")
    assert card.item == first
    banner = card.page.get_by_test_id("banner")
    assert "you said sport" in banner.inner_text()
    card.press("ArrowRight")
    assert card.item == second
    card.press("4")
    assert card.item == third  # on with the next question
    card.saved()
    assert card.state().label_N[[first - 1, second - 1]].tolist() == [0, 3]
    card.press("u")
    assert card.item == second
    card.saved()
    assert card.state().label_N[second - 1] == 1  # the change is taken back, not the first answer


def test_rejecting_an_item_with_an_answer_rejects_that_answer(open_card):
    card = open_card("reject", labelled=16)
    first, given = card.item, 1 if card.suggestion == 0 else 0  # not what the machine says
    card.press(str(given + 1), "ArrowLeft", "x")
    card.press("ArrowLeft")
    assert card.item == first
    name = card.state().task.class_names[given]
    assert f"you said it is not {name}" in card.page.get_by_test_id("banner").inner_text()
    card.saved()
    state = card.state()
    assert state.label_N[first - 1] == -1
    assert state.rejected[first - 1] == {given}
    card.press("u")
    assert f"you said {name}" in card.page.get_by_test_id("banner").inner_text()
    card.saved()
    state = card.state()
    assert state.label_N[first - 1] == given
    assert not state.rejected.get(first - 1)


def test_every_class_says_how_probable_it_is_and_none_is_said_to_be_nothing(open_card):
    card = open_card("told", labelled=40)
    told = card.page.locator(".choice .sure").all_inner_texts()
    assert len(told) == 4
    assert all(re.fullmatch(r"(<1|>99|[1-9]\d?) %", text) for text in told), told


def test_a_rejected_class_is_not_suggested_on_the_way_back(open_card):
    card = open_card("no-more", labelled=16)
    first = card.item
    proba = card.page.evaluate(f"() => ({_CARD}).view.questions.current.card.proba.map(([c]) => c)")
    spark = card.page.locator(".choice.suggested")
    assert int(spark.get_attribute("data-position")) == proba[0]
    for rank in range(len(proba)):
        card.press("x", "ArrowLeft")
        assert card.item == first
        left = proba[rank + 1 :]
        assert [int(one.get_attribute("data-position")) for one in spark.all()] == left[:1]
    assert card.page.get_by_test_id("tool-accept").is_disabled()
    card.press("Enter")
    assert card.item == first
    assert "There is no suggestion to accept" in card.page.locator(".hint").inner_text()
    card.press("u", "Enter")  # the last rejection is taken back: its class is suggested again
    card.saved()
    rows = card.rows()
    assert [row["verb"] for row in rows][-1] == "accept"
    assert json.loads(rows[-1]["value"]) == json.loads(rows[-1]["shown"])[0] == proba[-1]
    assert card.state().label_N[first - 1] == proba[-1]


def test_all_of_the_look_back_is_to_be_read_in_a_small_window(open_card):
    card = open_card("narrow", labelled=16)
    card.page.set_viewport_size({"width": 1024, "height": 768})
    wrong = card.state().task.class_names[card.suggestion]
    card.press("x", "ArrowLeft")
    banner = card.page.get_by_test_id("banner")
    words = banner.inner_text()
    assert wrong in words
    assert "→ goes on" in words
    assert banner.evaluate(
        "(node) => node.scrollWidth <= node.clientWidth && node.scrollHeight <= node.clientHeight"
    )
    assert banner.locator("..").evaluate("(node) => node.scrollHeight <= node.clientHeight")


def test_a_renewed_card_keeps_the_reason_why_it_is_asked(open_card):
    card = open_card("reasons", labelled=16)
    why = card.page.get_by_test_id("why")
    for _ in range(4):
        before = card.item
        card.press("1")
        assert card.item != before
        card.saved()
        renewed = f"() => ({_CARD}).view.questions.progress.version >= ({_CARD}).view.outbox.newest"
        card.page.wait_for_function(renewed, timeout=20_000)
        assert why.inner_text().strip()


def test_what_another_person_answered_is_not_asked(open_card):
    card = open_card("quicker", labelled=16)
    ahead = f"() => ({_CARD}).view.questions.ahead.map((entry) => entry.card.item_id)"
    first, second, third, *_ = card.page.evaluate(ahead)
    event = Event("other-person", 1, "label", task_id=1, item_ids=[first, second], value=0)
    card.store.annotations.append([event])
    wait_until(lambda: second not in card.page.evaluate(ahead), what="the answer of somebody else")
    assert card.page.evaluate(ahead)[:2] == [first, third]  # nothing changes under the fingers
    card.press("1", "2", "u", "u")
    card.saved()
    card.page.wait_for_timeout(1500)  # what one's own undo brought back stays where it was
    assert card.page.evaluate(ahead)[:2] == [first, third]


def test_audit_questions_are_blind(open_card):
    card = open_card("audit", labelled=16, audit=0.2)
    card.press("1", "1", "1", "1")
    assert card.card.get_attribute("data-audit") == "true"
    audit = card.item
    assert "Audit question" in card.page.get_by_test_id("why").inner_text()
    assert card.suggestion is None
    card.press("Enter", "x", "a")
    assert card.item == audit
    assert card.page.get_by_test_id("tool-accept").is_disabled()
    card.press("3")
    card.saved()
    rows = card.rows()
    assert [row["purpose"] for row in rows] == ["train"] * 4 + ["audit"]
    assert rows[-1]["shown"] is None
    assert card.state().audit_N[audit - 1]


def test_figures_move_while_labelling(open_card):
    card = open_card("figures", n=200, labelled=16, audit=0.5)
    source = card.page.get_by_test_id("figure-source")
    assert "rough" in source.inner_text()
    audits = 0
    while audits < 22:
        audits += card.card.get_attribute("data-audit") == "true"
        card.press(str(1 + (card.item - 1) % 4))
    card.saved()
    wait_until(lambda: source.inner_text().startswith("audit 22"), what="the audit figure")
    assert card.page.get_by_test_id("accuracy").inner_text().endswith("%")
    assert card.page.get_by_test_id("key-accuracy").inner_text() == "100.0 %"


def test_300_keys_at_30_a_second_lose_nothing(open_card):
    card = open_card("burst", n=420, labelled=8)
    given = card.page.evaluate(
        """async () => {
          const card = CARD, given = [];
          for (let k = 0; k < 300; k++) {
            const digit = 1 + (k % 4);
            given.push([Number(card.dataset.item), digit - 1]);
            const press = { key: String(digit), code: `Digit${digit}`, bubbles: true, composed: true };
            document.body.dispatchEvent(new KeyboardEvent("keydown", press));
            await new Promise((done) => setTimeout(done, 33));
          }
          return given;
        }""".replace("CARD", _CARD)
    )
    card.saved()
    rows = [row for row in card.rows() if row["verb"] == "label"]
    assert [[row["item_id"], json.loads(row["value"])] for row in rows] == given
    assert [row["seq"] for row in rows] == list(range(1, 301))
    assert len({item for item, _ in given}) == 300


def test_typing_and_held_keys_do_not_label(open_card):
    card = open_card("typing", labelled=8)
    item = card.item
    card.page.get_by_text("Add class").click()
    field = card.page.get_by_label("New class")
    field.fill("")
    field.press_sequentially("1 2 x u r c 3")
    assert card.item == item
    card.page.keyboard.press("Escape")
    card.page.evaluate(
        """() => {
          const held = { key: "1", code: "Digit1", bubbles: true, composed: true, repeat: true };
          for (let k = 0; k < 10; k++) document.body.dispatchEvent(new KeyboardEvent("keydown", held));
        }"""
    )
    assert card.item == item
    card.press("/")
    card.page.keyboard.type("123 uxf")
    card.press("Escape")
    assert card.item == item
    assert card.rows() == []


def test_streamlit_keys_do_not_rerun(open_card):
    """Streamlit listens on the document for r (rerun) and c (clear caches): on this page it hears neither."""
    card = open_card("own-keys", labelled=8)
    card.page.evaluate(
        "() => { window.heard = []; document.addEventListener('keydown', (e) => window.heard.push(e.key)); }"
    )
    card.press("r", "c", "1")
    card.saved()
    assert card.page.evaluate("() => window.heard") == []
    assert [row["verb"] for row in card.rows()] == ["label"]
    card.page.get_by_role("link", name="Export").click()
    wait_idle(card.page)
    card.press("r")
    assert card.page.evaluate("() => window.heard") == ["r"]  # elsewhere it does


def test_finder_gives_classes_and_goes_to_items(open_card):
    card = open_card("finder", labelled=8, classes=[f"class {i:02d}" for i in range(30)], n=90)
    item = card.item
    card.press("/")
    card.page.keyboard.type("class 27")
    card.press("Enter")
    card.saved()
    assert (card.rows()[0]["item_id"], card.rows()[0]["value"]) == (item, "27")
    card.press("Shift+1")
    card.saved()
    assert card.rows()[1]["value"] == "10"
    card.press("/")
    card.page.keyboard.type("text-000042")
    card.page.get_by_role("option").filter(has_text="text-000042").wait_for()
    card.press("Enter")
    assert card.item == 43
    card.press("?")
    assert card.page.get_by_test_id("legend").is_visible()
    card.press("5", "Escape")
    assert card.item == 43
    assert len(card.rows()) == 2


def test_other_pages_keep_the_queue(open_card):
    """The card stands until the next page has been made; it must be deaf from the click on."""
    card = open_card("pages", labelled=8)
    for _ in range(5):
        card.press("4")
    item, ahead = card.item, card.page.evaluate(f"() => ({_CARD}).view.questions.ahead.length")
    card.page.get_by_role("link", name="Export").click()
    card.press("1", "Enter", "2")  # the card is still there, but nobody looks at it any more
    card.page.get_by_role("heading", name="Export").or_(
        card.page.get_by_role("tab", name="Model")
    ).first.wait_for()
    card.card.wait_for(state="detached")
    card.press("1", "2")
    card.page.get_by_role("link", name="Label").click()
    wait_idle(card.page)
    card.ready()
    assert card.item == item
    assert ahead > 3
    card.press("u")
    card.saved()
    assert [row["verb"] for row in card.rows()] == ["label"] * 5 + ["undo"]


def test_a_reload_keeps_what_can_be_undone(open_card):
    card = open_card("reload", labelled=8)
    first = card.item
    card.press("3")
    card.saved()
    card.page.reload()
    wait_idle(card.page)
    card.ready()
    card.press("u")
    assert card.item == first
    assert "Has the label" not in card.page.get_by_test_id("banner").inner_text()
    card.saved()
    assert not card.state().labelled_N[first - 1]
    current = f"({_CARD}).view.questions.current"
    card.page.wait_for_function(f"() => {current}.after === false && {current}.card.label === null")
    assert card.item == first
    assert card.suggestion is not None, "the machine's word, not the label that it had learned"


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_keys_work_after_a_click_on_the_side_bar(open_card, key):
    """The link keeps the focus, and would be pressed once more."""
    card = open_card(f"by-link-{key.lower()}", labelled=16)
    card.page.get_by_test_id("stSidebarNavLink").filter(has_text="Export").click()
    wait_idle(card.page)
    card.page.get_by_test_id("stSidebarNavLink").filter(has_text="Label").click()
    wait_idle(card.page)
    card.ready()
    item = card.item
    card.press(key)
    card.saved()
    assert [(row["verb"], row["item_id"]) for row in card.rows()] == [
        ("skip" if key == "Space" else "accept", item)
    ]


def test_unsent_labels_of_a_dead_tab_are_sent_by_the_next(open_card):
    """The network fails, the tab dies: the journal is in the browser, and the next page load sends it."""
    card = open_card("dead-tab", labelled=8)
    card.page.route("**/labelloom/events", lambda route: route.abort())
    item = card.item
    card.press("2", "3")
    saved = card.page.get_by_test_id("saved")
    wait_until(lambda: "2 waiting" in saved.inner_text(), what="offline – 2 waiting")
    assert "offline" in saved.inner_text()
    assert card.rows() == []
    card.page.goto("about:blank")
    card.page.unroute("**/labelloom/events")
    card.open()
    wait_until(lambda: len(card.rows()) == 2, what="the journal")
    assert (card.rows()[0]["item_id"], card.rows()[0]["value"]) == (item, "1")
    left = "() => Object.keys(localStorage).filter((key) => key.includes('outbox')).length"
    wait_until(lambda: card.page.evaluate(left) == 0, what="an empty journal")


def test_leaving_the_page_sends_what_waits(open_card):
    card = open_card("leaving", labelled=8)
    card.page.keyboard.press("1")
    card.page.keyboard.press("2")
    card.page.goto("about:blank")
    wait_until(lambda: len(card.rows()) == 2, what="both labels")


def test_the_grid_labels_many_at_once_and_undoes_them_as_one(open_card):
    card = open_card("grid", labelled=16, n=160)
    card.press("g")
    grid = card.page.get_by_test_id("grid")
    cells = grid.locator(".cell")
    wait_until(lambda: cells.count() == 24, what="24 cells")
    ids = [int(cell.get_attribute("data-item")) for cell in cells.all()]
    card.press("Space", "ArrowRight", "Space", "ArrowDown", "Space")
    assert grid.locator('[aria-selected="true"]').count() == 3
    chosen = [int(c.get_attribute("data-item")) for c in grid.locator('[aria-selected="true"]').all()]
    card.press("2")
    card.saved()
    assert [row["item_id"] for row in card.rows()] == chosen
    assert {(row["verb"], row["value"], row["source"], row["seq"]) for row in card.rows()} == {
        ("label", "1", "bulk", 1)
    }
    card.press("Enter")  # accepts the other 21, and the next page comes
    wait_until(
        lambda: not set(ids) & {int(cell.get_attribute("data-item")) for cell in cells.all()},
        what="the next page",
    )
    card.saved()
    accepted = [row for row in card.rows() if row["verb"] == "accept"]
    assert sorted(row["item_id"] for row in accepted) == sorted(set(ids) - set(chosen))
    assert len({row["seq"] for row in accepted}) == 1
    assert card.state().labelled_N[[i - 1 for i in ids]].all()
    card.press("u")
    card.saved()
    state = card.state()
    assert state.labelled_N[[i - 1 for i in ids]].sum() == 3
    card.press("u")
    card.saved()
    assert not card.state().labelled_N[[i - 1 for i in ids]].any()
    cells.nth(4).click()
    target = int(cells.nth(4).get_attribute("data-item"))
    card.press("4")
    card.saved()
    assert (card.rows()[-1]["item_id"], card.rows()[-1]["source"]) == (target, "human")
    card.press("g")
    assert card.card.get_attribute("data-view") == "card"


def test_pictures_are_shown_large_and_in_the_grid(open_card):
    card = open_card("label-pictures", images=True, labelled=6)
    shown = card.page.get_by_test_id("sample").locator("img")
    wait_until(lambda: shown.evaluate("(i) => i.complete && i.naturalWidth") == 32, what="the picture")
    assert "pixels" in shown.get_attribute("class")
    assert shown.bounding_box()["width"] > 200
    card.press("1")
    wait_until(lambda: shown.evaluate("(i) => i.complete && i.naturalWidth") == 32, what="the next")
    card.press("g")
    pictures = card.page.get_by_test_id("grid").locator("img")
    wait_until(lambda: pictures.count() == 24, what="24 pictures")
    wait_until(lambda: pictures.evaluate_all("(all) => all.every((i) => i.naturalWidth)"), what="all loaded")


def test_order_and_new_classes_from_the_page(open_card):
    card = open_card("order", labelled=16)
    card.page.get_by_role("radio", name="Random").or_(card.page.get_by_role("button", name="Random")).click()
    wait_idle(card.page)
    wait_until(
        lambda: card.page.evaluate(
            f"() => ({_CARD}).view.questions.ahead.slice(1).every((e) => e.card.why.startsWith('Drawn'))"
        ),
        what="questions in random order",
    )
    card.press("Space")  # the focus is not left on the widget
    card.saved()
    assert card.rows()[0]["verb"] == "skip"
    card.page.get_by_text("Add class").click()
    card.page.get_by_label("New class").fill("weather")
    card.page.get_by_role("button", name="Add", exact=True).click()
    card.page.get_by_role("button", name="weather").wait_for()
    card.page.keyboard.press("Escape")
    item = card.item
    card.press("5")
    card.saved()
    assert (card.rows()[-1]["item_id"], card.rows()[-1]["value"]) == (item, "4")
    assert card.page.evaluate(f"() => ({_CARD}).view.data.order") == "random"


def test_near_duplicates_take_over_the_answer_on_one_key(open_card):
    texts = [
        f"{topic} report {i}: one and the same goal" for i, topic in enumerate("abcdefghij") for _ in range(3)
    ]
    card = open_card("twins", texts=texts, audit=0.0)
    strip = card.page.get_by_test_id("twins")
    assert "2 near-duplicates: your answer can be given to them too" in strip.inner_text()
    first = card.item
    group = {i for i in range(1, 31) if (i - 1) // 3 == (first - 1) // 3}
    card.press("2")
    assert "Give the same answer, politics, to 2 near-duplicates?" in strip.inner_text()
    assert texts[first - 1] in strip.inner_text()
    card.press("d")
    card.saved()
    rows = card.rows()
    assert [row["source"] for row in rows] == ["human", "bulk", "bulk"]
    assert {row["item_id"] for row in rows} == group
    assert {(row["seq"], row["value"]) for row in rows[1:]} == {(2, "1")}
    assert (card.item - 1) // 3 != (first - 1) // 3
    card.press("u")  # both of them at once, the answer itself stays
    card.saved()
    assert card.state().labelled_N.sum() == 1
    card.press("d")  # and again: what was taken back is on offer
    card.saved()
    assert card.state().labelled_N.sum() == 3

    card.page.get_by_text("Near-duplicates", exact=True).click()
    card.page.get_by_text("10 groups of near-duplicates").wait_for()
    card.page.locator("label", has_text="Always").click()
    wait_until(
        lambda: card.page.evaluate(f"() => ({_CARD}).view.data.sharing") == "always", what="the setting"
    )
    card.page.keyboard.press("Escape")
    second = card.item
    card.press("3")
    card.saved()
    wait_until(lambda: card.state().labelled_N.sum() == 6, what="shared by itself")
    card.press("u")  # the answer and what it was shared with
    card.saved()
    assert card.state().labelled_N.sum() == 3
    assert card.item == second
    card.press("Control+Shift+Z")
    card.saved()
    assert card.state().labelled_N.sum() == 6


def test_scripts_in_names_and_texts_are_shown_as_text(open_card):
    texts = [EVIL + f" {i}" for i in range(20)]
    card = open_card("evil", texts=texts, classes=(EVIL, "plain </style>", "'\";--", "𝔘😀"), features=False)
    card.page.wait_for_timeout(300)
    assert EVIL in card.page.get_by_test_id("sample").inner_text()
    assert card.page.get_by_role("button", name=EVIL).count() == 1
    card.press("1", "ArrowLeft", "/")
    card.page.keyboard.type("<img")
    card.page.get_by_role("option").filter(has_text=EVIL).first.wait_for()
    card.press("Escape", "ArrowRight", "g")
    card.page.wait_for_timeout(300)
    assert card.page.evaluate("() => window.hacked") is None
    card.saved()
    assert card.rows()[0]["value"] == "0"
