"""Review: is the machine right? Look through its labels, accept those above a threshold, take it back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pandas as pd
import streamlit as st

from pages import shell
from pages.components.sample_wall import sample_wall
from pages.components.words import plain, plural, unbroken
from sslcore.errors import LabelloomError
from sslcore.quality.thresholds import Acceptance
from sslcore.shapes import FloatArray
from sslcore.store.facts import Verb
from sslcore.workbench import bulk
from sslcore.workbench.review import SHOWS, Listing, ReviewFilter, evidence, means, sorts

SIZES = (24, 60, 120)
MOST_CLASS_ROWS = 200
VERBS: dict[Verb, str] = {
    "label": "Label as",
    "accept": "Accept suggestions",
    "reject": "Reject",
    "flag": "Flag",
    "clear": "Clear labels",
}

st.html(
    "<style>[data-testid=stMainBlockContainer] { padding: 3.9rem 2rem 0.5rem; }"
    "[data-testid=stMainBlockContainer] [data-testid=stVerticalBlock] { gap: 0.6rem; }"
    "[data-testid=stButtonGroup] button { min-height: 2.5rem; }</style>"
)
workbench = shell.bench()
task = shell.task(workbench)
desk = workbench.review
place = f"{workbench.project}:{task.id}"

if workbench.store.count() == 0:
    st.info("The project has no items yet. Load some on the Data page.")
    st.stop()
several, number = task.kind == "multiple", task.kind == "numeric"


# --- what is done ------------------------------------------------------------------------------


def forget_listing() -> None:
    """The list is made anew on the next run."""
    st.session_state.pop(f"listing:{place}", None)


def tell(words: str, batch: str | None = None, *, bad: bool = False) -> None:
    """What stands at the top of the page until the next action."""
    st.session_state[f"told:{place}"] = (words, batch, bad)


def doing(what: Callable[[], bulk.Done]) -> None:
    """Does something to many items, and says what came of it."""
    try:
        done = what()
    except LabelloomError as error:
        tell(f"Nothing was stored. {error}", bad=True)
        return
    desk.settle(task, done.version)
    tell(done.sentence, done.batch)
    forget_listing()


def take_back(batch: str, words: str = "Undone.") -> None:
    """Undoes an action as a whole, or does an undone one again."""
    try:
        version = desk.undo(batch, annotator=shell.annotator())
    except LabelloomError as error:
        tell(f"Nothing was undone. {error}", bad=True)
        return
    desk.settle(task, version)
    tell(words)
    forget_listing()


def told() -> None:
    """The last action, with its undo beside it."""
    words, batch, bad = st.session_state.get(f"told:{place}", ("", None, False))
    if not words:
        return
    box = st.container(horizontal=True, vertical_alignment="center", border=True)
    box.markdown(f"{'⚠️ ' if bad else ''}{plain(words)}", width="stretch")
    if batch:
        box.button("Undo", key=f"undo-last-{batch}", on_click=take_back, args=(batch,), width="content")


# --- thresholds --------------------------------------------------------------------------------


def own_thresholds() -> dict[int, float | None]:
    """Thresholds that differ from the common one, by class; None accepts nothing."""
    return cast(dict[int, float | None], st.session_state.setdefault(f"own:{place}", {}))


def threshold_by_class(common: float) -> FloatArray:
    """The threshold of every class."""
    threshold_C = np.full(len(task.classes), common)
    for position, value in own_thresholds().items():
        if position < len(threshold_C):
            threshold_C[position] = np.inf if value is None else value
    return threshold_C


def find_common(target: float) -> None:
    """Sets the common threshold to the lowest that reaches a precision."""
    found = desk.suggest_common(task, target)
    if found is None:
        st.session_state[f"found:{place}"] = (
            f"No threshold is known to reach {100 * target:.0f} %: answer more audit questions, or aim lower."
        )
        return
    st.session_state[f"found:{place}"] = ""
    st.session_state[f"common:{place}"] = float(np.floor(found * 1000) / 1000)
    st.session_state[f"own:{place}"] = {}


def find_by_class(target: float) -> None:
    """Sets each class's threshold to the lowest that reaches a precision; nothing where none does."""
    found = desk.suggest(task, target)
    st.session_state[f"own:{place}"] = dict(enumerate(found))
    short = sum(value is None for value in found)
    st.session_state[f"found:{place}"] = (
        f"{plural(short, 'class', 'classes')} of {len(found)} cannot reach {100 * target:.0f} % on the "
        "evidence there is and accept nothing: answer more audit questions, or aim lower."
        if short
        else ""
    )


