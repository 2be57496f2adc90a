"""Where the app's own files are: in the checkout, or in the copy that a wheel carries (see ``setup.py``)."""

from __future__ import annotations

import os
from pathlib import Path

_LIBRARY = Path(__file__).resolve().parent
CHECKOUT = _LIBRARY.parent if (_LIBRARY.parent / "app.py").is_file() else None
"""The folder of the project's sources; None where the package was installed from a wheel."""
APP = CHECKOUT or _LIBRARY / "_app"
"""Holds ``app.py``, ``pages/``, ``.streamlit/`` and ``docs/``."""
DOCS = APP / "docs"


def python_path() -> str:
    """``PYTHONPATH`` for a child process: the checkout is not on its path by itself, a package is."""
    held = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(part for part in (str(CHECKOUT or ""), held) if part)
