"""The browser side of the components, as plain ES modules under ``/labelloom/assets/<version>/``.

The version is a hash of all assets, so browsers may keep a file for ever and get a new one at once
after an update. Modules import each other by relative path (``./journal.js``).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).resolve().parents[1] / "components" / "assets"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


@lru_cache(maxsize=1)
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}


@lru_cache(maxsize=1)
def version() -> str:
    """A hash over the assets of this installation."""
    digest = hashlib.sha256()
    for name, content in _files().items():
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:12]


async def asset(request: Request) -> Response:
    """One asset; only names that were there at the start are known, so no path can be asked for."""
    name = request.path_params["name"]
    content = _files().get(name)
    if content is None:
        return Response("not found", status_code=404)
    fresh = request.path_params["version"] == version()
    caching = "public, max-age=31536000, immutable" if fresh else "no-cache"
    return Response(
        content,
        media_type=_TYPES[Path(name).suffix],
        headers={"Cache-Control": caching, "X-Content-Type-Options": "nosniff"},
    )


routes = [Route("/labelloom/assets/{version}/{name}", asset)]