def edited(key: str, positions: list[int]) -> None:
    """Takes over what was typed into the table."""
    for row, change in st.session_state[key]["edited_rows"].items():
        if "Threshold" in change:
            own_thresholds()[positions[int(row)]] = change["Threshold"]
    st.session_state[f"edits:{place}"] = st.session_state.get(f"edits:{place}", 0) + 1


def expected(row: Acceptance) -> str:
    """Expected precision in a table's cell."""
    if row.precision is None:
        return "not known" if row.accepted else "–"
    held = row.precision
    return f"{100 * held.value:.0f} % ({100 * held.low:.0f}–{100 * held.high:.0f} %)"


def accept_panel(class_index: int | None) -> None:
    """Thresholds, what they accept, how much of it will be right, and the button that accepts."""
    key = f"common:{place}"
    st.session_state.setdefault(key, 0.9)
    left, right = st.columns([2, 5], gap="medium", vertical_alignment="center")
    with left:
        common = st.slider(
            "Accept sets that are right with" if several else "Accept from a confidence of",
            0.0,
            1.0,
            step=0.001,
            key=key,
            format="%.3f",
            help="The probability that all classes of an item are right at once." if several else None,
        )
    threshold_C = threshold_by_class(common)
    preview = desk.preview(task, common if several else threshold_C)
    if preview is None:  # an undo took the last label away this very moment
        return
    with right:
        class_index = None if several else class_index
        chosen = preview.overall if class_index is None else preview.by_class[class_index]
        st.markdown(f"**{unbroken(plain(means(chosen)))}**")
        where = "" if class_index is None else f" as {task.classes[class_index].name}"
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if st.button(
                plain(f"Accept {bulk.items(chosen.accepted)}{where}"),
                type="primary",
                disabled=chosen.accepted == 0,
                key=f"accept:{place}",
                help="One action: one undo takes all of it back. Answers of people, audit answers, flagged "
                "items and items set aside are left alone.",
            ):
                doing(
                    lambda: desk.accept(
                        task, threshold_C, class_index=class_index, annotator=shell.annotator()
                    )
                )
                st.rerun()
            with st.popover("Find thresholds…"):
                target = st.number_input(
                    "Wanted precision (%)", 50.0, 99.9, 95.0, 0.5, key=f"target:{place}", format="%.1f"
                )
                st.caption(
                    "The lowest threshold whose expected precision reaches it, on the evidence there is."
                )
                st.button(
                    "One for all classes", on_click=find_common, args=(target / 100,), key=f"find:{place}"
                )
                if not several:
                    st.button(
                        "One for each class",
                        on_click=find_by_class,
                        args=(target / 100,),
                        key=f"each:{place}",
                    )
            if own_thresholds():
                st.button("Same for all", on_click=lambda: own_thresholds().clear(), key=f"reset:{place}")
        if st.session_state.get(f"found:{place}"):
            st.caption(plain(st.session_state[f"found:{place}"]))
    if several:
        return
    with st.expander("Thresholds by class"):
        class_table(preview.by_class, threshold_C)


