"""The instant loop at work: labels in, snapshots out; honest about where its figures come from."""

import threading
import time

import numpy as np
import pytest

from pages.components import words
from sslcore.errors import ProjectNotFoundError
from sslcore.store import Event, NewItem, NewLabel
from sslcore.workbench import Workbench
from tests.browser.harness import TOPICS, compute_features, make_text_project


@pytest.fixture
def bench(tmp_path):
    make_text_project(tmp_path, "texts", n=120).close()
    opened = Workbench.open("texts", root=tmp_path)
    yield opened
    opened.close()


def label(bench, rows, *, client="c", seq=1, purpose="train", wrong=False):
    events = [
        Event(
            client=client,
            seq=seq + i,
            verb="label",
            task_id=1,
            item_ids=[row + 1],
            value=(row + wrong) % 4,
            purpose=purpose,
        )
        for i, row in enumerate(rows)
    ]
    return bench.record(events)


def test_a_label_moves_every_prediction(bench):
    task = bench.task("topic")
    before = bench.snapshot(task)
    assert before.figure.accuracy is None
    assert before.proba_NC is None
    assert before.key_accuracy is None
    version = label(bench, range(16))
    after = bench.live.wait(task.id, version=version)
    assert after.serial > before.serial
    assert after.version == version
    assert after.key_accuracy > 0.9
    assert after.follows.kind == "instant"
    np.testing.assert_allclose(after.proba_NC.sum(axis=1), 1, atol=1e-4)


def test_figures_say_rough_until_there_are_twenty_audit_answers(bench):
    task = bench.task("topic")
    label(bench, range(16))
    label(bench, range(40, 59), client="a", purpose="audit")
    bench.live.refresh()
    assert bench.snapshot(task).figure.source == "out-of-fold"
    label(bench, range(59, 60), client="b", purpose="audit")
    bench.live.refresh()
    figure = bench.snapshot(task).figure
    assert (figure.source, figure.size, figure.rough) == ("audit", 20, False)
    assert figure.accuracy.low < figure.accuracy.value <= figure.accuracy.high


def test_audit_answers_are_never_learned_from(bench):
    task = bench.task("topic")
    label(bench, range(16))
    bench.live.refresh()
    before = bench.snapshot(task).proba_NC.copy()
    label(bench, range(60, 90), client="a", purpose="audit", wrong=True)
    bench.live.refresh()
    after = bench.snapshot(task)
    np.testing.assert_array_equal(after.proba_NC, before)
    assert after.figure.accuracy.value < 0.2  # the wrong answers count in the figure alone


def test_a_rejected_class_is_out(bench):
    task = bench.task("topic")
    label(bench, range(16))
    bench.live.refresh()
    row = 50
    guess = int(bench.snapshot(task).prediction_N[row])
    bench.record([Event(client="r", seq=1, verb="reject", task_id=1, item_ids=[row + 1], value=guess)])
    bench.live.refresh()
    assert bench.snapshot(task).proba_NC[row, guess] == 0


def test_undo_brings_the_old_predictions_back(bench):
    task = bench.task("topic")
    label(bench, range(16))
    bench.live.refresh()
    before = bench.snapshot(task).prediction_N.copy()
    rows = range(20, 60)
    bench.record(
        [
            Event(
                client="u",
                seq=1,
                verb="label",
                task_id=1,
                item_ids=[r + 1 for r in rows],
                value=0,
                source="bulk",
            )
        ]
    )
    bench.live.refresh()
    assert (bench.snapshot(task).prediction_N != before).any()
    bench.record([Event(client="u", seq=2, verb="undo", undoes="u:1")])
    bench.live.refresh()
    assert (bench.snapshot(task).prediction_N == before).mean() > 0.98


def test_facts_of_other_processes_are_noticed_in_the_background(bench):
    task = bench.task("topic")
    bench.live.start()
    serial = bench.snapshot(task).serial
    from sslcore.store import Store

    other = Store(bench.folder)
    other.annotations.append([Event(client="o", seq=1, verb="label", task_id=1, item_ids=[1], value=0)])
    other.close()
    deadline = time.monotonic() + 5
    while bench.snapshot(task).serial == serial and time.monotonic() < deadline:
        time.sleep(0.02)
    assert bench.snapshot(task).state.label_N[0] == 0


def test_readers_never_see_a_half_made_snapshot(bench):
    task = bench.task("topic")
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            s = bench.snapshot(task)
            if s.proba_NC is not None and len(s.proba_NC) != len(s.state.label_N):
                wrong.append("lengths")
            labelled = int((s.state.label_N >= 0).sum())
            if s.result is not None and int((s.result.label_N >= 0).sum()) != labelled:
                wrong.append("labels of another moment")

    thread = threading.Thread(target=read)
    thread.start()
    for row in range(30):
        label(bench, [row], client=f"c{row}")
        bench.live.refresh()
    stop.set()
    thread.join()
    assert wrong == []


def test_new_items_wait_for_their_features(bench):
    task = bench.task("topic")
    label(bench, range(8))
    with bench.store.importing() as batch:
        batch.add(
            [NewItem(key="late", text="goal match", sha256="e" * 64, labels={"topic": NewLabel(TOPICS[0])})]
        )
    bench.live.refresh()
    assert bench.snapshot(task).proba_NC is None
    compute_features(bench.store, "tfidf")
    bench.live.refresh()
    assert bench.snapshot(task).proba_NC.shape == (121, 4)


