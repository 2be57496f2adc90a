"""Exports: sources, suggestions and states written; hostile content harmless; written whole."""

import csv
import hashlib
import json
import time

import numpy as np
import pytest

from sslcore.errors import ConfigError, DataError, UnknownNameError
from sslcore.exporting import export, project_export
from sslcore.importing import import_source
from sslcore.store import Event, LabelState, NewItem, NewLabel, Store

CLASSES = ["a", "b", "c"]


@pytest.fixture
def store(tmp_path):
    made = Store.create(tmp_path / "p", modality="text")
    with made.importing() as batch:
        batch.ensure_task("topic", classes=CLASSES)
        batch.add(
            [
                NewItem(
                    key=f"k{i}",
                    text=f"=text {i}",
                    sha256=hashlib.sha256(f"=text {i}".encode()).hexdigest(),
                    labels={"topic": NewLabel("c")} if i == 0 else {},
                )
                for i in range(8)
            ]
        )
    acts = [
        ("label", [2], 1, "human"), ("accept", [3], 0, "bulk"), ("skip", [4], None, "human"),
        ("flag", [5], None, "human"), ("reject", [6], 2, "human"),
    ]  # fmt: skip
    made.annotations.append(
        [
            Event(
                client="c",
                seq=seq,
                verb=verb,
                task_id=1,
                item_ids=ids,
                value=value,
                source=source,
                annotator="ann",
            )
            for seq, (verb, ids, value, source) in enumerate(acts, start=1)
        ]
    )
    return made


@pytest.fixture
def proba_NC():
    proba = np.full((8, 3), 0.1)
    proba[:, 0] = 0.8
    return proba


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_state_has_its_word(store, proba_NC, tmp_path):
    report = export(store, {"topic": (proba_NC, 7, "linear")}, format="csv", out=tmp_path / "o.csv")
    rows = read(tmp_path / "o.csv")
    assert [row["status"] for row in rows] == [
        "corrected", "corrected", "accepted", "skipped", "flagged", "rejected", "pseudo", "pseudo"
    ]  # fmt: skip
    assert [row["topic"] for row in rows] == ["c", "b", "a", "a", "a", "a", "a", "a"]
    assert [row["topic__source"] for row in rows] == ["imported", "human", "bulk"] + ["pseudo"] * 5
    assert (rows[1]["topic__annotator"], rows[6]["run"], rows[6]["model"]) == ("ann", "7", "linear")
    assert json.loads(rows[6]["topic__probs"]) == {"a": 0.8, "b": 0.1, "c": 0.1}
    assert rows[6]["topic__confidence"] == "0.8"
    assert report.labels == {"topic": {"human": 1, "bulk": 1, "pseudo": 5, "imported": 1}}
    assert rows[1]["updated_at"].startswith("20")


def test_only_the_wanted_sources(store, proba_NC, tmp_path):
    made = project_export(store, {"topic": (proba_NC, 7, "m")}, include=("human",))
    assert list(made.table["topic"]) == [None, "b"] + [None] * 6
    with pytest.raises(ConfigError, match="'robot'"):
        export(store, {}, format="csv", out=tmp_path / "x.csv", include=["robot"])


@pytest.mark.parametrize("name", ["o.csv", "o.tsv", "o.jsonl", "o.parquet", "o.xlsx"])
def test_states_are_read_back(store, proba_NC, tmp_path, name):
    export(store, {"topic": (proba_NC, 7, "m")}, format=name[2:], out=tmp_path / name)
    fresh = Store.create(tmp_path / "q", modality="text")
    report = import_source(fresh, tmp_path / name)
    assert any("made by a machine" in said for said in report.warnings)
    before, after = LabelState(store)[1], LabelState(fresh)[1]
    names = after.task.class_names
    assert [names[at] if at >= 0 else None for at in after.label_N] == ["c", "b", "a"] + [None] * 5
    assert (after.skipped_N == before.skipped_N).all()
    assert (after.flagged_N == before.flagged_N).all()
    assert {row: {names[at] for at in of} for row, of in after.rejected.items()} == {5: {"c"}}
    assert fresh.texts() == store.texts()


def facts_of(store):
    state = LabelState(store)[1]
    names = state.task.class_names
    return (
        [names[at] if at >= 0 else None for at in state.label_N],
        state.skipped_N.tolist(),
        state.flagged_N.tolist(),
        {row: {names[at] for at in of} for row, of in state.rejected.items() if of},
    )


