"""How a network that already knows something is taught the tasks: which weights move, how fast, how far.

One mode a file. Importing this package does not import torch, so that the app can make forms of the
settings; using a mode does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslcore.registry import Registry

if TYPE_CHECKING:
    from sslcore.transfer.base import Transfer

TRANSFERS: Registry[type[Transfer]] = Registry("transfer", "sslcore.transfer")
