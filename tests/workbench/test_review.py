"""The Review desk: lists, thresholds with honest evidence, bulk acceptance and its undo."""

import hashlib
import time

import numpy as np
import pytest

from sslcore.errors import ConfigError
from sslcore.quality.intervals import Interval
from sslcore.quality.thresholds import Acceptance
from sslcore.store import Event, LabelState, NewItem, NewLabel, Store
from sslcore.workbench.review import ReviewFilter, means
from tests.browser.harness import make_text_project
from tests.many_tasks import make_digits, make_reviews


@pytest.fixture
def bench(tmp_path, opened):
    """160 texts of four topics, 24 with an imported label."""
    make_text_project(tmp_path, "p", n=160, labelled=24).close()
    return opened(tmp_path, "p")


def say(bench, verb, items, *, seq=1, **more):
    event = Event(client="person-01", seq=seq, verb=verb, task_id=bench.task().id, item_ids=items, **more)
    bench.record([event])
    bench.live.refresh()


def ids(bench, **wanted):
    return bench.review.listing(bench.task(), ReviewFilter(**wanted)).item_ids


def audited(bench, n, *, wrong=0):
    """A person answers ``n`` audit questions, the first ``wrong`` of them against the machine."""
    snapshot = bench.snapshot(bench.task())
    rows = np.flatnonzero(~snapshot.state.labelled_N)[:n]
    truth = rows % 4
    events = [
        Event(
            client="auditor-1",
            seq=i + 1,
            verb="label",
            task_id=bench.task().id,
            item_ids=[int(row) + 1],
            value=int((truth[i] + (i < wrong)) % 4),
            purpose="audit",
        )
        for i, row in enumerate(rows)
    ]
    bench.record(events)
    bench.live.refresh()
    return rows


# --- lists ---


def test_least_certain_first_by_default(bench):
    found = ids(bench)
    assert len(found) == 136
    sure = bench.snapshot(bench.task()).confidence_N[found - 1]
    assert (np.diff(sure) >= 0).all()
    assert (np.diff(bench.snapshot(bench.task()).confidence_N[ids(bench, sort="most") - 1]) <= 0).all()
    assert (np.diff(bench.snapshot(bench.task()).margin_N[ids(bench, sort="margin") - 1]) >= 0).all()


def test_filters(bench):
    say(bench, "label", [40], value=1)
    say(bench, "flag", [41], seq=2)
    say(bench, "skip", [42], seq=3)
    say(bench, "label", [43], value=2, purpose="audit", seq=4)
    say(bench, "label", [44, 45], value=2, source="bulk", seq=5)
    assert set(ids(bench, show="people")) == {40, 43}
    assert ids(bench, show="flagged").tolist() == [41]
    assert ids(bench, show="aside").tolist() == [42]
    assert ids(bench, show="audit").tolist() == [43]
    assert sorted(ids(bench, show="bulk")) == [44, 45]
    assert len(ids(bench, show="imported")) == 24
    assert len(ids(bench, show="all")) == 160
    assert set(ids(bench)) == set(range(25, 161)) - {40, 42, 43, 44, 45}
    snapshot = bench.snapshot(bench.task())
    sports = ids(bench, class_index=0)
    assert (snapshot.prediction_N[sports - 1] == 0).all()
    between = ids(bench, low=0.4, high=0.8)
    assert ((snapshot.confidence_N[between - 1] >= 0.4) & (snapshot.confidence_N[between - 1] <= 0.8)).all()
    text = bench.store.items([100])[0].text
    assert 100 in ids(bench, text=text[:20].upper(), show="all")
    assert len(ids(bench, text="no such words %_", show="all")) == 0
    assert bench.review.counts(bench.task())["people"] == 2


def test_disagreements_ask_the_machine_without_the_label(bench):
    """A wrong label teaches the machine itself; only its answer without that label disagrees."""
    say(bench, "label", [50], value=(49 + 1) % 4)  # item 50 is of class 49 % 4
    found = ids(bench, sort="disagreement")
    assert 50 in found
    (card,) = [c for c in bench.review.cards(bench.task(), found) if c["item_id"] == 50]
    assert card["label"]["position"] != card["prediction"]["position"]
    assert bench.snapshot(bench.task()).prediction_N[49] == (49 + 1) % 4


