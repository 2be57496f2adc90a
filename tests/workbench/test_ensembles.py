"""The ensemble desk and its worker: members, weights, honest figures, refusals, adoption."""

import json

import numpy as np
import pytest

from sslcore.__main__ import main
from sslcore.errors import RecipeError, StoreError
from sslcore.jobs.job import Job
from sslcore.jobs.worker import main as work
from sslcore.store import Event, NewItem, Store
from sslcore.workbench import Workbench
from tests.workbench.runs import audit, finish

SHARP = {"n": 160, "labelled": 16}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(Job, "give_way", lambda self: None)  # the worker runs in this process here


@pytest.fixture
def bench(open_bench):
    return open_bench(**SHARP)


def run(bench, **how):
    run_id = bench.train.start([bench.task().name], method="fixmatch")
    finish(bench, run_id, **how)
    return f"run:{run_id}"


def combine(bench, *keys):
    run_id = bench.ensembles.start(bench.task(), keys)
    command = ["--home", str(bench.folder.parent), "--project", bench.project, "--until-idle"]
    assert work(command) == 0
    return bench.store.runs.get(run_id)


def proba(bench, run_id):
    return np.load(bench.folder / "runs" / str(run_id) / f"proba_{bench.task().id}.npy", allow_pickle=False)


def by_key(bench):
    return {entry.candidate.key: entry for entry in bench.compare.reports(bench.task())}


def test_two_runs_become_one_that_knows_more(bench):
    audit(bench, 60)
    keys = [run(bench, right=0.7, seed=seed, sure=0.7 + seed / 50) for seed in (1, 2, 3)]
    done = combine(bench, *keys)
    assert done.status == "done", done.error
    found = by_key(bench)
    together = found[f"run:{done.id}"]
    assert together.candidate.title == f"Run {done.id}: Ensemble of run 1, run 2 and run 3"
    assert together.report.accuracy.value > max(found[key].report.accuracy.value for key in keys)
    assert together.report.accuracy.value == pytest.approx(done.result["audit_accuracy"])
    assert together.key_accuracy == pytest.approx(done.result["key_accuracy"])
    (held,) = bench.ensembles.done(bench.task())
    assert sum(row.weight for row in held.members) == pytest.approx(1, abs=1e-3)
    assert (held.size, held.rough) == (60, False)
    assert "Together" in held.line
    assert "held-out audit items" in held.line
    assert held.wins > held.losses


def test_the_better_member_weighs_more_and_its_gain_is_told(bench):
    audit(bench, 60)
    good, poor = run(bench, right=0.95, seed=1), run(bench, right=0.4, seed=2)
    combine(bench, poor, good)
    (held,) = bench.ensembles.done(bench.task())
    good_row, poor_row = held.members
    assert good_row.weight > 0.7
    assert good_row.gain > 0.3
    assert abs(poor_row.gain) < 0.1
    assert good_row.accuracy > poor_row.accuracy


def test_the_recipe_is_all_that_is_needed_to_repeat_it(bench):
    audit(bench, 40)
    keys = [run(bench, right=0.8, seed=1), "instant", "head"]
    first = combine(bench, *keys)
    assert [member["key"] for member in first.recipe["members"]] == keys
    assert first.recipe["views"] == ["tfidf"]
    again = bench.store.runs.add(
        "ensemble", json.loads(json.dumps(first.recipe)), labels_upto=first.labels_upto, seed=first.seed
    )
    bench.record([Event(client="x", seq=1, verb="label", task_id=1, item_ids=[50], value=0)])
    work(["--home", str(bench.folder.parent), "--project", bench.project, "--until-idle"])
    assert (proba(bench, again) == proba(bench, first.id)).all()


def test_the_instant_loop_is_a_member_with_the_same_answers_as_on_the_page(bench):
    audit(bench, 40)
    done = combine(bench, "instant", run(bench, right=0.3, seed=2))
    (held,) = bench.ensembles.done(bench.task())
    assert held.members[1].key == "instant"
    assert held.members[1].weight > 0.7
    instant = by_key(bench)["instant"].candidate
    row_U = np.arange(20, 120)
    same = proba(bench, done.id)[row_U].argmax(axis=1) == instant.prediction(row_U)
    assert same.mean() > 0.95


