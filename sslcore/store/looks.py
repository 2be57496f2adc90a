"""What a class may have for a key and for a colour, whoever sets them: a person, or a file that is read.

Both reach the browser: a key must not take the work of another one, a colour must be one and nothing else.
"""

from __future__ import annotations

import re

from sslcore.errors import DataError

RESERVED_KEYS = frozenset("abcdfgklrtux")
"""Letters that do something else on the pages where items are labelled."""


def checked_key(written: str) -> str:
    """A key as the pages name it; "" for none.

    Raises:
        DataError: No digit or letter, alone or with Shift, or one with work of its own.

    >>> checked_key(" Q"), checked_key("shift+q"), checked_key("")
    ('q', 'Shift+Q', '')
    """
    key = written.strip()
    key = f"Shift+{key[6:].upper()}" if key.lower().startswith("shift+") else key.lower()
    if key and (not re.fullmatch(r"(Shift\+)?[0-9A-Za-z]", key) or key in RESERVED_KEYS):
        reserved = ", ".join(sorted(RESERVED_KEYS))
        raise DataError(
            f"A key is a digit, a letter, or one of them with Shift+; {reserved} have work of their own. "
            f"Received: {written!r}."
        )
    return key


def checked_colour(written: str) -> str:
    """A colour, which is written ``#RRGGBB``.

    Raises:
        DataError: Anything else.

    >>> checked_colour("#0072B2")
    '#0072B2'
    """
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", written):
        raise DataError(f"A colour is written #RRGGBB. Received: {written!r}.")
    return written