def test_pages_do_not_shift_while_one_labels(bench):
    found = bench.review.listing(bench.task(), ReviewFilter())
    first, second = found.page(1, 50), found.page(2, 50)
    say(bench, "label", first.tolist(), value=0)
    assert found.pages(50) == 3
    np.testing.assert_array_equal(found.page(2, 50), second)
    assert len(found.page(3, 50)) == 36
    cards = bench.review.cards(bench.task(), first)
    assert [card["item_id"] for card in cards] == first.tolist()
    assert all(card["label"]["position"] == 0 for card in cards)


def test_a_filter_that_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match=r"low=0\.9, high=0\.2"):
        ReviewFilter(low=0.9, high=0.2)
    with pytest.raises(ConfigError, match="'worst'"):
        ReviewFilter(sort="worst")
    with pytest.raises(ConfigError, match="'mine'"):
        ReviewFilter(show="mine")


def test_no_labels_no_suggestions(tmp_path, opened):
    make_text_project(tmp_path, "new", n=30).close()
    bench = opened(tmp_path, "new")
    task = bench.task()
    assert len(bench.review.listing(task, ReviewFilter())) == 0
    assert len(bench.review.listing(task, ReviewFilter(show="all"))) == 30
    assert bench.review.preview(task, 0.9) is None
    assert bench.review.suggest(task) == [None] * 4
    assert bench.review.suggest_common(task) is None
    assert bench.review.accept(task, 0.0).batch is None


def test_all_labelled_and_one_class(tmp_path, opened):
    make_text_project(tmp_path, "one", n=30, classes=["only"], labelled=30).close()
    bench = opened(tmp_path, "one")
    task = bench.task()
    assert len(bench.review.listing(task, ReviewFilter())) == 0
    assert bench.review.preview(task, 0.5).overall.accepted == 0
    assert len(bench.review.listing(task, ReviewFilter(sort="disagreement"))) == 0


@pytest.mark.parametrize(("make", "name"), [(make_digits, "shape"), (make_reviews, "score")])
def test_a_card_carries_what_accepting_it_stores(tmp_path, opened, make, name):
    make(tmp_path, "p", n=120, labelled=60).close()
    bench = opened(tmp_path, "p")
    task = bench.task(name)
    cards = bench.review.cards(task, bench.review.listing(task, ReviewFilter()).item_ids[:20])
    events = [
        {
            "seq": at,
            "verb": "accept",
            "task": task.id,
            "items": [card["item_id"]],
            "value": card["prediction"]["value"],
        }
        for at, card in enumerate(cards, start=1)
    ]
    receipt = bench.label.take("client-0001", events, annotator="me")
    assert not receipt.refused
    bench.live.refresh()
    state = LabelState(bench.store)[task.id]
    for card in bench.review.cards(task, [card["item_id"] for card in cards]):
        assert card["label"]["value"] == state.value_of(card["item_id"] - 1)
        assert card["label"] == card["prediction"]


def test_numbers_are_suggested_with_an_interval_and_have_no_threshold(tmp_path, opened):
    make_reviews(tmp_path, "p", n=120, labelled=60).close()
    bench = opened(tmp_path, "p")
    task = bench.task("score")
    snapshot = bench.snapshot(task)
    assert bench.review.suggests(snapshot)
    assert not bench.review.predicts(snapshot)
    card = bench.review.cards(task, bench.review.listing(task, ReviewFilter()).item_ids[:1])[0]
    low, high = card["interval"].split(" – ")
    assert float(low) <= card["prediction"]["value"] <= float(high)
    assert card["confidence"] is None
    stars = bench.task("stars")
    assert bench.review.cards(stars, [1])[0]["interval"] is None


# --- thresholds ---


def test_preview_counts_what_accept_accepts(bench):
    task = bench.task()
    threshold = float(np.median(bench.snapshot(task).confidence_N[24:]))
    preview = bench.review.preview(task, threshold)
    assert preview.overall.accepted == sum(row.accepted for row in preview.by_class)
    assert 0 < preview.overall.accepted < 136
    by_class = np.full(4, 2.0)
    by_class[1] = threshold
    only = bench.review.preview(task, by_class)
    assert only.overall.accepted == preview.by_class[1].accepted
    done = bench.review.accept(task, threshold)
    assert len(done.row_M) == preview.overall.accepted


