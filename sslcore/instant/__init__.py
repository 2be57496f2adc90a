"""Instant models: frozen features in, calibrated probabilities for every item out, after each label.

One model a file, each a class whose instances stay warm from label to label. The front door is
:class:`~sslcore.instant.loop.InstantLoop`.

>>> INSTANT["auto"].family
'instant'
"""

from __future__ import annotations

from sslcore.instant.model import Guess, InstantModel, Known
from sslcore.registry import Registry

INSTANT: Registry[type[InstantModel]] = Registry("instant model", "sslcore.instant")

__all__ = ["INSTANT", "Guess", "InstantModel", "Known"]
