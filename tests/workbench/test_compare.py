"""The Compare desk: figures from the audit split alone, and where models differ."""

import numpy as np
import pytest

from sslcore.store import Event, LabelState, NewItem, Store
from sslcore.workbench import Workbench
from sslcore.workbench.learning_curve import POINTS, label_order, ladder
from tests.workbench.runs import audit, finish


@pytest.fixture
def bench(open_bench):
    return open_bench(n=160, labelled=16)


def run(bench, **how):
    run_id = bench.train.start([bench.task().name], method="supervised")
    finish(bench, run_id, **how)
    return run_id


def by_key(bench):
    return {entry.candidate.key: entry for entry in bench.compare.reports(bench.task())}


def test_without_labels_there_is_nothing_to_compare(open_bench):
    bench = open_bench(n=30)
    assert bench.compare.reports(bench.task()) == []
    assert bench.compare.learning_curve(bench.task()) is None
    assert bench.compare.followed(bench.task()) is None
    assert bench.compare.disagreements(bench.task(), "instant", "head") == (0, [])


def test_models_stand_side_by_side_on_the_same_audit_items(bench):
    audit(bench, 40)
    run_id = run(bench, right=0.5)
    found = by_key(bench)
    assert list(found) == ["instant", "head", f"run:{run_id}"]
    assert {entry.size for entry in found.values()} == {40}
    assert {entry.source for entry in found.values()} == {"audit"}
    assert not any(entry.rough for entry in found.values())
    assert {entry.candidate.labels for entry in found.values()} == {16}
    instant, other = found["instant"].report, found[f"run:{run_id}"].report
    assert instant.accuracy.value > other.accuracy.value
    assert other.accuracy.low < 0.5 < other.accuracy.high
    assert instant.confusion_CC.sum() == 40
    assert bench.compare.followed(bench.task()) == "instant"


def test_figures_are_those_of_the_known_answers(bench):
    audit(bench, 40)
    run_id = run(bench, right=1.0)
    held = by_key(bench)[f"run:{run_id}"]
    assert held.report.accuracy.value == 1.0
    assert held.report.accuracy.low > 0.9
    assert held.key_accuracy == 1.0
    assert [row.support for row in held.report.per_class] == [10, 10, 10, 10]


def test_few_audit_answers_are_rough_and_say_how_many_are_missing(bench):
    audit(bench, 6)
    run_id = run(bench)
    found = by_key(bench)
    assert bench.compare.audit_needed(bench.task()) == 14
    assert all(entry.rough for entry in found.values())
    assert (found["instant"].source, found["instant"].size) == ("out-of-fold", 16 + 6)
    assert (found["head"].source, found["head"].size) == ("audit", 6)
    assert found[f"run:{run_id}"].size == 6


def test_without_audit_answers_runs_have_no_figures(bench):
    run_id = run(bench)
    found = by_key(bench)
    assert found["instant"].source == "out-of-fold"
    assert found[f"run:{run_id}"].report is None
    assert found[f"run:{run_id}"].source == "none"
    assert bench.compare.run_points(bench.task()) == []


def test_an_item_that_a_run_trained_on_never_flatters_it(bench):
    """Item 1 was a label to train on when the run started, and became an audit item afterwards."""
    run_id = run(bench)
    audit(bench, 30)
    task = bench.task()
    bench.record(
        [
            Event(
                client="again",
                seq=1,
                verb="label",
                task_id=task.id,
                item_ids=[1],
                value=0,
                purpose="audit",
            )
        ]
    )
    bench.live.refresh()
    found = by_key(bench)
    assert found["instant"].size == 31
    assert found[f"run:{run_id}"].size == 30


def test_reports_are_kept_until_a_label_changes(bench):
    audit(bench, 25)
    first = by_key(bench)["instant"]
    assert by_key(bench)["instant"] is first
    task = bench.task()
    bench.record([Event(client="x", seq=1, verb="label", task_id=task.id, item_ids=[40], value=3)])
    bench.live.refresh()
    assert by_key(bench)["instant"] is not first


def test_a_run_from_before_a_class_was_added_still_has_figures(bench):
    audit(bench, 25)
    run_id = run(bench)
    bench.store.add_class(bench.task().id, "weather")
    with bench.store.importing() as batch:
        batch.add([NewItem(key="late", text="rain", sha256="0" * 64)])
    bench.live.refresh()
    held = by_key(bench)[f"run:{run_id}"]
    assert held.report.accuracy.value == 1.0
    assert held.report.per_class[4].support == 0


