"""The Train desk: what may start, what a page shows of runs, and what adoption rests on."""

import time

import pytest

from sslcore.errors import ConfigError, RecipeError, StoreError
from sslcore.store import Event
from sslcore.workbench.train import RAW
from tests.browser.harness import make_image_project
from tests.many_tasks import make_reviews
from tests.workbench.runs import audit, finish


@pytest.fixture
def bench(open_bench):
    return open_bench(n=120, labelled=16)


def start(bench, **more):
    return bench.train.start([bench.task().name], method="fixmatch", **more)


# --- what there is to choose ---------------------------------------------------------------------


def test_methods_are_the_background_ones_with_what_a_form_needs(bench):
    names = {entry["name"] for entry in bench.train.methods()}
    assert {"supervised", "fixmatch", "mean_teacher"} <= names
    assert "label_spreading" not in names
    assert all(entry["text"] and "params" in entry for entry in bench.train.methods())
    with pytest.raises(RecipeError, match="Did you mean 'fixmatch'"):
        bench.train.method("fixmatsch")
    with pytest.raises(RecipeError, match="instant model: the app fits it after every label"):
        bench.train.method("poisson")
    with pytest.raises(RecipeError, match="beside a method: warm_start=simclr"):
        bench.train.method("simclr")


def test_the_form_begins_with_a_method_that_suits_the_kind_of_answer(open_bench):
    images = open_bench(make_image_project, n=12).train
    assert images.usual_method(["shape"]) == "mean_teacher"
    assert "begins with Mean Teacher: of the methods by themselves" in images.usual_words(["shape"])
    assert "Where a proposal above differs, it goes first" in images.usual_words(["shape"])
    bench = open_bench(make_reviews, n=40)
    usual = {task.name: bench.train.usual_method([task.name]) for task in bench.tasks()}
    kinds = {task.name: task.kind for task in bench.tasks()}
    for name, kind in kinds.items():
        assert usual[name] == ("fixmatch" if kind in ("single", "ordinal") else "supervised")
        assert bool(bench.train.usual_words([name])) == (usual[name] == "fixmatch")
    assert {"supervised", "fixmatch"} <= set(usual.values())
    assert bench.train.usual_method(list(kinds)) == "fixmatch"


def test_a_recipe_chooses_more_than_its_method(bench):
    alone, together = bench.train.fusion(), bench.train.fusion(2)
    assert list(alone) == ["warm_start", "transfer"]
    assert list(together) == ["warm_start", "transfer", "sharing", "balancing"]
    assert [next(iter(entries)) for entries in together.values()] == ["none", "finetune", "hard", "fixed"]
    run_id = start(bench, fusion={"transfer": "l2_sp", "transfer_config": {"alpha": "0.5"}})
    assert bench.train.recipe(run_id)["transfer_config"]["alpha"] == 0.5
    assert bench.train.run(run_id).title.startswith("FixMatch, ")
    with pytest.raises(RecipeError, match="several tasks"):
        start(bench, fusion={"balancing": "uncertainty"})
    with pytest.raises(ConfigError, match="fall"):
        start(bench, fusion={"transfer_config": {"fall": 7}})


def test_defaults_are_sized_to_the_project(open_bench):
    text = open_bench(n=60, labelled=8)
    held = text.train.defaults("fixmatch", ["topic"])
    assert held.encoder == "tfidf"
    assert held.method_config["threshold"] == 0.95
    assert held.train_config["minutes"] <= 2
    assert "60 items" in held.reason
    assert "8 labels" in held.reason
    assert "min" not in held.reason  # a form may hold others by now
    image = open_bench(make_image_project, n=12, labelled=6)
    assert image.train.defaults("fixmatch", ["shape"]).encoder == RAW
    assert image.train.sources() == [RAW, "pixels"]


def test_without_features_a_text_run_learns_from_the_texts(open_bench):
    bench = open_bench(n=12, labelled=6, features=False)
    assert bench.train.sources() == [RAW]
    assert bench.train.defaults("supervised", ["topic"]).encoder == RAW


