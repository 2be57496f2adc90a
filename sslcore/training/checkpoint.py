"""A run's state as one safetensors file, whole or not at all.

Tensors and a JSON header travel in the same file, so no crash can part them. It is written beside its place,
flushed to the disk and renamed; a kill at any moment leaves the old checkpoint or the new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sslcore.errors import DataError
from sslcore.files import write_whole


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Saves tensors by name, and JSON-ready facts."""
    packed = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_whole(path, save(packed, metadata={"facts": json.dumps(facts, ensure_ascii=False)}))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what :func:`write_checkpoint` saved.

    Raises:
        DataError: The file is not a checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise DataError(
            f"This is not a checkpoint of a run ({error}). Remove it, or start the run without resuming.",
            file=path,
        ) from None


def pack_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors under flat names."""
    return {
        f"optimiser.{index}.{name}": tensor
        for index, slots in optimiser.state_dict()["state"].items()
        for name, tensor in slots.items()
        if isinstance(tensor, Tensor)
    }


def unpack_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what :func:`pack_optimiser` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, index, slot = name.split(".", 2)
            state.setdefault(int(index), {})[slot] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
