"""A run's checkpoint: all that a killed run needs to go on to the same weights, bit for bit on a CPU.

Modules and loose tensors under prefixes, the optimiser's, and facts as JSON. After a run is done only what
still has a use stays: weights and states, without the optimiser's.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sslcore.errors import RecipeError
from sslcore.training.checkpoint import pack_optimiser, read_checkpoint, unpack_optimiser, write_checkpoint
from sslcore.training.data import TrainingData
from sslcore.training.preprocess import Preprocess
from sslcore.training.recipe import Recipe

if TYPE_CHECKING:
    from sslcore.training.run import _Run

CHECKPOINT = "checkpoint.safetensors"


def save(run: _Run, *, done: bool = False) -> None:
    """Writes the checkpoint, and the best weights beside it.

    Args:
        run: The run.
        done: Whether it is over, and the optimiser's tensors can go.
    """
    tensors: dict[str, Tensor] = {}
    for prefix, module in _modules(run).items():
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}
    for prefix, state in _states(run).items():
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in state.items()}
    warming = run.warming
    if not done:
        tensors |= pack_optimiser(run.optimiser if warming is None else warming.optimiser)
    budget = run.budget if warming is None else warming.budget
    facts = {
        "recipe": run.recipe.as_dict(),
        "tasks": [[shape.name, shape.classes] for shape in run.all_shapes],
        "items": len(run.data),
        "labels": labels_digest(run.data),
        "phase": "warm" if warming is not None else "done" if done else "learn",
        "step": run.step if warming is None else warming.step,
        "total": budget.total,
        "fixed": budget.fixed,
        "budget": budget.as_list(),
        "pace": [run.pace.seconds, run.pace.steps],
        "opening_end": run.opening.end,
        "seconds": run.elapsed(),
        "precision": str(run.precision).removeprefix("torch."),
        "preprocess": run.preprocess.as_dict(),
        "sizes": list(run.pool.sizes),
        "slower": run.slower,
        "warm_batch": None if warming is None else warming.stream.size,
        "scaler": run.scaler.state_dict(),
        "watch": run.watch.as_dict(),
        "notes": list(run.notes),
    }
    run.best.write(run.folder)
    write_checkpoint(run.folder / CHECKPOINT, tensors, facts)


def load(run: _Run) -> None:
    """Takes up the checkpoint of the run's folder, where there is one.

    Raises:
        RecipeError: It is of another recipe, another set or other labels.
    """
    path = run.folder / CHECKPOINT
    if not path.exists():
        return
    tensors, facts = read_checkpoint(path)
    _refuse_another(run, facts)
    if facts.get("phase", "learn") != "warm" and run.warming is not None:
        run.end_warm_up()

    def part(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(f"{prefix}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{prefix}.")
        }

    for prefix, module in _modules(run).items():
        module.load_state_dict(part(prefix))
    for prefix, state in _states(run).items():
        held = part(prefix)
        state.update({name: held[name].to(run.device) for name in state})
    warming = run.warming
    if facts.get("phase") != "done":
        unpack_optimiser(run.optimiser if warming is None else warming.optimiser, tensors)
    if warming is None:
        run.step = int(facts["step"])
    else:
        warming.step = int(facts["step"])
        warming.resize(int(facts.get("warm_batch") or warming.stream.size))
    budget = run.budget if warming is None else warming.budget
    budget.read(facts.get("budget") or [facts["total"], facts["fixed"], True, 0, 0.0])
    run.pace.seconds, run.pace.steps = facts.get("pace", (0.0, 0))
    run.opening.end = facts.get("opening_end")
    run.spent = float(facts["seconds"])
    run.precision = getattr(torch, facts["precision"])
    run.predictor.precision = run.precision
    run.slower = float(facts.get("slower", 1.0))
    labelled, unlabelled = facts.get("sizes", run.pool.sizes)
    run.resize((int(labelled), int(unlabelled)))
    if facts.get("scaler"):
        run.scaler.load_state_dict(facts["scaler"])
    run.watch.read(facts.get("watch", {}))
    run.notes = list(facts.get("notes", []))
    run.best.read(run.folder)
    run.began = time.monotonic()


def labels_digest(data: TrainingData) -> str:
    """A fingerprint of what is learned and which rows are audited; it says nothing of the items.

    >>> import numpy as np
    >>> from sslcore.training.data import TaskLabels
    >>> def digest(label_N, audit_row_A):
    ...     task = TaskLabels("a", "single", 2, np.array(label_N), np.array(audit_row_A), np.zeros(1, int))
    ...     return labels_digest(TrainingData("text", [task], feature_ND=np.zeros((3, 4))))
    >>> digest([0, 1, -1], [2]) == digest([0, 1, -1], [2])
    True
    >>> len({digest([0, 1, -1], [2]), digest([1, 0, -1], [2]), digest([0, -1, -1], [1])})
    3
    """
    found = hashlib.sha256()
    for task in (*data.trainable(), *data.valued()):
        found.update(task.name.encode())
        found.update(np.asarray(task.label_N, dtype=np.int64).tobytes())
        found.update(np.asarray(task.audit_row_A, dtype=np.int64).tobytes())
        if task.value_N is not None:
            # all that says "nobody answered" is one NaN
            found.update(np.nan_to_num(np.asarray(task.value_N, dtype=np.float64), nan=-np.inf).tobytes())
    return found.hexdigest()


def _refuse_another(run: _Run, facts: dict[str, Any]) -> None:
    here: dict[str, Any] = {
        "recipe": run.recipe,
        "tasks": [[shape.name, shape.classes] for shape in run.all_shapes],
        "items": len(run.data),
        "preprocess": Preprocess.parse(json.loads(json.dumps(run.preprocess.as_dict()))),
    }
    there = {name: facts.get(name) for name in here}
    there["recipe"] = Recipe.parse(facts["recipe"])
    there["preprocess"] = Preprocess.parse(facts["preprocess"])
    differing = [name for name in here if here[name] != there[name]]
    if differing:
        raise RecipeError(
            f"The checkpoint in {run.folder} is of another {differing[0]}. "
            f"Expected: {here[differing[0]]}. Received: {there[differing[0]]}. "
            "Start a new run instead of resuming this one."
        )
    if facts.get("labels") not in (None, labels_digest(run.data)):  # checkpoints from before do not say
        raise RecipeError(
            f"The checkpoint in {run.folder} is of other labels. Expected: the labels and audited items that "
            "its run began with. Received: others. Start a new run instead of resuming this one."
        )


def _modules(run: _Run) -> dict[str, torch.nn.Module]:
    """All modules of the phase, by their prefix."""
    if run.warming is not None:
        return {
            "network": run.network,
            "average": run.warming.average.network,
            "own": run.warming.warm.own,
        }
    return {
        "network": run.network,
        "average": run.average.network,
        "own": run.method.own,
        "balancing_own": run.balancing.own,
    }


def _states(run: _Run) -> dict[str, dict[str, Tensor]]:
    """All loose tensors of the phase, by their prefix."""
    if run.warming is not None:
        return {"warm": run.warming.warm.state}
    return {
        "method": run.method.state,
        "balancing": run.balancing.state,
        "transfer": run.transfer.state,
    }
