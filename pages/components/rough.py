"""What the Compare page says while figures rest on few audit answers, whatever the kind of task."""

from __future__ import annotations

import streamlit as st

from pages.components.words import plural
from sslcore.store import Task
from sslcore.workbench import Workbench


def rough_figures(bench: Workbench, task: Task) -> None:
    """How many more audit answers are wanted, and what figures rest on until then; nothing afterwards."""
    needed = bench.compare.audit_needed(task)
    if needed:
        st.info(
            f"Figures are rough: {plural(needed, 'more audit answer')} and they come from the audit split. "
            "While you label, some questions are random audit items; their answers are never trained on. "
            "Until then the instant loop is judged out-of-fold, on labels that it was not shown, "
            "and the others on the few audit answers there are.",
        )