def test_doubts_name_what_is_missing(open_bench):
    bench = open_bench(n=40, labelled=2)
    doubts = " ".join(bench.train.doubts(["topic"]))
    assert "2 of 4 classes have no label" in doubts
    assert "science, music" in doubts
    assert "20 more audit answers" in doubts
    audit(bench, 20)
    assert "audit" not in " ".join(bench.train.doubts(["topic"]))


# --- starting ------------------------------------------------------------------------------------


def test_a_run_sees_the_labels_of_the_moment_it_was_started(bench, wishes):
    newest = bench.store.annotations.newest()
    run = bench.store.runs.get(
        start(bench, method_config={"threshold": 0.8}, train_config={"minutes": 1.0}, seed=7)
    )
    assert (run.kind, run.labels_upto, run.seed, run.status) == ("train", newest, 7, "queued")
    assert run.recipe["tasks"] == ["topic"]
    assert run.recipe["method_config"]["threshold"] == 0.8
    assert run.recipe["train_config"]["minutes"] == 1.0
    assert wishes == [bench.project]


def test_the_worker_reads_the_recipe_that_the_desk_writes(bench):
    from sslcore.training.recipe import Recipe

    wish = bench.train.recipe(start(bench, encoder="tfidf"))
    assert wish.pop("tasks") == ["topic"]
    assert Recipe.parse(wish).encoder == "tfidf"


def test_settings_out_of_range_are_refused_and_nothing_is_queued(bench, wishes):
    for wrong in ({"method_config": {"threshold": 1.5}}, {"train_config": {"batch": -1}}):
        with pytest.raises(ConfigError, match="must be in"):
            start(bench, **wrong)
    with pytest.raises(ConfigError, match="no setting"):
        start(bench, method_config={"tau": 0.9})
    with pytest.raises(RecipeError, match="seed"):
        start(bench, seed=-1)
    assert bench.store.runs.list() == []
    assert wishes == []


def test_choices_that_make_no_sense_are_refused_with_the_reason(bench):
    with pytest.raises(RecipeError, match="at least one task"):
        bench.train.start([], method="fixmatch")
    with pytest.raises(RecipeError, match="No background method"):
        bench.train.start(["topic"], method="label_spreading")
    with pytest.raises(RecipeError, match=r"not complete.*tfidf"):
        start(bench, encoder="minilm")
    with pytest.raises(RecipeError, match="reads images"):
        start(bench, train_config={"backbone": "small_cnn"})
    with pytest.raises(RecipeError, match=r"reads texts; this run would give it features.*raw items"):
        start(bench, train_config={"backbone": "text_embedding"}, encoder="tfidf")
    with pytest.raises(StoreError, match="no task"):
        bench.train.start(["colour"], method="fixmatch")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"labelled": 0}, "no label to learn from"),
        ({"labelled": 1}, "all 1 labels say 'sport'"),
        ({"labelled": 12, "classes": ["only"]}, "has 1 class"),
        ({"labelled": 12}, "no unlabelled item left"),
    ],
)
def test_labels_that_teach_nothing_are_refused_with_the_reason(open_bench, how, reason):
    bench = open_bench(n=12, features=False, **how)
    assert reason in bench.train.obstacle(["topic"], "fixmatch")
    with pytest.raises(RecipeError, match=reason):
        start(bench)


def test_where_a_run_can_start_there_is_no_obstacle(bench):
    assert bench.train.obstacle(["topic"], "fixmatch") is None


def test_with_every_item_labelled_the_supervised_network_still_runs(open_bench):
    bench = open_bench(n=12, labelled=12, features=False)
    assert bench.train.start(["topic"], method="supervised") == 1


def test_audit_answers_are_not_labels_to_train_on(open_bench):
    bench = open_bench(n=40, labelled=0)
    audit(bench, 20)
    with pytest.raises(RecipeError, match="audit answers are never trained on"):
        start(bench)


def test_the_queue_has_an_end(bench):
    for _ in range(20):
        start(bench)
    with pytest.raises(StoreError, match="waiting already"):
        start(bench)


# --- watching ------------------------------------------------------------------------------------


