"""``torch.compile`` for the backbone, where the machine can.

Compiling costs half a minute or more and pays on a GPU. It is tried on a copy, forward and backward, so that
a machine without a compiler goes on uncompiled and says so, and no statistics of the network move.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from sslcore.models.network import Network


def compile_backbone(network: Network, view_B: Tensor, precision: torch.dtype) -> str:
    """Compiles the backbone in place; why not, where that fails.

    Args:
        network: The network in training mode.
        view_B: A few items as the network reads them.
        precision: What is computed in.
    """
    trial = copy.deepcopy(network)
    try:
        with torch.random.fork_rng(devices=[view_B.device] if view_B.device.type == "cuda" else []):
            trial.backbone.compile()
            with torch.autocast(view_B.device.type, precision, enabled=precision != torch.float32):
                total = torch.stack([logits_BC.sum() for logits_BC in trial(view_B)]).sum()
            total.backward()  # type: ignore[no-untyped-call]
    except (
        Exception
    ) as error:  # compilers fail in ways without number: missing, too old, out of temporary space
        first = str(error).strip().partition("\n")[0][:200]
        return f"The network could not be compiled and runs uncompiled ({type(error).__name__}: {first})."
    network.backbone.compile()
    return ""
