"""Pictures of items: decoded and encoded anew, by id alone."""

import io

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pages.routes.access import mint
from pages.routes.media import PictureCache, routes
from sslcore.store import NewItem
from sslcore.workbench import Workbench
from tests.browser.harness import make_image_project, make_text_project


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    store = make_image_project(tmp_path, "pictures", n=3, size=32, features=False)
    media = store.folder / "media"
    large = Image.effect_noise((900, 600), 60).convert("RGB")
    large.save(media / "large.jpg", exif=_exif())
    (media / "drawing.svg").write_bytes(
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    )
    (media / "page.png").write_bytes(b"<html><script>alert(1)</script></html>")
    (media / "cut.png").write_bytes((media / "000000.png").read_bytes()[:60])
    (tmp_path / "outside.png").write_bytes((media / "000000.png").read_bytes())
    paths = ["large.jpg", "drawing.svg", "page.png", "cut.png", "../../outside.png", "missing.png"]
    with store.importing() as batch:
        batch.add([NewItem(key=path, media=path, sha256=f"{i:064x}") for i, path in enumerate(paths)])
    store.close()
    with TestClient(Starlette(routes=routes)) as held:
        held.headers["x-labelloom-token"] = mint("pictures")
        yield held
    Workbench.open("pictures").close()


def _exif():
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif[0x0112] = 6  # stands on its side
    return exif


def test_a_small_drawing_is_sent_pixel_by_pixel(client):
    answer = client.get("/labelloom/media/1?size=512")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (32, 32)


def test_a_photograph_is_made_small_turned_and_stripped(client):
    answer = client.get("/labelloom/media/4?size=200")
    image = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == "image/jpeg"
    assert image.size == (171, 256)  # the next size served, and upright
    assert not image.getexif()
    assert b"taken at home" not in answer.content


def test_browsers_may_keep_it_and_may_not_guess_its_type(client):
    answer = client.get("/labelloom/media/1")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["cache-control"].startswith("private")
    assert "sandbox" in answer.headers["content-security-policy"]
    again = client.get("/labelloom/media/1", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize("item", [5, 6, 7, 8, 9, 10, 999])
def test_scripts_broken_files_and_paths_that_leave_are_not_served(client, item):
    answer = client.get(f"/labelloom/media/{item}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert b"<script>" not in answer.content
    assert "/media" not in answer.json()["error"]


@pytest.mark.parametrize("size", ["", "-1", "1e3", "big", "999999", "٣"])
def test_sizes_are_numbers(client, size):
    assert client.get("/labelloom/media/1", params={"size": size}).status_code == 400


@pytest.mark.parametrize("path", ["../project.db", "1/../../x", "abc", "-1", "1.png"])
def test_no_path_can_be_asked_for(client, path):
    assert client.get(f"/labelloom/media/{path}").status_code == 404


def test_texts_have_no_picture(client, tmp_path):
    make_text_project(tmp_path, "texts", n=2, features=False).close()
    answer = client.get("/labelloom/media/1", headers={"x-labelloom-token": mint("texts")})
    assert answer.status_code == 404
    Workbench.open("texts").close()


def test_the_cache_keeps_to_its_limit():
    cache = PictureCache(limit=100)
    for i in range(20):
        cache.put(i, (bytes(30), "image/png"))
    assert [i for i in range(20) if cache.get(i)] == [17, 18, 19]
    cache.put("large", (bytes(500), "image/png"))
    assert cache.get("large") is None
