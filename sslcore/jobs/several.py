"""A training run on several devices: one process a device, started by Accelerate's launcher.

The worker starts the launcher and listens: the first process prints what happens as JSON lines, and writes
the predictions as a single process would. A file named ``stop`` in the run's folder asks them to save and
end; when the worker is gone, the next line finds nobody, and they end as well.

``python -m accelerate.commands.launch … -m sslcore.jobs.several FOLDER RUN``
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslcore.errors import TrainingError
from sslcore.jobs.job import Job, Stopped
from sslcore.store import Store

if TYPE_CHECKING:
    from sslcore.training.recipe import Recipe

STOP = "stop"
LOOK = 0.4
"""Seconds between looks whether the run shall stop."""


def devices_for(recipe: Recipe, kinds: Sequence[str] = ()) -> tuple[int, str]:
    """How many devices a run takes here, and a line where that is fewer than there are.

    Args:
        recipe: The recipe.
        kinds: Kinds of the tasks it learns.

    Raises:
        RecipeError: Several were asked for, and the recipe cannot or the machine has not.
    """
    import torch

    from sslcore.training.several_devices import wanted

    config = recipe.train_config
    gpus = torch.cuda.device_count() if config.device in ("auto", "cuda") else 0
    return wanted(recipe, max(1, gpus), kinds)


def launch(job: Job, devices: int, *, cpu: bool) -> Mapping[str, Any]:
    """Trains on several devices; the run's figures.

    Args:
        job: The run; its items must be decoded and its sizes settled.
        devices: How many processes.
        cpu: Whether they compute on processors.

    Raises:
        TrainingError: It failed; with the reason of the process that failed.
        Stopped: Somebody wanted the run to stop.
    """
    stop = job.folder / STOP
    stop.unlink(missing_ok=True)
    command = [sys.executable, *(_processors(devices) if cpu else _gpus(devices))]
    command += ["-m", "sslcore.jobs.several", str(job.store.folder), str(job.run.id)]
    heard: dict[str, Any] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment(cpu=cpu)) as process:
        listener = threading.Thread(target=_listen, args=(process, job, heard), daemon=True)
        listener.start()
        while listener.is_alive():
            listener.join(LOOK)
            if job.should_stop():
                stop.touch()
        process.wait()
    stop.unlink(missing_ok=True)
    if "result" in heard:
        found: Mapping[str, Any] = heard["result"]
        return found
    if job.should_stop() or "stopped" in heard:
        raise Stopped
    raise TrainingError(
        str(heard.get("error"))
        if "error" in heard
        else f"The run on {devices} devices ended without a word (code {process.returncode}). Expected: a "
        "result. Look into the worker's log, or set devices to 1."
    )


def _gpus(devices: int) -> list[str]:
    """Accelerate's launcher, with nothing left to the machine's own settings."""
    words = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"]
    words += ["--num_processes", str(devices), "--main_process_port", "0"]
    return [*words, "--mixed_precision", "no", "--dynamo_backend", "no"]


def _processors(processes: int) -> list[str]:
    """Accelerate starts several processes on processors by MPI alone; torch's launcher needs none."""
    return ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]


def _environment(*, cpu: bool) -> dict[str, str]:
    held = dict(os.environ)
    if cpu:
        held |= {"ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo"}  # a host's name may lead nowhere
    return held


def _listen(process: subprocess.Popen[str], job: Job, heard: dict[str, Any]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            told = json.loads(line)
        except ValueError:
            print(line, end="", flush=True)  # a library's own words belong into the log
            continue
        if not isinstance(told, dict):
            continue
        if "metric" in told:
            step, name, value, task = told["metric"]
            job.metric(step, name, value, task=task)
        elif "progress" in told:
            done, total, note = told["progress"]
            job.tell("training", done, total, note=note)
        else:
            heard |= told


class _Printing:
    """The reporter of the first process."""

    def __init__(self, folder: Path) -> None:
        self._stop = folder / STOP

    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None:
        """As a line."""
        _say(metric=[step, name, float(value), task])

    def progress(self, done: float, total: float, *, note: str = "") -> None:
        """As a line."""
        _say(progress=[done, total, note])

    def should_cancel(self) -> bool:
        """Once the worker has left word."""
        return self._stop.exists()


def _say(**told: Any) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(told), flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """One of the processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("run", type=int)
    options = parser.parse_args(words)
    from sslcore.jobs.kinds.train import train_here

    store = Store(options.project)
    try:
        job = Job(store.runs.get(options.run), store, options.project / "runs" / str(options.run))
        with contextlib.suppress(Stopped):
            result = train_here(job, _Printing(job.folder))
            if result is not None:
                _say(result=dict(result))
            return 0
        _say(stopped=True)
        return 0
    except Exception as error:
        print(json.dumps({"error": f"{error}"}), flush=True)
        raise
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(main())
