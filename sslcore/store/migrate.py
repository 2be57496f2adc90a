"""Brings a project's database to the schema of this version, and never back.

The current revision is read with one query; Alembic is imported only where there is work to do,
so opening an up-to-date project costs nothing.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from sslcore.errors import StoreError
from sslcore.store.engine import reading, writing

HEAD = "0001"
"""The newest revision under ``migrations/versions``; a test holds the two together."""

_FOLDER = Path(__file__).parent / "migrations"


def migrate(engine: sa.Engine) -> None:
    """Upgrades the database behind ``engine`` to :data:`HEAD`.

    Raises:
        StoreError: The project was written by a newer version of Labelloom.
    """
    if revision(engine) == HEAD:
        return
    from alembic import command
    from alembic.config import Config as AlembicConfig
    from alembic.util import CommandError

    with writing(engine) as connection:
        config = AlembicConfig()
        config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                "This project was written by a newer version of Labelloom; "
                f"this one knows revision {HEAD}. Update Labelloom to open it. ({error})"
            ) from error


def revision(engine: sa.Engine) -> str | None:
    """The revision the database stands at; None for a new one."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
