"""What is done with the models ticked on the Compare page: follow one, combine several, watch it happen."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.components.words import percent, plain, plural
from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.workbench import Workbench
from sslcore.workbench.advice import Standing
from sslcore.workbench.candidates import Candidate
from sslcore.workbench.ensembles import Ensemble
from sslcore.workbench.kinds import CHOICE
from sslcore.workbench.task_reports import TaskFigures


def actions(bench: Workbench, task: Task, ticked: Sequence[Candidate]) -> None:
    """The line below the table: what can be done with what is ticked."""
    if not ticked:
        more = ", or two and more to combine them into one" if task.kind in CHOICE else ""
        st.caption(f"Tick one model to adopt it{more}.")
    elif len(ticked) == 1:
        _one(bench, task, ticked[0])
    else:
        _several(bench, task, ticked)


def ticks_key(bench: Workbench, task: Task, keys: Sequence[str]) -> str:
    """The key of the table's ticks: with another list, or after an action, nothing is ticked."""
    acted = st.session_state.get(f"combining:acted:{bench.project}", 0)
    return f"compare:models:{bench.project}:{task.id}:{acted}:{','.join(keys)}"


def _acted(bench: Workbench) -> None:
    key = f"combining:acted:{bench.project}"
    st.session_state[key] = st.session_state.get(key, 0) + 1
    st.rerun()


def rank(place: Standing) -> str:
    """A model's place among those of its task; = where others share it."""
    return "–" if place.rank is None else f"{place.rank}{' =' if place.tied else ''}"


def evidence(held: Standing | TaskFigures, *, rough: bool = True) -> str:
    """What a model's figures rest on; ``rough``: and whether that is too little."""
    if held.lead is None:
        return "nothing yet"
    return plural(held.size, f"{held.source} item") + (" (rough)" if held.rough and rough else "")


def weights(held: Ensemble) -> str:
    """What the members of an ensemble weigh, for a cell of a table, the heaviest first."""
    rows = sorted(held.members, key=lambda row: -row.weight)
    return " + ".join(f"{row.weight:.0%} {row.key.replace(':', ' ')}" for row in rows)


def progress(bench: Workbench, task: Task) -> None:
    """Ensembles under way; shows itself anew every second while there are any."""
    cards = bench.ensembles.waiting(task)
    live = any(card.live for card in cards)
    if cards:
        st.fragment(_progress, run_every=1.0 if live else None)(bench, task)


def _progress(bench: Workbench, task: Task) -> None:
    cards = bench.ensembles.waiting(task)
    if not any(card.live for card in cards):
        if st.session_state.pop(f"combining:{bench.project}", False):
            if not cards:
                st.toast(f"Run {bench.ensembles.done(task)[0].run_id} is in the table. Tick it to see it.")
            st.rerun()  # the whole page: the table has a new row
    else:
        st.session_state[f"combining:{bench.project}"] = True
        bench.wake()
    for card in cards:
        if card.status == "failed":
            st.warning(f"{plain(card.title)} failed: {plain(card.error or 'no reason given')}")
        elif card.status == "queued":
            ahead = "" if card.position in (None, 1) else f", after {plural(card.position - 1, 'other run')}"
            st.caption(f"⏳ {plain(card.title)}: waits for its turn{ahead}.")
        else:
            st.progress(card.share, f"{plain(card.title)}: {plain(card.note or 'starting')}")


def _one(bench: Workbench, task: Task, candidate: Candidate) -> None:
    """Adopting a model, or going back to the instant loop."""
    followed = bench.compare.followed(task)
    if candidate.kind == "head":
        st.caption(
            "The head alone is shown for comparison. It is a part of the instant loop, which can be adopted."
        )
    elif candidate.key == followed:
        st.caption("✓ Label, Review, the map and Export follow this model.")
    elif candidate.kind == "instant":
        if st.button("Go back to the instant loop", key="compare:back"):
            bench.train.follow_instant(task)
            _acted(bench)
    else:
        _adopt(bench, task, candidate)
    _members(bench, task, candidate)


def _adopt(bench: Workbench, task: Task, candidate: Candidate) -> None:
    run_id = candidate.run_id or 0
    try:
        held = bench.train.adoption(task, run_id)
    except LabelloomError as error:
        st.caption(plain(error))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            f"Adopt run {run_id}",
            type="primary" if held.advice == "adopt" else "secondary",
            disabled=held.advice == "impossible",
            key=f"compare:adopt:{run_id}",
            help="Its suggestions are shown and exported from now on. Labels stay as they are, and the model "
            "of before can be adopted again at any time.",
        )
        st.caption(plain(held.reason), width="stretch")
    if pressed:
        try:
            bench.train.adopt(task, run_id)
        except LabelloomError as error:
            st.error(plain(error))
            return
        _acted(bench)


def _several(bench: Workbench, task: Task, ticked: Sequence[Candidate]) -> None:
    """Combining models, or why that cannot be."""
    keys = [candidate.key for candidate in ticked]
    obstacle = bench.ensembles.obstacle(task, keys)
    needed = bench.compare.audit_needed(task)
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            f"Combine {len(keys)} models",
            type="primary",
            disabled=obstacle is not None,
            key="compare:combine",
            help="Their probabilities are calibrated and weighed on the audit split; its figure comes from "
            "audit answers that were held out of the weights.",
        )
        if obstacle is not None:
            words = plain(obstacle)
        elif needed:
            words = f"All will weigh the same: {plural(needed, 'more audit answer')} and they can be weighed."
        else:
            words = "Each weighs as much as the audit answers say. Adopting what comes of it is up to you."
        st.caption(words, width="stretch")
    if pressed:
        try:
            bench.ensembles.start(task, keys)
        except LabelloomError as error:
            st.error(plain(error))
            return
        st.session_state[f"combining:{bench.project}"] = True
        _acted(bench)


def _members(bench: Workbench, task: Task, candidate: Candidate) -> None:
    """Of an ensemble: what each member weighs and brings."""
    held = next((each for each in bench.ensembles.done(task) if each.run_id == candidate.run_id), None)
    if held is None:
        return
    rows = [
        {
            "Member": row.title,
            "Weight": f"{row.weight:.0%}",
            "Accuracy alone": percent(row.accuracy),
            "It brings": "–" if row.gain is None else f"{100 * row.gain:+.1f} points",
            "Temperature": f"{row.temperature:.2f}",
        }
        for row in held.members
    ]
    helps = {
        "It brings": "Accuracy of the ensemble minus that of the ensemble without this member, on held-out "
        "audit items. Below 0 it does harm; a point or two are chance.",
        "Temperature": "Above 1 the member was too sure of itself and was toned down; below 1 too unsure.",
    }
    shape = {name: st.column_config.TextColumn(help=text) for name, text in helps.items()}
    table = pd.DataFrame(rows)
    st.dataframe(table, hide_index=True, width="stretch", column_config=shape)
    st.caption(plain(held.line))
