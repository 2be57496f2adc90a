"""Train: can it learn more? Choose a method, start it in the background, watch it, adopt it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from pages import shell
from pages.components.advice import advice, leaderboard, preset
from pages.components.charts import told_as
from pages.components.config_form import WIDTH, config_form, field
from pages.components.live_chart import run_board
from pages.components.words import percent, plain, plural
from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.task_metrics import LEAD
from sslcore.task_metrics import TITLES as TITLES_OF
from sslcore.workbench import Workbench
from sslcore.workbench.adoption import Adoption
from sslcore.workbench.train import RAW

workbench = shell.bench()
current = shell.task(workbench)


def wish(bench: Workbench, task: Task) -> None:
    """The form of a new run."""
    desk = bench.train
    with st.spinner("Reading what the library holds…"):
        methods = {entry["name"]: entry for entry in desk.methods()}
    if not methods:
        st.warning("No background method can be used here. `python -m sslcore doctor` says why.")
        return
    tasks = [task.name]
    if len(bench.tasks()) > 1:
        names = [t.name for t in bench.tasks()]
        tasks = st.multiselect(
            "Tasks to learn together", names, default=tasks, key=f"tasks:{bench.project}:{task.name}"
        )
    usual = bench.train.usual_method(tasks)
    preferred = list(methods).index(usual) if usual in methods else 0
    top = st.container(horizontal=True, vertical_alignment="bottom")
    with top:
        name = st.selectbox(
            "Method",
            list(methods),
            index=preferred,
            format_func=lambda held: methods[held]["title"],
            key="method",
            persist_state="session",
            width=280,
        )
    try:
        defaults = desk.defaults(name, tasks)
    except LabelloomError as error:
        st.warning(plain(error))
        return
    key = f"{bench.project}:{name}:{','.join(tasks)}"
    filled = preset(bench, tasks, name)
    if filled is not None:  # the widgets begin anew, with what the proposal says
        key = f"{key}:{filled['id']}"
        own, shared_values = filled["method_config"], filled["train_config"]
        defaults = replace(defaults, method_config=own, train_config=shared_values, encoder=filled["encoder"])
        st.caption(f"Filled from the proposal “{plain(filled['title'])}”.")
    shared = {param["name"]: param for param in desk.training_params()}
    with top:
        minutes = field(
            shared["minutes"], defaults.train_config["minutes"], key=key, label="Time budget (min)"
        )
        encoder = source(desk.sources(), defaults.encoder, bench.modality, key)
        button = st.container(width=120)  # filled when all choices are known
    beside_button = st.container()
    describe(methods[name])
    if filled is None and name == usual and (words := desk.usual_words(tasks)):
        st.caption(plain(words))
    own = config_form(methods[name]["params"], defaults.method_config, key=key)
    beside = fusion(bench, len(tasks), key, {} if filled is None else filled["fusion"])
    with st.expander("Schedule, sizes and device"):
        rest = [param for param in shared.values() if param["name"] != "minutes"]
        train_config = config_form(rest, defaults.train_config, key=f"{key}:train")
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, 0, help="Everything random in the run follows from it.", width=WIDTH
        )
    st.caption("  \n".join([plain(defaults.reason), *(f"⚠️ {plain(doubt)}" for doubt in desk.doubts(tasks))]))
    wanted: dict[str, Any] = {
        "method_config": own,
        "train_config": train_config | {"minutes": minutes},
        "fusion": beside,
    }
    wanted |= {"encoder": encoder, "seed": int(seed)}
    with beside_button, st.spinner("Looking whether these choices go together…", show_time=False):
        obstacle = desk.obstacle(tasks, name, **wanted)
    if obstacle is not None:
        beside_button.info(plain(obstacle))
    off = obstacle is not None
    if button.button("Start", type="primary", key="start", width="stretch", disabled=off):
        start(bench, tasks, name, wanted)
    started = st.session_state.get(f"run:{bench.project}")
    if started is not None and not off:
        beside_button.caption(f"Run {started} was started: see below")


TITLES = {
    "warm_start": "Warm start",
    "transfer": "Transfer",
    "sharing": "Sharing",
    "balancing": "Balancing",
}
HELP = {
    "warm_start": "What the network learns from all items, without labels, before the method begins.",
    "transfer": "Which weights move, and how fast: of use where the network starts from pretrained weights.",
    "sharing": "How much of the network the tasks have in common.",
    "balancing": "How the tasks' losses are weighed against each other.",
}


def fusion(bench: Workbench, tasks: int, key: str, begin: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe chooses beside its method, with the settings of what is chosen."""
    wanted: dict[str, Any] = {}
    words = "Warm start and transfer" + (", sharing and balancing" if tasks > 1 else "")
    with st.expander(words, expanded=bool(begin)):
        offered = bench.train.fusion(tasks)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            for part, entries in offered.items():
                titles = {name: str(entry["title"]) for name, entry in entries.items()}
                wanted[part] = st.selectbox(
                    TITLES[part],
                    list(titles),
                    index=list(titles).index(begin[part]) if begin.get(part) in titles else 0,
                    format_func=titles.__getitem__,
                    help=HELP[part],
                    key=f"{key}:{part}",
                    width=WIDTH,
                )
        for part, entries in offered.items():
            entry = entries[wanted[part]]
            if wanted[part] != next(iter(entries)):
                describe(entry)
            if entry["params"]:
                st.caption(f"{TITLES[part]}: {entry['title']}")
                own = f"{key}:{part}:{entry['name']}"
                values = begin.get(f"{part}_config", {}) if begin.get(part) == entry["name"] else {}
                wanted[f"{part}_config"] = config_form(entry["params"], values, key=own)
    return wanted