def test_cards_tell_place_progress_and_end(bench):
    first, second = start(bench), start(bench)
    assert [(card.id, card.position) for card in bench.train.runs()] == [(second, 2), (first, 1)]
    bench.store.runs.claim()
    bench.store.runs.heartbeat(first, {"share": 0.4, "eta": 12.5, "stage": "training"})
    running, waiting = bench.train.run(first), bench.train.run(second)
    assert (running.status, running.share, running.eta, running.position) == ("running", 0.4, 12.5, None)
    assert (waiting.status, waiting.position) == ("queued", 1)
    assert running.title == "FixMatch"
    bench.store.runs.finish(first, "done", result={"audit_accuracy": 0.8, "note": "all well"})
    done = bench.train.run(first)
    assert (done.share, done.eta, done.note) == (1.0, None, "all well")
    assert done.figures["audit_accuracy"] == 0.8
    assert done.seconds is not None
    assert done.as_dict()["id"] == first


def test_other_work_in_front_counts_in_the_queue(bench):
    bench.store.runs.add("features", {"encoder": "minilm"})
    assert bench.train.run(start(bench)).position == 2
    assert len(bench.train.runs()) == 1


def test_a_worker_without_a_sign_of_life_is_said_to_be_quiet(bench, monkeypatch):
    run_id = start(bench)
    bench.store.runs.claim()
    assert bench.train.run(run_id).quiet is None
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 45)
    assert bench.train.run(run_id).quiet == pytest.approx(45, abs=2)


def test_a_dead_worker_is_noticed_and_its_run_resumes(bench, wishes):
    run_id = start(bench)
    bench.store.runs.claim()  # by this process, which holds no worker's lock
    assert bench.wake() is True
    card = bench.train.run(run_id)
    assert card.status == "failed"
    assert "without a word" in card.error
    wishes.clear()
    bench.train.resume(run_id)
    assert bench.train.run(run_id).status == "queued"
    assert bench.train.run(run_id).error is None
    assert wishes == [bench.project]


def test_a_queue_without_a_worker_gets_one(bench, wishes):
    start(bench)
    wishes.clear()
    assert bench.wake() is False
    assert wishes == [bench.project]


def test_cancel_and_resume_keep_to_the_rules(bench):
    run_id = start(bench)
    with pytest.raises(StoreError, match="only a failed or cancelled"):
        bench.train.resume(run_id)
    bench.train.cancel(run_id)
    assert bench.train.run(run_id).status == "cancelled"
    other = bench.store.runs.add("features", {"encoder": "minilm"})
    for act in (bench.train.cancel, bench.train.resume, bench.train.run):
        with pytest.raises(StoreError, match="no training run"):
            act(other)
    with pytest.raises(StoreError, match="no run 99"):
        bench.train.run(99)


def test_points_come_once(bench):
    run_id = start(bench)
    bench.store.runs.add_metrics(run_id, [(10, "loss", 1.5, None), (10, "audit_accuracy", 0.5, "topic")])
    first = bench.train.points(run_id)
    assert [point[1:] for point in first] == [
        (10, "loss", None, 1.5),
        (10, "audit_accuracy", "topic", 0.5),
    ]
    bench.store.runs.add_metrics(run_id, [(20, "loss", float("nan"), None)])
    assert [point[1:] for point in bench.train.points(run_id, after=first[-1][0])] == [
        (20, "loss", None, None)
    ]


# --- adoption ------------------------------------------------------------------------------------


def test_an_adopted_run_is_followed_until_it_is_taken_back(bench):
    run_id = start(bench)
    said_N = finish(bench, run_id)
    task = bench.task()
    audit(bench, 40)
    held = bench.train.adoption(task, run_id)
    assert held.run.title == "Run 1: FixMatch"
    assert held.instant is not None
    assert held.head is not None
    assert held.run_right >= held.instant_right
    assert held.advice in ("adopt", "unclear")  # these words leave the instant loop few errors
    bench.train.adopt(task, run_id)
    snapshot = bench.snapshot(task)
    assert snapshot.follows.run_id == run_id
    assert (snapshot.prediction_N == said_N).all()
    assert bench.train.run(run_id).adopted == ("topic",)
    bench.train.follow_instant(task)
    assert bench.snapshot(task).follows.kind == "instant"
    assert bench.train.run(run_id).adopted == ()


