"""The routes for labels and questions: stored before acknowledged, once, nothing believed unread."""

import threading
import time

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pages.routes.access import MAX_BODY_BYTES, mint
from pages.routes.events import MOST_EVENTS, routes
from sslcore.store import LabelState
from sslcore.workbench import Workbench
from tests.browser.harness import make_text_project

CLIENT = "client-0001"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    make_text_project(tmp_path, "p", n=60, labelled=8).close()
    yield tmp_path
    Workbench.open("p").close()


@pytest.fixture
def client(home):
    with TestClient(Starlette(routes=routes), raise_server_exceptions=True) as held:
        held.headers["x-labelloom-token"] = mint("p", "ada")
        yield held


def label(item, value=0, seq=1, **more):
    return {"seq": seq, "verb": "label", "task": 1, "items": [item], "value": value, **more}


def send(client, *events, name=CLIENT):
    return client.post("/labelloom/events", json={"client": name, "events": list(events)})


def current(task_id=1):
    return LabelState(Workbench.open("p").store)[task_id]


def test_a_label_is_stored_when_it_is_acknowledged(client):
    answer = send(client, label(20, 3, shown=[1, 0.5], seconds=2.25, audit=True))
    assert answer.status_code == 200
    assert answer.json()["ack"] == 1
    assert answer.json()["refused"] == []
    row = Workbench.open("p").store.annotations.of_items([20])[0]
    assert (row.value, row.annotator, row.source, row.purpose) == ("3", "ada", "human", "audit")
    assert (row.shown, row.seconds, row.client, row.seq) == ("[1, 0.5]", 2.25, CLIENT, 1)


def test_sent_again_stored_once_and_acknowledged_again(client):
    events = [label(20 + i, i % 4, seq=1 + i) for i in range(10)]
    assert send(client, *events).json()["ack"] == 10
    assert send(client, *events).json()["ack"] == 10
    assert send(client, *events[5:], label(40, 1, seq=11)).json()["ack"] == 11
    rows = Workbench.open("p").store.annotations.of_items(range(20, 41))
    assert [row.seq for row in rows] == list(range(1, 12))


def test_every_verb(client):
    batch = f"{CLIENT}:1"
    answer = send(
        client,
        label(20, 3),
        {"seq": 2, "verb": "accept", "task": 1, "items": [21, 22, 23], "values": [0, 1, 2]},
        {"seq": 3, "verb": "reject", "task": 1, "items": [24], "value": 2},
        {"seq": 4, "verb": "skip", "task": 1, "items": [25]},
        {"seq": 5, "verb": "flag", "task": 1, "items": [26]},
        {"seq": 6, "verb": "unflag", "task": 1, "items": [26]},
        {"seq": 7, "verb": "undo", "undoes": batch},
    )
    assert answer.json()["refused"] == []
    state = current()
    assert state.label_N[19:23].tolist() == [-1, 0, 1, 2]
    assert state.rejected == {23: {2}}
    assert state.skipped_N[24]
    assert not state.flagged_N[25]
    send(
        client,
        {"seq": 8, "verb": "undo", "undoes": f"{CLIENT}:2"},
        {"seq": 9, "verb": "undo", "undoes": f"{CLIENT}:7"},
    )
    assert current().label_N[19:23].tolist() == [3, -1, -1, -1]


