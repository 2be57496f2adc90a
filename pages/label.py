"""Label: what is this? One sample at a time, or a grid of them, by keyboard."""

from __future__ import annotations

import streamlit as st

from pages import shell
from pages.components.label_card import card_key, label_card, turn_key
from pages.components.words import plural
from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.workbench import Workbench

ORDERS = {
    "auto": ("Automatic", "covers the set first, then asks what the machine is unsure of"),
    "uncertain": ("Uncertain", "what the machine is least sure of"),
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


SHARING = {
    "ask": ("Ask", "a key (d) gives the answer to them too"),
    "always": ("Always", "every answer goes to them too"),
    "never": ("Never", "they are left alone"),
}


def sharing_settings(workbench: Workbench, task: Task) -> None:
    """Whether an answer is shared with near-duplicates."""
    groups = workbench.label.duplicate_groups(task)
    st.caption(f"{plural(groups, 'group')} of near-duplicates: one of each is asked.")
    chosen = st.radio(
        "Share an answer with near-duplicates",
        list(SHARING),
        index=list(SHARING).index(workbench.label.sharing),
        format_func=lambda name: SHARING[name][0],
        captions=[words for _, words in SHARING.values()],
        help="Shared answers count as given in bulk. Audit questions are never among them.",
    )
    if chosen != workbench.label.sharing:
        workbench.label.set_sharing(chosen)


def class_form(workbench: Workbench, task: Task) -> None:
    """New classes, without leaving the page."""
    with st.form(f"new-class-{task.id}", border=False, clear_on_submit=True):
        names = st.text_input("New class", max_chars=2000, placeholder="several: put commas between")
        if st.form_submit_button("Add") and names.strip():
            try:
                workbench.label.add_classes(task, names)
            except LabelloomError as error:
                st.error(str(error))
            else:
                st.rerun()


def follow_task() -> None:
    """The card shows another task: so do the side bar and the other pages."""
    told = getattr(st.session_state.get(card_key(workbench.project)), "task", None)
    if not told:
        return
    st.session_state[turn_key(workbench.project)] = int(told["turn"])
    if told["name"] in [each.name for each in workbench.tasks()]:
        st.session_state[f"task:{workbench.project}"] = told["name"]


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
    if workbench.label.duplicate_groups(task):
        with st.popover("Near-duplicates"):
            sharing_settings(workbench, task)
    if task.kind != "numeric":
        with st.popover("Add class"):
            class_form(workbench, task)
label_card(
    task,
    workbench.tasks(),
    about={
        "project": workbench.project,
        "token": shell.token(),
        "order": order,
        "sharing": workbench.label.sharing,
    },
    on_task=follow_task,
    turn=st.session_state.get(turn_key(workbench.project), 0),
)