def test_adoption_is_advised_against_where_the_run_is_worse(bench):
    run_id = start(bench)
    finish(bench, run_id, right=0.2)
    audit(bench, 40)
    held = bench.train.adoption(bench.task(), run_id)
    assert held.advice == "keep"
    assert held.instant_right > held.run_right
    assert held.better < 0.1
    assert "instant loop is better" in held.reason


def test_a_run_that_collapsed_is_advised_against_and_left_to_the_user(bench):
    run_id = start(bench)
    finish(bench, run_id, figures={"tasks": {"topic": {"collapsed": True}}, "note": "Collapsed on 'topic'."})
    held = bench.train.adoption(bench.task(), run_id)
    assert (held.advice, held.reason) == ("keep", "Collapsed on 'topic'.")
    bench.train.adopt(bench.task(), run_id)  # who knows better may: it can be taken back
    assert bench.store.adopted(bench.task().id) == run_id


def test_pictures_of_a_run_are_those_of_its_folder_by_kind_and_step(bench):
    run_id = start(bench)
    assert bench.train.pictures(run_id) == []
    folder = bench.folder / "runs" / str(run_id) / "pictures"
    folder.mkdir(parents=True)
    names = ["samples-00000200", "inputs-00000100", "samples-00000100"]
    for name in [*names, "else", "samples-1"]:
        (folder / f"{name}.png").write_bytes(name.encode())
    assert bench.train.pictures(run_id) == ["inputs-00000100", "samples-00000100", "samples-00000200"]
    assert bench.train.picture(run_id, "samples-00000200") == b"samples-00000200"
    for name in ("else", "samples-00000300", "../pictures/samples-00000200"):
        with pytest.raises(StoreError, match="no picture"):
            bench.train.picture(run_id, name)


def test_without_audit_answers_nothing_is_claimed(bench):
    run_id = start(bench)
    finish(bench, run_id)
    held = bench.train.adoption(bench.task(), run_id)
    assert (held.advice, held.better, held.differ) == ("unclear", None, 0)
    assert "stay with it" in held.reason
    bench.train.adopt(bench.task(), run_id)
    held = bench.train.adoption(bench.task(), run_id)
    assert held.advice == "unclear"
    assert held.reason.startswith("No audit item tells them apart yet.")
    assert "stay" not in held.reason  # it is followed already


def test_a_run_of_fewer_items_or_classes_cannot_be_adopted(bench):
    run_id = start(bench)
    finish(bench, run_id, rows=100)
    audit(bench, 30)
    assert bench.train.adoption(bench.task(), run_id).advice == "impossible"
    with pytest.raises(StoreError, match="Train again"):
        bench.train.adopt(bench.task(), run_id)
    assert bench.store.adopted(bench.task().id) is None


def test_only_a_finished_run_with_predictions_can_be_adopted(bench):
    run_id = start(bench)
    with pytest.raises(StoreError, match="is queued"):
        bench.train.adopt(bench.task(), run_id)
    bench.store.runs.claim()
    bench.store.runs.finish(run_id, "done")
    with pytest.raises(StoreError, match="no predictions"):
        bench.train.adopt(bench.task(), run_id)


def test_labels_outlive_adoption(bench):
    run_id = start(bench)
    finish(bench, run_id, right=0.0)
    task = bench.task()
    before = bench.snapshot(task).state.label_N.copy()
    bench.train.adopt(task, run_id)
    assert (bench.snapshot(task).state.label_N == before).all()
    bench.record([Event(client="me", seq=1, verb="label", task_id=task.id, item_ids=[50], value=2)])
    bench.live.refresh()
    assert bench.snapshot(task).state.label_N[49] == 2


def test_adoption_is_advised_where_the_run_is_clearly_better(open_bench):
    """Random texts teach the instant loop nothing; the run knows every answer."""
    bench = open_bench(n=120, texts=[f"{i * 7919 % 104729} word" for i in range(120)], labelled=16)
    run_id = start(bench)
    finish(bench, run_id)
    audit(bench, 40)
    held = bench.train.adoption(bench.task(), run_id)
    assert held.advice == "adopt"
    assert held.better > 0.99
    assert held.instant_right == 0
    assert f"right on {held.run_right}" in held.reason