def test_one_bad_event_does_not_hold_up_the_rest(client):
    answer = send(client, label(20), label(9999, seq=2), label(21, 17, seq=3), label(22, 1, seq=4)).json()
    assert answer["ack"] == 4
    assert [refusal["seq"] for refusal in answer["refused"]] == [2, 3]
    assert current().label_N[[19, 21]].tolist() == [0, 1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"[" * 100_000,
        b'{"client": "client-0001"}',
        b'{"client": "client-0001", "events": {}}',
        b'{"client": "x", "events": []}',
        b'{"client": "../../etc", "events": [{"seq": 1}]}',
        b'{"client": 5, "events": [{"seq": 1}]}',
        b'{"client": "client-0001", "events": [7]}',
        b'{"client": "client-0001", "events": [{"verb": "label"}]}',
        b'{"client": "client-0001", "events": [{"seq": "1"}]}',
        b'{"client": "client-0001", "events": [{"seq": -1}]}',
        b"\xff\xfe",
    ],
)
def test_wrong_bodies_are_a_clear_400_and_store_nothing(client, body):
    before = Workbench.open("p").store.annotations.newest()
    answer = client.post("/labelloom/events", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert Workbench.open("p").store.annotations.newest() == before


def test_too_many_events_or_too_long_a_body(client):
    many = [label(20, seq=1 + i) for i in range(MOST_EVENTS + 1)]
    assert send(client, *many).status_code == 413
    long = {"client": CLIENT, "events": [label(20)], "padding": "x" * MAX_BODY_BYTES}
    assert client.post("/labelloom/events", json=long).status_code == 413

    def unannounced():
        for _ in range(MAX_BODY_BYTES // 65_536 + 2):
            yield b" " * 65_536

    headers = {"content-type": "application/json"}
    assert client.post("/labelloom/events", content=unannounced(), headers=headers).status_code == 413


def test_who_did_it_comes_from_the_token(client):
    body = {"client": CLIENT, "annotator": "eve", "project": "other", "events": [label(20, annotator="eve")]}
    assert client.post("/labelloom/events", json=body).status_code == 200
    assert Workbench.open("p").store.annotations.of_items([20])[0].annotator == "ada"


def test_queue_gives_cards_and_figures(client):
    answer = client.post(
        "/labelloom/queue", json={"task": 1, "order": "uncertain", "n": 10, "have": [20]}
    ).json()
    ids = [card["item_id"] for card in answer["cards"]]
    assert len(ids) == 10
    assert 20 not in ids
    assert answer["progress"]["items"] == 60
    assert set(answer["progress"]["figure"]) == {"size", "source", "wants", "accuracy", "also"}
    again = client.post("/labelloom/queue", json={"task": 1, "n": 0, "refresh": [3, 20]}).json()
    assert [card["item_id"] for card in again["refreshed"]] == [3, 20]
    assert again["refreshed"][0]["label"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"task": 2},
        {"task": "1"},
        {"task": True},
        {"task": 1, "n": -1},
        {"task": 1, "n": 10_000},
        {"task": 1, "n": "3"},
        {"task": 1, "order": "worst"},
        {"task": 1, "have": "all"},
        {"task": 1, "have": ["1"]},
        {"task": 1, "have": [True]},
        {"task": 1, "have": [0] * 5001},
        {"task": 1, "refresh": [61]},
        {"task": 1, "refresh": [-1]},
    ],
)
def test_queue_refuses_what_makes_no_sense(client, body):
    answer = client.post("/labelloom/queue", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_ids_beyond_the_set_in_have_are_harmless(client):
    answer = client.post("/labelloom/queue", json={"task": 1, "n": 3, "have": [-5, 0, 10**12]})
    assert len(answer.json()["cards"]) == 3


def test_progress_find_and_item(client):
    assert client.get("/labelloom/progress?task=1").json()["labelled"] == 8
    assert client.get("/labelloom/progress?task=x").status_code == 400
    assert client.get("/labelloom/progress").status_code == 400
    found = client.get("/labelloom/find", params={"task": 1, "q": "text-000007"}).json()["cards"]
    assert [card["item_id"] for card in found] == [8]
    send(client, label(20, 1))
    one = client.get("/labelloom/item/20?task=1").json()
    assert one["history"][0]["annotator"] == "ada"
    assert client.get("/labelloom/item/61?task=1").status_code == 400
    assert client.get("/labelloom/item/abc?task=1").status_code == 404


def test_the_figure_moves_with_the_labels(client):
    before = client.get("/labelloom/progress?task=1").json()
    newest = send(client, *[label(9 + i, i % 4, seq=1 + i) for i in range(12)]).json()["newest"]
    deadline = time.monotonic() + 20
    while (now := client.get("/labelloom/progress?task=1").json())["version"] < newest:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert now["serial"] > before["serial"]
    assert now["labelled"] == before["labelled"] + 12
    assert now["figure"]["size"] == 20


def test_names_travel_as_data(home, client):
    """What is shown is the browser's business; here nothing may be lost, cut or interpreted."""
    bench = Workbench.open("p")
    bench.label.add_class(bench.task(), EVIL)
    send(client, label(20, 4))
    assert current().label_N[19] == 4
    answer = client.get("/labelloom/find", params={"task": 1, "q": EVIL})
    assert answer.headers["content-type"] == "application/json"


def test_storing_does_not_wait_for_a_slow_question(client, monkeypatch):
    """A question that takes seconds, asked many times at once, stands before no label."""
    go = threading.Event()
    monkeypatch.setattr("sslcore.workbench.label.LabelDesk.queue", lambda *a, **k: go.wait(20) and [])
    threads = [
        threading.Thread(target=client.post, args=("/labelloom/queue",), kwargs={"json": {"task": 1}})
        for _ in range(60)
    ]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.2)
        start = time.perf_counter()
        assert send(client, label(20)).json()["ack"] == 1
        assert time.perf_counter() - start < 5
    finally:
        go.set()
        for thread in threads:
            thread.join()
