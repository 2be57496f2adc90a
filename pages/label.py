"""Label: what is this? One sample at a time, or a grid of them, by keyboard."""

from __future__ import annotations

import streamlit as st

from pages import shell
from pages.components.label_card import label_card
from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.workbench import Workbench

ORDERS = {
    "auto": ("Automatic", "covers the set first, then asks what the machine is unsure of"),
    "uncertain": ("Uncertain", "what the two best classes are closest on"),
    "diverse": ("Diverse", "one typical item from each region that has no label yet"),
    "random": ("Random", "drawn at random"),
}


def order_selector(task: Task) -> str:
    """The order of the questions; kept over reruns, pages and tasks."""
    st.session_state.setdefault("label-order", "auto")
    kept = st.session_state["label-order"]
    chosen = st.segmented_control(
        "Order",
        list(ORDERS),
        default=kept,
        format_func=lambda name: ORDERS[name][0],
        key=f"order-{task.id}",
        help="\n".join(f"- **{title}**: {text}" for title, text in ORDERS.values()),
        label_visibility="collapsed",
    )
    st.session_state["label-order"] = chosen or kept
    return str(st.session_state["label-order"])


def audit_settings(workbench: Workbench) -> None:
    """How many of the questions are audit questions."""
    share = st.slider(
        "Audit questions",
        0,
        50,
        round(100 * workbench.label.audit_share),
        5,
        format="%d %%",
        help="This share of the questions is drawn at random, asked without a suggestion and never trained "
        "on. They are what every figure rests on: twenty of them turn a rough estimate into a sound one.",
    )
    target = st.number_input(
        "Stop at so many audit items", 0, 10_000, workbench.label.audit_target, 10, help="0: ask none."
    )
    changed = share != round(100 * workbench.label.audit_share) or target != workbench.label.audit_target
    if changed:
        workbench.label.set_audit(share=share / 100, target=int(target))


def class_form(workbench: Workbench, task: Task) -> None:
    """A new class, without leaving the page."""
    with st.form(f"new-class-{task.id}", border=False, clear_on_submit=True):
        name = st.text_input("New class", max_chars=200)
        if st.form_submit_button("Add") and name.strip():
            try:
                workbench.label.add_class(task, name)
            except LabelloomError as error:
                st.error(str(error))
            else:
                st.rerun()


# Less air than other pages have: the sample should stand large, with all keys in view.
st.html(
    "<style>[data-testid=stMainBlockContainer] { padding-top: 3.9rem; padding-bottom: 0.5rem; }"
    "[data-testid=stMainBlockContainer] > div > [data-testid=stVerticalBlock] { gap: 0.4rem; }</style>"
)
workbench = shell.bench()
task = shell.task(workbench)
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    order = order_selector(task)
    with st.popover("Audit"):
        audit_settings(workbench)
    with st.popover("Add class"):
        class_form(workbench, task)
if task.kind in ("single", "ordinal"):
    label_card(task, project=workbench.project, token=shell.token(), order=order)
else:
    st.info(
        f"The task “{task.name}” is of kind {task.kind}. This page asks for one class an item; "
        "import labels of other kinds on the Data page."
    )
