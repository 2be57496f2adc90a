"""What surrounds every page: the project, the task, the annotator, what runs in the background."""

from __future__ import annotations

import streamlit as st

from pages.routes.access import mint
from sslcore.store import Task, projects
from sslcore.workbench import Workbench


def annotator() -> str:
    """Whose name stands beside the labels."""
    return str(st.session_state.get("annotator", "me"))


def token() -> str:
    """The key with which this session's components call the routes; stable within the session."""
    project = current_project()
    key = ("token", project, annotator())
    if key not in st.session_state:
        st.session_state[key] = mint(project or "", annotator())
    return str(st.session_state[key])


def current_project() -> str | None:
    """The chosen project: of this session, of the address, or the only one there is."""
    names = projects()
    for name in (st.session_state.get("project"), st.query_params.get("project")):
        if name in names:
            return str(name)
    return names[0] if names else None


def choose(project: str) -> None:
    """Makes a project the current one."""
    st.session_state["project"] = project
    st.query_params["project"] = project


def bench() -> Workbench:
    """The current project's workbench; a page that needs one stops with a hint where there is none."""
    project = current_project()
    if project is None:
        st.info("There is no project yet. Load a set on the Data page, or take one of the demos there.")
        if st.button("Go to Data", type="primary"):
            st.switch_page("data.py")
        st.stop()
    choose(project)
    return Workbench.open(project, follow=True)


def task(workbench: Workbench) -> Task:
    """The current task; a page stops with a hint where the project has none."""
    tasks = workbench.tasks()
    if not tasks:
        st.info("This project has no task yet: say on the Data page what is asked of each item.")
        st.stop()
    by_name = {t.name: t for t in tasks}
    chosen = st.session_state.get(f"task:{workbench.project}")
    return by_name.get(str(chosen), tasks[0])


def sidebar() -> None:
    """Project, task, and what runs in the background."""
    names = projects()
    with st.sidebar:
        if not names:
            return
        current = current_project()
        chosen = st.selectbox("Project", names, index=names.index(current) if current in names else 0)
        if chosen != current:
            choose(chosen)
            st.rerun()
        workbench = Workbench.open(chosen, follow=True)
        tasks = workbench.tasks()
        if len(tasks) > 1:
            st.selectbox("Task", [t.name for t in tasks], key=f"task:{workbench.project}")