def test_one_workbench_per_project_and_a_clear_word_for_a_missing_one(bench, tmp_path):
    assert Workbench.open("texts", root=tmp_path) is bench
    with pytest.raises(ProjectNotFoundError, match="There are: texts"):
        Workbench.open("nope", root=tmp_path)


def test_an_adopted_run_is_followed_and_let_go_again(bench):
    task = bench.task("topic")
    label(bench, range(8))
    run_id = bench.store.runs.add("train", {"method": "fixmatch"})
    bench.store.runs.claim()
    bench.store.runs.finish(run_id, "done", result={})
    folder = bench.folder / "runs" / str(run_id)
    folder.mkdir(parents=True)
    proba_NC = np.full((120, 4), 0.1, np.float16)
    proba_NC[:, 2] = 0.7
    np.save(folder / f"proba_{task.id}.npy", proba_NC)
    bench.store.adopt(task.id, run_id)
    bench.live.refresh()
    followed = bench.snapshot(task)
    assert followed.follows.run_id == run_id
    assert (followed.prediction_N[8:] == 2).all()
    assert followed.figure.wants == "audit"  # of a run, labels that it learned tell nothing
    assert words.figure(followed.figure) == ("–", "no estimate yet: answer audit questions")
    bench.store.adopt(task.id, None)
    bench.live.refresh()
    assert bench.snapshot(task).follows.kind == "instant"


def test_status_has_the_public_shape(bench):
    label(bench, range(8))
    held = bench.status()
    assert {"project", "modality", "items", "encoders", "tasks", "runs"} <= set(held)
    assert {"name", "kind", "classes", "labelled", "audit", "key"} <= set(held["tasks"][0])
    assert {"size", "model", "accuracy"} <= set(held["tasks"][0]["audit"])
    assert {"value", "low", "high"} <= set(held["tasks"][0]["audit"]["accuracy"])
    assert held["tasks"][0]["labelled"] == 8
    assert {"name", "done", "total"} <= set(held["encoders"][0])


def test_the_app_of_a_large_set_shows_labels_before_the_first_fit(tmp_path, monkeypatch):
    from sslcore.workbench import live as module

    make_text_project(tmp_path, "large", n=120).close()
    opened = Workbench.open("large", root=tmp_path)
    label(opened, range(16))
    monkeypatch.setattr(module, "LARGE", 100)
    fitting, go = threading.Event(), threading.Event()
    plain = module.Live._fit

    def slow(self, state, views):
        fitting.set()
        assert go.wait(30)
        return plain(self, state, views)

    monkeypatch.setattr(module.Live, "_fit", slow)
    try:
        opened.live.start()
        task = opened.task("topic")
        first = opened.snapshot(task)  # nothing is fitted yet
        assert first.proba_NC is None
        assert first.state.labelled_N.sum() == 16
        assert first.view is not None
        opened.live.poke()
        assert fitting.wait(30)
        assert opened.snapshot(task) is first  # and who asks while it is does not wait either
        assert len(opened.label.queue(task, 3)) == 3
        go.set()
        deadline = time.monotonic() + 30
        while opened.snapshot(task).proba_NC is None and time.monotonic() < deadline:
            time.sleep(0.02)
        after = opened.snapshot(task)
        assert after.follows.kind == "instant"
        assert after.serial > first.serial
    finally:
        go.set()
        opened.close()


def test_without_the_background_a_large_set_is_fitted_at_once(tmp_path, monkeypatch):
    from sslcore.workbench import live as module

    monkeypatch.setattr(module, "LARGE", 100)
    make_text_project(tmp_path, "script", n=120).close()
    opened = Workbench.open("script", root=tmp_path)
    label(opened, range(16))
    assert opened.snapshot(opened.task("topic")).proba_NC is not None
    opened.close()


def test_one_label_a_class_is_no_figure_yet(bench):
    task = bench.task("topic")
    version = label(bench, range(4))  # one of each class: left out, none could be named
    snapshot = bench.live.wait(task.id, version=version)
    assert snapshot.predicts
    assert snapshot.figure.accuracy is None
    assert bench.review.preview(task, 0.3).overall.precision is None
    version = label(bench, range(4, 8), client="d")
    snapshot = bench.live.wait(task.id, version=version)
    assert snapshot.figure.accuracy is not None
    assert snapshot.figure.size == 8


def test_what_a_person_merely_accepted_is_no_evidence_anywhere(bench):
    task = bench.task("topic")
    version = label(bench, range(12))
    before = bench.live.wait(task.id, version=version)
    instant = next(found for found in bench.compare.reports(task) if found.candidate.kind == "instant")
    assert instant.report.size == before.figure.size == 12
    done = bench.review.accept(task, 0.0)
    after = bench.live.wait(task.id, version=done.version)
    assert after.state.labelled_N.all()
    assert after.figure.size == 12
    instant = next(found for found in bench.compare.reports(task) if found.candidate.kind == "instant")
    assert instant.report.size == 12
    curve = bench.compare.learning_curve(task, seconds=60)
    assert curve.points[-1].labels == 12
    assert after.result.evidence_L.sum() == 12
