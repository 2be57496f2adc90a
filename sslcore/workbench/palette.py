"""One colour and one key per class, the same on every page.

Colours: Okabe & Ito's set (2008) for up to eight classes; beyond, hues by the golden angle at two
lightnesses, which keeps neighbours apart for any number. Colour is never the only sign: names stand
beside it everywhere.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from sslcore.store import ClassInfo
from sslcore.store.looks import RESERVED_KEYS

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#8C6BB1")
"""Okabe–Ito; its black, which neither theme can show, is replaced by a violet of like lightness."""
UNLABELLED_COLOUR = "#9AA0A6"
DIGITS = "1234567890"
DEFAULT_KEYS = (*DIGITS, *(f"Shift+{digit}" for digit in DIGITS))


def class_colour(info: ClassInfo, count: int) -> str:
    """The colour of a class among ``count`` classes, as ``#RRGGBB``.

    >>> class_colour(ClassInfo(position=0, name="a"), 3)
    '#E69F00'
    >>> class_colour(ClassInfo(position=0, name="a", colour="#123456"), 3)
    '#123456'
    """
    if info.colour:
        return info.colour
    if count <= len(OKABE_ITO):
        return OKABE_ITO[info.position]
    hue = (info.position * 0.381966) % 1.0
    lightness, saturation = ((0.52, 0.70), (0.68, 0.55), (0.40, 0.80))[info.position % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"


def class_hotkeys(classes: Sequence[ClassInfo]) -> list[str | None]:
    """The key of each class, no key twice: the one that was set, else 1–9, 0, then Shift with them.

    Classes that are called by digits have their own digit: who sees a seven presses 7. A class whose key
    another one was given gets the next free one. Beyond twenty there is none.

    >>> def keys(*names):
    ...     return class_hotkeys([ClassInfo(position=p, name=name) for p, name in enumerate(names)])
    >>> keys("cat", "dog"), keys("0", "1", "2")
    (['1', '2'], ['0', '1', '2'])
    >>> keys(*"abcdefghijk")[-2:]
    ['0', 'Shift+1']
    >>> class_hotkeys([ClassInfo(position=0, name="a"), ClassInfo(position=1, name="b", hotkey="1")])
    ['2', '1']
    """
    by_name = all(info.name in tuple(DIGITS) for info in classes)
    # a key that was free when the class got it may have work of its own by now
    own = [None if info.hotkey in RESERVED_KEYS else info.hotkey for info in classes]
    keys = [key or (info.name if by_name else None) for info, key in zip(classes, own, strict=True)]
    taken = set(filter(None, keys))
    for place in range(min(len(classes), len(DEFAULT_KEYS))):
        if keys[place] is None and DEFAULT_KEYS[place] not in taken:
            keys[place] = DEFAULT_KEYS[place]
            taken.add(DEFAULT_KEYS[place])
    free = iter([key for key in DEFAULT_KEYS if key not in taken])
    return [key if key or place >= len(DEFAULT_KEYS) else next(free, None) for place, key in enumerate(keys)]
