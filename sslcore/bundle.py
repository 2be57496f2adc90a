"""Loading of a model that Labelloom exported: one line, whatever trained it.

``preprocess.json`` in the model's folder says of which kind it is; no code is taken from the folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sslcore.errors import DataError


def load_bundle(folder: Path | str) -> Any:
    """The model in a folder; it has ``predict_proba(items)`` and ``classes``.

    Args:
        folder: What an export with ``--format model`` wrote.

    Raises:
        DataError: The folder holds no model that this version knows.
    """
    folder = Path(folder).expanduser()
    try:
        kind = json.loads((folder / "preprocess.json").read_text("utf-8")).get("kind")
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"No model can be read here: {error}.", file=folder) from error
    from sslcore.head_bundle import KIND, load_head

    if kind == KIND:
        return load_head(folder)
    from sslcore.training import bundle

    return bundle.load_bundle(folder)
