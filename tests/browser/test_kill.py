"""The app is killed while labels are on their way: every acknowledged one is there, once."""

import contextlib
import json
import sqlite3
import threading

import httpx
import pytest

from pages.routes.access import mint
from sslcore.store import LabelState
from tests.browser.conftest import make_text_project, wait_idle, wait_until
from tests.browser.test_label import CardPage

pytestmark = pytest.mark.browser


def stored(store):
    with sqlite3.connect(store.folder / "project.db") as connection:
        query = "SELECT client, seq, item_id, value FROM annotation WHERE source != 'imported' ORDER BY id"
        return connection.execute(query).fetchall()


def test_acknowledged_labels_survive_a_kill(server, monkeypatch):
    """200 labels, two senders; the kill comes somewhere in the middle of it."""
    store = make_text_project(server.home, "kill", n=260, labelled=8)
    monkeypatch.setenv("LABELLOOM_HOME", str(server.home))
    headers = {"x-labelloom-token": mint("kill")}
    acknowledged, lock, enough = [], threading.Lock(), threading.Event()

    def send(sender):
        client = f"sender-{sender:04d}"
        with httpx.Client(base_url=server.url, headers=headers, timeout=10) as http:
            for seq in range(1, 101):
                item = 10 + 100 * sender + seq
                event = {"seq": seq, "verb": "label", "task": 1, "items": [item], "value": seq % 4}
                answer = http.post("/labelloom/events", json={"client": client, "events": [event]})
                assert answer.json()["ack"] == seq
                with lock:
                    acknowledged.append((client, seq, item, str(seq % 4)))
                    if len(acknowledged) >= 60:
                        enough.set()

    def until_killed(sender):
        with contextlib.suppress(httpx.TransportError):
            send(sender)

    threads = [threading.Thread(target=until_killed, args=(sender,)) for sender in (0, 1)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    server.kill()
    for thread in threads:
        thread.join()
    assert 60 <= len(acknowledged) < 200  # the kill did come in between
    server.start()
    rows = stored(store)
    assert len(rows) == len(set(rows))
    assert set(acknowledged) <= set(rows)
    with sqlite3.connect(store.folder / "project.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    for sender in (0, 1):  # both send everything again, as a page does that heard no answer
        send(sender)
    rows = stored(store)
    assert len(rows) == 200
    assert set(acknowledged) <= set(rows)
    store.close()


def test_the_page_goes_on_through_a_kill(server, page):
    """Labels given before, during and after the kill are all there once the app is back, in order."""
    store = make_text_project(server.home, "through", n=300, labelled=8)
    store.set_settings({"audit_share": 0.0})
    card = CardPage(page, server, store).open()
    given = []

    def label(times, digit):
        for _ in range(times):
            given.append((card.item, str(digit - 1)))
            card.press(str(digit))

    label(20, 1)
    server.kill()
    label(12, 2)
    saved = page.get_by_test_id("saved")
    wait_until(lambda: "waiting" in saved.inner_text(), what="the page says that labels wait")
    before = stored(store)
    assert [row[2:] for row in before] == given[: len(before)]
    server.start()
    card.saved()
    rows = stored(store)
    assert [row[2:] for row in rows] == given
    assert [row[1] for row in rows] == list(range(1, len(given) + 1))
    wait_idle(page)
    label(3, 3)
    card.saved()
    assert [row[2:] for row in stored(store)] == given
    state = LabelState(store)[1]
    assert all(state.label_N[item - 1] == json.loads(value) for item, value in given)
    store.close()
