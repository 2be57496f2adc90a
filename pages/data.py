"""Data: what do I have?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages import shell
from pages.components.charts import short
from pages.components.practice import practice_line
from pages.components.words import duration, percent, plain, plural
from sslcore.errors import LabelloomError
from sslcore.formats import FORMATS, Inspection, TaskColumn
from sslcore.media import thumbnail
from sslcore.store import LIVE, Task, projects
from sslcore.store.facts import Kind
from sslcore.workbench import Workbench
from sslcore.workbench import data as desk
from sslcore.workbench.palette import class_colour, class_hotkeys

DEMO_WORDS = {
    "bbc-news": "2,225 news articles, 5 topics",
    "digits": "1,797 tiny pictures of digits",
    "mnist-5k": "5,000 handwritten digits, 28×28",
    "fashion-mnist": "10,000 pictures of clothes, 28×28",
    "ag-news": "news headlines, 4 topics",
    "cifar10": "60,000 colour photographs, 10 classes",
    "eurosat": "27,000 satellite tiles, 10 kinds of land",
}
# classes of which an order can still be typed in one line
ORDERED_MOST = 50
KINDS = {
    "single": "one class each",
    "multiple": "any number of classes each",
    "ordinal": "one class each, in an order",
    "numeric": "a number each",
}


# --- overview ------------------------------------------------------------------------------------


def overview(workbench: Workbench) -> None:
    """What the project holds, as figures and one chart a task."""
    held = workbench.data.overview()
    if held.items == 0:
        nothing_yet(workbench)
        return
    practice_line(workbench)
    labelled = held.tasks[0].labelled if held.tasks else 0
    columns = st.columns([1, 1, 1, 1, 1.4], vertical_alignment="center")
    columns[0].metric("Items", f"{held.items:,}", help="Each is one image or one text.")
    columns[1].metric(
        "Labelled",
        f"{labelled:,}",
        help="By people, in bulk, or with the import; for the first task.",
    )
    audit = held.tasks[0].audit if held.tasks else 0
    columns[2].metric(
        "Audit items",
        f"{audit:,}",
        help="A random sample with labels that no model ever learns from. "
        "Every figure of accuracy comes from it.",
    )
    columns[3].metric("Classes", f"{len(held.tasks[0].classes):,}" if held.tasks else "–")
    words, page = ("Start labelling", "label.py") if labelled < held.items else ("Review", "review.py")
    if held.tasks and columns[4].button(words, type="primary", width="stretch"):
        st.switch_page(page)
    if not held.tasks:
        st.info("Nothing is asked yet. Say under “Tasks and classes” what each item should be told by.")
    for task in held.tasks:
        task_chart(task)
    if held.tasks and not held.tasks[0].classes and held.tasks[0].task.kind != "numeric":
        st.info("There is no class to choose from yet. Name some under “Tasks and classes”.")
    elif held.tasks and labelled == 0:
        st.info("Nothing is labelled yet. Ten labels are enough to see the machine's first guesses.")
    encoders(workbench)


def encoders(workbench: Workbench) -> None:
    """What the items are seen by, and what models of other runs could add."""
    offered = workbench.data.learned_encoders()
    if not offered:
        return
    with st.expander("Features that a model learned"):
        st.caption(
            "A finished run's network can look at these items too. A model of another project is a better "
            "start than a general one where the items are alike; one of this project gets a map of its own."
        )
        columns = st.columns([3, 1], vertical_alignment="bottom")
        titles = {learned.name: learned.title for learned in offered}
        chosen = columns[0].selectbox(
            "Model", list(titles), format_func=lambda name: titles[name], key="learned-encoder"
        )
        if columns[1].button("Compute its features", width="stretch"):
            try:
                workbench.data.add_encoder(chosen)
            except LabelloomError as error:
                st.error(plain(error))
                return
            st.rerun()


def nothing_yet(workbench: Workbench) -> None:
    """A project without items: what is on its way, what went wrong, and what to do next."""
    if any(run.live for run in workbench.data.imports()):
        st.caption("Everything else can wait: the items appear here as soon as they are in.")
        return
    st.info("This project is still empty. Add data under “Add data”, or remove it.")
    if st.button("Remove this empty project"):
        try:
            workbench.data.discard()
        except LabelloomError as error:
            st.error(plain(error))
            return
        shell.forget()
        st.rerun()


@st.fragment(run_every=1.5)
def background(workbench: Workbench) -> None:
    """Imports and features under way; falls silent when all is done, and has the page drawn anew then."""
    imports, features = workbench.data.imports(), workbench.encoder_progress()
    live = [run.id for run in imports if run.live]
    live += [row["name"] for row in features if row["status"] in ("waiting", *LIVE)]
    key = f"under-way-{workbench.project}"
    before = st.session_state.get(key, live)
    st.session_state[key] = live
    if set(before) - set(live):
        st.rerun()
    for run in imports:
        if run.live:
            done, total = int(run.progress.get("done", 0)), int(run.progress.get("total") or 0)
            of = f" of {total:,}" if total else ""
            words = f"Importing: {done:,}{of}" if run.status == "running" else "The import begins in a moment"
            st.progress(min(1.0, done / total) if total else 0.0, words)
        elif run.error:
            st.error(f"The import failed and left nothing behind. {plain(run.error)}")
            if st.button("Put away", key=f"failed-{run.id}"):
                workbench.data.put_away()
                st.rerun()
    if not workbench.store.count():
        return
    for row in sorted(features, key=lambda row: row["status"] != "running"):
        if row["status"] in ("done", "cancelled"):
            continue
        name, share = row["name"], row["done"] / max(row["total"], 1)
        if row["status"] == "failed":
            st.error(f"Features {plain(name)}: {plain(row['error'] or 'failed')}")
            if st.button("Go on with it", key=f"again-{name}", help="What was done already is kept."):
                workbench.prepare()
                st.rerun()
            continue
        left = f", about {duration(row['eta'])} left" if row.get("eta") else ""
        waiting = " (waiting)" if row["status"] != "running" else ""
        st.progress(share, f"Features {name}{waiting}: {row['done']:,} of {row['total']:,}{left}")


def task_chart(held: desk.TaskOverview) -> None:
    """How the labels of a task spread over its classes, people's and the machine's."""
    st.markdown(f"##### {plain(held.task.name)}")
    share = percent(held.labelled / max(held.items, 1), 0)
    notes = [KINDS[held.task.kind], f"{plural(held.labelled, 'item')} labelled ({share})"]
    if held.scale is not None:
        notes.append(f"from {held.scale.low:g} to {held.scale.high:g}")
    for count, word in ((held.skipped, "skipped"), (held.flagged, "flagged"), (held.rejected, "rejected")):
        if count:
            notes.append(f"{count:,} {word}")
    st.caption(" · ".join(notes))
    shown = sorted(held.classes, key=lambda c: -(c.by_people + c.by_bulk + c.imported + c.predicted))[:30]
    if not shown:
        return
    if held.task.kind == "ordinal":  # a scale is read from its highest step down
        shown.sort(key=lambda c: -c.position)
    if not any(c.by_people + c.by_bulk + c.imported + c.predicted for c in shown):
        return
    names = [short(c.name, 40) for c in shown]
    chart = go.Figure()
    parts = (
        ("by people", [c.by_people for c in shown], 1.0, ""),
        ("imported", [c.imported for c in shown], 0.7, "/"),
        ("in bulk", [c.by_bulk for c in shown], 0.5, "x"),
        ("machine's guess", [c.predicted for c in shown], 0.32, ""),
    )
    colours = [class_colour(held.task.classes[c.position], len(held.task.classes)) for c in shown]
    for word, counts, opacity, pattern in parts:
        if any(counts):
            chart.add_bar(
                y=list(range(len(shown))),
                x=counts,
                name=word,
                showlegend=True,  # also where all labels have one source: what the pattern means
                orientation="h",
                opacity=opacity,  # of the trace, so that the legend has it too
                marker={"color": colours, "pattern": {"shape": pattern}},
                customdata=names,
                hovertemplate="%{customdata}: %{x:,} " + word + "<extra></extra>",
            )
    chart.update_layout(
        barmode="stack",
        height=110 + 26 * len(shown),
        margin={"l": 0, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        yaxis={"tickvals": list(range(len(shown))), "ticktext": names, "autorange": "reversed"},
        xaxis={"title": "items", "tickformat": ",d"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    st.plotly_chart(chart, width="stretch", key=f"classes-{held.task.id}", config={"displayModeBar": False})
    if len(held.classes) > len(shown):
        st.caption(f"The {len(shown)} largest of {plural(len(held.classes), 'class', 'classes')}.")


# --- classes and settings ------------------------------------------------------------------------


def classes(workbench: Workbench) -> None:
    """Tasks, their classes with keys and colours, and the audit share."""
    for task in workbench.tasks():
        st.markdown(f"##### {plain(task.name)}")
        st.caption(KINDS[task.kind])
        if task.kind == "numeric":
            continue
        if task.classes:
            class_table(workbench, task)
        else:
            st.info("No class yet: name the first ones here, and labelling can begin.")
        with st.form(f"add-{task.id}", border=False, clear_on_submit=True):
            left, right = st.columns([4, 1], vertical_alignment="bottom")
            fresh = left.text_input("More classes", placeholder="one, or several with commas between them")
            if right.form_submit_button("Add", width="stretch") and fresh.strip():
                added = workbench.data.add_classes(task, fresh)
                st.toast(f"{plural(added, 'class', 'classes')} added")
                st.rerun()
    st.divider()
    new_task(workbench)
    st.divider()
    share = workbench.label.audit_share
    chosen = st.slider(
        "Audit questions while labelling",
        0.0,
        0.5,
        share,
        0.05,
        format="percent",
        help="The share of questions that are drawn at random and never trained on. They pay for honest "
        "figures: twenty of them turn a rough estimate into a sound one.",
    )
    if chosen != share:
        workbench.label.set_audit(share=chosen)
        st.rerun()


def class_table(workbench: Workbench, task: Task) -> None:
    """The classes of a task, to be renamed and given keys and colours."""
    size = len(task.classes)
    table = pd.DataFrame(
        {
            "swatch": [swatch(class_colour(info, size)) for info in task.classes],
            "name": [info.name for info in task.classes],
            "key": [key or "" for key in class_hotkeys(task.classes)],
            "colour": [class_colour(info, size) for info in task.classes],
        }
    )
    edited = st.data_editor(
        table,
        key=f"classes-{task.id}-{size}",
        width="content",
        height=min(420, 45 + 35 * size),
        hide_index=True,
        disabled=["swatch"],
        column_config={
            "swatch": st.column_config.ImageColumn("", width=40),
            "name": st.column_config.TextColumn("Class", width=420, required=True, max_chars=200),
            "key": st.column_config.TextColumn(
                "Key", width=100, help="1–9, 0, Shift+1 … or a letter that has no work yet", max_chars=8
            ),
            "colour": st.column_config.TextColumn("Colour", width=120, help="#RRGGBB", max_chars=7),
        },
    )
    if not edited.equals(table) and st.button("Save changes", key=f"save-{task.id}", type="primary"):
        save_classes(workbench, task.id, table, edited)


def swatch(colour: str) -> str:
    """A patch of a colour, as an address that a table can show."""
    return (
        "data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg' width='24' height='24'>"
        f"<rect width='24' height='24' rx='5' fill='%23{colour[1:]}'/></svg>"
    )


def save_classes(workbench: Workbench, task_id: int, before: pd.DataFrame, after: pd.DataFrame) -> None:
    """Stores what was changed in the table of classes."""
    task = next(t for t in workbench.tasks() if t.id == task_id)
    try:
        for position, (old, new) in enumerate(zip(before.to_dict("records"), after.to_dict("records"))):
            changed = {str(key): str(new[key] or "") for key in new if new[key] != old[key]}
            if changed:
                workbench.data.change_class(task, position, **changed)
        st.toast("Saved")
        st.rerun()
    except LabelloomError as error:
        st.error(plain(error))


def new_task(workbench: Workbench) -> None:
    """A form for one more question about each item."""
    box = st.expander("Ask one more thing about each item (a new task)", expanded=not workbench.tasks())
    with box, st.form("task", border=False):
        name = st.text_input("What is asked", placeholder="topic")
        kind = st.selectbox("Kind", list(KINDS), format_func=lambda k: f"{k} – {KINDS[k]}")
        names = st.text_area("Classes", placeholder="one a line", height=120)
        if st.form_submit_button("Add the task", type="primary"):
            try:
                workbench.data.add_task(name, kind=kind, class_names=names)
                st.rerun()
            except LabelloomError as error:
                st.error(plain(error))


# --- adding data ---------------------------------------------------------------------------------


def add_data(current: str | None) -> None:
    """Load by path or by upload: look first, choose columns, then import."""
    st.caption(
        "Folders of images (one folder a class, `_unlabeled/` for the rest), tables (CSV, TSV, JSONL, "
        "Parquet, Excel) of texts or of image paths, and zips of these. Missing labels are normal."
    )
    how = st.segmented_control("From", ["Path on this computer", "Upload"], default="Path on this computer")
    source: Path | None = None
    if how == "Upload":
        file = st.file_uploader(
            "A table or a zip", help="For more than a few hundred MB a path is faster and needs less memory."
        )
        if file is not None:
            key = f"upload:{file.file_id}"
            if key not in st.session_state:
                st.session_state[key] = str(desk.keep_upload(file.name, file))
            source = Path(st.session_state[key])
    else:
        typed = st.text_input("Folder or file", placeholder="/home/me/photos or ~/tickets.csv", key="source")
        source = Path(typed).expanduser() if typed.strip() else None
    if source is None:
        return
    options: dict[str, Any] = {}
    try:
        seen = peek(source)
        st.markdown(f"**{_count(seen)}** · {_format(seen)}")
        if seen.header is not None:
            header = st.checkbox("The first row names the columns", seen.header, key=f"header:{source}")
            if header != seen.header:
                options = {"header": header}
                seen = peek(source, options=options)
        mapping = column_parts(f"{source}:{options}", seen)
        if mapping:
            seen = peek(source, mapping, options)
    except LabelloomError as error:
        st.error(plain(error))
        return
    for warning in seen.warnings:
        st.warning(plain(warning), icon="💬")
    if seen.modality == "image":
        sample_pictures(seen)
    else:
        sample_table(seen)
    target(current, source, seen, {"mapping": mapping or None, "options": options})


def peek(
    source: Path, mapping: dict[str, Any] | None = None, options: dict[str, Any] | None = None
) -> Inspection:
    """A preview, kept for as long as the source is the same: a large archive takes seconds to look into."""
    try:
        changed = source.stat().st_mtime_ns
    except OSError:
        changed = 0
    key = (str(source), changed, repr((mapping, options)))
    held: dict[Any, Inspection] = st.session_state.setdefault("looked", {})
    if key not in held:
        with st.spinner("Looking into it…"):
            seen = desk.look(source, mapping=mapping, options=options)
        for old in [old for old in held if old[:2] != key[:2]]:
            del held[old]
        held[key] = seen
    return held[key]


def column_parts(source: str, seen: Inspection) -> dict[str, Any]:
    """Selects for the parts that columns play, filled with what was guessed."""
    if not seen.columns:
        return {}
    mapping, none = seen.mapping, "–"
    choices = [none, *seen.columns]

    def pick(label: str, value: str | None, box: Any) -> str | None:
        chosen = box.selectbox(
            label, choices, index=choices.index(value) if value in choices else 0, key=f"{label}:{source}"
        )
        return None if chosen == none else str(chosen)

    doubtful = any(desk.takes_numbers_as_names(task, seen) for task in mapping.tasks)
    found = bool((mapping.path or mapping.text) and mapping.tasks)
    with st.expander("What the columns mean", expanded=doubtful or not found):
        first, second, third, fourth = st.columns(4)
        text = pick("Text", mapping.text, first)
        path = pick("Image path", mapping.path, second)
        identity = pick("Id", mapping.id, third)
        split = pick("Split", mapping.split, fourth)
        tasks = st.multiselect(
            "Labels (one task a column)",
            list(seen.columns),
            default=[task.column for task in mapping.tasks],
            key=f"tasks:{source}",
        )
        by_column = {task.column: task for task in mapping.tasks}
        told = [task_kind(by_column.get(name, TaskColumn(name, name)), source, seen) for name in tasks]
        told = [task_order(task, source, seen) for task in told]
    chosen = (text, path, identity, split, told)
    guessed = (mapping.text, mapping.path, mapping.id, mapping.split, list(mapping.tasks))
    if chosen == guessed:
        return {}
    more = mapping.more_text if text == mapping.text else ()
    return {
        "text": text,
        "path": path,
        "id": identity,
        "split": split,
        "tasks": told,
        "more_text": list(more),
    }


def task_kind(guessed: TaskColumn, source: str, seen: Inspection) -> TaskColumn:
    """What kind of answer a column of labels holds, what stands between several classes, what is no label."""
    key = f"{guessed.column}:{source}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox(
            f"“{plain(guessed.column)}” holds",
            list(KINDS),
            index=list(KINDS).index(guessed.kind),
            format_func=lambda name: f"{KINDS[name]} ({name})",
            key=f"kind:{key}",
            width=320,
        )
        separator = guessed.separator
        if kind == "multiple":
            signs = [None, "|", ";", ",", *([separator] if separator not in (None, "|", ";", ",") else [])]
            separator = st.selectbox(
                "Between the classes stands",
                signs,
                index=signs.index(separator),
                format_func=lambda sign: "nothing: each cell is a list" if sign is None else sign,
                key=f"separator:{key}",
                width=240,
            )
        told = replace(guessed, kind=cast(Kind, kind), separator=separator if kind == "multiple" else None)
        told = desk.with_no_label(told, seen)
        words = desk.no_label_choices(told, seen)
        if words:
            taken = st.multiselect(
                "Taken as no label",
                words,
                default=list(told.unlabelled),
                key=f"no-label:{key}:{told.kind}:{told.separator}",
                help="Take a word out of here where it is the name of a class.",
                width=320,
            )
            told = replace(told, unlabelled=tuple(word for word in words if word in taken))
    if desk.takes_numbers_as_names(told, seen):
        st.caption(
            f"“{plain(told.column)}” holds whole numbers, read as names of classes. Say so here where they "
            "are amounts, or steps of a scale: a task keeps its kind."
        )
    return told


def task_order(task: TaskColumn, source: str, seen: Inspection) -> TaskColumn:
    """The order of an ordinal column's classes, as found or as typed."""
    names = desk.usual_order(task, seen) if task.kind == "ordinal" else []
    if not 2 <= len(names) <= ORDERED_MOST:
        return task
    found = " < ".join(names)
    typed = st.text_input(
        f"Order of “{plain(task.column)}”, lowest first", found, key=f"order:{task.column}:{source}:{found}"
    )
    return task if typed.strip() == found else replace(task, order=desk.read_order(typed, names))


