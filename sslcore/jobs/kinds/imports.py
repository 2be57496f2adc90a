"""An import in the background: recipe ``{"source": PATH, "format": NAME or null, "options": {…}}``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslcore.jobs.job import Job
from sslcore.jobs.kinds import KINDS


@KINDS.register("import", title="Import", family="job")
def import_(job: Job) -> Mapping[str, Any]:
    """Brings a source in, all of it or nothing; what it left out and why is the result."""
    from sslcore.importing import import_source

    job.give_way()
    recipe = job.run.recipe
    report = import_source(
        job.store,
        Path(recipe["source"]),
        format=recipe.get("format"),
        options=recipe.get("options"),
        progress=lambda done, total: job.report("import", done, total or 0),
        seed=job.run.seed,
    )
    return report.as_dict()
