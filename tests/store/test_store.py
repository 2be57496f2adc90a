"""The store: what is acknowledged is there, once; undo is one more row; imports are whole."""

import hashlib
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslcore.errors import DataError, ProjectNotFoundError, StoreBusyError, StoreError
from sslcore.store import Event, LabelState, NewItem, NewLabel, Store, project_folder, projects
from sslcore.store.fold import state_of_items
from sslcore.store.migrate import HEAD, revision
from sslcore.store.schema import metadata


def make(folder, n=6, labelled=0):
    store = Store.create(folder / "p", modality="text")
    with store.importing() as batch:
        batch.ensure_task("topic", kind="single", classes=["a", "b", "c"])
        batch.add(
            [
                NewItem(
                    key=f"k{i}",
                    text=f"text {i}",
                    sha256=hashlib.sha256(str(i).encode()).hexdigest(),
                    labels={"topic": NewLabel("abc"[i % 3])} if i < labelled else {},
                )
                for i in range(n)
            ]
        )
    return store


@pytest.fixture
def store(tmp_path):
    return make(tmp_path)


def event(seq, verb="label", items=(1,), client="c", **more):
    return Event(client=client, seq=seq, verb=verb, task_id=1, item_ids=items, **more)


def labels(store):
    return LabelState(store)[1].label_N.tolist()


def test_label_is_there_after_reopening(store):
    store.annotations.append([event(1, value=2, items=(3,))])
    store.close()
    assert labels(Store(store.folder)) == [-1, -1, 2, -1, -1, -1]


def test_an_event_sent_twice_is_stored_once(store):
    for _ in range(3):
        store.annotations.append([event(1, value=1), event(2, value=0, items=(2,))])
    assert len(store.annotations.since()) == 2


def test_undo_redo_and_bulk_undo_as_one(store):
    store.annotations.append([event(1, value=0, items=(1,))])
    store.annotations.append([event(2, value=1, items=(1, 2, 3), source="bulk")])
    assert labels(store) == [1, 1, 1, -1, -1, -1]
    store.annotations.append([Event(client="c", seq=3, verb="undo", undoes="c:2")])
    assert labels(store) == [0, -1, -1, -1, -1, -1]
    store.annotations.append([Event(client="c", seq=4, verb="undo", undoes="c:3")])
    assert labels(store) == [1, 1, 1, -1, -1, -1]


def test_the_running_state_equals_a_fresh_fold_after_every_step(store):
    state = LabelState(store)
    steps = [
        event(1, value=0),
        event(2, "accept", (2, 3), value=1, source="bulk"),
        event(3, "reject", (2,), value=1),
        event(4, "skip", (4,)),
        Event(client="c", seq=5, verb="undo", undoes="c:3"),
        event(6, "flag", (5,)),
        event(7, value=2, items=(4,), purpose="audit"),
        Event(client="c", seq=8, verb="undo", undoes="c:2"),
        event(9, "clear", (1,)),
    ]
    for step in steps:
        store.annotations.append([step])
        state.update()
        fresh = LabelState(store)[1]
        for name in ("label_N", "source_N", "verb_N", "skipped_N", "flagged_N", "audit_N"):
            np.testing.assert_array_equal(getattr(state[1], name), getattr(fresh, name), err_msg=name)
        assert state[1].rejected_pairs() == fresh.rejected_pairs()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["label", "accept", "reject", "skip", "flag", "unflag", "clear", "undo"]),
            st.integers(1, 4),
            st.integers(0, 2),
        ),
        max_size=25,
    )
)
def test_any_history_folds_the_same_in_steps_and_at_once(tmp_path_factory, actions):
    store = make(tmp_path_factory.mktemp("h"))
    state = LabelState(store)
    for seq, (verb, number, value) in enumerate(actions, start=1):
        if verb == "undo":
            if seq == 1:
                continue
            step = Event(client="c", seq=seq, verb="undo", undoes=f"c:{1 + (number * 7 + value) % (seq - 1)}")
        else:
            step = event(seq, verb, (number,), value=value)
        store.annotations.append([step])
        state.update()
    fresh = LabelState(store)[1]
    few = state_of_items(store, fresh.task, range(1, 7))
    for held in (state[1], few):
        np.testing.assert_array_equal(held.label_N, fresh.label_N)
        np.testing.assert_array_equal(held.flagged_N, fresh.flagged_N)
        np.testing.assert_array_equal(held.skipped_N, fresh.skipped_N)
        assert sorted(held.rejected_pairs()) == sorted(fresh.rejected_pairs())


