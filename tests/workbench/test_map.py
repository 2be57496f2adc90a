"""The Map desk: coordinates, colours, selections, and bulk actions that leave people's labels alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslcore.errors import DataError, UnknownNameError
from sslcore.features.cache import FeatureCache
from sslcore.store import Event, LabelState, NewItem, Store
from sslcore.store.fold import SOURCE_CODE
from sslcore.workbench import bulk
from sslcore.workbench.map import (
    ASIDE,
    AUDIT,
    FLAGGED,
    NOTHING,
    PEOPLE,
    bits_of_rows,
    composition,
    rows_of_bits,
)
from tests.browser.harness import make_image_project, make_text_project


@pytest.fixture
def bench(tmp_path, opened):
    """120 texts of four topics, the first 16 with an imported label, TF-IDF features."""
    make_text_project(tmp_path, "p", n=120, labelled=16).close()
    return opened(tmp_path, "p")


def say(bench, verb, items, *, client="person-01", seq=1, **more):
    """What a person does elsewhere, seen by the snapshot."""
    bench.record([Event(client=client, seq=seq, verb=verb, task_id=bench.task().id, item_ids=items, **more)])
    bench.live.refresh()


def without_picture(bench):
    """As with features of which no picture has been drawn."""
    for name in ("map.npy", "map.json"):
        (FeatureCache(bench.folder).folder("tfidf") / name).unlink()


def labels(bench):
    return LabelState(bench.store)[bench.task().id].label_N


# --- coordinates ---


def test_principal_components_stand_in_until_a_map_is_drawn(bench):
    without_picture(bench)
    found = bench.map.points("tfidf")
    assert found.kind == "principal components"
    assert found.map_N2.shape == (120, 2)
    assert found.map_N2.dtype == np.float32
    assert np.abs(found.map_N2).max() == pytest.approx(1, abs=1e-5)
    feature_ND = FeatureCache(bench.folder).load("tfidf").feature_ND.astype(np.float64)
    centred_ND = feature_ND - feature_ND.mean(0)
    left, singular, _ = np.linalg.svd(centred_ND, full_matrices=False)
    truth_N = left[:, 0] * singular[0]
    assert abs(np.corrcoef(found.map_N2[:, 0], truth_N)[0, 1]) > 0.999


def test_a_drawn_map_takes_over_and_its_version_says_so(bench):
    without_picture(bench)
    before = bench.map.points("tfidf").version
    rng = np.random.default_rng(0)
    cache = FeatureCache(bench.folder)
    first_N2 = rng.uniform(-1, 1, (120, 2)).astype(np.float32)
    cache.save_map("tfidf", first_N2, method="first picture")
    picture = bench.map.points("tfidf")
    cache.save_map("tfidf", -first_N2, method="umap")
    final = bench.map.points("tfidf")
    assert [picture.kind, final.kind] == ["first picture", "map"]
    assert len({before, picture.version, final.version}) == 3
    np.testing.assert_array_equal(final.map_N2, -first_N2)
    assert bench.map.best_source().encoder == "tfidf"


def test_a_map_of_fewer_items_is_not_shown(bench):
    FeatureCache(bench.folder).save_map("tfidf", np.zeros((90, 2), np.float32), method="umap")
    assert bench.map.points("tfidf").kind == "principal components"


def test_no_features_no_points(tmp_path, opened):
    make_text_project(tmp_path, "plain", n=10, features=False).close()
    bench = opened(tmp_path, "plain")
    assert bench.map.points("tfidf") is None
    assert bench.map.best_source() is None
    assert bench.map.points("../../etc") is None
    assert (bench.map.colours(bench.task(), "pseudo-label").code_N == NOTHING).all()


def test_an_empty_project_has_a_map_of_nothing(tmp_path, opened):
    store = Store.create(tmp_path / "empty", modality="text")
    store.add_task("topic", classes=["a"])
    store.close()
    bench = opened(tmp_path, "empty")
    assert bench.map.best_source() is None
    assert len(bench.map.colours(bench.task(), "label").code_N) == 0


# --- colours ---


def test_colours_say_what_people_and_machine_say(bench):
    task = bench.task()
    say(bench, "label", [30], value=2)
    say(bench, "label", [31], value=1, purpose="audit", seq=2)
    say(bench, "flag", [32], seq=3)
    say(bench, "skip", [33], seq=4)
    label = bench.map.colours(task, "label")
    assert label.code_N[29] == 2
    assert label.code_N[40] == NOTHING
    assert label.mark_N[29] == PEOPLE
    assert label.mark_N[30] == PEOPLE | AUDIT
    assert label.mark_N[31] == FLAGGED
    assert label.mark_N[32] == ASIDE
    pseudo = bench.map.colours(task, "pseudo-label")
    assert pseudo.code_N[29] == 2  # a person's word stands before the machine's
    assert (pseudo.code_N[40:] < 4).all()
    assert (pseudo.code_N[40:] == np.arange(40, 120) % 4).mean() > 0.7
    confidence = bench.map.colours(task, "confidence")
    np.testing.assert_allclose(confidence.code_N / 1000, bench.snapshot(task).confidence_N, atol=6e-4)
    status = bench.map.colours(task, "status")
    assert status.code_N[[0, 29, 32, 50]].tolist() == [3, 1, 5, 0]
    with pytest.raises(UnknownNameError, match="pseudo-label"):
        bench.map.colours(task, "rainbow")


def test_serial_rises_with_every_label(bench):
    before = bench.map.colours(bench.task(), "label").serial
    say(bench, "label", [50], value=0)
    assert bench.map.colours(bench.task(), "label").serial > before


def test_nothing_is_suggested_before_the_first_label(tmp_path, opened):
    make_text_project(tmp_path, "new", n=40).close()
    bench = opened(tmp_path, "new")
    assert (bench.map.colours(bench.task(), "pseudo-label").code_N == NOTHING).all()
    assert bench.map.selection(bench.task(), range(40))["acceptable"] == 0


# --- selections ---


@given(st.integers(1, 300), st.randoms())
@settings(max_examples=40)
def test_bits_there_and_back(count, random):
    rows = np.array(sorted(random.sample(range(count), random.randint(0, count))), dtype=np.int64)
    np.testing.assert_array_equal(rows_of_bits(bits_of_rows(rows, count), count), rows)


def test_bits_of_another_number_of_items_are_refused():
    with pytest.raises(DataError, match=r"2 bytes\. Received: 3"):
        rows_of_bits(b"abc", 12)


def test_selection_tells_what_is_in_it(bench):
    say(bench, "label", [20], value=3)
    say(bench, "flag", [21], seq=2)
    found = bench.map.selection(bench.task(), range(10, 60), samples=5)
    assert found["count"] == 50
    assert sum(part["count"] for part in found["labels"]) == 50
    assert found["labels"][-1]["name"] == "none"
    assert found["people"] == 7  # six of the import, one of a person
    assert found["flagged"] == 1
    assert found["acceptable"] == 43
    assert len(found["samples"]) == 5
    assert found["samples"][0]["text"].startswith(f"{found['samples'][0]['item_id'] - 1}:")
    sure = [card["confidence"] for card in found["samples"]]
    assert sure == sorted(sure)


def test_many_classes_are_summed_up():
    from sslcore.store import ClassInfo, Task

    task = Task(1, "t", "single", tuple(ClassInfo(i, f"c{i}") for i in range(10_000)))
    parts = composition(np.concatenate([np.zeros(5, int), np.arange(100, 200), [-1]]), task)
    assert [part["name"] for part in parts][-2:] == ["93 more", "none"]
    assert parts[0]["count"] == 5
    assert sum(part["count"] for part in parts) == 106


# --- actions ---


def test_a_selection_is_labelled_as_one_action_and_undone_as_one(bench):
    before = labels(bench).copy()
    done = bench.map.act(bench.task(), range(10, 60), "label", value=1, by=("ana", "client-01", 7))
    assert done.batch == "client-01:7"
    assert done.sentence == "Labelled 44 items as politics; 6 keep the label a person gave them."
    after = labels(bench)
    assert (after[16:60] == 1).all()
    np.testing.assert_array_equal(after[:16], before[:16])
    state = LabelState(bench.store)[bench.task().id]
    assert (state.source_N[16:60] == SOURCE_CODE["bulk"]).all()
    assert state.annotator[20] == "ana"
    bench.map.undo(done.batch)
    np.testing.assert_array_equal(labels(bench), before)


def test_people_are_relabelled_where_it_is_asked_for(bench):
    done = bench.map.act(bench.task(), range(10, 20), "label", value=1, people=True)
    assert done.left_out == {"same": 1}  # row 13 is a politics text already
    assert (labels(bench)[10:20] == 1).all()


def test_the_same_action_sent_twice_is_done_once(bench):
    for _ in range(2):
        bench.map.act(bench.task(), [50], "label", value=1, by=(None, "client-01", 1))
    rows = [row for row in bench.store.annotations.since() if row.batch == "client-01:1"]
    assert len(rows) == 1


def test_accept_gives_the_machines_class_and_spares_audit_and_people(bench):
    say(bench, "label", [41], value=3)
    say(bench, "label", [42], value=3, purpose="audit", seq=2)
    say(bench, "clear", [42], seq=3)  # still of the audit split, without an answer
    snapshot = bench.snapshot(bench.task())
    done = bench.map.act(bench.task(), range(120), "accept")
    assert done.left_out == {"audit": 1, "labelled": 17}
    state = LabelState(bench.store)[bench.task().id]
    assert state.label_N[40] == 3
    assert state.label_N[41] == -1
    open_N = ~snapshot.state.labelled_N & ~snapshot.state.audit_N
    np.testing.assert_array_equal(state.label_N[open_N], snapshot.prediction_N[open_N])
    np.testing.assert_allclose(state.confidence_N[open_N], snapshot.confidence_N[open_N], atol=1e-6)


def test_an_answer_given_after_the_snapshot_is_not_overwritten(bench):
    """The snapshot lags a refit behind: what a person says in between wins."""
    task = bench.task()
    snapshot = bench.snapshot(task)
    bench.record([Event(client="person-01", seq=1, verb="label", task_id=task.id, item_ids=[60], value=3)])
    planned = bulk.plan(snapshot, range(58, 62), "accept")
    done = bulk.commit(bench, snapshot, planned)
    assert done.left_out == {"changed": 1}
    assert labels(bench)[59] == 3
    relabelled = bulk.commit(bench, snapshot, bulk.plan(snapshot, range(58, 62), "label", value=0))
    assert relabelled.left_out == {"changed": 1}
    assert labels(bench)[[58, 59, 60]].tolist() == [0, 3, 0]


def test_accept_after_an_undo_sees_the_undo(bench):
    task = bench.task()
    first = bench.map.act(task, range(30, 60), "accept")
    bench.live.refresh()
    bench.map.undo(first.batch)
    again = bench.map.act(task, range(30, 60), "accept")
    assert len(again.row_M) == 30


def test_reject_remembers_what_it_is_not(bench):
    task = bench.task()
    said = bench.snapshot(task).prediction_N[60:63].copy()
    done = bench.map.act(task, range(60, 63), "reject")
    assert done.sentence.startswith("Rejected 3 items")
    bench.live.refresh()
    state = bench.snapshot(task).state
    assert [sorted(state.rejected[row]) for row in range(60, 63)] == [[c] for c in said]
    assert (bench.snapshot(task).prediction_N[60:63] != said).all()


def test_reject_takes_a_bulk_label_back(bench):
    task = bench.task()
    bench.map.act(task, [70, 71], "label", value=2)
    bench.live.refresh()
    bench.map.act(task, [70, 71], "reject")
    state = LabelState(bench.store)[task.id]
    assert state.label_N[[70, 71]].tolist() == [-1, -1]
    assert state.rejected[70] == {2}


def test_flag_and_clear(bench):
    task = bench.task()
    assert bench.map.act(task, [5, 6], "flag").sentence == "Flagged 2 items."
    bench.live.refresh()
    assert bench.map.act(task, [5, 6, 7], "flag").left_out == {"same": 2}
    assert bench.map.act(task, [5], "unflag").sentence == "Took the flag off 1 item."
    assert bench.map.act(task, [5, 80], "clear").batch is None
    assert bench.map.act(task, [5, 80], "clear", people=True).left_out == {"nothing": 1}
    assert labels(bench)[5] == -1


def test_nothing_to_do_stores_nothing(bench):
    newest = bench.store.annotations.newest()
    done = bench.map.act(bench.task(), range(16), "accept")
    assert done.batch is None
    assert done.sentence == "Nothing to do: 16 have a label already."
    assert bench.store.annotations.newest() == newest


@pytest.mark.parametrize(
    ("rows", "verb", "value", "message"),
    [
        ([500], "flag", None, "The project has 120 items. Received: item 501"),
        ([50], "label", 4, "classes 0 to 3. Received: 4"),
        ([50], "label", True, "Received: True"),
        ([50], "label", None, "Received: None"),
        ([50], "skip", None, "A bulk action is one of"),
    ],
)
def test_what_makes_no_sense_is_refused(bench, rows, verb, value, message):
    newest = bench.store.annotations.newest()
    with pytest.raises(DataError, match=message):
        bench.map.act(bench.task(), rows, verb, value=value)
    assert bench.store.annotations.newest() == newest


def test_numbers_and_several_classes(tmp_path, opened):
    store = Store.create(tmp_path / "q", modality="text")
    with store.importing() as batch:
        batch.ensure_task("size", kind="numeric")
        batch.ensure_task("tags", kind="multiple", classes=["x", "y"])
        batch.add([NewItem(key=str(i), text=str(i), sha256=f"{i:064d}") for i in range(4)])
    store.close()
    bench = opened(tmp_path, "q")
    with pytest.raises(DataError, match="asks for a number"):
        bench.map.act(bench.task("size"), [0], "label", value=0)
    bench.map.act(bench.task("tags"), [1, 2], "label", value=1)
    bench.live.refresh()
    state = bench.snapshot(bench.task("tags")).state
    assert [state.value_of(row) for row in range(4)] == [None, [1], [1], None]
    for by in ("label", "pseudo-label", "confidence", "status"):
        bench.map.colours(bench.task("tags"), by)
        bench.map.colours(bench.task("size"), by)
    assert bench.map.selection(bench.task("size"), [0, 1])["count"] == 2


def test_images_name_their_content(tmp_path, opened):
    make_image_project(tmp_path, "images", n=12, features=False).close()
    bench = opened(tmp_path, "images")
    (card,) = bench.map.cards(bench.task(), [3])
    assert card["text"] is None
    assert card["sha"] == bench.store.items([3])[0].sha256[:16]
    with pytest.raises(DataError, match="no item 13"):
        bench.map.cards(bench.task(), [13])