def sample_pictures(seen: Inspection) -> None:
    """The first pictures with their labels."""
    for column, record in zip(st.columns(8), seen.sample):
        with column:
            words = ", ".join(_label(label) for label in record.labels.values() if label is not None)
            try:
                if record.media:
                    st.image(thumbnail(record.media, 160)[0], width="stretch")
            except LabelloomError:
                st.caption("cannot be read")
            st.text(_short(words or "no label", 24), help=plain(record.key))


def sample_table(seen: Inspection) -> None:
    """The first items as they would come in."""
    names = sorted({name for record in seen.sample for name in record.labels})
    splits = any(record.split for record in seen.sample)
    rows: list[Mapping[str, Any]] = [
        {
            "item": _short(record.text or record.key, 160),
            **({"split": record.split or ""} if splits else dict[str, Any]()),
            **{name: _label(record.labels.get(name)) for name in names},
        }
        for record in seen.sample[:8]
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def target(current: str | None, source: Path, seen: Inspection, choices: dict[str, Any]) -> None:
    """Into which project, and the button that does it."""
    existing = "Add to the current project"
    where = "A new project"
    if current is not None and Workbench.open(current).modality == seen.modality:
        where = st.segmented_control("Into", ["A new project", existing], default="A new project") or where
    if where == existing:
        name, trouble = str(current), ""
    else:
        name = st.text_input("Name of the new project", value=desk.free_name(source.name)).strip()
        trouble = desk.name_trouble(name)
    if trouble and name:
        st.error(plain(trouble))
    if st.button("Import", type="primary", icon="📥", disabled=bool(trouble)):
        try:
            desk.start_import(name, source, **choices)
        except LabelloomError as error:
            st.error(plain(error))
            return
        shell.choose(name)
        st.rerun()


def demo_cards() -> None:
    """The catalogue sets, one button each."""
    sets = desk.demos()
    ready = [name for name, there in sets.items() if there]
    st.caption("Fully labelled sets with most labels hidden: the hidden ones are kept as an answer key.")
    labelled = st.select_slider("Labels to start from", [0, 10, 20, 40, 100, 200, 400], value=20)
    columns = st.columns(max(1, min(4, len(ready))))
    for place, name in enumerate(ready):
        with columns[place % len(columns)].container(border=True, height="stretch"):
            st.markdown(f"**{name}**")
            st.caption(DEMO_WORDS.get(name, ""))
            if st.button(f"Make {name}", key=f"demo-{name}", width="stretch"):
                try:
                    with st.spinner(f"Making {name}…"):
                        project = desk.make_demo(name, labelled=labelled)
                except LabelloomError as error:
                    st.error(plain(error))
                    return
                shell.choose(project)
                st.rerun()
    missing = [name for name, there in sets.items() if not there]
    if missing:
        st.caption(f"With a network also: {', '.join(missing)}.")


def report(workbench: Workbench) -> None:
    """What the newest import did, until it is put away."""
    held = workbench.data.last_report()
    if not held:
        return
    with st.container(border=True):
        said, away = st.columns([6, 1], vertical_alignment="center")
        less = held.get("left_out_count")
        and_labels = f", {plural(less, 'label')} left out" if less else ""
        said.markdown(
            f"**Imported {plural(held['imported'], 'item')}** in {duration(held['seconds'])}: "
            f"{held['labelled']:,} labelled, {plural(held['duplicates'], 'duplicate')} left out, "
            f"{held['skipped_count']:,} skipped{and_labels}."
        )
        if away.button("Got it", key="report-seen", width="stretch"):
            workbench.data.put_away()
            st.rerun()
        if held.get("audit"):
            st.caption(f"{plural(held['audit'], 'labelled item')} set aside at random as the audit split.")
        left_out(held)


def left_out(held: Mapping[str, Any]) -> None:
    """What did not come in and why, items without one of their labels, and duplicates that contradict."""
    for key, words in (
        ("skipped", "skipped"),
        ("left_out", "with a label left out"),
        ("doubled", "with the same content as another"),
        ("conflicts", "with a label given twice"),
    ):
        rows = held.get(key) or []
        if rows:
            with st.expander(f"{plural(len(rows), 'entry', 'entries')} {words}", expanded=len(rows) <= 5):
                st.dataframe(
                    pd.DataFrame([{"where": row["place"], "why": row["reason"]} for row in rows]),
                    hide_index=True,
                    width="stretch",
                )


def _count(seen: Inspection) -> str:
    many = f"{seen.modality.capitalize()}s"
    return many if seen.count is None else plural(seen.count, seen.modality)


def _format(seen: Inspection) -> str:
    parts = [FORMATS[seen.format].title]
    for task, of in seen.classes.items():  # of a table only the first rows were read
        many = plural(len(of), "class", "classes")
        parts.append(f"{plain(task)}: {many}" if seen.format == "image_folder" else f"labels: {plain(task)}")
    return " · ".join(parts)


def _label(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, tuple | list) else str(value)


def _short(text: str, width: int = 40) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


st.subheader("What do I have?", anchor=False)
names = projects()
if not names:
    st.markdown(
        "**Labelloom turns a partly labelled set into a fully labelled one, with few human actions.** "
        "Load your own set, or take a demo to look around."
    )
    demo_cards()
    st.divider()
    st.subheader("Load your own", anchor=False)
    add_data(None)
else:
    workbench = shell.bench()
    report(workbench)
    background(workbench)
    names = ["Overview", "Tasks and classes", "Add data", "Demos"]
    look, define, add, demo = st.tabs(names, key=f"tabs:{workbench.project}")
    with look:
        overview(workbench)
    with define:
        classes(workbench)
    with add:
        add_data(workbench.project)
    with demo:
        demo_cards()