def test_accept_one_class_and_take_it_back(bench):
    task = bench.task()
    before = LabelState(bench.store)[task.id].label_N.copy()
    expected = bench.review.preview(task, 0.0).by_class[2].accepted
    done = bench.review.accept(task, 0.0, class_index=2, annotator="ana")
    assert done.sentence == f"Accepted {expected} items as science."
    after = LabelState(bench.store)[task.id].label_N
    assert set(after[after != before]) == {2}
    bench.review.undo(done.batch)
    np.testing.assert_array_equal(LabelState(bench.store)[task.id].label_N, before)


def test_flagged_aside_audit_and_people_are_left_alone(bench):
    task = bench.task()
    say(bench, "flag", [60], seq=1)
    say(bench, "skip", [61], seq=2)
    say(bench, "label", [62], value=3, purpose="audit", seq=3)
    say(bench, "clear", [62], seq=4)
    say(bench, "label", [63], value=3, seq=5)
    bench.review.accept(task, 0.0)
    state = LabelState(bench.store)[task.id]
    assert state.label_N[[59, 60, 61, 62]].tolist() == [-1, -1, -1, 3]
    assert state.audit_N[61]
    assert (state.label_N >= 0).sum() == 157


def test_evidence_is_the_audit_where_there_is_enough(bench):
    task = bench.task()
    rough = bench.review.preview(task, 0.0).overall
    assert rough.source == "out-of-fold (rough)"
    assert rough.checked == 24
    rows = audited(bench, 40, wrong=10)
    found = bench.review.preview(task, 0.0).overall
    assert found.source == "audit"
    assert found.checked == 40
    hits = (bench.snapshot(task).prediction_N[rows] == bench.snapshot(task).state.label_N[rows]).sum()
    assert found.correct == hits
    assert found.precision.low < hits / 40 + 0.05 < found.precision.high + 0.1
    assert found.accepted == 160 - 24 - 40


def test_labels_of_the_machine_are_no_evidence_for_it(bench):
    """After a bulk acceptance the machine agrees with itself; the rough figure must not rise from that."""
    task = bench.task()
    before = bench.review.preview(task, 0.0).overall
    half = bench.review.listing(task, ReviewFilter(sort="most")).item_ids[:80]
    bench.review.act(task, half, "accept")
    bench.live.refresh()
    after = bench.review.preview(task, 0.0).overall
    assert after.checked == before.checked == 24


def test_the_suggested_threshold_reaches_its_target(bench):
    task = bench.task()
    audited(bench, 80, wrong=8)
    common = bench.review.suggest_common(task, 0.7)
    assert common is not None
    assert bench.review.preview(task, common).overall.precision.value >= 0.7
    by_class = bench.review.suggest(task, 0.7)
    threshold_C = np.array([np.inf if t is None else t for t in by_class])
    for row in bench.review.preview(task, threshold_C).by_class:
        assert row.precision is None or row.precision.value >= 0.7
    assert bench.review.suggest_common(task, 0.999) is None


def test_words_say_what_accepting_means():
    interval = Interval(0.97, 0.94, 0.99)
    assert means(Acceptance(None, 0.9, 412, interval, "audit", 83, 80)) == (
        "412 items get the machine's label; about 97 % of them right (94–99 %, from 83 audit answers)."
    )
    rough = means(Acceptance(None, 0.9, 1, interval, "out-of-fold (rough)", 1, 1))
    assert rough.startswith("1 item gets")
    assert "rough: from 1 label left out" in rough
    assert "not known yet" in means(Acceptance(None, 0.9, 3, None, "audit", 0, 0))
    assert means(Acceptance(None, 0.99, 0, None, "audit", 0, 0)).startswith("No item passes")


