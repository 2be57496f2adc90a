"""Names that are safe as files on every system.

Keys and class names are anybody's text: they may hold slashes, ``..``, emoji, quotes or ``CON``. What is
written to disk has the letters that are harmless on POSIX and Windows alike, and two that would meet
(also where upper and lower case are one) are told apart by a number. The true names stand in the manifest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?\Z", re.IGNORECASE)
_MAX_BYTES = 120


def safe_name(text: str, *, suffix: str = "") -> str:
    """A file or folder name made of ``text``, ending in ``suffix``.

    >>> safe_name("../../etc/passwd"), safe_name("con"), safe_name(""), safe_name("Löwe 🦁", suffix=".png")
    ('_.._etc_passwd', '_con', '_', 'Löwe 🦁.png')
    """
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text)).strip(" .")
    while len(name.encode()) > _MAX_BYTES:
        name = name[: max(1, len(name) * _MAX_BYTES // len(name.encode()) - 1)].rstrip(" .")
    if not name or _DEVICES.match(name):
        name = f"_{name}"
    return name + suffix


def told_apart(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names made different, also where the disk ignores case: a second "cat.png" is "cat~2.png".

    >>> told_apart(["cat.png", "Cat.png"])
    ['cat.png', 'Cat~2.png']
    """
    seen = {name.casefold() for name in taken}
    out = []
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        if not stem:
            stem, dot, suffix = name, "", ""
        candidate, number = name, 1
        while candidate.casefold() in seen:
            number += 1
            candidate = f"{stem}~{number}{dot}{suffix}"
        seen.add(candidate.casefold())
        out.append(candidate)
    return out