def test_confused_pairs_are_the_worst_ones_first(bench):
    audit(bench, 40, wrong=(120, 124))
    run_id = run(bench)
    task, held = bench.task(), by_key(bench)[f"run:{run_id}"]
    (pair,) = bench.compare.confused_pairs(task, held.report)
    assert (pair.true, pair.given, pair.count) == ("politics", "sport", 2)
    assert pair.share == pytest.approx(2 / 12)


def test_a_hundred_and_fifty_classes(open_bench):
    bench = open_bench(n=600, labelled=300, classes=[f"class {c}" for c in range(150)])
    audit(bench, 150)
    run(bench, right=0.5)
    found = by_key(bench)
    assert len(found["instant"].report.per_class) == 150
    assert len(bench.compare.confused_pairs(bench.task(), found["run:1"].report)) == 20


def test_one_class_only(open_bench):
    bench = open_bench(n=30, labelled=4, classes=["only"])
    audit(bench, 22)
    assert by_key(bench)["instant"].report.accuracy.value == 1.0
    assert bench.compare.learning_curve(bench.task()).points[-1].labels == 4


def test_other_kinds_of_task_have_no_models(tmp_path):
    store = Store.create(tmp_path / "multi", modality="text")
    store.add_task("tags", kind="multiple", classes=["a", "b"])
    store.close()
    bench = Workbench.open("multi", root=tmp_path)
    assert bench.compare.reports(bench.task()) == []
    bench.close()


# --- disagreements -------------------------------------------------------------------------------


def test_disagreements_list_what_two_runs_take_for_different_things(bench):
    sure, unsure = run(bench, right=1.0), run(bench, right=0.8, seed=3)
    count, listed = bench.compare.disagreements(bench.task(), f"run:{sure}", f"run:{unsure}", most=5)
    truth_N = np.arange(160) % 4
    candidate = bench.compare.candidate(bench.task(), f"run:{unsure}")
    wrong_N = candidate.prediction(np.arange(160)) != truth_N
    assert count == int(wrong_N.sum())
    assert len(listed) == 5
    names = bench.task().class_names
    for item in listed:
        row = item.item_id - 1
        assert item.first == names[truth_N[row]]
        assert item.second != item.first
        assert item.first_confidence == pytest.approx(0.9, abs=0.01)
        assert item.label == (names[truth_N[row]] if row < 16 else None)
    assert bench.compare.disagreements(bench.task(), f"run:{sure}", f"run:{sure}") == (0, [])


# --- learning curve ------------------------------------------------------------------------------


def test_the_curve_climbs_to_the_labels_of_now(bench):
    audit(bench, 40)
    curve = bench.compare.learning_curve(bench.task(), seconds=60)
    assert [point.labels for point in curve.points] == [4, 8, 12, 16]
    assert (curve.source, curve.size, curve.whole) == ("audit", 40, True)
    assert curve.points[-1].instant.value == by_key(bench)["instant"].report.accuracy.value
    assert curve.points[-1].head.value == by_key(bench)["head"].report.accuracy.value
    assert curve.points[-1].instant.value >= curve.points[0].instant.value
    assert curve.points[-1].key_instant == pytest.approx(bench.snapshot(bench.task()).key_accuracy)


def test_a_curve_that_runs_out_of_time_has_both_ends_and_goes_on_later(bench):
    audit(bench, 40)
    curve = bench.compare.learning_curve(bench.task(), seconds=0)
    assert 1 <= len(curve.points) < 4
    assert curve.points[-1].labels == 16
    assert not curve.whole
    assert bench.compare.learning_curve(bench.task(), seconds=60).whole


def test_fits_are_kept_when_audit_answers_come(bench, monkeypatch):
    from sslcore.instant.loop import InstantLoop

    bench.compare.learning_curve(bench.task(), seconds=60)
    audit(bench, 25)
    monkeypatch.setattr(InstantLoop, "fit", lambda *args, **more: pytest.fail("was fitted before"))
    assert bench.compare.learning_curve(bench.task()).source == "audit"


def test_without_audit_answers_the_curve_is_out_of_fold(bench):
    curve = bench.compare.learning_curve(bench.task(), seconds=60)
    assert (curve.source, curve.size) == ("out-of-fold", 16)
    assert curve.points[-1].instant is not None
    assert curve.points[-1].head is None


