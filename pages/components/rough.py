"""What the Compare page says while figures rest on few audit answers, whatever the kind of task."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components.words import plural
from sslcore.store import Task
from sslcore.workbench import Workbench
from sslcore.workbench.advice import Standing, comparable
from sslcore.workbench.compare import Measured


def rough_figures(bench: Workbench, task: Task, found: Sequence[Measured]) -> None:
    """How many more audit answers are wanted, and what figures rest on until then; nothing afterwards."""
    needed = bench.compare.audit_needed(task)
    if not needed:
        return
    until = "Until then models are judged on the few audit answers there are."
    if not comparable(found):
        until = (
            "Until then some are judged out-of-fold, on labels that they were not shown, and others on "
            f"{plural(len(bench.compare.audit(task)), 'audit answer')}: "
            "**such figures cannot be held against each other.**"
        )
    elif any(held.source == "out-of-fold" for held in found):
        until = "Until then models are judged out-of-fold, on labels that they were not shown."
    st.info(
        f"Figures are rough: {plural(needed, 'more audit answer')} and they come from the audit split. "
        f"While you label, some questions are random audit items, which are never trained on. {until}",
    )


def ranked_on(bench: Workbench, task: Task, places: Sequence[Standing]) -> str:
    """What ranks rest on, where figures of models are of different items; nothing where they are not."""
    if not any(place.mixed for place in places):
        return ""
    items = plural(len(bench.compare.audit(task)), "audit item")
    return f"Ranks rest on the {items} alone: the figures are of different items. "
