"""Compare, for sets and numbers: models ranked on the audit split, adopted from here, and looked into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pages import shell
from pages.components import charts, combining
from pages.components.rough import ranked_on, rough_figures
from pages.components.words import percent, plain, plural
from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.task_metrics import LOWER_IS_BETTER, TITLES
from sslcore.workbench import Workbench
from sslcore.workbench.advice import Standing
from sslcore.workbench.task_reports import TaskFigures

SHOWN = {
    "multiple": (
        "sample_f1",
        "mean_average_precision",
        "subset_accuracy",
        "micro_f1",
        "macro_f1",
        "hamming_loss",
    ),
    "numeric": ("mae", "rmse", "r2"),
}
"""Figures of a kind of task, the one that ranks first."""
MEANS = {
    "sample_f1": "Of each item, twice the classes both given and said over those given and those said; the "
    "mean over items. It ranks.",
    "mean_average_precision": "How far up the items that have a class stand when all are sorted by its "
    "probability; the mean over classes. No cut has a part in it.",
    "subset_accuracy": "Share of items with every class right at once.",
    "hamming_loss": "Share of all yes-or-no answers that are wrong.",
    "mae": "How far off it is in the mean, in the unit of the numbers. It ranks.",
    "rmse": "As the mean error, with large errors counting more.",
    "r2": "Share of the numbers' variance that it explains; below 0 it is worse than their mean.",
}


def compare_answers(bench: Workbench, task: Task) -> None:
    """The page for a multiple-choice or numeric task."""
    try:
        found = {held.candidate.key: held for held in bench.compare.task_figures(task)}
        places = [place for place in bench.advice.standings(task) if place.key in found]
    except LabelloomError as error:
        st.error(plain(error))
        return
    if not places:
        st.info(f"There is no model to compare yet. {shell.no_model_yet(bench, task)}")
        if st.button("Go to Label", type="primary"):
            st.switch_page("label.py")
        return
    ordered = [found[place.key] for place in places]
    rough_figures(bench, task, ordered)
    chart = charts.figures_chart(ordered, SHOWN[task.kind])
    st.plotly_chart(chart, theme="streamlit", config=charts.CONFIG, key="figures")
    _models(bench, task, places, ordered)
    _details(bench, task, ordered)


@st.fragment
def _models(bench: Workbench, task: Task, places: Sequence[Standing], found: Sequence[TaskFigures]) -> None:
    """One row a model, best first; what is ticked can be adopted."""
    names = [name for name in SHOWN[task.kind] if any(name in held.figures for held in found)]
    rows = [_row(place, held, names) for place, held in zip(places, found)]
    shape = {_title(name): st.column_config.TextColumn(help=MEANS.get(name)) for name in names}
    chosen = st.dataframe(
        pd.DataFrame(rows),
        on_select="rerun",
        selection_mode="multi-row",
        key=combining.ticks_key(bench, task, [place.key for place in places]),
        hide_index=True,
        width="stretch",
        column_config={
            "Rank": st.column_config.TextColumn(
                width=55, help="= shares a rank: the audit items do not tell them apart (90 %)."
            ),
            "Model": st.column_config.TextColumn(
                width=charts.MODEL_WIDTH, help="✓: Label, Review and Export follow this one."
            ),
            "Labels": st.column_config.NumberColumn(width=70),
            **shape,
        },
    )
    ticked = [found[row].candidate for row in sorted(chosen["selection"]["rows"]) if row < len(found)]
    combining.actions(bench, task, ticked)
    st.caption(
        f"{ranked_on(bench, task, places)}In brackets: 90 % intervals. ↓: less is better; else more is."
    )


def _row(place: Standing, held: TaskFigures, names: Sequence[str]) -> Mapping[str, object]:
    return {
        "Rank": combining.rank(place),
        "Model": charts.clipped(("✓ " if place.adopted else "") + place.title),
        **{_title(name): charts.told_as(name, held.figures.get(name)) for name in names[:1]},
        "Measured on": combining.evidence(held, rough=False),  # to be seen on a small screen, too
        **{_title(name): charts.told_as(name, held.figures.get(name)) for name in names[1:]},
        "Labels": place.labels,
    }


def _title(name: str) -> str:
    return TITLES[name] + (" ↓" if name in LOWER_IS_BETTER else "")


@st.fragment
def _details(bench: Workbench, task: Task, found: Sequence[TaskFigures]) -> None:
    """One model more closely: class by class, or what it says beside what was given."""
    measured = {held.candidate.key: held for held in found if held.report is not None}
    if not measured:
        return
    titles = {key: held.title for key, held in measured.items()}
    words = "Class by class" if task.kind == "multiple" else "What it says, beside what was given"
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.markdown(f"**{words}**", width="content")
        key = st.selectbox(
            "Model", list(titles), format_func=titles.__getitem__, key=f"figures:model:{task.id}", width=340
        )
    held = measured[key]
    if task.kind == "multiple":
        _by_class(held)
    else:
        _beside(bench, task, held)


def _by_class(held: TaskFigures) -> None:
    rows = [
        {
            "Class": row.name,
            "F1": percent(row.f1),
            "Precision": charts.told(row.precision) if row.predicted else "–",
            "Recall": charts.told(row.recall) if row.support else "–",
            "Items that have it": row.support,
            "Items it is said of": row.predicted,
        }
        for row in held.per_class
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def _beside(bench: Workbench, task: Task, held: TaskFigures) -> None:
    given_J, said_J, audit_J = bench.compare.pairs(task, held.candidate)
    if not len(given_J):
        st.caption("No answer to show it on yet.")
        return
    chart = charts.beside_chart(given_J, said_J, audit_J)
    st.plotly_chart(chart, theme="streamlit", config=charts.CONFIG, key="beside")
    audit, labels = int(audit_J.sum()), int((~audit_J).sum())
    shown = [plural(audit, "audit item")] if audit or not labels else []
    if labels:
        shown.insert(0, f"{plural(labels, 'label')} left out in turn (rough)")
    st.caption(f"{' and '.join(shown)}. On the dotted line it would be right.")
