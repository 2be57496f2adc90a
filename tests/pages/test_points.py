"""The map's routes: bytes that the browser can read, actions named once, nothing without a token."""

import base64
import json

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pages.routes import points
from pages.routes.access import mint
from sslcore.store import LabelState
from sslcore.workbench import Workbench
from sslcore.workbench.map import bits_of_rows, rows_of_bits
from tests.browser.harness import make_text_project

N = 61  # not a multiple of 4 or 8: paddings show


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    make_text_project(tmp_path, "p", n=N, labelled=8).close()
    bench = Workbench.open("p")
    yield bench
    bench.close()


@pytest.fixture
def client(bench):
    with TestClient(
        Starlette(routes=points.routes), headers={"x-labelloom-token": mint("p", "ana")}
    ) as client:
        yield client


def chosen(*rows):
    return base64.b64encode(bits_of_rows(np.array(rows, dtype=int), N)).decode()


def send(client, verb="label", rows=(20, 21), **more):
    body = {"task": 1, "client": "client-0001", "seq": 1, "verb": verb, "bits": chosen(*rows), **more}
    return client.post("/labelloom/map/act", json=body)


def parsed(body):
    length = int(np.frombuffer(body[:4], "<u4")[0])
    head = json.loads(body[4 : 4 + length])
    start = 4 + length
    code = np.frombuffer(body[start : start + 2 * head["count"]], "<u2")
    mark = np.frombuffer(body[start + 2 * head["count"] :], "u1")
    return head, code, mark, start


def test_points_are_the_coordinates(client, bench):
    found = bench.map.points("tfidf")
    answer = client.get("/labelloom/map/points", params={"encoder": "tfidf", "v": found.version})
    assert int(np.frombuffer(answer.content[:4], "<u4")[0]) == N
    numbers = np.frombuffer(answer.content[4:], "<f4")
    np.testing.assert_array_equal(numbers, found.map_N2.T.ravel())
    assert "immutable" in answer.headers["cache-control"]
    stale = client.get("/labelloom/map/points", params={"encoder": "tfidf", "v": "older"})
    assert stale.headers["cache-control"] == "no-cache"
    assert client.get("/labelloom/map/points", params={"encoder": "minilm"}).status_code == 204
    assert client.get("/labelloom/map/points", params={"encoder": "../../../etc"}).status_code == 204


def test_colours_only_where_they_changed(client, bench):
    head, code, mark, start = parsed(client.get("/labelloom/map/colours?task=1&by=label").content)
    assert start % 4 == 0  # typed arrays of a browser need it
    assert (len(code), len(mark)) == (N, N)
    assert code[:8].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert (code[8:] == head["nothing"]).all()
    same = client.get(f"/labelloom/map/colours?task=1&by=label&since={head['serial']}")
    assert (same.status_code, same.content) == (204, b"")
    send(client, value=2)
    bench.live.refresh()
    again, code, _, _ = parsed(
        client.get(f"/labelloom/map/colours?task=1&by=label&since={head['serial']}").content
    )
    assert again["version"] > head["version"]
    assert code[[20, 21]].tolist() == [2, 2]
    assert client.get("/labelloom/map/colours?task=1&by=<script>").status_code == 400
    assert client.get("/labelloom/map/colours?task=77").status_code == 400


def test_an_action_answers_what_it_did(client, bench):
    answer = send(client, rows=(2, 20, 21), value=1).json()
    assert answer["sentence"] == "Labelled 2 items as politics; 1 keeps the label a person gave it."
    assert answer["batch"] == "client-0001:1"
    assert answer["left_out"] == {"people": 1}
    assert rows_of_bits(base64.b64decode(answer["bits"]), N).tolist() == [20, 21]
    state = LabelState(bench.store)[1]
    assert state.label_N[[2, 20, 21]].tolist() == [2, 1, 1]
    assert state.annotator[20] == "ana"


def test_an_action_sent_again_is_stored_once(client, bench):
    send(client, value=1)
    send(client, value=1)
    assert sum(row.batch == "client-0001:1" for row in bench.store.annotations.since()) == 2  # two items


def test_undo_takes_all_of_it_back(client, bench):
    before = LabelState(bench.store)[1].label_N.copy()
    batch = send(client, rows=range(10, 50), value=1).json()["batch"]
    undone = client.post(
        "/labelloom/map/act", json={"client": "client-0001", "seq": 2, "verb": "undo", "undoes": batch}
    )
    assert undone.json()["undid"] == batch
    np.testing.assert_array_equal(LabelState(bench.store)[1].label_N, before)


def test_selection_and_card(client):
    found = client.post("/labelloom/map/selection", json={"task": 1, "bits": chosen(*range(30))}).json()
    assert found["count"] == 30
    assert found["people"] == 8
    card = client.get("/labelloom/map/card/5?task=1").json()
    assert card["text"].startswith("4: ")
    assert card["label"]["name"] == "sport"
    assert client.get("/labelloom/map/card/999?task=1").status_code == 400


def test_classes_are_found_by_name(client):
    every = client.get("/labelloom/classes?task=1").json()
    assert [row["name"] for row in every["classes"]] == ["sport", "politics", "science", "music"]
    assert every["classes"][0]["key"] == "1"
    found = client.get("/labelloom/classes?task=1&find=S&limit=2").json()
    assert [row["name"] for row in found["classes"]] == ["sport", "science"]
    assert found["total"] == 4


@pytest.mark.parametrize(
    "body",
    [
        {"bits": "no base64 §"},
        {"bits": base64.b64encode(b"x").decode()},
        {"bits": 5},
        {"client": "../x"},
        {"client": None},
        {"seq": 0},
        {"seq": True},
        {"verb": "drop table"},
        {"verb": None},
        {"value": 99},
        {"value": "sport"},
        {"task": 9},
        {"verb": "undo", "undoes": "x; DROP"},
        {"verb": "undo"},
    ],
)
def test_nonsense_is_refused_and_nothing_stored(client, bench, body):
    newest = bench.store.annotations.newest()
    whole = {"task": 1, "client": "client-0001", "seq": 1, "verb": "label", "value": 1, "bits": chosen(20)}
    answer = client.post("/labelloom/map/act", json=whole | body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert bench.store.annotations.newest() == newest


def test_nothing_without_a_token_or_from_elsewhere(client):
    for path in ("points?encoder=tfidf", "colours?task=1", "card/1?task=1"):
        assert (
            client.get(f"/labelloom/map/{path}", headers={"x-labelloom-token": "forged"}).status_code == 401
        )
    for path in ("act", "selection"):
        assert (
            client.post(f"/labelloom/map/{path}", json={}, headers={"x-labelloom-token": ""}).status_code
            == 401
        )
        assert client.post(f"/labelloom/map/{path}", content="{}").status_code == 415
        assert (
            client.post(
                f"/labelloom/map/{path}", json={}, headers={"origin": "http://evil.example"}
            ).status_code
            == 403
        )
