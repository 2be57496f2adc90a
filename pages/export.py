"""Export: how do I take it away?"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages import shell
from pages.components.words import figure, plain, plural
from sslcore.errors import LabelloomError
from sslcore.store import Task
from sslcore.workbench import Workbench
from sslcore.workbench.export import MODEL

SOURCES = {
    "human": "answers by people",
    "bulk": "accepted or labelled in bulk",
    "imported": "came with the import",
    "pseudo": "the machine's own, as pseudo-labels",
}


def labels(workbench: Workbench, task: Task) -> None:
    """Labels as a file, with where each is from."""
    formats = workbench.export.formats()
    left, right = st.columns([3, 2], gap="large")
    with left:
        names = [choice.name for choice in formats]
        chosen = st.pills("Format", names, default=names[0], required=True, wrap=True) or names[0]
        st.caption(next(plain(choice.title) for choice in formats if choice.name == chosen))
        include = [
            name
            for name, words in SOURCES.items()
            if st.checkbox(words.capitalize(), value=True, key=f"include-{name}")
        ]
        confidence = 0.0
        if "pseudo" in include:
            kinds = {each.kind for each in workbench.tasks()}
            if kinds != {"numeric"}:
                confidence = st.slider("Pseudo-labels from this confidence on", 0.0, 1.0, 0.0, 0.01)
            if "numeric" in kinds:
                st.caption("Numbers have no confidence: all that the machine suggests are written.")
        guard = True
        if chosen in ("csv", "tsv"):
            guard = st.toggle(
                "Safe for spreadsheets",
                value=True,
                help="What a spreadsheet would take for a formula gets an apostrophe before it. "
                "Reading the file back here undoes it.",
            )
    with right, st.container(border=True):
        counts = workbench.export.counts(task, min_confidence=confidence)
        written = sum(counts[name] for name in include)
        total = sum(counts.values())
        st.markdown(f"**{written:,} of {plural(total, 'item')} with a label** for {plain(task.name)}")
        for name in include:
            if counts[name]:
                st.caption(f"{counts[name]:,} {SOURCES[name]}")
        rest = total - written
        if rest:
            st.caption(f"{rest:,} written without a label")
        choices = {"include": tuple(include), "min_confidence": confidence, "guard_formulas": guard}
        take_away(workbench, chosen, f"{chosen}-{include}-{confidence}-{guard}", choices)


def model(workbench: Workbench, task: Task) -> None:
    """The model as safetensors with a card."""
    snapshot = workbench.snapshot(task)
    doubt = workbench.export.model_doubt(task)
    st.markdown(f"**{plain(snapshot.follows.title)}**, for {plain(task.name)}")
    if snapshot.figure.accuracy is not None:
        value, where = figure(snapshot.figure)
        st.caption(f"Accuracy **{value}** ({where}).")
    st.caption(
        "A folder with model.safetensors, labels.json, preprocess.json and card.md. "
        "`sslcore.bundle.load_bundle(folder).predict_proba(items)` uses it."
    )
    if doubt:
        st.info(doubt)
        return
    take_away(workbench, MODEL, f"model-{task.id}-{snapshot.serial}", {"task": task.name})


def take_away(workbench: Workbench, format: str, key: str, choices: dict[str, object]) -> None:
    """Two steps, since a browser can only be given what is written: prepare, then download."""
    held = st.session_state.get("prepared")
    stamp = (workbench.project, key, workbench.store.annotations.newest())
    if held is None or held[0] != stamp or not Path(held[2]).is_file():
        if st.button("Prepare the file", key=f"prepare-{format == MODEL}", type="primary", width="stretch"):
            try:
                with st.spinner("Writing…"):
                    name, path = workbench.export.download(format, **choices)
                if held is not None:
                    workbench.export.put_away(Path(held[2]))
                st.session_state["prepared"] = (stamp, name, str(path))
                st.rerun()
            except (LabelloomError, OSError) as error:
                st.error(plain(error))
        return
    _, name, path = held
    with open(path, "rb") as file:
        st.download_button(f"Download {name}", file, file_name=name, type="primary", width="stretch")
    st.caption("Made from the labels of this moment.")


st.subheader("How do I take it away?", anchor=False)
workbench = shell.bench()
if workbench.store.count() == 0:
    st.info("This project is empty: there is nothing to take away yet.")
    st.stop()
task = shell.task(workbench)
of_labels, of_model = st.tabs(["Labels", "Model"])
with of_labels:
    labels(workbench, task)
with of_model:
    model(workbench, task)
