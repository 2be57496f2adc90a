"""Figures of background runs, for charts that move while a run works.

``GET  /labelloom/metrics/{run}?after=ID``  the training runs there are, and this run's points above ``ID``
``GET  /labelloom/pictures/{run}/{name}``    a sheet of pictures that it drew while it learned
``POST /labelloom/runs/{run}/cancel``       asks it to stop
``POST /labelloom/runs/{run}/resume``       queues it again, from its checkpoint

With ``?kind=simulation`` the same of replays. Run 0 asks for the list of runs alone. A tab asks about
once a second while something runs, so an answer costs two small queries and no script of a page runs.
"""

from __future__ import annotations

import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pages.routes.access import Caller, problem, reading, writing
from sslcore.workbench.simulation import SimulationDesk
from sslcore.workbench.train import TrainDesk

TEND_SECONDS = 5.0
"""How often an asking tab makes the app look for workers that died."""
_tended: dict[str, float] = {}


async def figures(request: Request, who: Caller) -> Response:
    """The runs, and what is new of one of them."""
    run_id = int(request.path_params["run"])
    after = int(request.query_params.get("after", 0))
    desk = _desk(request, who)
    if desk is None:
        return problem(404, "There are training runs and simulations.")
    return JSONResponse(
        await run_in_threadpool(_figures, who, desk, run_id, after), headers={"Cache-Control": "no-store"}
    )


def _desk(request: Request, who: Caller) -> TrainDesk | SimulationDesk | None:
    kind = request.query_params.get("kind", "train")
    desks: dict[str, TrainDesk | SimulationDesk] = {
        "train": who.bench.train,
        "simulation": who.bench.simulation,
    }
    return desks.get(kind)


def _figures(who: Caller, desk: TrainDesk | SimulationDesk, run_id: int, after: int) -> dict[str, object]:
    runs = desk.runs()
    if any(run.live for run in runs):
        now = time.monotonic()
        if now - _tended.get(who.project, 0.0) >= TEND_SECONDS:
            _tended[who.project] = now
            if who.bench.wake():
                runs = desk.runs()
    told: dict[str, object] = {"runs": [run.as_dict() for run in runs], "run": run_id, "points": []}
    if run_id:
        told["points"] = desk.points(run_id, after=after)
        if isinstance(desk, TrainDesk):
            told["pictures"] = desk.pictures(run_id)
    return told


async def picture(request: Request, who: Caller) -> Response:
    """One sheet of pictures that a run drew, of those that :func:`figures` named."""
    run_id, name = int(request.path_params["run"]), request.path_params["name"]
    content = await run_in_threadpool(who.bench.train.picture, run_id, name)
    headers = {
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return Response(content, media_type="image/png", headers=headers)


async def act(request: Request, who: Caller) -> Response:
    """Cancels or resumes a run."""
    run_id, action = int(request.path_params["run"]), request.path_params["action"]
    desk = _desk(request, who)
    if desk is None or action not in ("cancel", "resume"):
        return problem(404, "A run can be cancelled or resumed.")
    await run_in_threadpool(desk.cancel if action == "cancel" else desk.resume, run_id)
    return JSONResponse({"runs": [run.as_dict() for run in await run_in_threadpool(desk.runs)]})


routes = [
    Route("/labelloom/metrics/{run:int}", reading(figures)),
    Route("/labelloom/pictures/{run:int}/{name}", reading(picture)),
    Route("/labelloom/runs/{run:int}/{action}", writing(act), methods=["POST"]),
]
