"""Names of networks that a library brings: ``timm:resnet18``, ``torchvision:resnet18?pretrained=false``.

Without a question mark the weights that the library offers are loaded (they are downloaded where they are
not kept yet); ``?pretrained=false`` starts from random ones and asks no network. Torch is not imported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sslcore.errors import UnknownNameError

LIBRARIES = {"timm": "sslcore.models.timm_network", "torchvision": "sslcore.models.torchvision_network"}
"""Module of each library of image networks."""
PATTERN = rf"({'|'.join(LIBRARIES)}):([A-Za-z0-9_.\-]+)(?:\?pretrained=(true|false))?"
"""What a name has to look like."""


@dataclass(frozen=True)
class LibraryName:
    """A network of a library."""

    library: str
    model: str
    pretrained: bool


def parse_name(name: str) -> LibraryName:
    """Reads a name with a prefix.

    Raises:
        UnknownNameError: It does not have the form.

    >>> parse_name("timm:resnet18?pretrained=false")
    LibraryName(library='timm', model='resnet18', pretrained=False)
    """
    found = re.fullmatch(PATTERN, name)
    if found is None:
        raise UnknownNameError(
            f"A network of a library is named LIBRARY:MODEL or LIBRARY:MODEL?pretrained=false, the library "
            f"being one of: {', '.join(LIBRARIES)}. Received: {name!r}."
        )
    return LibraryName(found[1], found[2], found[3] != "false")


def is_library_name(name: object) -> bool:
    """Whether the name is of such a form.

    >>> is_library_name("timm:resnet18"), is_library_name("small_cnn"), is_library_name("timm:../x")
    (True, False, False)
    """
    return isinstance(name, str) and re.fullmatch(PATTERN, name) is not None
