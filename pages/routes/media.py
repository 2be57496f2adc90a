"""Pictures of items: ``/labelloom/media/{item_id}?size=320``.

Never the file itself: what is sent was decoded and encoded anew (JPEG or PNG, nothing else), so no
script, no EXIF and no SVG can come through. An item id is all that a client may name. Addresses carry
the content's hash, so a browser may keep a picture for good.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pages.routes.access import Caller, problem, reading
from sslcore.errors import DataError
from sslcore.media import safe_join, thumbnail

SIZES = (64, 128, 256, 512, 1024)
"""Longer sides that are served, in pixels: few, so that copies are shared."""
CACHE_BYTES = 48_000_000


class PictureCache:
    """The pictures sent last, up to ``limit`` bytes.

    >>> cache = PictureCache(limit=5)
    >>> cache.put("a", (b"123", "image/png"))
    ... cache.put("b", (b"456", "image/png"))
    >>> cache.get("a") is None, cache.get("b")
    (True, (b'456', 'image/png'))
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[object, tuple[bytes, str]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: object) -> tuple[bytes, str] | None:
        """A picture and its type, or None."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: object, picture: tuple[bytes, str]) -> None:
        """Keeps a picture; the ones used longest ago make room."""
        with self._lock:
            if key in self._held:
                return
            self._held[key] = picture
            self._bytes += len(picture[0])
            while self._bytes > self._limit and self._held:
                self._bytes -= len(self._held.popitem(last=False)[1][0])


_cache = PictureCache(limit=CACHE_BYTES)


async def media(request: Request, who: Caller) -> Response:
    """One picture, at most ``size`` pixels long."""
    raw = request.query_params.get("size", "512")
    if not raw.isascii() or not raw.isdigit() or len(raw) > 5:
        return problem(400, f"'size' is a number of pixels. Received: {raw!r}.")
    size = next((held for held in SIZES if held >= int(raw)), SIZES[-1])
    item_id = int(request.path_params["item_id"])

    def make() -> tuple[bytes, str, str]:
        store = who.bench.store
        item = store.items([item_id])[0]
        if item.media is None:
            raise DataError(f"The item {item_id} is no image.")
        key = (str(store.folder), item.sha256, size)
        held = _cache.get(key)
        if held is None:
            held = thumbnail(safe_join(Path(store.folder) / "media", item.media), size)
            _cache.put(key, held)
        return *held, item.sha256

    try:
        content, kind, sha = await anyio.to_thread.run_sync(make)
    except DataError:  # its message names a file of the server
        return problem(404, f"The item {item_id} has no picture that can be read.")
    etag = f'"{sha[:24]}-{size}"'
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


routes = [Route("/labelloom/media/{item_id:int}", reading(media))]
