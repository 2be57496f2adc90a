"""An import in the background, which also queues the features that the new items need.

Recipe: ``{"source": PATH, "format": NAME or null, "mapping": {…} or null, "options": {…}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslcore.jobs.job import Job
from sslcore.jobs.kinds import KINDS
from sslcore.jobs.prepare import queue_missing


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
        mapping=recipe.get("mapping"),
        options=recipe.get("options"),
        progress=lambda done, total: job.report("import", done, total or 0),
        seed=job.run.seed,
    )
    queue_missing(job.store)
    return report.as_dict()
