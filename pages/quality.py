"""Quality: can the labels be trusted? Doubtful labels to settle, and how far the machine's word goes."""

from __future__ import annotations

from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from pages import shell
from pages.components import charts
from pages.components.settle_list import About, settle_list
from pages.components.words import percent, plain, plural
from sslcore.quality.intervals import Interval
from sslcore.workbench.later import Answer
from sslcore.workbench.opinions import about
from sslcore.workbench.prospects import Advice
from sslcore.workbench.quality import SIMILARITY
from sslcore.workbench.snapshot import CHOICE
from sslcore.workbench.suspects import CONTRADICTING, OPEN, PARTLY, LabelIssues
from sslcore.workbench.trust import COVERAGES, Calibration, LabelSets

T = TypeVar("T")

SIMILARITIES = (0.95, 0.98, 0.99, 0.995, 0.999)
BY_CLASS = "Labels are judged by what the machine says without them, and by the labelled items near them."
JUDGED = {  # what labels are judged by, by the kind of task
    "single": BY_CLASS,
    "ordinal": BY_CLASS,
    "multiple": "Sets are judged by what the machine says of each class without them: the class that fits "
    "worst counts most.",
    "numeric": "Numbers are judged by what the machine says without them; ± and the hatched band are how far "
    "it usually is off. What lies more than three times as far is listed.",
}
LOOK_EVERY = 1.5  # seconds between two looks at whether a figure was finished or labels have come
DIFFERENCES = {
    "single": "Two classes are the same or are not.",
    "ordinal": "Steps that are farther apart differ more.",
    "multiple": "Sets differ by what they do not share, less where one holds the other (MASI).",
    "numeric": "Numbers differ by their squared distance.",
}
ENOUGH_ITEMS = 10  # items with two answers, below which an agreement is luck

st.html(
    "<style>[data-testid=stMainBlockContainer] { padding: 3.9rem 2rem 0.5rem; }"
    "[data-testid=stMainBlockContainer] [data-testid=stVerticalBlock] { gap: 0.6rem; }"
    "[data-testid=stMetricValue] { font-size: 1.45rem; }</style>"
)
workbench = shell.bench()
task = shell.task(workbench)
desk = workbench.quality
place = f"{workbench.project}:{task.id}"

if workbench.store.count() == 0:
    st.info("The project has no items yet. Load some on the Data page.")
    st.stop()
if not desk.judges(task):
    st.info(f"{plain(task.name)} has no classes yet. Add some on the Data page, under Tasks and classes.")
    st.stop()


# --- waiting without blocking --------------------------------------------------------------------


def known(answer: Answer[T]) -> T | None:
    """The newest finished figure; what cannot be computed is said in its place."""
    if answer.error:
        st.warning(plain(answer.error))
    return answer.value


def stamp() -> tuple[int, int]:
    """What the page depends on: the labels, and the figures finished so far."""
    return workbench.snapshot(task).serial, desk.finished


@st.fragment(run_every=LOOK_EVERY)
def renew(shown: tuple[int, int]) -> None:
    """Runs the page again where there is something newer to show."""
    if stamp() != shown:
        st.rerun()


# --- what stands above ---------------------------------------------------------------------------


def headline() -> None:
    """What more labels would bring, and what waits here, in one line."""
    if not desk.foresees(task):
        st.caption(waiting())
        return
    advice = known(desk.advice(task, patience=0.0))
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        if advice is None:
            st.markdown("Working out what more labels would bring…", width="stretch")
        else:
            st.markdown(f"**{plain(advice.text)}**", help=plain(how_known(advice)), width="stretch")
        st.caption(waiting(), width="content")


def how_known(advice: Advice) -> str:
    """Where the advice comes from."""
    text = "From the learning curve: the instant loop fitted on the first labels, then on more of them."
    if advice.gain is not None:
        judged = plural(advice.size, "label") + " left out in turn"
        if not advice.rough:
            judged = plural(advice.size, "audit answer")
        text += f" Judged on {judged}; in brackets the range that holds what comes of it, nine times in ten."
    if advice.changed is not None and advice.step:
        last = plural(advice.step, "label")
        text += f" The last {last} changed {percent(advice.changed)} of the pseudo-labels."
    return f"{text} {advice.hint}".rstrip()


