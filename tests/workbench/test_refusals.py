"""Labels that teach nothing are refused with the reason, whatever the kind of task."""

import pytest

from sslcore.errors import RecipeError
from sslcore.store import Event, Store
from sslcore.workbench import Workbench
from tests.many_tasks import answer, make_digits, make_reviews


def give(bench, task, value, rows, client="giver"):
    bench.record(
        [
            Event(client, seq, "label", task.id, [row + 1], value=value, annotator="me")
            for seq, row in enumerate(rows, start=1)
        ]
    )
    bench.live.refresh()


def obstacle(bench, task, method="supervised"):
    return bench.train.obstacle([task.name], method)


def test_sets_need_a_class_that_some_have_and_some_have_not(open_bench):
    bench = open_bench(make_digits, n=40)
    task = bench.task("shape")
    assert "no label to learn from" in obstacle(bench, task)
    give(bench, task, [0, 2], range(4))
    assert "all 4 labels name the same classes" in obstacle(bench, task)
    give(bench, task, [], [9], client="other")
    assert obstacle(bench, task) is None


def test_numbers_need_two_different_ones(open_bench):
    bench = open_bench(make_reviews, n=40)
    task = bench.task("score")
    assert "no label to learn from" in obstacle(bench, task)
    give(bench, task, 2.5, range(3))
    assert "all 3 labels say 2.5" in obstacle(bench, task)
    give(bench, task, 4, [9], client="other")
    assert obstacle(bench, task) is None
    assert "2 of" not in " ".join(bench.train.doubts(["score"]))  # numbers have no classes to miss


def test_audit_answers_teach_nothing_and_missing_classes_are_named(open_bench):
    bench = open_bench(make_digits, n=60)
    task = bench.task("shape")
    answer(bench, task, range(20), purpose="audit")
    assert "audit answers are never trained on" in obstacle(bench, task)
    give(bench, task, [0], range(30, 33))
    give(bench, task, [], range(34, 36), client="none")
    assert obstacle(bench, task) is None
    doubts = " ".join(bench.train.doubts(["shape"]))
    assert "2 of 3 classes have no label yet (straight, closed)" in doubts


def test_with_every_item_labelled_nothing_is_left_for_methods_that_want_more(open_bench):
    bench = open_bench(make_digits, n=30)
    task = bench.task("shape")
    answer(bench, task, range(30))
    assert "no unlabelled item left" in obstacle(bench, task, "fixmatch")
    assert obstacle(bench, task) is None
    assert "30 labels" in bench.train.defaults("supervised", ["shape"]).reason


def test_a_task_without_classes_is_refused(tmp_path, wishes):
    store = Store.create(tmp_path / "multi", modality="text")
    store.add_task("tags", kind="multiple", classes=[])
    store.close()
    bench = Workbench.open("multi", root=tmp_path)
    with pytest.raises(RecipeError, match="has no class yet"):
        bench.train.start(["tags"], method="fixmatch")
    bench.close()