def test_every_point_is_judged_on_the_same_items(open_bench):
    """The first labels are easy ones, the later ones are not: no point may be about the easy ones alone."""
    texts = [f"{'abcd'[i % 4]}{'abcd'[i % 4]}{i // 4} plain" for i in range(160)]
    bench = open_bench(texts=texts, n=160)
    task = bench.task()
    rng = np.random.default_rng(0)
    for seq in range(60):  # from the 20th on what they are has nothing to do with what they say
        value = seq % 4 if seq < 20 else int(rng.integers(4))
        bench.record(
            [Event(client="me", seq=seq, verb="label", task_id=task.id, item_ids=[seq + 1], value=value)]
        )
    bench.live.refresh()
    curve = bench.compare.learning_curve(task, seconds=60)
    assert curve.source == "out-of-fold"
    assert curve.size == 60
    # those that have no other label of their class at a point cannot be judged there: four at the first
    assert (curve.judged_SJ.sum(axis=1) >= 60 - 4).all()
    assert curve.judged_SJ[-1].all()
    value_S = [point.instant.value for point in curve.points]
    assert max(value_S) < 0.75, "a point about the first, easy labels alone would be right throughout"
    assert curve.points[-1].instant.value == by_key(bench)["instant"].report.accuracy.value


def test_a_point_that_judges_few_items_has_no_figure(open_bench):
    bench = open_bench(n=60, labelled=8)
    curve = bench.compare.learning_curve(bench.task(), seconds=60)
    assert [point.labels for point in curve.points] == [4, 8]
    assert all(point.instant is None for point in curve.points)


def test_a_near_duplicate_of_what_a_point_learned_from_is_no_test_of_it(open_bench):
    rng = np.random.default_rng(0)
    words = [f"{a}{b}" for a in ("river", "stone", "cloud", "garden") for b in ("side", "bed", "less")]
    texts = [" ".join(rng.choice(words, 90)) for _ in range(60)]
    texts[30] = texts[0] + " ."
    bench = open_bench(texts=texts, n=60)
    task = bench.task()
    order = [*range(20), 30, *range(20, 30)]
    for seq, row in enumerate(order):
        bench.record(
            [Event(client="me", seq=seq, verb="label", task_id=task.id, item_ids=[row + 1], value=row % 2)]
        )
    bench.live.refresh()
    curve = bench.compare.learning_curve(task, seconds=60)
    first, place = curve.points[0].labels, 30  # rows ascend, all have company of their class at the end
    assert first <= 20
    assert not curve.judged_SJ[0][place]
    assert curve.judged_SJ[0][20:30].all()
    assert curve.judged_SJ[-1][place]


def test_labels_come_in_the_order_in_which_they_were_given(bench):
    task = bench.task()
    for seq, item in enumerate((90, 30, 60), start=1):
        bench.record([Event(client="me", seq=seq, verb="label", task_id=task.id, item_ids=[item], value=1)])
    state = LabelState(bench.store)[task.id]
    order = label_order(state).tolist()
    assert order[-3:] == [89, 29, 59]
    assert sorted(order[:16]) == list(range(16))
    assert order[:16] != list(range(16)), "an import's order says nothing of when a label was given"
    audit(bench, 20)
    assert label_order(LabelState(bench.store)[task.id]).tolist() == order


def test_ladders_are_short_rise_and_end_at_the_last_label():
    for classes in (1, 2, 7, 150):
        for labels in (1, 2, 10, 99, 1000, 25_000):
            steps = list(ladder(labels, classes))
            assert steps[-1] == labels
            assert len(steps) <= POINTS
            assert steps == sorted(set(steps))


def test_what_an_audit_item_is_not_is_never_told_to_a_model(bench):
    """Said to be no sport, then labelled as an audit item: sport must stay possible for the model."""
    task = bench.task()
    bench.record([Event(client="me", seq=1, verb="reject", task_id=task.id, item_ids=[101], value=0)])
    bench.live.refresh()
    assert bench.snapshot(task).proba_NC[100, 0] == 0
    bench.record(
        [Event(client="me", seq=2, verb="label", task_id=task.id, item_ids=[101], value=1, purpose="audit")]
    )
    bench.live.refresh()
    assert bench.snapshot(task).state.rejected_pairs() == []
    assert by_key(bench)["instant"].candidate.proba_NC[100, 0] > 0