def waiting() -> str:
    """How much there is to settle."""
    issues, groups = desk.issues(task, patience=0.0).value, desk.groups(task, patience=0.0).value
    strays = desk.outliers(task, patience=0.0).value
    parts = []
    if issues is not None:
        parts.append(plural(len(issues), "doubtful label") + skipped(issues))
    if groups is not None:
        contradicting = groups.count(CONTRADICTING)
        parts.append(
            f"{contradicting:,} {'group contradicts' if contradicting == 1 else 'groups contradict'}"
        )
    if strays is not None:
        parts.append(plural(len(strays), "outlier"))
    return plain(" · ".join(parts))


# --- lists to settle -----------------------------------------------------------------------------


def settle(cases: list[dict[str, Any]], about: About) -> None:
    """The cases, to be settled by keyboard."""
    scale = desk.scale(task)
    settle_list(cases, about, project=workbench.project, task=task, token=shell.token(), scale=scale)


def issues_tab() -> None:
    """Doubtful labels, worst first."""
    looks = desk.second_looks(task, patience=0.0).value
    bar = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    aside = bool(st.session_state.get(f"aside:{place}", False))
    found = known(desk.issues(task, aside=aside))
    if found is None:
        st.caption("Looking through the labels…")
        return
    with bar:
        if found.judged:
            st.caption(
                plain(issue_words(found, aside=aside)),
                width="stretch",
                help=f"{JUDGED[task.kind]} How many of the listed ones are wrong is shown by those "
                "that you settle. Labels that a person has looked at twice are not doubted again.",
            )
        if looks is not None and looks.changed + looks.kept >= 5:
            share = looks.share_changed
            st.caption(
                f"Settled so far: {looks.changed} changed, {looks.kept} kept "
                f"({percent(share.low, 0)[:-2]}–{percent(share.high, 0)} changed).",
                width="content",
            )
        if found.aside:
            st.toggle(f"Also the {plural(found.aside, 'skipped one')}", key=f"aside:{place}")
    about = About(
        "issues",
        len(found),
        empty=no_issues(found),
        finished="All doubtful labels are settled or skipped. New ones appear here as labels come in.",
    )
    cases = desk.issue_cases(task, found)
    settle(cases, about)


def issue_words(found: LabelIssues, *, aside: bool) -> str:
    """How many labels look wrong, and on whose word; ``aside``: those that were skipped are listed too."""
    looks = "looks" if len(found) == 1 else "look"
    text = f"{len(found):,} of {plural(found.judged, 'label')} {looks} wrong{'' if aside else skipped(found)}"
    return f"{text}, by what the machine has learnt; you decide."


def skipped(found: LabelIssues) -> str:
    """How many more were skipped, in brackets."""
    return f" ({found.aside:,} skipped)" if found.aside else ""


def no_issues(found: LabelIssues) -> str:
    """Why the list is empty, and what to do."""
    if workbench.snapshot(task).view is None:
        return "The features are still being computed. Labels can be judged as soon as they are there."
    if not int(workbench.snapshot(task).state.labelled_N.sum()):
        return "There is no label yet. Label some items on the Label page, or import a labelled set on Data."
    if found.missing:
        return (
            f"{plural(found.missing, 'more label')} and they can be judged: with fewer, the machine knows "
            "too little to doubt anybody. Label some more on the Label page."
        )
    if not found.judged:
        return "Every label was given by the machine or looked at twice: there is nothing to doubt."
    but = (
        f" but for {found.aside:,} that {'was' if found.aside == 1 else 'were'} skipped"
        if found.aside
        else ""
    )
    return (
        f"None of the {plural(found.judged, 'label')} looks wrong{but}. "
        "New doubts appear here with new labels."
    )


def duplicates_tab() -> None:
    """Near-duplicates that want one answer."""
    bar = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    threshold = float(st.session_state.get(f"similar:{place}", SIMILARITY))
    found = known(desk.groups(task, threshold=threshold))
    with bar:
        if found is not None:
            parts = [
                (found.count(CONTRADICTING), "contradicting"),
                (found.count(PARTLY), "partly labelled"),
                (found.count(OPEN), "unlabelled"),
                (found.settled, "settled"),
            ]
            told = ", ".join(f"{n:,} {what}" for n, what in parts if n)
            st.caption(f"Near-duplicates: {told or 'none'}.", width="stretch")
        st.selectbox(
            "Similarity from",
            SIMILARITIES,
            index=SIMILARITIES.index(SIMILARITY),
            key=f"similar:{place}",
            label_visibility="collapsed",
            format_func=lambda value: f"alike from {value:g}",
            help="Cosine similarity of the features from which on two items count as near-duplicates.",
            width=165,
        )
    if found is None:
        st.caption("Looking for near-duplicates…")
        return
    nothing = "No two items are that much alike. Lower the similarity above to look further."
    if workbench.snapshot(task).view is None:
        nothing = "The features are still being computed. Near-duplicates can be found when they are there."
    elif found.settled:
        nothing = "Every group of near-duplicates has one label, or was kept apart: nothing is left."
    about = About(f"groups-{threshold:g}", len(found), empty=nothing, finished="All groups are settled.")
    cases = desk.group_cases(task, found)
    settle(cases, about)


