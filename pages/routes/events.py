"""Labels and questions over HTTP: what the label card, the grid and the other pages send and ask.

====== ======================== ==========================================================
POST   /labelloom/events        what was done; acknowledged when it is on the disk
POST   /labelloom/queue         the next questions, and the figures of now
GET    /labelloom/progress      the figures alone
GET    /labelloom/find          items by name or text
GET    /labelloom/item/{id}     one item and its history
====== ======================== ==========================================================

Project and annotator come from the token, never from the body. Storing has threads of its own, so
that no slow question stands before an answer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pages.routes.access import Caller, json_body, problem, reading, writing
from sslcore.errors import DataError
from sslcore.store import Task
from sslcore.workbench import Workbench

# A thread that answers takes its turn at the interpreter about ten times for one label; at the usual 5 ms
# a turn it would wait 50 ms beside a refit. The refit itself, mostly outside the interpreter, loses nothing.
sys.setswitchinterval(0.0005)

MOST_EVENTS = 1000
MOST_CARDS = 200

_T = TypeVar("_T")


async def events(request: Request, who: Caller) -> Response:
    """``{"client", "events": [...]}`` → ``{"ack", "newest", "refused": [{"seq", "error"}]}``."""
    start = time.perf_counter()
    body = await json_body(request)
    sent = body.get("events")
    if not isinstance(sent, list):
        return problem(400, "'events' is a list.")
    if len(sent) > MOST_EVENTS:
        return problem(413, f"At most {MOST_EVENTS} events at a time.")

    def store() -> dict[str, Any]:
        receipt = who.bench.label.take(body.get("client"), sent, annotator=who.annotator)
        refused = [{"seq": seq, "error": error} for seq, error in receipt.refused]
        return {"ack": receipt.ack, "newest": receipt.newest, "refused": refused}

    answer = await anyio.to_thread.run_sync(store, limiter=_storing())
    spent = 1000 * (time.perf_counter() - start)
    return JSONResponse(answer, headers={"Server-Timing": f"stored;dur={spent:.2f}"})


async def queue(request: Request, who: Caller) -> Response:
    """``{"task", "order", "n", "have", "refresh", "page"}`` → ``{"cards", "refreshed", "progress"}``.

    ``have`` names the items that the page holds or has just answered; ``refresh`` those of them whose
    cards it wants to see again with the suggestions and the reasons of now. ``page`` names who asks, so that
    others are asked something else.
    """
    body = await json_body(request)
    have, refresh = _ids(body, "have"), _ids(body, "refresh")
    n = body.get("n", 40)
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MOST_CARDS:
        return problem(400, f"'n' is a number from 0 to {MOST_CARDS}.")
    order = str(body.get("order", "auto"))
    page = f"{who.annotator}:{body['page']}" if _is_name(body.get("page")) else None

    def ask() -> dict[str, Any]:
        desk, task = who.bench.label, _task(who.bench, body.get("task"))
        return {
            "cards": [card.as_dict() for card in desk.queue(task, n, order=order, exclude=have, page=page)],
            "refreshed": [card.as_dict() for card in desk.cards(task, refresh, order=order)],
            "progress": desk.progress(task, who.annotator).as_dict(),
        }

    return JSONResponse(await _in_thread(ask))


async def progress(request: Request, who: Caller) -> Response:
    """``?task=`` → counts and figures of the newest snapshot."""

    def ask() -> dict[str, Any]:
        task = _task(who.bench, _number(request, "task"))
        return who.bench.label.progress(task, who.annotator).as_dict()

    return JSONResponse(await _in_thread(ask), headers={"Cache-Control": "no-store"})


async def find(request: Request, who: Caller) -> Response:
    """``?task=&q=`` → ``{"cards"}``: items whose name or text contains ``q``."""
    text = request.query_params.get("q", "")[:200]

    def ask() -> dict[str, Any]:
        task = _task(who.bench, _number(request, "task"))
        return {"cards": [card.as_dict() for card in who.bench.label.find(task, text)]}

    return JSONResponse(await _in_thread(ask), headers={"Cache-Control": "no-store"})


async def item(request: Request, who: Caller) -> Response:
    """``?task=`` → ``{"card", "history"}`` of one item."""
    item_id = int(request.path_params["item_id"])

    def ask() -> dict[str, Any]:
        task = _task(who.bench, _number(request, "task"))
        card = who.bench.label.card(task, item_id).as_dict()
        return {"card": card, "history": who.bench.label.history(item_id)}

    return JSONResponse(await _in_thread(ask), headers={"Cache-Control": "no-store"})


@lru_cache(maxsize=1)
def _storing() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(8)


async def _in_thread(work: Callable[[], _T]) -> _T:
    return await anyio.to_thread.run_sync(work)


def _task(bench: Workbench, raw: Any) -> Task:
    for task in bench.tasks():
        if task.id == raw and not isinstance(raw, bool):
            return task
    raise DataError(f"The project has no task {raw!r}. Reload the page.")


def _number(request: Request, name: str) -> int:
    raw = request.query_params.get(name, "")
    if not raw.isascii() or not raw.isdigit() or len(raw) > 15:
        raise DataError(f"'{name}' is a number. Received: {raw!r}.")
    return int(raw)


def _is_name(raw: Any) -> bool:
    return isinstance(raw, str) and 0 < len(raw) <= 64


def _ids(body: dict[str, Any], name: str) -> list[int]:
    raw = body.get(name, [])
    if not isinstance(raw, list) or len(raw) > 5000:
        raise DataError(f"'{name}' is a list of at most 5000 item ids.")
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in raw):
        raise DataError(f"'{name}' holds item ids, which are whole numbers.")
    return raw


routes = [
    Route("/labelloom/events", writing(events), methods=["POST"]),
    Route("/labelloom/queue", writing(queue), methods=["POST"]),
    Route("/labelloom/progress", reading(progress)),
    Route("/labelloom/find", reading(find)),
    Route("/labelloom/item/{item_id:int}", reading(item)),
]
