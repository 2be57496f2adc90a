"""Which one? Three recipes side by side, what they have to beat, and the leaderboard of what was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.components.charts import clipped, told_as
from pages.components.combining import evidence, rank
from pages.components.rough import ranked_on
from pages.components.words import percent, plain, plural
from sslcore import choices
from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.task_metrics import TITLES
from sslcore.training.advice import Counsel
from sslcore.training.advice_rules import NOT_MEASURED
from sslcore.training.proposal import Proposal, Reason
from sslcore.workbench import Workbench
from sslcore.workbench.advice import Standing, Tried, first_words
from sslcore.workbench.kinds import CHOICE

STYLE = (
    "<style>.st-key-advice [data-testid=stHorizontalBlock]:has(> [data-testid=stColumn]) {gap: .75rem}"
    ".st-key-advice [data-testid=stColumn] {display: flex}"
    ".st-key-advice [data-testid=stColumn] > * {flex: 1; min-width: 0}"
    ".st-key-advice [data-testid=stVerticalBlock] {gap: .45rem}"
    ".st-key-advice [data-testid=stColumn] > div > [data-testid=stLayoutWrapper] {flex: 1}"
    ".st-key-advice li {font-size: .88rem; line-height: 1.35; margin-bottom: .15rem}"
    "@media (max-width: 1180px) {"
    ".st-key-advice [data-testid=stHorizontalBlock]:has(> [data-testid=stColumn]) {flex-wrap: wrap}"
    ".st-key-advice [data-testid=stColumn] {min-width: 100%}}</style>"
)
"""Cards of one height, one above the other where the page is narrow."""
WATCHED = 1.5
"""Seconds after which a card looks again what its run is at."""


SETS_AND_NUMBERS = (
    "Nothing is proposed: what was measured so far is about one class an item. Choose a method below: each "
    "learns sets and numbers from their labels, and one that uses unlabelled items also from its own "
    "answers to them."
)


def advice(bench: Workbench, tasks: Sequence[str]) -> None:
    """Three cards with their buttons, what is to beat, and whether labels come first."""
    st.html(STYLE)
    with st.container(key="advice"):
        with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
            heading = st.container(width="content")
            proposes = any(bench.store.task(name).kind in CHOICE for name in tasks)
            with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
                minutes = None
                if proposes:
                    minutes = st.number_input(
                        "Minutes a run",
                        min_value=0.1,
                        max_value=10_000.0,
                        value=None,
                        placeholder="automatic",
                        format="%g",
                        step=1.0,
                        width=170,
                        key=f"advice:minutes:{bench.project}",
                        help="Time budget of each proposal; empty: what suits it.",
                    )
                label, every = st.empty(), st.empty()
        try:
            given = bench.advice.counsel(tasks, minutes=minutes)
        except LabelloomError as error:
            st.warning(plain(error))
            return
        with heading:
            st.markdown(f"**Which one?** {_to_beat(given, bench, tasks)}")
            if not proposes:
                st.caption(SETS_AND_NUMBERS)
            if not proposes:  # that labels come first was measured of one class an item too
                return
        _labels_first(bench, given, tasks)
        if given.labels_first is not None and label.button("Label", key="advice:label"):
            st.switch_page("label.py")
        if not given.proposals:
            return
        words = "Try all three" if len(given.proposals) == 3 else "Try all"
        if every.button(words, help="Queues them one after the other, on the labels of now."):
            _start(bench, tasks, given.proposals)
        for place, column, proposal in zip(range(1, 4), st.columns(len(given.proposals)), given.proposals):
            with column, st.container(border=True):
                _card(bench, tasks, proposal, place)


def preset(bench: Workbench, tasks: Sequence[str], method: str) -> Mapping[str, Any] | None:
    """What a proposal filled the form with, for as long as the form is about its method and tasks."""
    held = st.session_state.get(f"preset:{bench.project}")
    if held and held["method"] == method and held["tasks"] == list(tasks):
        return dict(held)
    return None


def leaderboard(bench: Workbench, task: Task) -> None:
    """The models of the task, best first; those that cannot be told apart share a rank."""
    try:
        found = bench.advice.standings(task)
    except LabelloomError:
        return
    if not any(held.kind in ("run", "ensemble") for held in found):
        return
    runs = sum(held.kind in ("run", "ensemble") for held in found)
    lead = found[0]
    first = sum(held.rank == lead.rank for held in found)
    if lead.rank is None:
        words = "nothing is measured yet"
    else:
        words = f"{first} models share rank 1" if first > 1 else f"{plain(lead.title)} leads"
    with st.expander(f"What has worked best here: {words} ({plural(runs, 'run')})"):
        _table(bench, task, found)


def _table(bench: Workbench, task: Task, found: Sequence[Standing]) -> None:
    table = pd.DataFrame([_cells(held) for held in found])
    if all(held.key_accuracy is None for held in found):
        table = table.drop(columns="Key accuracy")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={
            "Rank": st.column_config.TextColumn(
                width=70, help="= shares a rank: the audit items do not tell them apart (90 %)."
            ),
            "Model": st.column_config.TextColumn(width=320, help="✓: Label, Review and Export follow it."),
            "Labels at start": st.column_config.NumberColumn(width=110),
            "Key accuracy": st.column_config.TextColumn(
                help="Against the hidden answers, on items that nobody labelled. Never used for a decision."
            ),
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        words = ranked_on(bench, task, found) + "In brackets: 90 % intervals. More of each:"
        st.caption(words, width="content")
        if st.button("Compare", type="tertiary", key="advice:compare"):
            st.switch_page("compare.py")


def _cells(held: Standing) -> dict[str, object]:
    """A standing as a row of the table."""
    at_once = held.kind in ("instant", "head")
    return {
        "Rank": rank(held),
        "Model": clipped(("✓ " if held.adopted else "") + held.title, 44),
        f"{TITLES[held.measure]} (90 %)": told_as(held.measure, held.lead),
        "Key accuracy": percent(held.key_accuracy),
        "Measured on": evidence(held),
        "Labels at start": held.labels,
        "Minutes": "at once" if at_once else "–" if held.minutes is None else f"{held.minutes:.1f}",
    }


def _to_beat(given: Counsel, bench: Workbench, tasks: Sequence[str]) -> str:
    if given.beat is None:
        return ""
    value, low, high = given.beat
    facts = bench.advice.situation(tasks).task
    if facts.kind not in CHOICE:
        return ""  # their figures stand in the leaderboard and on Compare, each by its name
    of = f" on {plain(facts.name)}" if len(tasks) > 1 else ""
    if facts.rough:
        return f"To beat: the instant loop{of}, roughly {percent(low, 0)[:-2]} to {percent(high, 0)}."
    return (
        f"To beat: the instant loop{of}, **{percent(value)}** ({percent(low, 0)[:-2]} to {percent(high, 0)})."
    )


def _labels_first(bench: Workbench, given: Counsel, tasks: Sequence[str]) -> None:
    """Says so where labels are likely to bring more than any run."""
    if given.labels_first is None:
        return
    more = None
    if given.proposals:
        fewest = bench.store.task(bench.advice.situation(tasks).task.name)
        asked = bench.advice.prospect(fewest, patience=0.3)
        more = None if asked is None else asked.value
    gain = "" if more is None or more.gain is None else f" {plain(more.text)}"
    words = f"**{first_words(more)}** {plain(given.labels_first.text)}{gain}"
    where = f" :gray[{plain(_where(given.labels_first.source))}]" if given.labels_first.source else ""
    st.info(words + where, width="stretch")


def _card(bench: Workbench, tasks: Sequence[str], proposal: Proposal, place: int) -> None:
    st.markdown(f"**{place} · {plain(proposal.title)}**")
    st.caption(f"{plain(_choices(proposal))} · about {_about(proposal.minutes)}")
    st.markdown("\n".join(f"- {_reason(reason)}" for reason in proposal.reasons))
    live = _live(bench.advice.tried(tasks, proposal))
    st.fragment(_trying, run_every=WATCHED if live else None)(bench, list(tasks), proposal, live)


def _trying(bench: Workbench, tasks: list[str], proposal: Proposal, was_live: bool) -> None:
    """What the newest run of a proposal is at, and its buttons; anew every moment while the run is live."""
    tried = bench.advice.tried(tasks, proposal)
    if was_live and not _live(tried):
        st.rerun()  # the whole page: the leaderboard has a new row, and nothing is left to watch
    if tried is not None:
        st.caption(_gave(tried))
    with st.container(horizontal=True):
        words = "Start this" if tried is None else "Start again"
        if st.button(words, key=f"advice:start:{proposal.key}", disabled=_live(tried)):
            _start(bench, tasks, [proposal])
        if st.button(
            "Change it first",
            key=f"advice:change:{proposal.key}",
            type="tertiary",
            on_click=_fill,
            args=(bench, tasks, proposal),
            help="Fills the form below with it.",
        ):
            st.rerun()  # the form is outside of this part of the page


def _live(tried: Tried | None) -> bool:
    return tried is not None and tried.run.live


def _reason(reason: Reason) -> str:
    """A reason with the place of its figure; what was not measured is greyed."""
    if reason.source:
        return f"{_kept(plain(reason.text))} :gray[{plain(_where(reason.source))}]"
    return f":gray[{plain(reason.text)}]" if reason.text.endswith(f"{NOT_MEASURED}.") else plain(reason.text)


def _kept(text: str) -> str:
    """Text whose percent signs stay on the line of their number."""
    return text.replace(" %", "\u00a0%")


def _choices(proposal: Proposal) -> str:
    """The recipe in its choices' titles."""
    titles = {held["name"]: str(held["title"]) for held in choices.methods()}
    parts = [titles.get(proposal.method, proposal.method)]
    backbone = str(proposal.train_config.get("backbone", "auto"))
    if proposal.encoder != "none":
        parts.append(f"features of {proposal.encoder}")
    elif backbone != "auto":
        parts.append(backbone)
    for part in ("warm_start", "transfer", "sharing", "balancing"):
        if part in proposal.fusion:
            parts.append(titles.get(str(proposal.fusion[part]), str(proposal.fusion[part])))
    return " · ".join(parts)