def test_reject_is_negative_evidence_until_the_class_is_given_after_all(store):
    store.annotations.append([event(1, "reject", value=1)])
    assert LabelState(store)[1].rejected_pairs() == [(0, 1)]
    store.annotations.append([event(2, value=1)])
    assert LabelState(store)[1].rejected_pairs() == []


def test_reject_takes_away_only_the_label_that_it_names(store):
    store.annotations.append([event(1, value=0, items=(1, 2))])
    store.annotations.append([event(2, "reject", (1,), value=1)])  # it is "a": not "b" is no news
    store.annotations.append([event(3, "reject", (2,), value=0)])
    state = LabelState(store)[1]
    assert state.label_N[:2].tolist() == [0, -1]
    assert state.rejected_pairs() == [(0, 1), (1, 0)]
    assert state.row_id_N[0] == 1
    assert state.verb_N[0] != state.verb_N[1]
    store.annotations.append([Event(client="c", seq=4, verb="undo", undoes="c:3")])
    assert labels(store)[:2] == [0, 0]


def test_reject_of_several_classes_takes_away_a_set_that_holds_one_of_them(store):
    tags = store.add_task("tags", kind="multiple", classes=["x", "y", "z"])

    def say(seq, verb, item, value):
        one = Event(client="c", seq=seq, verb=verb, task_id=tags.id, item_ids=(item,), value=value)
        store.annotations.append([one])

    for item in (1, 2):
        say(item, "label", item, [0, 1])
    say(3, "reject", 1, [2])
    say(4, "reject", 2, [1, 2])
    state = LabelState(store)[tags.id]
    assert [state.value_of(row) for row in (0, 1)] == [[0, 1], None]
    say(5, "label", 2, [1])  # after all
    assert LabelState(store)[tags.id].rejected_pairs() == [(0, 2), (1, 2)]


def test_labels_upto_gives_what_an_earlier_run_saw(store):
    first = store.annotations.append([event(1, value=0)])
    store.annotations.append([event(2, value=1)])
    assert LabelState(store, upto=first)[1].label_N[0] == 0


def test_audit_items_are_never_trained_on_even_when_labelled_again(store):
    store.annotations.append([event(1, value=0, purpose="audit")])
    store.annotations.append([event(2, value=1)])
    state = LabelState(store)[1]
    assert state.label_N[0] == 1
    assert state.training_label_N[0] == -1
    assert state.audit_row_A.tolist() == [0]


def test_new_items_and_classes_reach_a_running_state(store):
    state = LabelState(store)
    store.add_class(1, "d")
    with store.importing() as batch:
        batch.add([NewItem(key="new", text="n", sha256="f" * 64, labels={"topic": NewLabel("d")})])
    assert state.update()
    assert state[1].label_N.tolist() == [-1] * 6 + [3]
    assert state[1].task.class_names == ["a", "b", "c", "d"]