def describe(method: dict[str, Any]) -> None:
    """What a method does, from its own page: the first line, the paper, the rest on demand."""
    first, _, rest = method["text"].partition("\n")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(first.replace("``", "`"), width="content")
        if method["paper"]:
            st.caption(method["paper"], width="content")
        if rest.strip():
            with st.popover("How it works", width="content", type="tertiary"):
                st.markdown(rest.strip().replace("``", "`"))
    if method.get("when"):
        st.caption(f"When: {method['when'].replace('``', '`')}")


def source(sources: list[str], default: str, modality: str, key: str) -> str:
    """What the run learns from: the raw items, or a feature set."""

    def named(held: str) -> str:
        return f"raw {modality}s" if held == RAW else f"features of {held}"

    return str(
        st.selectbox(
            "Learns from",
            sources,
            index=sources.index(default) if default in sources else 0,
            format_func=named,
            help="Raw items train a whole network; frozen features a small one, quickly and on few labels.",
            key=f"{key}:encoder",
            width=WIDTH,
        )
    )


def start(bench: Workbench, tasks: list[str], method: str, wanted: dict[str, Any]) -> None:
    """Queues the run, or says why not."""
    try:
        run_id = bench.train.start(tasks, method=method, **wanted)
    except LabelloomError as error:
        st.error(plain(error))
        return
    st.session_state[f"run:{bench.project}"] = run_id
    st.toast(f"Run {run_id} is in the queue.")


@st.fragment
def watch(bench: Workbench, task: Task) -> None:
    """The runs with their charts, and below them what a finished one would change."""
    selected = st.session_state.get(f"run:{bench.project}")
    classes = {held.name: held.class_names for held in bench.tasks()}
    chosen = run_board(shell.token(), selected=selected, key=f"board:{bench.project}", classes=classes)
    if chosen is None:
        return
    try:
        run = bench.train.run(chosen)
    except LabelloomError:
        return
    if run.status == "done":
        adopt(bench, task, chosen)


ADOPTION = (
    "Adoption changes whose suggestions Label, Review and the map show, which items are asked next, "
    "and what Export takes along. Labels stay as they are, and it can be taken back at any time. "
    "An adopted run does not learn from labels that come later."
)
FOLLOWED = (
    "Label, Review and the map show its suggestions; what is asked next and what Export takes along come "
    "from it too. It does not learn from labels that come later."
)


def adopt(bench: Workbench, task: Task, run_id: int) -> None:
    """A finished run beside the instant loop, with the button that makes the task follow it."""
    try:
        held = bench.train.adoption(task, run_id)
    except LabelloomError as error:
        st.info(plain(error))
        return
    card = bench.train.run(run_id)
    follows = task.name in card.adopted
    with st.container(border=True):
        if follows:
            st.markdown(f"**Run {run_id} is followed for {plain(task.name)}.**")
        else:
            st.markdown(f"**Adopt run {run_id} for {plain(task.name)}?**")
        side_by_side(bench, task, held)
        verdict = {"adopt": st.success, "keep": st.warning, "impossible": st.warning, "unclear": st.info}
        verdict[held.advice](plain(held.reason))
        if card.note and held.reason != card.note:
            st.caption(plain(card.note))
        st.caption(FOLLOWED if follows else ADOPTION)
        if follows and st.button("Go back to the instant loop", key=f"back:{run_id}"):
            bench.train.follow_instant(task)
            st.rerun()
        if not follows and st.button(
            "Adopt this run",
            type="primary" if held.advice == "adopt" else "secondary",
            disabled=held.advice == "impossible",
            key=f"adopt:{run_id}",
        ):
            try:
                bench.train.adopt(task, run_id)
            except LabelloomError as error:
                st.error(plain(error))
                return
            st.rerun()


def side_by_side(bench: Workbench, task: Task, held: Adoption) -> None:
    """Run, instant loop and supervised head by what ranks them, each with where it comes from."""
    rows, measure = [], LEAD[task.kind]
    for title, candidate in (
        ("This run", held.run),
        ("Instant loop", held.instant),
        ("Supervised head alone", held.head),
    ):
        if candidate is None:
            continue
        found = bench.compare.measure(task, candidate)
        measured = "nothing yet" if found.report is None else plural(found.size, f"{found.source} item")
        row: dict[str, object] = {
            "": title,
            f"{TITLES_OF[measure]} (90 % interval)": told_as(measure, found.lead),
            "Measured on": measured + (" (rough)" if found.rough and found.report is not None else ""),
            "Labels": candidate.labels,
        }
        if found.key_accuracy is not None:
            row["Key accuracy"] = percent(found.key_accuracy)
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


st.subheader("Can it learn more?", anchor=False)
learned = st.session_state.get(f"tasks:{workbench.project}:{current.name}") or [current.name]
proposals = st.container()
with st.container(border=True):
    wish(workbench, current)
watch(workbench, current)
with proposals:
    advice(workbench, learned)
    leaderboard(workbench, current)
