"""What the training loop costs over one written by hand: FixMatch, batch 16, mu 7, 32 pixels, three channels.

``python benchmarks/engine.py [--quick] [--json] [--threads N] [--ahead] [--usb FOLDER]``. Both loops use the
same network, views, optimiser and precision; the bare one sums no figures, clips nothing and knows one task
and one method. They take turns of a few steps in one process, and the median over the turns counts.
``ratio_to_bare`` is the bare loop's processor time over the engine's, the worst of the networks: others use
this machine too, and the wall's clock tells more of them (``…_wall``) than of the loops; on a GPU it is the
wall's. The target is an overhead of at most 10 %. Peak memory is that of each loop alone in a process of its
own, less what the same process held before its first step. ``--quick``: the small network only.

``--ahead`` also measures a thread that makes the next batch meanwhile. ``--usb FOLDER`` also runs USB
(``pip install --no-deps --target FOLDER semilearn``) with its own views and loaders on the same images: what
it imports for audio, logging and downloads and is not there is replaced by blanks, its copies to CUDA are
left out, and nothing else of it is changed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))  # runs from a checkout

from sslcore.augment.dice import Dice
from sslcore.models.network import build_network
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.recipe import Recipe
from sslcore.training.report import Silent
from sslcore.training.run import _Run

BATCH, MU, SIZE, CLASSES, ITEMS = 16, 7, 32, 10, 2000
TARGET_OVERHEAD = 0.10
WALL, WORKED = 0, 1


def bare_step(run: _Run) -> Callable[[], None]:
    """FixMatch as one would write it by hand, on the items and with the views of the given run."""
    network = build_network(run.preprocess.backbone, run.preprocess.spec(), [CLASSES])
    teacher = build_network(run.preprocess.backbone, run.preprocess.spec(), [CLASSES])
    for net in (network, teacher):
        net.to(run.device).to(memory_format=torch.channels_last)
    average, source = list(teacher.state_dict().values()), list(network.state_dict().values())
    floats = [i for i, tensor in enumerate(average) if tensor.is_floating_point()]
    average, source = [average[i] for i in floats], [source[i] for i in floats]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4)
    image_NXHW = torch.from_numpy(np.asarray(run.pool.prepared)).to(run.device)
    label_N = torch.from_numpy(np.asarray(run.tasks[0].label_N)).to(run.device)
    row_L = (label_N >= 0).nonzero().flatten()
    dice, views = Dice(1, run.device), run.pool.views

    def step() -> None:
        row_B = row_L[torch.randint(len(row_L), (BATCH,), device=run.device)]
        row_U = torch.randint(ITEMS, (BATCH * MU,), device=run.device)
        labelled_B = views.weak(image_NXHW[row_B], dice)
        weak_U, strong_U = views.weak(image_NXHW[row_U], dice), views.strong(image_NXHW[row_U], dice)
        with torch.autocast(run.device.type, run.precision, enabled=run.precision != torch.float32):
            with torch.no_grad():
                top_U, answer_U = network(weak_U)[0].softmax(1).max(1)
            logits = network(torch.cat([labelled_B, strong_U]))[0]
        loss_U = F.cross_entropy(logits[BATCH:], answer_U, reduction="none") * (top_U >= 0.95)
        loss = F.cross_entropy(logits[:BATCH], label_N[row_B]) + loss_U.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, source, 0.001)

    return step


def make_run(backbone: str, folder: Path) -> _Run:
    rng = np.random.default_rng(0)
    image_NXHW = rng.integers(0, 256, (ITEMS, 3, SIZE, SIZE), dtype=np.uint8)
    label_N = np.where(np.arange(ITEMS) < 40, np.arange(ITEMS) % CLASSES, -1)
    data = TrainingData("image", [TaskLabels("label", "single", CLASSES, label_N)], image_NXHW=image_NXHW)
    settings = {
        "backbone": backbone,
        "batch": BATCH,
        "unlabelled_ratio": MU,
        "image_size": SIZE,
        "steps": 10**6,
        "labels_first": 0,
    }
    recipe = Recipe.parse({"method": "fixmatch", "train_config": settings})
    return _Run(recipe, data, Silent(), folder)


def took(step: Callable[[], None], steps: int, device: torch.device) -> tuple[float, float]:
    """Seconds of a step on the wall's clock, and of processor time (on a GPU the wall's again)."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    wall, worked = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    wall, worked = (time.perf_counter() - wall) / steps, (time.process_time() - worked) / steps
    return wall, wall if device.type == "cuda" else worked