@pytest.mark.parametrize("labelled", [30, 300])
@pytest.mark.parametrize("value", ["d", 2.5])
@pytest.mark.parametrize("read", ["tasks", "count", "item_ids"])
def test_what_is_committed_between_two_reads_is_not_passed_over(store, monkeypatch, read, value, labelled):
    state = LabelState(store)
    real, done = getattr(Store, read), []

    def then_an_import(self):
        answer = real(self)
        if not done and self is store:
            done.append(True)
            with Store(store.folder).importing() as batch:
                batch.ensure_task("new", kind="numeric" if value == 2.5 else "single")
                batch.add(
                    [
                        NewItem(key=f"n{i}", text="n", sha256=f"{i:064d}", labels={"new": NewLabel(value)})
                        for i in range(labelled)
                    ]
                )
        return answer

    store.add_class(1, "d")
    with store.importing() as batch:  # so that there is something to read
        batch.add([NewItem(key="first", text="n", sha256="f" * 64)])
    monkeypatch.setattr(Store, read, then_an_import)
    state.update()
    assert done
    state.update()
    new = store.task("new")
    assert state[new.id].labelled_N.sum() == labelled == LabelState(store)[new.id].labelled_N.sum()
    assert len(state[1].label_N) == 7 + labelled


@pytest.mark.parametrize(
    "wrong",
    [
        event(1, "delete"),
        event(1, items=(99,), value=0),
        event(1, items=(0,), value=0),
        event(1, items=(), value=0),
        event(1, items=(1, 2), values=[0]),
        Event(client="c", seq=1, verb="undo"),
    ],
)
def test_a_wrong_event_stores_nothing_of_its_group(store, wrong):
    with pytest.raises(DataError, match=r"Received|project has items"):
        store.annotations.append([event(7, value=0), wrong])
    assert store.annotations.newest() == 0


def test_a_failed_import_leaves_nothing(store):
    def clash():
        with store.importing() as batch:
            batch.ensure_task("second", classes=["x"])
            batch.add([NewItem(key="n1", text="1", sha256="1" * 64)])
            batch.add([NewItem(key="k0", text="again", sha256="2" * 64)])

    with pytest.raises(DataError, match="same key"):
        clash()
    assert store.count() == 6
    assert [t.name for t in store.tasks()] == ["topic"]


def test_several_tasks_and_kinds(store):
    with store.importing() as batch:
        batch.ensure_task("tags", kind="multiple", classes=["x", "y"])
        batch.ensure_task("score", kind="numeric")
        [new] = batch.add(
            [
                NewItem(
                    key="m",
                    text="m",
                    sha256="9" * 64,
                    labels={"tags": NewLabel(["y", "z"]), "score": NewLabel(2.5)},
                    answers={"topic": "c"},
                )
            ]
        )
    state = LabelState(store)
    tags, score = store.task("tags"), store.task("score")
    row = state.rows([new])[0]
    assert state[tags.id].value_of(row) == [1, 2]
    assert tags.class_names == ["x", "y", "z"]
    assert state[score.id].value_of(row) == 2.5
    assert store.answers(1) == {new: 2}


