"""JSON Lines: types of their own, lists as several labels, lines that are no objects told."""

import json

import pytest
from hypothesis import given

from sslcore.errors import FormatError
from sslcore.formats import Record, Skipped, sniff
from sslcore.formats.jsonl import Jsonl
from tests.formats.roundtrip import QUICK, projects, round_trip


@QUICK
@given(projects())
def test_written_then_read_is_the_same(drawn):
    before, after = round_trip(drawn, "jsonl", "a.jsonl")
    assert after == before


def read(path):
    return list(Jsonl().read(path, None, None))


def test_types_missing_keys_and_bad_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [
        {"text": "one", "label": "a", "tags": ["x", "y"], "score": 0.5, "split": "train", "extra": {"k": 1}},
        {"text": "two", "label": None, "score": None},
        {"text": "three", "label": 3},
        {"text": "four", "label": True},
        {"text": "five", "label": 1.0, "tags": []},
    ]
    body = [json.dumps(line) for line in lines]
    path.write_text("\ufeff" + "\n".join([*body, "[1, 2]", "{broken", "", '{"text": ""}']))
    assert sniff(path) == "jsonl"
    found = read(path)
    labels = [r.labels for r in found if isinstance(r, Record)]
    assert labels == [
        {"label": "a", "tags": ("x", "y"), "score": 0.5},
        {},
        {"label": "3"},
        {"label": "true"},
        {"label": "1", "tags": ()},
    ]
    assert found[0].meta == {"extra": {"k": 1}}
    assert [s.place for s in found if isinstance(s, Skipped)] == ["row 9", "row 6", "row 7"]


def test_list_of_objects_is_read_too(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "one", "label": "a"}, {"text": "two"}, 3], indent=1))
    assert [type(one).__name__ for one in read(path)] == ["Record", "Record", "Skipped"]


def late_lines(count, **label):
    lines = [{"text": f"some words {i}"} | ({"mood": None} if i % 2 else {}) for i in range(2_500)]
    return lines + [{"text": f"more words {i}", **label} for i in range(count)]


def test_keys_that_only_late_lines_have_are_columns(tmp_path):
    lines = late_lines(50, label="a", tags=["x", "y"], mood="good", score=0.5)
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    kinds = {task.column: task.kind for task in Jsonl().inspect(path, None).mapping.tasks}
    assert kinds == {"mood": "single", "label": "single", "tags": "multiple", "score": "numeric"}
    labels = [record.labels for record in read(path)]
    assert labels[:2_500] == [{}] * 2_500
    assert labels[2_500:] == [{"label": "a", "tags": ("x", "y"), "mood": "good", "score": 0.5}] * 50
    path.write_text("\n".join(map(json.dumps, late_lines(3, topic="b"))))
    assert read(path)[-1].labels == {"topic": "b"}  # what was there before is not remembered


def test_late_keys_without_end_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("sslcore.formats.jsonl._MOST_KEYS", 10)
    path = tmp_path / "a.jsonl"
    lines = late_lines(0) + [{"text": "words", f"key {i}": 1} for i in range(30)]
    path.write_text("\n".join(map(json.dumps, lines)))
    seen = Jsonl().inspect(path, None)
    assert len(seen.columns) == 10
    assert any("more than 10 different keys" in said for said in seen.warnings)


@pytest.mark.parametrize("body", ["[1, 2", "[" * 100_000, "{}{}", "[]"])
def test_files_that_are_no_json_are_refused(tmp_path, body):
    path = tmp_path / "a.json"
    path.write_text(body)
    with pytest.raises(FormatError):
        read(path)
