"""Several tasks learned together: what they share of the network, and how their losses are weighed.

Two independent choices, each a registry. Importing this package does not import torch, so that the app can
make forms of the settings; using a choice does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslcore.registry import Registry

if TYPE_CHECKING:
    from sslcore.multitask.base import Balancing, Sharing

SHARINGS: Registry[type[Sharing]] = Registry("sharing", "sslcore.multitask.sharing")
BALANCINGS: Registry[type[Balancing]] = Registry("balancing", "sslcore.multitask.balancing")
"""Ways to weigh tasks against each other."""