def duel(backbone: str, *, turns: int, steps: int, ahead: bool, usb: Path | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(backbone, Path(folder))
        loops: dict[str, Callable[[], None]] = {"engine": run._step, "bare": bare_step(run)}
        if ahead:
            other = make_run(backbone, Path(folder))
            other.batches.start()
            loops["ahead"] = other._step
        if usb is not None:
            from benchmarks.usb import usb_step

            loops["usb"] = usb_step(usb, backbone, run.pool.prepared, folder)
        for step in loops.values():
            took(step, min(steps, 2), run.device)
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
        for turn in range(turns):
            names = list(loops) if turn % 2 else list(reversed(loops))
            for name in names:
                seconds[name].append(took(loops[name], steps, run.device))
        start = time.perf_counter()
        for index in range(steps):
            run.pool.batch(index, run.method_views, run.dice[0])
        data = (time.perf_counter() - start) / steps
        if ahead:
            other.batches.close()

    def ratio(name: str, clock: int = WORKED) -> float:
        pairs = zip(seconds[name], seconds["engine"], strict=True)
        return statistics.median(other[clock] / engine[clock] for other, engine in pairs)

    def middle(name: str, clock: int) -> float:
        return statistics.median(took[clock] for took in seconds[name])

    row = {
        "engine_steps_per_second": 1 / middle("engine", WALL),
        "bare_steps_per_second": 1 / middle("bare", WALL),
        "engine_seconds_of_work": middle("engine", WORKED),
        "bare_seconds_of_work": middle("bare", WORKED),
        "ratio_to_bare": ratio("bare"),
        "ratio_to_bare_wall": ratio("bare", WALL),
        "data_share": data / middle("engine", WALL),
    }
    if ahead:
        row["ratio_of_ahead_wall"] = 1 / ratio("ahead", WALL)  # a thread saves no work
    if usb is not None:
        row |= {"usb_seconds_of_work": middle("usb", WORKED), "ratio_to_usb": ratio("usb")}
    return row


def peak_of(loop: str, backbone: str) -> int:
    """MB that a loop needs beyond its start, measured where nothing else was."""
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(backbone, Path(folder))
        step = run._step if loop == "engine" else bare_step(run)
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far, that of importing, is forgotten
        before = held("VmRSS")
        for _ in range(3):
            step()
        if run.device.type == "cuda":
            return round(torch.cuda.max_memory_allocated() / 2**20)
        return round((held("VmHWM") - before) / 1024)


def held(what: str) -> int:
    """kB of this process by the kernel's own account."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


def memory(backbone: str, threads: int) -> dict[str, float]:
    found = {}
    for loop in ("engine", "bare"):
        command = [sys.executable, __file__, "--alone", loop, backbone, "--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[f"{loop}_memory_mb"] = float(done.stdout)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the small network only, fewer turns")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument("--ahead", action="store_true", help="also measure batches made by a thread")
    parser.add_argument("--usb", type=Path, default=None, help="folder that semilearn was installed into")
    parser.add_argument("--networks", nargs="+", default=None, help="only these")
    parser.add_argument("--alone", nargs=2, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.alone:
        print(peak_of(*options.alone))
        return 0
    plan = (
        {"small_cnn": (9, 5)}
        if options.quick
        else {"small_cnn": (15, 8), "wrn_16_2": (7, 2), "wrn_28_2": (5, 1)}
    )
    rows: dict[str, dict[str, Any]] = {}
    for name, (turns, steps) in plan.items():
        if options.networks and name not in options.networks:
            continue
        usb = options.usb if name == "wrn_28_2" else None  # USB knows no smaller network
        rows[name] = duel(name, turns=turns, steps=steps, ahead=options.ahead, usb=usb)
        rows[name] |= memory(name, options.threads)
    for name, row in rows.items():
        print(name)
        for figure, value in row.items():
            print(f"  {figure:<26}{value:>10.3f}")
    worst = min(row["ratio_to_bare"] for row in rows.values())
    print(f"overhead {1 / worst - 1:.1%} (target at most {TARGET_OVERHEAD:.0%})")
    if options.json:
        told = {
            "ratio_to_bare": round(worst, 4),
            "overhead": round(1 / worst - 1, 4),
            "target_overhead": TARGET_OVERHEAD,
            "memory_to_bare": max(
                row["engine_memory_mb"] / max(row["bare_memory_mb"], 1) for row in rows.values()
            ),
            "device": "cuda" if torch.cuda.is_available() else "cpu",
            "threads": options.threads,
            "networks": rows,
        }
        print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
