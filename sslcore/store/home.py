"""Where projects live, and which there are.

The home folder is ``LABELLOOM_HOME``, else ``data/projects`` under the checkout or, for an
installed package, ``~/.labelloom``. A project is a folder of it with a ``project.db``.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from sslcore.errors import ProjectNotFoundError, StoreError
from sslcore.place import CHECKOUT

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def home() -> Path:
    """The folder that holds all projects."""
    chosen = os.environ.get("LABELLOOM_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return CHECKOUT / "data" / "projects" if CHECKOUT else Path.home() / ".labelloom"


def projects(root: Path | None = None) -> list[str]:
    """The names of the projects under ``root``, sorted."""
    folder = root or home()
    if not folder.is_dir():
        return []
    return sorted(path.parent.name for path in folder.glob("*/project.db"))


def project_folder(name: str, root: Path | None = None) -> Path:
    """The folder of a project, whether or not it exists.

    Raises:
        StoreError: The name cannot be a folder's name everywhere.
    """
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    if not _NAME.fullmatch(name) or reserved or name.endswith("."):
        raise StoreError(
            "A project's name has 1 to 64 letters, digits, dots, dashes and underscores, and begins "
            f"with a letter or digit. Received: {name!r}."
        )
    return (root or home()) / name


def existing_project(name: str, root: Path | None = None) -> Path:
    """The folder of a project that exists.

    Raises:
        ProjectNotFoundError: There is none; the message names the ones there are.
    """
    folder = project_folder(name, root)
    if not (folder / "project.db").is_file():
        held = ", ".join(projects(root)) or "none yet: `python -m sslcore demo bbc-news` makes one"
        raise ProjectNotFoundError(f"No project is named {name!r}. There are: {held}.")
    return folder


def secret(root: Path | None = None) -> str:
    """The signing key of this installation: made on first use, readable by its owner alone."""
    folder = root or home()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".secret"
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        for _ in range(100):  # another process may stand between making the file and filling it
            if text := path.read_text():
                return text
        raise StoreError(f"{path} is empty. Delete it; a new key is made at the next start.") from None
    with os.fdopen(handle, "w") as file:
        text = secrets.token_hex(32)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return text