def outliers_tab() -> None:
    """Items far from all others."""
    found = known(desk.outliers(task))
    if found is None:
        st.caption("Looking for outliers…")
        return
    if len(found):
        st.caption(
            "Items that are like no other. Label them, set them aside with Space, or flag them for a second "
            "look; what a person has looked at leaves the list."
        )
    nothing = "No item stands apart from all others, or all that do have been looked at."
    if workbench.snapshot(task).view is None:
        nothing = "The features are still being computed. Outliers can be found when they are there."
    about = About("outliers", len(found), empty=nothing, finished="All outliers have been looked at.")
    cases = desk.outlier_cases(task, found)
    settle(cases, about)


# --- figures -------------------------------------------------------------------------------------


def sets_tab() -> None:
    """Sets of classes that hold the true one as often as promised."""
    coverage = st.segmented_control(
        "Coverage",
        COVERAGES,
        default=0.90,
        format_func=lambda share: f"{100 * share:.0f} %",
        key=f"coverage:{place}",
        required=True,
    )
    found = known(desk.label_sets(task, float(coverage or 0.90)))
    if found is None:
        st.caption("Being worked out…")
        return
    if found.missing or found.mean_size is None:
        no_sets(found)
        return
    st.markdown(
        f"Instead of one class, a set that holds the true one for **{100 * found.coverage:.0f} %** of the "
        "items: one class where the machine is sure, several where it is not."
    )
    with st.container(horizontal=True, gap="medium"):
        st.metric("Classes in a set, on average", f"{found.mean_size:.2f}", width="content")
        st.metric("Sets with a single class", percent(found.single), width="content")
        if found.checked is not None:
            st.metric("Coverage seen on the audit", percent(found.checked.value), width="content")
    if found.checked is not None:
        kept = found.checked.high >= found.coverage
        st.caption(
            f"Seen on {plural(found.audit, 'audit answer')}, each left out in turn: "
            f"{ranged(found.checked)}; promised {100 * found.coverage:.0f} %. "
            + ("The promise is kept." if kept else "⚠️ Below the promise: the audit may not be random.")
        )
    table = pd.DataFrame(
        {
            "Classes in the set": [size for size, _ in found.size_count],
            "Items": [n for _, n in found.size_count],
            "Share": [n / found.items for _, n in found.size_count],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        width=520,
        column_config={
            "Share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
            "Items": st.column_config.NumberColumn(format="localized"),
        },
    )
    st.caption(
        f"Of the {plural(found.items, 'item')} without a label. A class is in the set from a probability of "
        f"{found.threshold:.3f} on. The promise holds on average over items, not for each class alone."
    )


def no_sets(found: LabelSets) -> None:
    """Why there are no sets."""
    if found.missing:
        st.info(
            f"{plural(found.missing, 'more audit answer')} and label sets can be given for a coverage of "
            f"{100 * found.coverage:.0f} % ({found.audit:,} so far). Audit questions are random items that "
            "come up while you label, are answered without the machine, and are never trained on; how many "
            "of them come is set under Audit on the Label page."
        )
    elif not found.items:
        st.success("Every item has a label: no set is needed.")
    else:
        st.info("There are no predictions yet. Label a few items on the Label page.")


def calibration_tab() -> None:
    """Is the machine as often right as it is sure?"""
    answer = desk.calibration(task)
    found = known(answer)
    if found is None:
        if answer.fresh:
            st.info(
                "There is nothing to judge confidence on yet. Label a few items on the Label page: labels "
                "left out in turn give a first rough figure, 20 audit answers a sound one."
            )
        else:
            st.caption("Being worked out…")
        return
    if found.rough:
        st.caption(
            f"⚠️ Rough: from {plural(found.size, 'label')} left out in turn. 20 audit answers make it sound."
        )
    with st.container(horizontal=True, gap="medium"):
        calibration_figures(found)
    left, right = st.columns([2, 3], gap="large")
    with left:
        calibration_words(found)
    with right:
        chart = charts.reliability_chart([(found.title, found.report)])
        st.plotly_chart(chart, theme="streamlit", config=charts.CONFIG, key="quality:reliability")


def calibration_figures(found: Calibration) -> None:
    """The error and the temperature."""
    st.metric(
        "Calibration error (ECE)",
        f"{found.report.ece:.3f}",
        width="content",
        help="How far confidence is from being right, on average, in 15 bins of equal width.",
    )
    if found.temperature is not None:
        st.metric(
            "Temperature",
            f"{found.temperature:.2f}",
            width="content",
            help="What the model's own confidence was divided by, as logits: above 1 it was too sure. "
            "Fitted on labels left out in turn; already applied to every probability that is shown.",
        )


def calibration_words(found: Calibration) -> None:
    """What chance alone would make of the error."""
    chance = found.by_chance
    st.markdown(
        f"On {plural(found.size, 'item')}, a model that is exactly as sure as it is right would show "
        f"{chance.value:.3f} ({chance.low:.3f}–{chance.high:.3f}) by chance alone."
    )
    verdict = (
        "So nothing speaks against taking the confidence at its word."
        if found.honest
        else "So the confidence is off by more than chance. Above the dotted line the machine is right more "
        "often than it says; below it, less often."
    )
    st.markdown(verdict)
    st.caption(plain(f"Predictions: {found.title}."))


def agreement_tab() -> None:
    """How far annotators agree."""
    answer = desk.agreement(task)
    found = known(answer)
    if found is None:
        if answer.fresh:
            st.info(
                "No item has answers of two people yet. To get there, let a second person type their name in "
                "the side bar and answer some of the same items again: on the Review page, under “Labelled "
                "by people”, or by finding them with / on the Label page. Imported labels that name their "
                "annotator count too."
            )
        else:
            st.caption("Being worked out…")
        return
    if found.items < ENOUGH_ITEMS:
        st.info(
            f"{plural(found.items, 'item')} with answers of two people so far; from {ENOUGH_ITEMS} on their "
            "agreement can be told."
        )
        return
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Krippendorff's α",
            f"{found.alpha.value:.2f}",
            width="content",
            help="1: full agreement, 0: as by chance. From .80 on labels are usually called reliable, "
            "between .67 and .80 good for tentative conclusions (Krippendorff 2004). "
            + DIFFERENCES[task.kind],
        )
        st.metric("90 % interval", f"{found.alpha.low:.2f} to {found.alpha.high:.2f}", width="content")
        if task.kind in CHOICE:
            st.metric(
                "Fleiss' κ",
                "–" if found.fleiss is None else f"{found.fleiss:.2f}",
                width="content",
                help="Only where every item has as many answers.",
            )
        st.metric("Items with two answers or more", f"{found.items:,}", width="content")
        if found.apart is None:
            st.metric("They differ on", f"{found.differ:,}", width="content")
        else:
            st.metric("Usually apart by", about(found.apart), width="content", help="The mean distance.")
    table: dict[str, list[Any]] = {
        "One": [pair.first for pair in found.pairs],
        "The other": [pair.second for pair in found.pairs],
        "Items": [pair.items for pair in found.pairs],
    }
    if found.apart is None:
        table["They agree on"] = [round(pair.share, 2) for pair in found.pairs]
    else:
        table["Apart by"] = [about(pair.apart or 0.0) for pair in found.pairs]
    if task.kind in CHOICE:
        table["Cohen's κ"] = [pair.kappa for pair in found.pairs]
    else:
        table["α of the two"] = [pair.alpha for pair in found.pairs]
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        width=760,
        column_config={
            "They agree on": st.column_config.NumberColumn(format="percent"),
            "Cohen's κ": st.column_config.NumberColumn(format="%.2f"),
            "α of the two": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    st.caption(
        "The last thing that each person said of an item. Answers given in sight of another's, such as those "
        "on this page, flatter these figures."
    )


def ranged(interval: Interval) -> str:
    """A share with its range."""
    return f"{percent(interval.value)} ({percent(interval.low, 0)[:-2]}–{percent(interval.high, 0)})"


# --- the page ------------------------------------------------------------------------------------

seen = stamp()
top = st.container()
drawers = {"Label issues": issues_tab, "Duplicates": duplicates_tab, "Outliers": outliers_tab}
if task.kind in CHOICE:  # sets and numbers have no such figures
    drawers |= {"Label sets": sets_tab, "Calibration": calibration_tab}
drawers["Agreement"] = agreement_tab
tabs = st.tabs(list(drawers), on_change="rerun", key=f"quality:{place}")
for tab, draw in zip(tabs, drawers.values()):
    if tab.open:
        with tab:
            draw()
with top:  # last, and without waiting: what the open tab shows was worked out meanwhile
    headline()
renew(seen)
