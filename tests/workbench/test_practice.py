"""The six steps are read off the facts."""

import pytest

from sslcore.jobs import launch
from sslcore.store import Event, Store
from sslcore.workbench import Workbench
from tests.browser.harness import make_text_project
from tests.workbench.runs import audit, finish


@pytest.fixture
def bench(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setattr(launch, "ensure_worker", lambda home, project: None)
    make_text_project(tmp_path, "p", n=80, labelled=16).close()
    held = Workbench.open("p", root=tmp_path)
    yield held
    held.close()


def done(bench):
    return [step.name for step in bench.practice.steps() if step.done]


def label(bench, seq, **more):
    event = Event(
        client="c", seq=seq, task_id=1, item_ids=[30 + seq], **({"verb": "label", "value": 1} | more)
    )
    bench.record([event])
    bench.live.refresh()


def test_each_step_is_done_when_its_trace_is_there(bench):
    assert done(bench) == ["prepare"]
    assert bench.practice.next().page == "train.py"
    run_id = bench.train.start(["topic"], method="fixmatch")
    assert done(bench) == ["prepare", "define"]
    finish(bench, run_id)
    assert done(bench) == ["prepare", "define", "train"]
    assert "20 more audit questions" in bench.practice.next().todo
    bench.train.adopt(bench.task(), run_id)
    assert done(bench)[-1] == "improve"
    bench.train.follow_instant(bench.task())
    audit(bench, 20)
    assert done(bench)[3:] == ["evaluate"], "audit answers teach nothing"
    label(bench, 1, verb="accept")
    assert bench.practice.next() is None


def test_what_a_person_says_of_the_machine_is_a_look(bench):
    assert "look" not in done(bench)
    label(bench, 1)
    assert "look" not in done(bench), "a label of one's own is none"
    label(bench, 2, verb="reject", value=2)
    assert "look" in done(bench)


def test_a_project_without_tasks_begins_at_the_beginning(tmp_path):
    Store.create(tmp_path / "empty", modality="text").close()
    held = Workbench.open("empty", root=tmp_path)
    assert not any(step.done for step in held.practice.steps())
    assert held.practice.next().name == "prepare"
    held.close()


def test_the_line_is_put_away_for_good(bench):
    assert not bench.practice.hidden
    bench.practice.hide()
    assert bench.practice.hidden
    bench.practice.hide(False)
    assert not bench.practice.hidden


def test_the_task_that_lacks_most_audit_answers_is_named(bench):
    run_id = bench.train.start(["topic"], method="fixmatch")
    finish(bench, run_id)
    audit(bench, 4)
    assert bench.practice.next().todo.startswith("answer 16 more audit questions: ")
    bench.store.add_task("mood", kind="single", classes=["good", "bad"])
    bench.live.refresh()
    assert bench.practice.next().todo == "answer 20 more audit questions of mood"
