"""What became of a pseudo-label, from the file that a run leaves to the cards and the command line."""

import json

import numpy as np
import pytest

from sslcore.__main__ import main
from tests.workbench.runs import finish

EVENTS = [  # row, place, step, before, after, said, belief
    [20, 0, 40, -1, 1, 1, 970],
    [20, 1, 120, 1, -1, 2, 410],
    [21, 3, 90, 0, 2, 2, 955],
    [30, 0, 50, -1, 0, 0, 980],
]


@pytest.fixture
def bench(open_bench):
    return open_bench(n=60, labelled=16)


def corrected_run(bench, events=EVENTS):
    run_id = bench.train.start([bench.task().name], method="label_correction")
    finish(bench, run_id)
    path = bench.folder / "runs" / str(run_id) / f"history_{bench.task().id}.npy"
    np.save(path, np.array(events, dtype=np.int32))
    return run_id


def test_each_event_says_what_when_and_why(bench):
    names = bench.task().class_names
    run_id = corrected_run(bench)
    found = bench.corrections.of_rows(bench.task(), [19, 20, 21])
    assert sorted(found) == [20, 21]
    given, taken = found[20]
    assert (given.what, given.label, given.instead, given.belief) == ("given", names[1], None, 0.97)
    assert (taken.what, taken.label, taken.instead, taken.step) == ("taken back", names[1], names[2], 120)
    assert taken.told == f"step 120: {names[1]!r} taken back, believed only 41 % (rather {names[2]!r})"
    assert found[21][0].told == f"step 90: {names[0]!r} became {names[2]!r}, believed 96 %"
    assert taken.run == run_id
    assert json.loads(json.dumps(taken.as_dict()))["told"] == taken.told


def test_review_and_map_show_it_on_the_card(bench):
    corrected_run(bench)
    for desk in (bench.review, bench.map):
        card, other = desk.cards(bench.task(), [21, 19])
        assert card["corrections"]["taken_back"] == 1
        assert card["corrections"]["lines"][0].startswith("run 1:")
        assert len(card["corrections"]["lines"]) == 3
        assert other["corrections"] == {"lines": [], "taken_back": 0}
    assert "after 3 earlier changes" in bench.review.cards(bench.task(), [22])[0]["corrections"]["lines"][0]


def test_the_run_that_is_followed_comes_first_and_then_the_newest(bench):
    task = bench.task()
    assert bench.corrections.run(task) is None
    assert bench.corrections.of_rows(task, [20]) == {}
    first, second = corrected_run(bench), corrected_run(bench, EVENTS[:1])
    assert bench.corrections.run(task) == second
    bench.train.adopt(task, first)
    assert bench.corrections.run(task) == first
    assert len(bench.corrections.of_rows(task, [20], run_id=second)[20]) == 1
    plain = bench.train.start([task.name], method="supervised")
    finish(bench, plain)
    assert bench.corrections.of_rows(task, [20], run_id=plain) == {}


def test_predict_tells_it(bench, capsys, monkeypatch):
    corrected_run(bench)
    monkeypatch.setenv("LABELLOOM_HOME", str(bench.folder.parent))
    assert main(["predict", bench.project, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [held["what"] for held in rows[20]["corrections"]] == ["given", "taken back"]
    assert rows[0]["corrections"] == []
