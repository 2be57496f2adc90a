"""Who may call a route, tried on every route that there is."""

import time

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from pages.routes import access, routes
from sslcore.store.home import secret
from sslcore.workbench import Workbench
from tests.browser.harness import make_text_project

OPEN = {"/labelloom/assets/{version}/{name}"}
"""Routes that need no token: they serve what every installation has."""


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    make_text_project(tmp_path, "p", n=12, features=False).close()
    with TestClient(Starlette(routes=routes)) as held:
        yield held
    Workbench.open("p").close()


def _fill(path):
    parts = [("1" if part.startswith("{") else part) for part in path.split("/")]
    return "/".join(parts)


def guarded():
    for route in routes:
        assert isinstance(route, Route)
        if route.path not in OPEN:
            for method in sorted(route.methods - {"HEAD"}):
                yield pytest.param(method, _fill(route.path), id=f"{method} {route.path}")


@pytest.mark.parametrize(("method", "path"), list(guarded()))
@pytest.mark.parametrize("token", [None, "", "nonsense", "forged", "old"])
def test_without_a_token_of_this_installation_nothing_is_told(client, monkeypatch, method, path, token):
    if token == "forged":
        token = URLSafeTimedSerializer("another key", salt="labelloom-routes").dumps({"p": "p", "a": "me"})
    if token == "old":
        token = access.mint("p")
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + access.MAX_AGE_SECONDS + 60)
    headers = {} if token is None else {"x-labelloom-token": token}
    extra = {"json": {}} if method == "POST" else {}
    answer = client.request(method, path, headers=headers, **extra)
    assert answer.status_code == 401
    assert "Reload" in answer.json()["error"]


@pytest.mark.parametrize(("method", "path"), [case for case in guarded() if "POST" in case.id])
def test_what_changes_something_takes_json_of_the_same_origin_only(client, method, path):
    headers = {"x-labelloom-token": access.mint("p")}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = client.post(path, content=b"{}", headers=headers | {"content-type": kind})
        assert answer.status_code == 415
    assert client.post(path, content=b"{}", headers=headers).status_code == 415
    for origin in ("https://evil.example", "http://testserver.evil.example", "null"):
        assert client.post(path, json={}, headers=headers | {"origin": origin}).status_code == 403
    long = headers | {"content-type": "application/json", "content-length": str(access.MAX_BODY_BYTES + 1)}
    assert client.post(path, content=b"{}", headers=long).status_code == 413


def test_a_token_opens_its_own_project_only(client, tmp_path):
    make_text_project(tmp_path, "other", n=3, features=False).close()
    token = access.mint("other", "ada")
    answer = client.get("/labelloom/progress?task=1&project=p", headers={"x-labelloom-token": token})
    assert answer.json()["items"] == 3
    assert client.get("/labelloom/progress", params={"task": 1, "t": token}).json()["items"] == 3
    Workbench.open("other").close()


def test_a_project_that_is_gone_is_a_404(client):
    token = access.mint("gone")
    assert client.get("/labelloom/progress?task=1", headers={"x-labelloom-token": token}).status_code == 404


def test_the_key_is_its_owners_alone(client, tmp_path):
    assert len(secret()) == 64
    assert (tmp_path / ".secret").stat().st_mode & 0o777 == 0o600
