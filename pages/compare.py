"""Compare: what works best? Instant models and runs side by side on the audit split."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages import shell
from pages.components import charts, combining
from pages.components.replays import replays
from pages.components.rough import rough_figures
from pages.components.task_figures import compare_answers
from pages.components.words import percent, plain, plural
from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.workbench import Workbench
from sslcore.workbench.compare import MANY_CLASSES, ModelReport
from sslcore.workbench.kinds import CHOICE

workbench = shell.bench()
current = shell.task(workbench)


def overview(bench: Workbench, task: Task, found: list[ModelReport]) -> None:
    """Each model's accuracy, and where the figures come from."""
    rough_figures(bench, task, found)
    st.plotly_chart(charts.accuracy_chart(found), theme="streamlit", config=charts.CONFIG, key="accuracy")


@st.fragment
def models(bench: Workbench, task: Task, found: list[ModelReport]) -> None:
    """One row a model; what is ticked can be adopted or combined."""
    made_of = {f"run:{held.run_id}": combining.weights(held) for held in bench.ensembles.done(task)}
    rows, followed = [], bench.compare.followed(task)
    for entry in found:
        title = entry.candidate.title
        if entry.candidate.key in made_of:
            title = f"{title.partition(':')[0]}: {made_of[entry.candidate.key]}"
        held = entry.report
        row: dict[str, object] = {
            "Model": charts.clipped(("✓ " if entry.candidate.key == followed else "") + title),
        }
        for title, name in FIGURES.items():
            row[title] = "–" if held is None else charts.told(getattr(held, name))
            if title == "Accuracy":  # the first figures are to be seen on a small screen too
                row |= {
                    "Key accuracy": percent(entry.key_accuracy),
                    "Measured on": "nothing yet"
                    if held is None
                    else plural(entry.size, f"{entry.source} item"),
                    "Labels": entry.candidate.labels,
                }
        row["ECE"] = None if held is None else held.ece
        rows.append(row)
    table = pd.DataFrame(rows)
    if all(entry.key_accuracy is None for entry in found):
        table = table.drop(columns="Key accuracy")
    keys = [entry.candidate.key for entry in found]
    chosen = st.dataframe(
        table,
        on_select="rerun",
        selection_mode="multi-row",
        key=combining.ticks_key(bench, task, keys),
        hide_index=True,
        width="stretch",
        column_config={
            "Model": st.column_config.TextColumn(
                width=charts.MODEL_WIDTH, help="✓: Label, Review and Export follow this one."
            ),
            "ECE": st.column_config.NumberColumn(
                format="%.3f", help="Expected calibration error: how far confidence is from being right."
            ),
            "Key accuracy": st.column_config.TextColumn(
                help="Against the hidden answers, on items that nobody labelled. Never used for a decision.",
            ),
        },
    )
    ticked = [found[row].candidate for row in sorted(chosen["selection"]["rows"]) if row < len(found)]
    combining.actions(bench, task, ticked)
    st.caption(
        "In brackets: 90 % intervals. Micro precision, recall and F1 equal accuracy for a single choice."
    )


FIGURES = {
    "Accuracy": "accuracy",
    "Balanced accuracy": "balanced_accuracy",
    "Macro precision": "macro_precision",
    "Macro recall": "macro_recall",
    "Macro F1": "macro_f1",
}