def test_an_audit_item_is_judged_without_its_own_answer(bench):
    """The same project but for one audit answer: what is said of that item stays the same."""
    audit(bench, 40)
    keys = [run(bench, right=0.8, seed=1), run(bench, right=0.5, seed=2)]
    first = combine(bench, *keys)
    task = bench.task()
    bench.record(
        [Event(client="y", seq=1, verb="label", task_id=task.id, item_ids=[150], value=3, purpose="audit")]
    )
    bench.live.refresh()
    second = combine(bench, *keys)
    before_NC, after_NC = proba(bench, first.id), proba(bench, second.id)
    assert (before_NC[149] == after_NC[149]).all()
    assert (before_NC != after_NC).any()


def test_few_audit_answers_weigh_all_alike_and_the_figure_is_rough(bench):
    audit(bench, 9)
    done = combine(bench, run(bench, right=0.9, seed=1), run(bench, right=0.3, seed=2))
    (held,) = bench.ensembles.done(bench.task())
    assert [row.weight for row in held.members] == [0.5, 0.5]
    assert held.rough
    assert "9 of 20 audit answers" in held.line
    assert by_key(bench)[f"run:{done.id}"].rough


def test_without_an_audit_answer_it_combines_and_claims_nothing(bench):
    done = combine(bench, run(bench, seed=1), run(bench, seed=2))
    assert done.status == "done", done.error
    assert done.result["audit_accuracy"] is None
    assert by_key(bench)[f"run:{done.id}"].report is None


def test_it_is_adopted_and_the_former_taken_back(bench):
    audit(bench, 40)
    former, task = run(bench, right=0.9, seed=1), bench.task()
    bench.train.adopt(task, 1)
    done = combine(bench, former, run(bench, right=0.8, seed=2), "instant")
    bench.train.adopt(task, done.id)
    snapshot = bench.snapshot(task)
    assert snapshot.follows.run_id == done.id
    assert snapshot.follows.title == f"run {done.id} (Ensemble of run 1, run 2 and instant)"
    assert (snapshot.prediction_N == proba(bench, done.id).argmax(axis=1)).all()
    assert snapshot.figure.accuracy.value == pytest.approx(done.result["audit_accuracy"])
    assert bench.train.run(done.id).title == "Ensemble of run 1, run 2 and instant"
    bench.train.adopt(task, 1)
    assert bench.snapshot(task).follows.run_id == 1


def test_items_imported_later_are_the_later_members(bench):
    audit(bench, 40)
    old = run(bench, right=0.9, seed=1)
    with bench.store.importing() as batch:
        batch.add([NewItem(key="late", text="rain", sha256="0" * 64)])
    bench.live.refresh()
    new = run(bench, right=0.9, seed=2)
    done = combine(bench, old, new)
    assert len(proba(bench, done.id)) == 161
    assert "Items imported after Run 1: FixMatch are judged by the others alone." in done.result["note"]
    bench.train.adopt(bench.task(), done.id)


def test_items_that_no_member_knows_are_said_to_be_unknown(bench):
    audit(bench, 40)
    keys = [run(bench, right=0.9, seed=1), run(bench, right=0.9, seed=2)]
    with bench.store.importing() as batch:
        batch.add([NewItem(key="late", text="rain", sha256="0" * 64)])
    bench.live.refresh()
    done = combine(bench, *keys)
    assert "1 items were imported later" in done.result["note"]
    with pytest.raises(StoreError, match="Items or classes were added"):
        bench.train.adopt(bench.task(), done.id)


def test_an_item_that_a_member_learned_from_is_no_audit_item(bench):
    keys = [run(bench, right=0.9, seed=1), run(bench, right=0.9, seed=2)]
    audit(bench, 30)
    task = bench.task()
    bench.record(
        [Event(client="z", seq=1, verb="label", task_id=task.id, item_ids=[1], value=0, purpose="audit")]
    )
    bench.live.refresh()
    done = combine(bench, *keys)
    assert done.result["audit_size"] == 30
    assert by_key(bench)[f"run:{done.id}"].size == 30