def class_table(rows: list[Acceptance], threshold_C: FloatArray) -> None:
    """One row a class, its threshold to be typed over."""
    suggested_C = desk.suggested_classes(task)
    order = [int(c) for c in np.argsort(-suggested_C, kind="stable") if suggested_C[c] > 0]
    positions = order[:MOST_CLASS_ROWS]
    frame = pd.DataFrame(
        {
            "Class": [task.classes[c].name for c in positions],
            "Suggested": [int(suggested_C[c]) for c in positions],
            "Threshold": [None if np.isinf(threshold_C[c]) else float(threshold_C[c]) for c in positions],
            "Accepts": [rows[c].accepted for c in positions],
            "Expected right": [expected(rows[c]) for c in positions],
            "Evidence": [evidence(rows[c]) if rows[c].evidence else "none" for c in positions],
        }
    ).astype({"Threshold": "float64"})
    key = f"classes:{place}:{st.session_state.get(f'edits:{place}', 0)}"
    st.data_editor(
        frame,
        key=key,
        on_change=edited,
        args=(key, positions),
        hide_index=True,
        disabled=["Class", "Suggested", "Accepts", "Expected right", "Evidence"],
        height=min(320, 38 + 35 * max(len(frame), 1)),
        column_config={
            "Threshold": st.column_config.NumberColumn(
                min_value=0.0, max_value=1.0, step=0.001, format="%.3f", help="Empty: accepts nothing"
            ),
            "Suggested": st.column_config.NumberColumn(format="localized"),
            "Accepts": st.column_config.NumberColumn(format="localized"),
        },
    )
    if len(order) > len(positions):
        st.caption(f"The {len(positions)} most suggested of {len(order):,} classes.")


# --- the list ----------------------------------------------------------------------------------


def filters() -> tuple[ReviewFilter, str]:
    """What to look at, in which order, and as what."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        view = st.segmented_control(
            "View",
            ["wall", "table"],
            default="wall",
            format_func=str.capitalize,
            key=f"view:{place}",
            width=142,
        )
        show = st.selectbox(
            "Show", list(SHOWS), format_func=lambda s: SHOWS[s], key=f"show:{place}", width=195
        )
        chosen = -1
        if not number:
            chosen = st.selectbox(
                "Class",
                range(-1, len(task.classes)),
                format_func=lambda c: "All classes" if c < 0 else task.classes[c].name,
                key=f"class:{place}",
                width=145,
            )
        titles = sorts(task.kind)
        sort = st.selectbox(
            "Order", list(titles), format_func=lambda s: titles[s], key=f"sort:{place}", width=220
        )
        low, high = 0.0, 1.0
        if not number:
            low, high = st.slider("Confidence", 0.0, 1.0, (0.0, 1.0), 0.01, key=f"range:{place}", width=150)
        text = st.text_input(
            "Search", key=f"text:{place}", placeholder="name or text", max_chars=200, width=125
        )
    wanted = ReviewFilter(
        show=show,
        class_index=None if chosen < 0 else chosen,
        low=low,
        high=high,
        text=text,
        sort=sort,
    )
    return wanted, view or "wall"


def listing(wanted: ReviewFilter) -> Listing:
    """The list of a filter; it stays as it is while one works through it."""
    held = st.session_state.get(f"listing:{place}")
    if held is None or held[0] != wanted:
        held = (wanted, desk.listing(task, wanted))
        st.session_state[f"listing:{place}"] = held
        st.session_state[f"page:{place}"] = 1
    return cast(Listing, held[1])


def pager(found: Listing) -> tuple[int, int]:
    """Which page, and how many on it: one line where the window is 1024 wide."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        size = st.selectbox(
            "Items on a page",
            SIZES,
            index=1,
            key=f"size:{place}",
            format_func=lambda n: f"{n} a page",
            label_visibility="collapsed",
            width=122,
        )
        pages = found.pages(size)
        key = f"page:{place}"
        st.session_state[key] = min(max(1, st.session_state.get(key, 1)), pages)

        def turn(by: int) -> None:
            st.session_state[key] = min(max(1, st.session_state[key] + by), pages)

        st.button(
            "←",
            on_click=turn,
            args=(-1,),
            disabled=st.session_state[key] <= 1,
            key=f"back:{place}",
            help="Page before",
        )
        number = st.number_input("Page", 1, pages, key=key, label_visibility="collapsed", width=72)
        st.button(
            "→", on_click=turn, args=(1,), disabled=number >= pages, key=f"next:{place}", help="Next page"
        )
        st.caption(f"of {pages:,}", width="content")
        everything(found)
        recent()
        if workbench.snapshot(task).version != found.version:
            st.button(
                "Renew the list",
                on_click=forget_listing,
                key=f"renew:{place}",
                help="Labels have changed since the list was made; it stays as it is while you work.",
            )
    return int(number), size


