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


@pytest.mark.parametrize("body", ["[1, 2", "[" * 100_000, "{}{}", "[]"])
def test_files_that_are_no_json_are_refused(tmp_path, body):
    path = tmp_path / "a.json"
    path.write_text(body)
    with pytest.raises(FormatError):
        read(path)