def test_what_cannot_be_combined_is_refused_with_the_reason(bench, open_bench):
    task, start = bench.task(), bench.ensembles.start
    good = run(bench)
    with pytest.raises(RecipeError, match="2 to 8 different members"):
        start(task, [good, good])
    with pytest.raises(StoreError, match="no run 77"):
        start(task, [good, "run:77"])
    for wrong in ("run:x", "map"):
        with pytest.raises(RecipeError, match="Received"):
            start(task, [good, wrong])
    stopped = bench.train.start([task.name], method="fixmatch")
    bench.train.cancel(stopped)
    with pytest.raises(RecipeError, match="is cancelled: only finished"):
        start(task, [good, f"run:{stopped}"])
    collapsed = run(bench, figures={"tasks": {"topic": {"collapsed": True}}, "note": "Says 'sport' of all."})
    with pytest.raises(RecipeError, match=r"collapsed.*Says 'sport' of all"):
        start(task, [good, collapsed])
    inner = combine(bench, good, "instant")
    with pytest.raises(RecipeError, match="ensemble itself"):
        start(task, [good, f"run:{inner.id}"])
    bench.store.add_class(task.id, "weather")
    bench.live.refresh()
    assert "knows 4 of the 5 classes" in bench.ensembles.obstacle(bench.task(), [good, "instant"])
    bare = open_bench(n=20, features=False)
    assert "no predictions yet" in bare.ensembles.obstacle(bare.task(), ["instant", "head"])


def test_other_kinds_of_task_are_refused(tmp_path):
    store = Store.create(tmp_path / "tags", modality="text")
    store.add_task("tags", kind="multiple", classes=["a", "b"])
    store.close()
    bench = Workbench.open("tags", root=tmp_path)
    assert "of kind multiple" in bench.ensembles.obstacle(bench.task(), ["instant", "head"])
    bench.close()


def test_what_waits_and_what_failed_is_told(bench):
    task, keys = bench.task(), [run(bench, seed=1), run(bench, seed=2)]
    assert bench.ensembles.waiting(task) == []
    training = bench.train.start([task.name], method="supervised")
    run_id = bench.ensembles.start(task, keys)
    (card,) = bench.ensembles.waiting(task)
    assert (card.id, card.status, card.position) == (run_id, "queued", 1)  # it waits behind no training
    bench.train.cancel(training)
    (bench.folder / "runs" / "1" / f"proba_{task.id}.npy").unlink()
    work(["--home", str(bench.folder.parent), "--project", bench.project, "--until-idle"])
    (card,) = bench.ensembles.waiting(task)
    assert card.status == "failed"
    assert "Run 1 has no predictions" in card.error


def test_the_command_line_queues_and_says_what_came_of_it(bench, capsys, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(bench.folder.parent))
    audit(bench, 25)
    run(bench, right=0.9, seed=1)
    run(bench, right=0.7, seed=2)
    command = ["--home", str(bench.folder.parent), "--project", bench.project, "--until-idle"]
    monkeypatch.setattr(Workbench, "wait_for_work", lambda self, run_id=None: work(command) == 0)
    assert main(["ensemble", bench.project, "--runs", "1,2", "--instant", "--wait", "--json"]) == 0
    held = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (held["run"], held["status"]) == (3, "done")
    assert [member["key"] for member in held["members"]] == ["run:1", "run:2", "instant"]
    assert sum(member["weight"] for member in held["members"]) == pytest.approx(1, abs=1e-3)
    assert main(["runs", bench.project, "--adopt", "3"]) == 0
    assert bench.store.adopted(bench.task().id) == 3
    assert main(["ensemble", bench.project, "--runs", "1"]) == 2
    assert "2 to 8 different members" in capsys.readouterr().err


def test_an_ensemble_has_no_model_to_take_away(bench, tmp_path):
    done = combine(bench, run(bench, seed=1), run(bench, seed=2))
    with pytest.raises(StoreError, match="no model of its own"):
        bench.export.write_model(bench.task(), tmp_path / "out", run_id=done.id)