def test_states_reach_the_items_that_are_there_once(store, tmp_path):
    export(store, {}, format="jsonl", out=tmp_path / "o.jsonl")
    fresh = Store.create(tmp_path / "q", modality="text")
    fresh.add_task("topic", classes=CLASSES)
    texts = [{"text": text} for text in store.texts()]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, texts)))
    import_source(fresh, tmp_path / "texts.jsonl", mapping={"text": "text"})
    report = import_source(fresh, tmp_path / "o.jsonl")
    assert (report.imported, report.updated) == (0, 6)
    assert facts_of(fresh) == facts_of(store)
    rows = len(fresh.annotations.since())
    assert import_source(fresh, tmp_path / "o.jsonl").updated == 0
    assert len(fresh.annotations.since()) == rows


def test_states_that_come_later_take_no_label_away(store, tmp_path):
    export(store, {}, format="jsonl", out=tmp_path / "o.jsonl")
    fresh = Store.create(tmp_path / "q", modality="text")
    lines = [json.dumps({"text": text, "topic": "c"}) for text in store.texts()]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    import_source(fresh, tmp_path / "texts.jsonl", mapping={"text": "text", "tasks": ["topic"]})
    report = import_source(fresh, tmp_path / "o.jsonl")
    labels, skipped, flagged, rejected = facts_of(fresh)
    assert labels == ["c"] * 8
    assert (sum(skipped), sum(flagged), rejected) == (0, 1, {})
    assert [told.reason for told in report.conflicts if "not 'c'" in told.reason] == [
        "task 'topic': not 'c' differs from 'c', which was kept"
    ]


def test_states_of_equal_content_come_together(store, tmp_path):
    export(store, {}, format="jsonl", out=tmp_path / "o.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    for line in lines:
        line["text"] = "one and the same"
    (tmp_path / "o.jsonl").write_text("\n".join(map(json.dumps, lines)))
    fresh = Store.create(tmp_path / "q", modality="text")
    assert import_source(fresh, tmp_path / "o.jsonl").duplicates == 7
    state = LabelState(fresh)[1]
    assert (state.task.class_names[state.label_N[0]], state.flagged_N[0]) == ("c", True)


def test_formulas_are_guarded_unless_machines_read_it(store, tmp_path):
    export(store, {}, format="csv", out=tmp_path / "o.csv")
    assert all(row["text"].startswith("'=") for row in read(tmp_path / "o.csv"))
    export(store, {}, format="csv", out=tmp_path / "m.csv", guard_formulas=False)
    assert all(row["text"].startswith("=") for row in read(tmp_path / "m.csv"))


def test_many_classes_write_the_likeliest(store):
    names = [f"n{i}" for i in range(30)]
    store.add_task("wide", classes=names)
    proba_NC = np.random.default_rng(0).dirichlet(np.ones(30), 8)
    made = project_export(store, {"wide": (proba_NC, None, "m")})
    first = made.table["wide__probs"][0]
    best = np.argsort(-proba_NC[0])[:5]
    assert list(first) == [names[at] for at in best]


def test_wrong_predictions_are_refused(store):
    with pytest.raises(DataError, match=r"shape \(9, 3\)"):
        project_export(store, {"topic": (np.zeros((9, 3)), None, None)})
    with pytest.raises(DataError, match="task 'gone'"):
        project_export(store, {"gone": (np.zeros((8, 3)), None, None)})


def test_places_that_cannot_be_written(store, tmp_path):
    with pytest.raises(DataError, match="folder"):
        export(store, {}, format="csv", out=tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        export(store, {}, format="csv", out=tmp_path / "file" / "o.csv")
    with pytest.raises(DataError, match="texts"):
        export(store, {}, format="image_folder", out=tmp_path / "images")
    with pytest.raises(UnknownNameError):
        export(store, {}, format="cvs", out=tmp_path / "o")


def test_a_failed_export_leaves_what_was_there(store, tmp_path, monkeypatch):
    out = tmp_path / "o.csv"
    out.write_text("before")
    monkeypatch.setattr("sslcore.formats.csv.csv.writer", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(store, {}, format="csv", out=out)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.csv", "p"]


def test_empty_project_is_written_too(tmp_path):
    store = Store.create(tmp_path / "p", modality="text")
    for name in ("csv", "jsonl", "parquet", "xlsx"):
        assert export(store, {}, format=name, out=tmp_path / f"o.{name}").items == 0


@pytest.mark.slow
def test_a_hundred_thousand_in_four_seconds_of_work(tmp_path):
    store = Store.create(tmp_path / "p", modality="text")
    texts = [f"some words that are number {i} of their kind and go on for a while" for i in range(100_000)]
    with store.importing() as batch:
        batch.ensure_task("topic", classes=CLASSES)
        batch.add([NewItem(key=str(i), text=t, sha256=f"{i:064x}") for i, t in enumerate(texts)])
    proba_NC = np.random.default_rng(0).dirichlet(np.ones(3), 100_000)
    started = time.process_time()
    export(store, {"topic": (proba_NC, 1, "m")}, format="jsonl", out=tmp_path / "o.jsonl")
    assert time.process_time() - started < 6