def _where(source: str) -> str:
    """Where a figure stands: a page of the docs, or the trials that the library's own settings come from."""
    return f"({source.removeprefix('docs/')})" if source.startswith("docs/") else "(the library's own trials)"


def _about(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes >= 1.5 else f"{60 * minutes:.0f} s"


def _gave(tried: Tried) -> str:
    """What a run of the recipe is at, or what it gave."""
    run, place = tried.run, tried.standing
    if run.status != "done" or place is None:
        return f"Run {run.id}: {run.status}" + (f", {run.share:.0%}" if run.status == "running" else "")
    key = "" if place.key_accuracy is None else f" · key accuracy {percent(place.key_accuracy)}"
    if place.lead is None and not place.collapsed:
        return f"Run {run.id} is done; its figures need audit answers{key}"
    where = "shared rank" if place.tied else "rank"
    rough = f", by {plural(place.size, 'audit item')} (rough)" if place.rough and place.mixed else ""
    rough = rough or (", rough" if place.rough else "")
    gave = plain(told_as(place.measure, place.lead))
    if place.collapsed:
        return f"Run {run.id} **collapsed**, so it has no rank ({gave}{rough}){key}. Below it says why"
    return f"Run {run.id} gave **{gave}**: {where} {place.rank}{rough}{key}"


def _start(bench: Workbench, tasks: Sequence[str], proposals: Sequence[Proposal]) -> None:
    """Queues proposals, or says why not."""
    started = []
    for proposal in proposals:
        try:
            started.append(bench.advice.start(tasks, proposal))
        except LabelloomError as error:
            st.error(f"{plain(proposal.title)}: {plain(error)}")
    if started:
        st.session_state[f"run:{bench.project}"] = started[0]
        st.toast(
            f"Run {started[0]} is in the queue." if len(started) == 1 else f"{len(started)} runs are queued."
        )
        if len(started) == len(proposals):
            st.rerun()  # the cards tell of their runs, and the board follows the first


def _fill(bench: Workbench, tasks: list[str], proposal: Proposal) -> None:
    """Has the form below begin with a proposal."""
    before = st.session_state.get(f"preset:{bench.project}") or {"id": 0}
    settings = bench.advice.settings(tasks, proposal)
    st.session_state[f"preset:{bench.project}"] = settings | {
        "id": before["id"] + 1,
        "title": proposal.title,
        "method": proposal.method,
        "tasks": tasks,
    }
    st.session_state["method"] = proposal.method
