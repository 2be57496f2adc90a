"""What the training loop costs over one written by hand: FixMatch, batch 16, mu 7, 32 pixels, three channels.

``python benchmarks/engine.py [--quick] [--json] [--threads N]``. Both loops use the same network, views,
optimiser and precision; the bare one sums no figures, clips nothing and knows one task and one method.
They take turns of a few steps in one process and the median over the turns counts, because others use this
machine too. ``ratio_to_bare`` is steps a second of the engine over those of the bare loop, the worst of the
networks; the target is an overhead of at most 10 %. ``--quick``: the small network only.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from sslcore.augment.dice import Dice
from sslcore.models.network import build_network
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.recipe import Recipe
from sslcore.training.run import _Run

BATCH, MU, SIZE, CLASSES, ITEMS = 16, 7, 32, 10, 2000
TARGET_OVERHEAD = 0.10


class Silent:
    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None: ...

    def progress(self, done: float, total: float, *, note: str = "") -> None: ...

    def should_cancel(self) -> bool:
        return False


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
    }
    recipe = Recipe.parse({"method": "fixmatch", "train_config": settings})
    return _Run(recipe, data, Silent(), folder)


def duel(backbone: str, *, turns: int, steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(backbone, Path(folder))
        loops = {"engine": run._step, "bare": bare_step(run)}

        def took(step: Callable[[], None]) -> float:
            if run.device.type == "cuda":
                torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(steps):
                step()
            if run.device.type == "cuda":
                torch.cuda.synchronize()
            return (time.perf_counter() - start) / steps

        for step in loops.values():
            took(step)
        seconds: dict[str, list[float]] = {"engine": [], "bare": []}
        for turn in range(turns):
            for name in ("engine", "bare") if turn % 2 else ("bare", "engine"):
                seconds[name].append(took(loops[name]))
        engine, bare = (statistics.median(seconds[name]) for name in ("engine", "bare"))
        start = time.perf_counter()
        for index in range(steps):
            run.pool.batch(index, run.method_views, run.dice)
        data = (time.perf_counter() - start) / steps
    ratio = statistics.median(b / e for b, e in zip(seconds["bare"], seconds["engine"], strict=True))
    return {
        "engine_steps_per_second": 1 / engine,
        "bare_steps_per_second": 1 / bare,
        "ratio_to_bare": ratio,
        "data_share": data / engine,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the small network only, fewer turns")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    plan = (
        {"small_cnn": (9, 5)}
        if options.quick
        else {"small_cnn": (15, 8), "wrn_16_2": (7, 2), "wrn_28_2": (5, 1)}
    )
    rows = {name: duel(name, turns=turns, steps=steps) for name, (turns, steps) in plan.items()}
    print(f"{'network':<12}{'engine steps/s':>16}{'bare steps/s':>14}{'ratio':>8}{'data share':>12}")
    for name, row in rows.items():
        print(
            f"{name:<12}{row['engine_steps_per_second']:>16.2f}{row['bare_steps_per_second']:>14.2f}"
            f"{row['ratio_to_bare']:>8.3f}{row['data_share']:>11.1%}"
        )
    worst = min(row["ratio_to_bare"] for row in rows.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"overhead {1 / worst - 1:.1%} (target at most {TARGET_OVERHEAD:.0%}); memory {memory:.0f} MB")
    if options.json:
        told = {
            "ratio_to_bare": round(worst, 4),
            "overhead": round(1 / worst - 1, 4),
            "target_overhead": TARGET_OVERHEAD,
            "memory_mb": round(memory),
            "device": "cuda" if torch.cuda.is_available() else "cpu",
            "threads": options.threads,
            "networks": rows,
        }
        print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
