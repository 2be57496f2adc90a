"""Which device and which precision, by what is there.

A GPU before the CPU. bfloat16 only where the processor multiplies it in hardware: on a CPU without
AVX512-BF16 or AMX it is emulated and ten times slower than float32. On GPUs without it, float16 with scaled
gradients.
"""

from __future__ import annotations

import torch

from sslcore.errors import RecipeError


def choose_device(wish: str) -> torch.device:
    """The device of a run.

    Args:
        wish: "auto", "cpu", "cuda" or "mps".

    Raises:
        RecipeError: The device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wish == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[wish]:
        has = ", ".join(name for name in there if there[name])
        raise RecipeError(f"This machine has no {wish!r} device. It has: {has}. Choose device 'auto'.")
    return torch.device(wish)


def choose_precision(wish: str, device: torch.device, *, convolutions: bool) -> torch.dtype:
    """What a run is computed in: float32, bfloat16, or float16 with scaled gradients.

    Args:
        wish: "auto", "float32", "bfloat16" or "float16".
        device: Where the run computes.
        convolutions: Whether the network has any; small perceptrons gain nothing.
    """
    if wish != "auto":
        found: torch.dtype = getattr(torch, wish)
        return found
    if not convolutions:
        return torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and _cpu_multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def wait_for(device: torch.device) -> None:
    """Until a device has done all that it was given, for whoever looks at the clock."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _cpu_multiplies_bfloat16() -> bool:
    # not yet public in torch 2.x; a version without them is taken for a processor without the instructions
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in probes)
