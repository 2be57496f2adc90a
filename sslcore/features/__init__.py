"""Features: what an image or a text looks like to a frozen encoder, computed once and kept.

One encoder, one file. Two of them (``pixels``, ``tfidf``) need no weights, no torch and only
seconds; the others read weights that a package ships, or, through a door (``timm:NAME``,
``torchvision:NAME``, ``st:NAME``), weights that a network brings.

>>> sorted(ENCODERS.names())
['efficientnet_lite0', 'minilm', 'pixels', 'tfidf']
>>> find_encoder("tfidf").modality
'text'
"""

from __future__ import annotations

from sslcore.features.encoder import Encoder, Items, find_encoder
from sslcore.registry import Registry

ENCODERS: Registry[type[Encoder]] = Registry("encoder", "sslcore.features")

__all__ = ["ENCODERS", "Encoder", "Items", "find_encoder"]
