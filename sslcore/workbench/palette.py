"""One colour and one key per class, the same on every page.

Colours: Okabe & Ito's set (2008) for up to eight classes; beyond, hues by the golden angle at two
lightnesses, which keeps neighbours apart for any number. Colour is never the only sign: names stand
beside it everywhere.
"""

from __future__ import annotations

import colorsys

from sslcore.store import ClassInfo

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#8C6BB1")
"""Okabe–Ito; its black, which neither theme can show, is replaced by a violet of like lightness."""
UNLABELLED_COLOUR = "#9AA0A6"
DIGITS = "1234567890"


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


def class_hotkey(info: ClassInfo) -> str | None:
    """The key that gives a class: 1–9, 0, then Shift with them; None beyond twenty.

    >>> [class_hotkey(ClassInfo(position=p, name="x")) for p in (0, 9, 10, 20)]
    ['1', '0', 'Shift+1', None]
    """
    if info.hotkey:
        return info.hotkey
    if info.position < 10:
        return DIGITS[info.position]
    return f"Shift+{DIGITS[info.position - 10]}" if info.position < 20 else None