def test_many_writers_lose_nothing(store):
    def work(name):
        mine = Store(store.folder)
        for seq in range(1, 26):
            mine.annotations.append([event(seq, value=seq % 3, items=(1 + seq % 6,), client=name)])
        mine.close()

    threads = [threading.Thread(target=work, args=(f"w{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.annotations.since()) == 100


def test_acknowledged_labels_survive_a_kill(store):
    code = (
        "import sys; from pathlib import Path; from sslcore.store import Store, Event\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for seq in range(1, 10_000):\n"
        "    event = Event(client='k', seq=seq, verb='label', task_id=1, item_ids=[1 + seq % 6], value=0)\n"
        "    store.annotations.append([event])\n"
        "    print(seq, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(store.folder)], stdout=subprocess.PIPE, text=True
    )
    acknowledged = 0
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged >= 60:
            child.kill()
            break
    rest = child.stdout.read().split()
    child.stdout.close()
    child.wait()
    acknowledged = max([acknowledged, *map(int, rest)])
    stored = [row.seq for row in store.annotations.since()]
    assert stored[:acknowledged] == list(range(1, acknowledged + 1))
    assert len(stored) <= acknowledged + 1


def test_a_locked_database_is_a_clear_error_and_stores_nothing(store, monkeypatch):
    monkeypatch.setattr("sslcore.store.engine.BUSY_SECONDS", 0.05)
    impatient = Store(store.folder)
    blocker = store._engine.raw_connection()
    blocker.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreBusyError, match="Nothing was stored"):
            impatient.annotations.append([event(1, value=0)])
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    assert store.annotations.newest() == 0


def test_a_damaged_database_is_a_clear_error(tmp_path):
    store = make(tmp_path)
    store.close()
    for name in ("project.db-wal", "project.db-shm"):
        (store.folder / name).unlink(missing_ok=True)
    (store.folder / "project.db").write_bytes(b"this is no database, not at all" * 200)
    with pytest.raises(StoreError, match="damaged"):
        Store(store.folder)


def test_runs_are_claimed_once_and_end_once(store):
    first, second = store.runs.add("train", {"method": "fixmatch"}), store.runs.add("map", {})
    assert store.runs.claim().id == first
    assert store.runs.claim().id == second
    assert store.runs.claim() is None
    assert store.runs.heartbeat(first, {"done": 1}) is False
    store.runs.request_cancel(first)
    assert store.runs.heartbeat(first) is True
    store.runs.finish(first, "cancelled")
    store.runs.finish(first, "done")
    assert store.runs.get(first).status == "cancelled"
    assert store.runs.get(first).progress == {"done": 1}
    store.runs.requeue(first)
    assert store.runs.claim().id == first


def test_a_worker_ends_only_the_run_that_it_still_has(store):
    run_id = store.runs.add("train", {})
    old = store.runs.claim()
    assert store.runs.give_up(old, "no word")
    assert store.runs.heartbeat(run_id, claimed=old) is True
    assert not store.runs.finish(run_id, "cancelled", claimed=old)
    store.runs.requeue(run_id)
    for status in ("cancelled", "failed", "done"):  # it waits again: nobody has it
        assert not store.runs.finish(run_id, status, claimed=old)
        assert not store.runs.finish(run_id, status)
    new = store.runs.claim()
    assert not store.runs.finish(run_id, "done", result={"by": "old"}, claimed=old)
    assert not store.runs.put_back(run_id, claimed=old)
    assert store.runs.heartbeat(run_id, {"by": "old"}, claimed=old) is True
    assert store.runs.heartbeat(run_id, {"by": "new"}, claimed=new) is False
    assert store.runs.get(run_id).progress == {"by": "new"}
    assert store.runs.finish(run_id, "done", result={"by": "new"}, claimed=new)
    assert store.runs.get(run_id).result == {"by": "new"}


def test_what_was_seen_long_ago_fails_no_run(store):
    run_id = store.runs.add("train", {})
    seen = store.runs.claim()
    store.runs.put_back(run_id, claimed=seen)
    assert not store.runs.give_up(seen, "no word")
    assert store.runs.get(run_id).status == "queued"
    seen = store.runs.claim()
    store.runs.heartbeat(run_id)
    assert not store.runs.give_up(seen, "no word")
    assert store.runs.get(run_id).status == "running"


def test_finished_work_counts_although_its_worker_was_taken_for_dead(store):
    run_id = store.runs.add("train", {})
    claimed = store.runs.claim()
    assert store.runs.give_up(claimed, "no word")
    assert store.runs.finish(run_id, "done", result={"accuracy": 0.9}, claimed=claimed)
    run = store.runs.get(run_id)
    assert (run.status, run.error, run.result) == ("done", None, {"accuracy": 0.9})


def test_the_queue_of_runs_is_capped(store):
    for _ in range(3):
        store.runs.add("train", {}, queue_limit=3)
    with pytest.raises(StoreError, match="3 runs are waiting"):
        store.runs.add("train", {}, queue_limit=3)


def test_metrics_come_back_in_order_and_after_an_id(store):
    run_id = store.runs.add("train", {})
    store.runs.add_metrics(run_id, [(1, "loss", 2.0, None), (1, "audit_accuracy", float("nan"), "topic")])
    store.runs.add_metrics(run_id, [(2, "loss", 1.0, None)])
    rows = store.runs.metrics(run_id)
    assert [(m.step, m.name, m.value) for m in rows] == [
        (1, "loss", 2.0),
        (1, "audit_accuracy", None),
        (2, "loss", 1.0),
    ]
    assert [m.step for m in store.runs.metrics(run_id, after=rows[1].id)] == [2]


def test_adoption_is_the_latest_word(store):
    assert store.adopted(1) is None
    store.adopt(1, 7)
    assert store.adopted(1) == 7
    store.adopt(1, None)
    assert store.adopted(1) is None


def test_migrations_and_schema_agree(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    assert revision(store._engine) == HEAD
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_project_of_a_newer_version_is_refused(store):
    with store._engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreError, match="newer version"):
        Store(store.folder)


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "a\\b", "con", ".hidden", "x" * 65, "a\0", "é", "trailing."]
)
def test_project_names_that_no_folder_can_have(tmp_path, name):
    with pytest.raises(StoreError, match="project's name"):
        project_folder(name, tmp_path)


