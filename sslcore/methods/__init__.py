"""Deep semi-supervised methods, one a file; the training loop knows none of them by name.

A method is a class made from its frozen config. It says which views it wants and gives a loss; the loop owns
data, optimiser, moving averages, evaluation and checkpoints. Importing this package or looking a method up
does not import torch, so the app can make forms of the configs; calling one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslcore.registry import Registry

if TYPE_CHECKING:
    from sslcore.methods.base import Method

METHODS: Registry[type[Method]] = Registry("method", "sslcore.methods")
