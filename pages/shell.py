"""What surrounds every page: the project, the task, the annotator, what runs in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.components.words import duration, figure, plain, plural
from pages.routes.access import mint
from sslcore.store import LIVE, Task, projects
from sslcore.workbench import Workbench
from sslcore.workbench.figures import ENOUGH_AUDIT
from sslcore.workbench.titles import recipe_title


def annotator() -> str:
    """Whose name stands beside the labels."""
    return str(st.session_state.get("annotator") or "me").strip()[:60] or "me"


def token() -> str:
    """The key with which this session's components call the routes; stable within the session."""
    project = current_project()
    key = f"token:{project}:{annotator()}"
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
    if st.query_params.get("project", project) != project:
        st.query_params.pop("task", None)  # it was the other project's
    st.session_state["project"] = project
    st.query_params["project"] = project


def forget() -> None:
    """No project is chosen any more: the one that was is gone."""
    st.session_state.pop("project", None)
    for name in ("project", "task"):
        st.query_params.pop(name, None)


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
    """The current task: of this session, of the address, or the project's first.

    Where there are several, the address names it. A page stops with a hint where the project has none.
    """
    tasks = workbench.tasks()
    if not tasks:
        st.info("This project has no task yet: say on the Data page what is asked of each item.")
        st.stop()
    by_name = {t.name: t for t in tasks}
    named = (st.session_state.get(f"task:{workbench.project}"), st.query_params.get("task"))
    current = next((by_name[name] for name in named if name in by_name), tasks[0])
    if len(tasks) == 1:
        st.query_params.pop("task", None)
    elif st.query_params.get("task") != current.name:
        st.query_params["task"] = current.name
    return current


def no_model_yet(workbench: Workbench, task: Task) -> str:
    """Why the machine says nothing yet, and what to do: label, or wait for the features."""
    labelled = workbench.snapshot(task).state.labelled_N.any()
    under_way = any(row["status"] in ("waiting", *LIVE) for row in workbench.encoder_progress())
    if labelled and under_way:
        return (
            "Labels are there; the features that a first model needs are still being computed. "
            "It follows by itself."
        )
    if task.kind == "numeric":
        return "Give a few numbers on the Label page."
    return "Label a few items of different classes on the Label page."


def style() -> None:
    """Less air than Streamlit's own: what is worked with should be in view without scrolling."""
    st.html(
        "<style>[data-testid=stMainBlockContainer] { padding: 3.9rem 2rem 1.5rem; max-width: 1600px; }"
        "[data-testid=stSidebarUserContent] [data-testid=stVerticalBlock] { gap: 0.6rem; }</style>"
    )


def sidebar() -> None:
    """Project, task, where we stand, what runs in the background, and who is labelling."""
    names = projects()
    if not names:
        return
    current = current_project()
    chosen = st.sidebar.selectbox("Project", names, index=names.index(current) if current in names else 0)
    if chosen != current:
        choose(chosen)
        st.rerun()
    workbench = Workbench.open(chosen, follow=True)
    tasks = workbench.tasks()
    if len(tasks) > 1:
        task_names, key = [t.name for t in tasks], f"task:{workbench.project}"
        if st.session_state.get(key) not in task_names:
            st.session_state[key] = task(workbench).name
        st.sidebar.selectbox("Task", task_names, key=key)
    with st.sidebar:
        standing(workbench, task(workbench) if tasks else None)
        st.text_input(
            "Your name",
            value=annotator(),
            max_chars=60,
            key="annotator",
            help="Stands beside the labels that you give.",
        )


@st.fragment(run_every=2.0)
def standing(workbench: Workbench, current: Task | None) -> None:
    """Labels so far, how right the rest is, and the background work; renewed every two seconds."""
    if current is not None:
        snapshot = workbench.snapshot(current)
        labelled, items = int(snapshot.state.labelled_N.sum()), len(snapshot.state.label_N)
        st.caption(f"{labelled:,} of {plural(items, 'item')} labelled")
        if "mae" in snapshot.figure.also and snapshot.figure.accuracy is None:
            value, words = figure(snapshot.figure)
            st.caption(f"Numbers are off by **{value}** ({words})")
        elif snapshot.figure.accuracy is not None:
            value, words = figure(snapshot.figure)
            what = "The rest" if labelled < items else "The machine alone"
            right = "with every class right" if current.kind == "multiple" else "right"
            st.caption(f"{what}: **{value}** {right} ({words})")
        elif snapshot.follows.run_id is not None and snapshot.figure.size < ENOUGH_AUDIT:
            what = "The rest" if labelled < items else "The machine alone"
            needed = plural(ENOUGH_AUDIT - snapshot.figure.size, "more audit answer")
            st.caption(f"{what}: run {snapshot.follows.run_id} is followed; its figure needs {needed}")
    if workbench.live.error:
        st.warning(plain(workbench.live.error), icon="⚠️")
    live = workbench.store.runs.list(status=LIVE)
    if live:
        workbench.wake()
    for run in [run for run in live if run.status == "running"]:
        done, total = float(run.progress.get("done") or 0), float(run.progress.get("total") or 0)
        left = run.progress.get("eta")
        words = f"{_doing(run.kind, run.recipe)}" + (f", {duration(left)} left" if left else "")
        if str(run.progress.get("note", "")).startswith("waiting for"):
            words += f": {plain(run.progress['note'])}"
        st.progress(min(1.0, done / total) if total else 0.0, words)
    waiting = sum(run.status == "queued" for run in live)
    if waiting:
        st.caption(f"{plural(waiting, 'piece')} of work waiting")


def _doing(kind: str, recipe: Mapping[str, Any]) -> str:
    """What a run does, in two or three words."""
    what = plain(recipe.get("encoder") or "")
    if kind == "train":
        return f"Training {plain(recipe_title(recipe))}"
    return {
        "features": f"Features {what}",
        "map": f"Map of {what}",
        "import": "Importing",
        "simulation": "Simulation",
        "ensemble": "Combining models",
    }.get(kind, plain(kind))