def test_projects_are_listed_and_missing_ones_named(tmp_path):
    from sslcore.store import existing_project

    make(tmp_path)
    assert projects(tmp_path) == ["p"]
    with pytest.raises(ProjectNotFoundError, match="There are: p"):
        existing_project("q", tmp_path)


def test_find_takes_wildcards_as_plain_text(store):
    assert store.find("text 3") == [4]
    assert store.find("%") == []


@pytest.mark.parametrize("verb", ["label", "accept"])
def test_many_at_once_fold_as_one_by_one(tmp_path, verb, monkeypatch):
    store = make(tmp_path, n=200, labelled=150)
    store.annotations.append([event(1, "reject", (3,), value=0), event(2, "skip", (4, 190))])
    items = list(range(1, 181))
    values = [i % 3 for i in items]
    confidences = [0.5 + i / 1000 for i in items]
    more = {"values": values, "confidences": confidences, "source": "bulk", "annotator": "ada", "run_id": 7}
    store.annotations.append([event(3, verb, items, **more)])
    store.annotations.append([event(4, "flag", items[:100])])
    at_once = LabelState(store)[1]
    monkeypatch.setattr("sslcore.store.fold._MANY", 10**9)
    one_by_one = LabelState(store)[1]
    for name, value in vars(one_by_one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(at_once, name), value, err_msg=name)
    assert at_once.annotator == one_by_one.annotator
    assert at_once.rejected_pairs() == one_by_one.rejected_pairs() == []
    assert set(at_once.annotator.values()) == {"ada"}


def test_a_hundred_thousand_labels_fold_in_a_few_seconds(tmp_path):
    store = make(tmp_path, n=20_000, labelled=20_000)
    start = time.perf_counter()
    state = LabelState(store)
    assert (state[1].label_N >= 0).all()
    assert time.perf_counter() - start < 10


def deleted(folder):
    shutil.rmtree(folder)


def made_again(folder):
    shutil.rmtree(folder)
    make(folder.parent).close()


def restored(folder):
    shutil.copy(folder / "project.db", folder / "backup.db")
    (folder / "backup.db").replace(folder / "project.db")


@pytest.mark.parametrize("change", [deleted, made_again, restored])
def test_nothing_is_stored_in_a_file_that_was_replaced(store, change):
    store.annotations.append([event(1, value=0)])
    change(store.folder)
    assert store.replaced
    with pytest.raises(StoreBusyError, match="deleted or replaced"):
        store.annotations.append([event(2, value=1)])
    with pytest.raises(StoreBusyError), store.importing() as batch:
        batch.ensure_task("new")
    store.close()


def test_nor_where_it_is_replaced_while_it_is_written(store):
    def import_slowly():
        with store.importing() as batch:
            batch.ensure_task("new")
            made_again(store.folder)

    with pytest.raises(StoreBusyError):
        import_slowly()
    assert [task.name for task in Store(store.folder).tasks()] == ["topic"]
