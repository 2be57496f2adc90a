"""Runs that are kept: added at once, known again, and told between the marks of a page."""

import pytest

from benchmarks import kept
from benchmarks.kept import Kept, facts, put


def test_a_run_is_there_at_once_and_known_again(tmp_path):
    runs = Kept(tmp_path / "new" / "runs.jsonl", ("set", "seed"))
    assert runs.rows() == []
    row = {"set": "digits", "seed": 0, "accuracy": 0.5}
    assert runs.add(row) is row
    assert Kept(runs.path, runs.key).rows() == [row]
    assert runs.of({"set": "digits", "seed": 0}) in runs.done()
    assert runs.of({"set": "digits", "seed": 1}) not in runs.done()


def test_nothing_is_kept_without_a_file():
    nothing = Kept(None, ("set",))
    nothing.add({"set": "digits"})
    assert nothing.rows() == []


@pytest.mark.parametrize("name", ["methods", "generative", "transfer", "multitask"])
def test_kept_runs_of_the_repository_say_where_they_were_made(name):
    module = __import__(f"benchmarks.{name}", fromlist=["RUNS"])
    rows = module.RUNS.rows()
    assert all(None not in module.RUNS.of(row) for row in rows)
    assert all({"commit", "machine", "date"} <= set(row) for row in rows)


def test_facts_name_code_machine_and_day():
    assert set(facts()) == {"commit", "machine", "date"}
    assert kept.told_once([facts(), facts()], "machine") == facts()["machine"]


def test_a_table_is_put_between_the_marks_and_nothing_else_moves(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<b>\nold\n<e>\nafter\n", encoding="utf-8")
    for _ in range(2):
        put(page, "new", begin="<b>", end="<e>")
        assert page.read_text("utf-8") == "before\n<b>\nnew\n<e>\nafter\n"
    with pytest.raises(ValueError, match="must hold the marks"):
        put(page, "new", begin="<x>", end="<e>")
