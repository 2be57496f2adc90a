"""Warm starts: what a network learns from the items alone, before it is shown a label.

One a file. Importing this package does not import torch, so that the app can make forms of the settings;
using a warm start does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslcore.registry import Registry

if TYPE_CHECKING:
    from sslcore.pretraining.base import WarmStart

WARM_STARTS: Registry[type[WarmStart]] = Registry("warm start", "sslcore.pretraining")
