"""The app's own HTTP routes beside the pages; every module of this folder brings ``routes``."""

from __future__ import annotations

import importlib
import pkgutil

from starlette.routing import BaseRoute


def _collect() -> list[BaseRoute]:
    found: list[BaseRoute] = []
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        found += getattr(module, "routes", [])
    return found


routes = _collect()
