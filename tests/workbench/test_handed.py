"""Two people who label at once are asked different questions."""

import numpy as np
import pytest

from sslcore.workbench import handed
from sslcore.workbench.handed import Handed
from tests.browser.harness import make_text_project


@pytest.fixture
def bench(tmp_path, opened):
    make_text_project(tmp_path, "p", n=120, labelled=16).close()
    return opened(tmp_path, "p")


class Page:
    """What the Label page does: it keeps three questions and gets the others anew after each answer."""

    def __init__(self, bench, name, *, named=True):
        self.bench, self.name = bench, name
        self.page = name if named else None
        self.ahead, self.done, self.seq = [], [], 0

    def renew(self):
        task = self.bench.task()
        kept = self.ahead[:3]
        fresh = {card.item_id: card for card in self.bench.label.cards(task, [c.item_id for c in kept[1:]])}
        kept = kept[:1] + [c for c in kept[1:] if fresh[c.item_id].label is None]
        have = [card.item_id for card in kept] + self.done
        self.ahead = kept + self.bench.label.queue(task, 60, exclude=have, page=self.page)

    def answer(self):
        card, self.seq = self.ahead.pop(0), self.seq + 1
        event = {"seq": self.seq, "verb": "label", "task": 1, "items": [card.item_id], "audit": card.audit}
        self.bench.label.take(self.name, [event | {"value": 0}], annotator=self.name)
        self.done.append(card.item_id)
        self.bench.live.refresh()


def test_two_pages_share_the_work(bench):
    pages = Page(bench, "page-ann"), Page(bench, "page-ben")
    for page in pages:
        page.renew()
    for _ in range(25):
        for page in pages:
            page.answer()
            page.renew()
    given = [item for page in pages for item in page.done]
    assert len(set(given)) == len(given) == 50


def test_one_page_sees_no_change(bench):
    named, plain = Page(bench, "page-ann"), Page(bench, "page-ann", named=False)
    for _ in range(5):
        named.renew()
        plain.ahead = list(named.ahead[:3])
        plain.done = list(named.done)
        plain.renew()
        named.renew()
        assert [card.item_id for card in named.ahead] == [card.item_id for card in plain.ahead]
        named.answer()


def test_nobody_is_left_without_a_question(bench):
    first, second = Page(bench, "page-ann"), Page(bench, "page-ben")
    first.renew()
    second.renew()
    open_items = 104
    mine = [card.item_id for card in bench.label.queue(bench.task(), 200, page="page-ann")]
    yours = [card.item_id for card in bench.label.queue(bench.task(), 200, page="page-ben")]
    assert len(set(mine)) == len(set(yours)) == open_items
    assert set(mine[: handed.FIRST]).isdisjoint(yours[:80])


def test_what_a_page_held_is_free_again_after_a_minute(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(handed.time, "monotonic", lambda: now[0])
    held = Handed()
    held.note(1, "ann", np.array([3, 5]))
    assert held.elsewhere(1, "ben").tolist() == [3, 5]
    now[0] += handed.SECONDS + 1
    assert held.elsewhere(1, "ben").tolist() == []
    for k in range(2 * handed.MOST_PAGES):
        held.note(1, str(k), np.arange(2 * handed.MOST_ROWS))
    assert len(held._held) == handed.MOST_PAGES
    assert len(held.elsewhere(1, "ben")) == handed.MOST_ROWS