def everything(found: Listing) -> None:
    """What can be done to all that is listed, on every page."""
    with st.popover(f"All {bulk.items(len(found))}…", disabled=not len(found)):
        st.caption(
            f"One action on all {bulk.items(len(found))} listed, on every page. One undo takes it back."
        )
        verbs = [
            v for v in VERBS if not (number and v == "label") and not ((several or number) and v == "reject")
        ]
        verb = st.selectbox("Action", verbs, format_func=lambda v: VERBS[v], key=f"all-verb:{place}")
        value = None
        if verb == "label":
            value = st.selectbox(
                "Class to give",
                range(len(task.classes)),
                format_func=lambda c: task.classes[c].name,
                key=f"all-value:{place}",
            )
        people = False
        if verb in ("label", "reject", "clear"):
            people = st.checkbox("Also relabel items labelled by people", key=f"all-people:{place}")
        if st.button("Do it", type="primary", key=f"all-do:{place}"):
            doing(
                lambda: desk.act(
                    task, found.item_ids, verb, value=value, people=people, annotator=shell.annotator()
                )
            )
            st.rerun()


def recent() -> None:
    """The last actions on many items, each with its undo."""
    actions = desk.recent(task)
    with st.popover("Recent…", disabled=not actions, help="Bulk actions, each with its undo."):
        for action in actions:
            line = st.container(horizontal=True, vertical_alignment="center")
            ago = max(0.0, time.time() - action.time)
            when = (
                "just now"
                if ago < 60
                else f"{ago / 60:.0f} min ago"
                if ago < 5400
                else f"{ago / 3600:.0f} h ago"
            )
            line.markdown(plain(f"{action.text}, {when}"), width="stretch")
            if action.redo is None:
                line.button("Undo", key=f"undo-{action.batch}", on_click=take_back, args=(action.batch,))
            else:
                line.button(
                    "Redo", key=f"redo-{action.batch}", on_click=take_back, args=(action.redo, "Done again.")
                )


def nothing(wanted: ReviewFilter) -> None:
    """Why the list is empty, and what to do."""
    snapshot = workbench.snapshot(task)
    if wanted.show == "machine" and not desk.suggests(snapshot):
        st.info(
            f"The machine suggests nothing yet. {shell.no_model_yet(workbench, task)} Its suggestions then "
            "appear here."
        )
    elif wanted == ReviewFilter(sort=wanted.sort) and bool(snapshot.state.labelled_N.all()):
        st.success(
            "Every item has a label. Export takes them home; the order “Label and machine disagree” "
            "shows the doubtful ones."
        )
    else:
        st.info("No item is like that. Widen the filters above.")


wanted, view = filters()
told()
if number:
    told_of = workbench.snapshot(task).number
    wide = wanted.sort == "least" and told_of is not None and bool((told_of.high_N > told_of.low_N).any())
    begins = " The list begins with the widest intervals." if wide else ""
    st.caption(f"Numbers have no threshold to accept them by.{begins}")
if desk.predicts(workbench.snapshot(task)):
    with st.container(border=True, gap="small"):
        accept_panel(wanted.class_index)
found = listing(wanted)
at, size = pager(found)
if not len(found):
    nothing(wanted)
cards: list[dict[str, Any]] = desk.cards(task, found.page(at, size))
sample_wall(
    cards,
    project=workbench.project,
    task=task,
    token=shell.token(),
    version=workbench.snapshot(task).version,
    view="table" if view == "table" else "wall",
)
