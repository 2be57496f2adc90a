"""The route behind the live charts: what is new, once; buttons; who may ask."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pages.routes import metrics
from pages.routes.access import mint
from sslcore.jobs import launch
from sslcore.workbench import Workbench
from tests.browser.harness import make_text_project


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    monkeypatch.setattr(launch, "ensure_worker", lambda home, project: None)
    monkeypatch.setattr(metrics, "_tended", {})
    make_text_project(tmp_path, "p", n=24, labelled=8, features=False).close()
    bench = Workbench.open("p")
    yield bench
    bench.close()


@pytest.fixture
def client(bench):
    with TestClient(Starlette(routes=metrics.routes), headers={"x-labelloom-token": mint("p")}) as held:
        yield held


def test_points_come_once_and_runs_always(bench, client):
    run_id = bench.train.start(["topic"], method="fixmatch")
    bench.store.runs.add_metrics(run_id, [(5, "loss", 2.0, None), (5, "audit_accuracy", 0.25, "topic")])
    found = client.get(f"/labelloom/metrics/{run_id}").json()
    assert [(run["id"], run["status"], run["position"]) for run in found["runs"]] == [(run_id, "queued", 1)]
    assert [point[1:] for point in found["points"]] == [
        [5, "loss", None, 2.0],
        [5, "audit_accuracy", "topic", 0.25],
    ]
    last = found["points"][-1][0]
    bench.store.runs.add_metrics(run_id, [(9, "loss", float("inf"), None)])
    found = client.get(f"/labelloom/metrics/{run_id}?after={last}").json()
    assert [point[1:] for point in found["points"]] == [[9, "loss", None, None]]


def test_pictures_are_named_and_sent_to_who_may_see_them(bench, client):
    run_id = bench.train.start(["topic"], method="fixmatch")
    assert client.get(f"/labelloom/metrics/{run_id}").json()["pictures"] == []
    folder = bench.folder / "runs" / str(run_id) / "pictures"
    folder.mkdir(parents=True)
    (folder / "samples-00000100.png").write_bytes(b"as it is")
    assert client.get(f"/labelloom/metrics/{run_id}").json()["pictures"] == ["samples-00000100"]
    answer = client.get(f"/labelloom/pictures/{run_id}/samples-00000100")
    assert (answer.status_code, answer.content) == (200, b"as it is")
    assert answer.headers["content-type"] == "image/png"
    assert client.get(f"/labelloom/pictures/{run_id}/samples-00000200").status_code == 400
    assert client.get(f"/labelloom/pictures/{run_id}/..%2F..%2Fproject").status_code in (400, 404)
    client.headers.pop("x-labelloom-token")
    assert client.get(f"/labelloom/pictures/{run_id}/samples-00000100").status_code == 401


def test_run_zero_is_the_list_alone(bench, client):
    assert client.get("/labelloom/metrics/0").json() == {"runs": [], "run": 0, "points": []}


def test_buttons_cancel_and_resume(bench, client):
    run_id = bench.train.start(["topic"], method="fixmatch")
    answer = client.post(f"/labelloom/runs/{run_id}/cancel", json={})
    assert [run["status"] for run in answer.json()["runs"]] == ["cancelled"]
    client.post(f"/labelloom/runs/{run_id}/resume", json={})
    assert bench.train.run(run_id).status == "queued"
    assert client.post(f"/labelloom/runs/{run_id}/delete", json={}).status_code == 404
    answer = client.post(f"/labelloom/runs/{run_id}/resume", json={})
    assert answer.status_code == 400
    assert "only a failed or cancelled" in answer.json()["error"]


def test_an_asking_tab_notices_a_dead_worker(bench, client):
    run_id = bench.train.start(["topic"], method="fixmatch")
    bench.store.runs.claim()  # by this process, which holds no worker's lock
    (run,) = client.get("/labelloom/metrics/0").json()["runs"]
    assert run["status"] == "failed"
    assert "without a word" in run["error"]
    assert bench.train.run(run_id).status == "failed"


def test_unknown_runs_and_strange_numbers_are_answered(bench, client):
    assert client.get("/labelloom/metrics/99").json()["points"] == []
    assert client.get("/labelloom/metrics/1?after=x").status_code == 400
    assert client.post("/labelloom/runs/99/cancel", json={}).status_code == 400


def test_a_foreign_page_cannot_press_the_buttons(bench, client):
    run_id = bench.train.start(["topic"], method="fixmatch")
    for refused in (
        client.post(f"/labelloom/runs/{run_id}/cancel", content="{}", headers={"content-type": "text/plain"}),
        client.post(f"/labelloom/runs/{run_id}/cancel", json={}, headers={"origin": "http://evil.example"}),
        client.post(f"/labelloom/runs/{run_id}/cancel", json={}, headers={"x-labelloom-token": "forged"}),
    ):
        assert refused.status_code in (401, 403, 415)
    assert bench.train.run(run_id).status == "queued"