def test_a_class_that_the_machine_does_not_know_yet_accepts_nothing(bench):
    known = bench.review.preview(bench.task(), np.full(4, 0.3))
    position = bench.store.add_class(bench.task().id, "weather").position
    task = bench.task()
    assert bench.snapshot(task).proba_NC.shape[1] == position == 4
    preview = bench.review.preview(task, np.full(5, 0.3))
    assert preview.overall.accepted == known.overall.accepted > 0
    assert [row.accepted for row in preview.by_class] == [row.accepted for row in known.by_class] + [0]
    assert bench.review.suggest(task)[position] is None
    assert len(bench.review.suggest(task)) == 5
    assert bench.review.accept(task, np.full(5, 0.3), class_index=position).batch is None
    assert len(bench.review.accept(task, np.full(3, 0.3)).row_M) == sum(
        r.accepted for r in known.by_class[:3]
    )


def test_a_set_has_no_class_that_the_machine_does_not_know_yet(tmp_path, opened):
    make_digits(tmp_path, "p", n=120, labelled=60).close()
    bench = opened(tmp_path, "p")
    bench.snapshot(bench.task("shape"))
    position = bench.store.add_class(bench.task("shape").id, "dotted").position
    wanted = ReviewFilter(show="all", class_index=position)
    assert len(bench.review.listing(bench.task("shape"), wanted)) == 0


# --- actions ---


def test_history_with_undo_and_redo(bench):
    task = bench.task()
    first = bench.review.act(task, range(100, 110), "label", value=1, annotator="ana")
    second = bench.review.accept(task, 0.0)
    say(bench, "label", [150], value=0)  # a person's single label is no bulk action
    history = bench.review.recent(task)
    assert [action.batch for action in history] == [second.batch, first.batch]
    assert history[1].text == "Labelled 10 items as politics"
    assert [action.redo for action in history] == [None, None]
    bench.review.undo(first.batch)
    undone = bench.review.recent(task)[1]
    assert undone.redo is not None
    before = LabelState(bench.store)[task.id].label_N.copy()
    bench.review.undo(undone.redo)
    after = LabelState(bench.store)[task.id].label_N
    assert (after != before).sum() > 0
    assert bench.review.recent(task)[1].redo is None


def test_relabelling_a_list_spares_people(bench):
    task = bench.task()
    everything = bench.review.listing(task, ReviewFilter(show="all")).item_ids
    done = bench.review.act(task, everything, "label", value=3)
    assert done.left_out == {"people": 24}
    assert len(done.row_M) == 136


def test_settle_waits_for_what_was_stored(bench):
    done = bench.review.act(bench.task(), [90], "label", value=3)
    bench.live.start()
    bench.review.settle(bench.task(), done.version, seconds=20)
    assert bench.snapshot(bench.task()).version >= done.version


# --- size ---


def test_ten_thousand_classes(tmp_path, opened):
    store = Store.create(tmp_path / "wide", modality="text")
    names = [f"class {c}" for c in range(10_000)]
    with store.importing() as batch:
        batch.ensure_task("topic", classes=names)
        batch.add(
            [
                NewItem(
                    key=str(i),
                    text=f"word{i % 50} thing{i % 7} number {i}",
                    sha256=hashlib.sha256(str(i).encode()).hexdigest(),
                    labels={"topic": NewLabel(names[(i * 37) % 10_000])} if i < 60 else {},
                )
                for i in range(200)
            ]
        )
    from tests.browser.harness import compute_features

    compute_features(store, "tfidf")
    store.close()
    bench = opened(tmp_path, "wide")
    task = bench.task()
    bench.snapshot(task)
    start = time.perf_counter()
    cards = bench.review.cards(task, bench.review.listing(task, ReviewFilter()).page(1, 60))
    preview = bench.review.preview(task, 0.5)
    assert len(cards) == 60
    assert len(preview.by_class) == 10_000
    assert time.perf_counter() - start < 10


@pytest.mark.slow
def test_a_page_of_a_hundred_thousand_is_there_at_once(tmp_path, opened):
    """The target is 60 ms; asserted with room for a busy machine, as processor time."""
    make_text_project(tmp_path, "big", n=100_000, labelled=60, key=False).close()
    bench = opened(tmp_path, "big")
    task = bench.task()
    bench.snapshot(task)
    taken = []
    for low in np.linspace(0, 0.1, 8):
        start = time.process_time()
        found = bench.review.listing(task, ReviewFilter(low=float(low)))
        bench.review.cards(task, found.page(3, 60))
        taken.append(time.process_time() - start)
    assert min(taken) < 0.06