def by_class(entry: ModelReport) -> None:
    """Precision, recall and F1 of each class."""
    if entry.report is None:
        st.caption("There is nothing to measure this model on yet: it needs audit answers.")
        return
    rows = [
        {
            "Class": row.name,
            "Precision": charts.told(row.precision),
            "Recall": charts.told(row.recall),
            "F1": charts.told(row.f1),
            "Items": row.support,
            "Predicted": row.predicted,
        }
        for row in entry.report.per_class
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def confusion(bench: Workbench, task: Task, entry: ModelReport) -> None:
    """What is taken for what: a matrix, or for many classes the worst pairs."""
    if entry.report is None:
        st.caption("There is nothing to measure this model on yet: it needs audit answers.")
        return
    if len(task.classes) <= MANY_CLASSES:
        dark = st.context.theme.type == "dark"
        chart = charts.confusion_chart(task.class_names, entry.report, dark=dark)
        st.plotly_chart(chart, theme="streamlit", config=charts.CONFIG, key="confusion", width="content")
        return
    pairs = bench.compare.confused_pairs(task, entry.report)
    if not pairs:
        st.caption(f"None of the {plural(entry.size, 'item')} is taken for another class.")
        return
    st.caption(f"{len(task.classes)} classes are too many for a matrix. The most confused pairs:")
    rows = [{"Is": p.true, "Taken for": p.given, "Items": p.count, "Share of class": p.share} for p in pairs]
    share = st.column_config.NumberColumn(format="percent")
    table = pd.DataFrame(rows)
    st.dataframe(table, hide_index=True, width="stretch", column_config={"Share of class": share})


def chosen(found: list[ModelReport], label: str, key: str, index: int = 0) -> ModelReport:
    """A select box over the models."""
    by_key = {entry.candidate.key: entry for entry in found}
    picked = st.selectbox(
        label,
        list(by_key),
        index=min(index, len(by_key) - 1),
        format_func=lambda held: by_key[held].candidate.title,
        key=key,
    )
    return by_key[picked]


def calibration(found: list[ModelReport]) -> None:
    """Is a model as often right as it is sure?"""
    measured = {entry.candidate.title: entry for entry in found if entry.report is not None}
    if not measured:
        st.caption("There is nothing to measure on yet.")
        return
    shown = st.multiselect("Models", list(measured), default=list(measured)[:3], key="reliability:models")
    held = [(title, report) for title in shown if (report := measured[title].report) is not None]
    chart = charts.reliability_chart(held)
    st.plotly_chart(chart, theme="streamlit", config=charts.CONFIG, key="reliability")
    st.caption("Above the dotted line a model is right more often than it claims, below it less often.")


def growth(bench: Workbench, task: Task) -> None:
    """How accuracy grew with the labels."""
    with st.spinner("Fitting on the first labels, then on more of them…"):
        curve = bench.compare.learning_curve(task)
    runs = bench.compare.run_points(task)
    if curve is None and not runs:
        st.caption("The curve begins with the first labels, once features are there.")
        return
    st.plotly_chart(charts.curve_chart(curve, runs), theme="streamlit", config=charts.CONFIG, key="curve")
    notes = ["The labels of now, added in the order in which they were given; an import's in random order."]
    if curve is not None:
        notes.append(
            f"Measured on {plural(curve.size, 'audit item')}."
            if curve.source == "audit"
            else f"Rough: out-of-fold, every point on the same {plural(curve.size, 'item')}, each left out "
            "where it was learned from, until the audit split has 20 answers."
        )
        if curve.source != "audit" and runs:
            notes.append("Runs stand where audit answers put them: on other items.")
        if any(point.key_instant is not None for point in curve.points):
            notes.append("Dotted: key accuracy, against hidden answers; never used for a decision.")
    st.caption(" ".join(notes))
    if curve is not None and not curve.whole:
        st.caption("Some points are left out: fitting them takes longer than a page should.")
        st.button("Fit more points", key="curve:more")


def differences(bench: Workbench, task: Task, found: list[ModelReport]) -> None:
    """Items that two models take for different things."""
    if len(found) < 2:
        st.caption("Two models are needed. Start a run on the Train page.")
        return
    left, right = st.columns(2)
    with left:
        first = chosen(found, "One model", "differ:first")
    with right:
        second = chosen(found, "The other", "differ:second", index=1)
    if first.candidate.key == second.candidate.key:
        st.caption("Choose two different models.")
        return
    count, listed = bench.compare.disagreements(task, first.candidate.key, second.candidate.key)
    if not listed:
        st.caption("They agree on every item.")
        return
    st.markdown(f"They differ on **{plural(count, 'item')}**; where both are surest comes first.")
    rows = []
    for item in listed:
        row = {} if item.text is not None else {"Picture": picture(item.item_id, item.sha256)}
        row["One model"] = f"{item.first} {item.first_confidence:.0%}"
        row["The other"] = f"{item.second} {item.second_confidence:.0%}"
        row["Your label"] = item.label or ""
        # last, so that on a small screen it is the item that is cut, and not an answer
        rows.append(row | {"Item": item.key if item.text is None else " ".join(item.text.split())[:300]})
    shape: dict[str, Any] = {
        "Picture": st.column_config.ImageColumn(width="small"),
        "One model": st.column_config.TextColumn(width=150, help=first.candidate.title),
        "The other": st.column_config.TextColumn(width=150, help=second.candidate.title),
        "Your label": st.column_config.TextColumn(width=110),
    }
    tall = None if listed[0].text is not None else 56
    table = pd.DataFrame(rows)
    st.dataframe(table, hide_index=True, width="stretch", row_height=tall, column_config=shape)


def picture(item_id: int, sha256: str) -> str:
    """Where the browser finds a small picture of an item."""
    return f"/labelloom/media/{item_id}?size=128&v={sha256[:12]}&t={shell.token()}"


def page(bench: Workbench, task: Task) -> None:
    """The page."""
    if task.kind not in CHOICE:
        compare_answers(bench, task)
        return
    try:
        found = bench.compare.reports(task)
    except LabelloomError as error:
        st.error(plain(error))
        return
    if not found:
        st.info(f"There is no model to compare yet. {shell.no_model_yet(bench, task)}")
        if st.button("Go to Label", type="primary"):
            st.switch_page("label.py")
        return
    overview(bench, task, found)
    models(bench, task, found)
    combining.progress(bench, task)
    details(bench, task, found)


@st.fragment
def details(bench: Workbench, task: Task, found: list[ModelReport]) -> None:
    """The tabs; only the open one is computed."""
    names = ["Classes", "Confusion", "Learning curve", "Calibration", "Where they differ"]
    classes, confused, curve, reliable, differ = st.tabs(names, on_change="rerun", key="compare:tabs")
    if classes.open:
        with classes:
            by_class(chosen(found, "Model", "classes"))
    if confused.open:
        with confused:
            confusion(bench, task, chosen(found, "Model", "confused"))
    if curve.open:
        with curve:
            growth(bench, task)
    if reliable.open:
        with reliable:
            calibration(found)
    if differ.open:
        with differ:
            differences(bench, task, found)


VIEWS = {"models": "Models of now", "replays": "Replayed labelling"}
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.subheader("What works best?", anchor=False, width="content")
    view = st.segmented_control(
        "View",
        list(VIEWS),
        default="models",
        required=True,
        format_func=VIEWS.__getitem__,
        label_visibility="collapsed",
        key="compare:view",
        width="content",
    )
if view == "replays":
    replays(workbench, current)
else:
    page(workbench, current)
