"""One quiet line: the six steps of a project, what is done, and the next one."""

from __future__ import annotations

import streamlit as st

from pages.components.words import plain
from sslcore.errors import LabelloomError
from sslcore.workbench import Workbench


def practice_line(bench: Workbench) -> None:
    """The line with a way to the next step; it can be put away and brought back."""
    desk = bench.practice
    try:
        hidden, steps = desk.hidden, desk.steps()
    except LabelloomError:
        return
    if hidden:
        if st.button("Show the six steps", type="tertiary", key="practice:show"):
            desk.hide(False)
            st.rerun()
        return
    following = next((step for step in steps if not step.done), None)
    words = []
    for step in steps:
        name = step.name.capitalize()
        if step.done:
            words.append(f"✓ {name}")
        elif step is following:
            words.append(f"**{name}**")
        else:
            words.append(name)
    with st.container(horizontal=True, vertical_alignment="center", key="practice"):
        st.caption(" → ".join(words), width="content")
        if following is None:
            st.caption("All six done: go round again wherever figures are weakest.", width="content")
        else:
            st.caption(f"Next: {plain(following.todo)}", width="content")
            if following.page != "data.py" and st.button("Go", key="practice:go", type="tertiary"):
                st.switch_page(following.page)
        if st.button(
            "Put away", key="practice:hide", type="tertiary", help="Hides this line in this project"
        ):
            desk.hide()
            st.rerun()
