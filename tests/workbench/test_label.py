"""The Label desk: which questions, which audit questions, what is stored, which figures."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslcore.errors import ConfigError, DataError
from sslcore.quality.expected_gain import Gain
from sslcore.quality.intervals import Interval
from sslcore.store import ClassInfo, Event, LabelState, Task
from sslcore.workbench import Workbench, bulk
from sslcore.workbench import label as label_desk
from sslcore.workbench.audit import audit_due, audit_rows
from sslcore.workbench.label import MOST_TEXT, _interleave
from sslcore.workbench.label_events import read_event
from sslcore.workbench.later import Answer
from tests.browser.harness import make_image_project, make_text_project

CLIENT = "client-0001"


@pytest.fixture
def bench(tmp_path, opened):
    make_text_project(tmp_path, "p", n=120, labelled=16).close()
    return opened(tmp_path, "p")


@pytest.fixture
def plain(tmp_path, opened):
    """Without features: nothing is known of the items."""
    make_text_project(tmp_path, "plain", n=50, features=False).close()
    return opened(tmp_path, "plain")


def give(bench, cards, *, first=1, client=CLIENT, annotator="me", value=None):
    """Answers cards one by one, with the right class unless told otherwise."""
    task = bench.task()
    events = [
        {
            "seq": first + i,
            "verb": "label",
            "task": task.id,
            "items": [card.item_id],
            "value": (card.item_id - 1) % 4 if value is None else value,
            "audit": card.audit,
            "shown": None if card.suggestion is None else list(card.suggestion),
            "seconds": 1.5,
        }
        for i, card in enumerate(cards)
    ]
    receipt = bench.label.take(client, events, annotator=annotator)
    bench.live.refresh()
    return receipt


def test_every_order_asks_open_items_once(bench):
    task = bench.task()
    for order in ("auto", "uncertain", "diverse", "random"):
        cards = bench.label.queue(task, 40, order=order)
        ids = [card.item_id for card in cards]
        assert len(ids) == len(set(ids)) == 40
        assert min(ids) > 16  # the first sixteen came with labels
        assert all(card.why for card in cards)


def test_an_unknown_order_is_refused(bench):
    with pytest.raises(ConfigError, match="auto, uncertain"):
        bench.label.queue(bench.task(), 3, order="best")


def test_uncertain_order_follows_the_margin(bench):
    bench.label.set_audit(share=0.0)
    task = bench.task()
    asked = [card.item_id - 1 for card in bench.label.queue(task, 20, order="uncertain")]
    margin_N = bench.snapshot(task).margin_N
    open_rows = np.flatnonzero(bench.snapshot(task).state.open_N)
    assert np.all(np.diff(margin_N[asked]) >= -1e-6)
    assert np.median(margin_N[asked]) <= np.median(margin_N[open_rows])


def test_excluded_items_are_not_asked_again(bench):
    task = bench.task()
    first = [card.item_id for card in bench.label.queue(task, 30)]
    second = [card.item_id for card in bench.label.queue(task, 30, exclude=first)]
    assert len(second) == 30
    assert not set(first) & set(second)


def test_the_whole_set_is_asked_in_the_end(bench):
    task = bench.task()
    everything = bench.label.queue(task, 500)
    assert sorted(card.item_id for card in everything) == list(range(17, 121))


def test_without_features_a_fixed_random_order(plain):
    task = plain.task()
    for order in ("auto", "uncertain", "diverse", "random"):
        cards = plain.label.queue(task, 12, order=order)
        assert len(cards) == 12
        assert all(card.suggestion is None for card in cards)
    once = [card.item_id for card in plain.label.queue(task, 12, order="random")]
    assert once == [card.item_id for card in plain.label.queue(task, 12, order="random")]
    assert once != sorted(once)


def test_asking_again_costs_no_new_selection(bench, monkeypatch):
    from sslcore.queries import QUERIES

    calls = []
    entry = QUERIES["auto"]

    def counted(*args, **kwargs):
        calls.append(1)
        return entry.value(*args, **kwargs)

    counting = SimpleNamespace(value=counted)
    monkeypatch.setattr("sslcore.queries.QUERIES", {"auto": counting})
    task = bench.task()
    cards = bench.label.queue(task, 10)
    bench.label.queue(task, 10, exclude=[cards[0].item_id])
    assert len(calls) == 1
    give(bench, cards[:1])
    bench.label.queue(task, 10)
    assert len(calls) == 2


def test_a_reader_never_waits_for_a_selection_in_the_making(bench):
    task = bench.task()
    held = bench.label.queue(task, 10)
    give(bench, held[:1])
    lock = bench.label._choosing[task.id, "auto"]
    with lock:  # somebody is choosing
        stale = bench.label.queue(task, 10)
    assert len(stale) == 10
    assert held[0].item_id not in {card.item_id for card in stale}


def test_cards_tell_what_the_machine_thinks(bench):
    bench.label.set_audit(share=0.0)
    task = bench.task()
    card = bench.label.queue(task, 1)[0]
    proba_C = bench.snapshot(task).proba_NC[card.item_id - 1]
    assert card.suggestion[0] == int(proba_C.argmax())
    assert card.suggestion[1] == pytest.approx(float(proba_C.max()), abs=1e-4)
    assert card.runner_up[1] <= card.suggestion[1]
    assert card.text == bench.store.items([card.item_id])[0].text
    assert card.label is None


def test_a_labelled_item_is_shown_with_its_label(bench):
    card = bench.label.card(bench.task(), 3)
    assert (card.label, card.source, card.audit) == (2, "imported", False)
    with pytest.raises(DataError, match="items 1 to 120"):
        bench.label.card(bench.task(), 121)


def test_long_texts_are_cut_and_pictures_named_by_their_hash(tmp_path, opened):
    make_text_project(
        tmp_path, "long", texts=["x" * (MOST_TEXT + 5), "short"], classes=("a", "b"), features=False
    ).close()
    cards = {card.item_id: card for card in opened(tmp_path, "long").label.queue(_task(tmp_path), 5)}
    assert len(cards[1].text) == MOST_TEXT
    assert (cards[1].clipped, cards[2].clipped) == (True, False)
    make_image_project(tmp_path, "pictures", n=4, features=False).close()
    images = opened(tmp_path, "pictures")
    card = images.label.queue(images.task(), 1)[0]
    assert card.text is None
    assert images.store.items([card.item_id])[0].sha256.startswith(card.sha)


def _task(home):
    return Workbench.open("long", root=home).task()


# --- audit ---------------------------------------------------------------------------------------


def test_one_question_in_five_is_an_audit_question(bench):
    task, asked = bench.task(), []
    for _ in range(8):
        cards = bench.label.queue(task, 5)
        asked += [card.audit for card in cards]
        give(bench, cards, first=1 + len(asked))
    assert sum(asked) == 8
    assert not any(one and two for one, two in itertools.pairwise(asked))
    progress = bench.label.progress(task, "me")
    assert progress.audit == 8
    assert progress.mine == 40


def test_audit_questions_hide_the_machine(bench):
    cards = bench.label.queue(bench.task(), 20)
    audit = [card for card in cards if card.audit]
    assert audit
    for card in audit:
        assert card.suggestion is None
        assert card.proba == ()
        assert card.label is None
        assert "without the machine" in card.why
    again = bench.label.cards(bench.task(), [audit[0].item_id])[0]
    assert again.audit
    assert again.suggestion is None


def test_audit_answers_are_never_trained_on(bench):
    task = bench.task()
    audit = next(card for card in bench.label.queue(task, 10) if card.audit)
    give(bench, [audit])
    state = bench.snapshot(task).state
    assert state.audit_N[audit.item_id - 1]
    assert state.training_label_N[audit.item_id - 1] == -1


def test_what_waits_in_the_browser_counts_towards_the_share(bench):
    task = bench.task()
    cards = bench.label.queue(task, 10)
    assert [card.audit for card in cards].count(True) == 2
    more = bench.label.queue(task, 5, exclude=[card.item_id for card in cards])
    assert [card.audit for card in more] == [False, False, False, False, True]


def test_audit_stops_at_its_target(bench):
    bench.label.set_audit(target=2)
    task = bench.task()
    give(bench, bench.label.queue(task, 12))
    assert bench.label.progress(task, "me").audit == 2
    assert not any(card.audit for card in bench.label.queue(task, 40))


@pytest.mark.parametrize("verb", ["reject", "clear"])
@pytest.mark.parametrize("audit", [{"share": 0.2}, {"target": 1}, {"share": 0.0}])
def test_an_audit_item_that_lost_its_answer_is_asked_blind_again(bench, verb, audit):
    task = bench.task()
    lost, other = (card for card in bench.label.queue(task, 12) if card.audit)
    give(bench, [lost, other])
    bench.label.set_audit(**audit)
    value = None if verb == "clear" else (lost.item_id - 1) % 4
    bench.record([Event("review-01", 1, verb, task_id=task.id, item_ids=[lost.item_id], value=value)])
    bench.live.refresh()
    asked = bench.label.queue(task, 120)
    assert [card.audit for card in asked if card.item_id == lost.item_id] == [True]
    assert next(card for card in asked if card.audit).item_id == lost.item_id
    again = bench.label.card(task, lost.item_id)
    assert again.audit
    assert again.suggestion is None
    planned = bulk.plan(bench.snapshot(task), [lost.item_id - 1], "label", value=0)
    assert planned.left_out == {"audit": 1}
    give(bench, [again], first=10)
    assert bench.snapshot(task).state.audit_row_A.tolist() == sorted([lost.item_id - 1, other.item_id - 1])


def test_the_machine_never_judges_itself(bench):
    task = bench.task()
    audit = next(card for card in bench.label.queue(task, 12) if card.audit)
    give(bench, [audit])
    other = next(card for card in bench.label.queue(task, 12) if not card.audit)
    accept = {"verb": "accept", "task": task.id}
    events = [
        accept | {"seq": 10, "items": [audit.item_id], "value": 3},
        accept | {"seq": 11, "items": [audit.item_id, other.item_id], "values": [3, 2]},
    ]
    receipt = bench.label.take(CLIENT, events, annotator="me")
    assert receipt.refused == ((10, "An audit item is answered by hand: it has no suggestion to accept."),)
    label_N = LabelState(bench.store)[task.id].label_N
    assert label_N[[audit.item_id - 1, other.item_id - 1]].tolist() == [(audit.item_id - 1) % 4, 2]


def test_no_audit_questions_where_the_import_brought_enough(tmp_path, opened):
    store = make_text_project(tmp_path, "brought", n=260, features=False)
    ids, task = list(range(1, 121)), store.task("topic")
    store.annotations.append(
        [
            Event(
                client="import-x",
                seq=1,
                verb="label",
                task_id=task.id,
                item_ids=ids,
                values=[i % 4 for i in ids],
                source="imported",
                purpose="audit",
            )
        ]
    )
    store.close()
    bench = opened(tmp_path, "brought")
    assert not any(card.audit for card in bench.label.queue(bench.task(), 50))


def test_settings_of_the_audit_are_checked(bench):
    with pytest.raises(ConfigError, match=r"\[0, 0.5\]"):
        bench.label.set_audit(share=0.9)
    bench.label.set_audit(share=0.5, target=7)
    assert (bench.label.audit_share, bench.label.audit_target) == (0.5, 7)


def test_audit_rows_are_a_random_sample_that_training_never_takes(bench):
    """Bulk labels stay in the draw, labels by hand and by import do not."""
    task = bench.task()
    in_bulk = list(range(17, 81))
    bench.record(
        [
            Event(
                client=CLIENT,
                seq=1,
                verb="accept",
                task_id=task.id,
                item_ids=in_bulk,
                values=[(i - 1) % 4 for i in in_bulk],
                source="bulk",
            )
        ]
    )
    bench.live.refresh()
    state = bench.snapshot(task).state
    rows = audit_rows(state, np.random.default_rng(0).permutation(120), share=0.2, target=100)
    assert len(rows) == 21  # a fifth of the 104 that came without a label
    assert rows.min() >= 16
    assert np.any(rows < 80)
    cards = [card for card in bench.label.queue(task, 60) if card.audit]
    taken = [card for card in cards if card.item_id <= 80]
    assert taken
    assert all(card.label is None for card in taken)


@given(share=st.floats(0.05, 0.5), answered=st.integers(0, 200))
def test_the_share_is_kept_to_within_one(share, answered):
    audited = 0
    for k in range(answered):
        audited += audit_due(k, audited, share=share)
    assert abs(audited - share * answered) <= 1 + 1e-6


@given(wanted=st.integers(0, 30), audits=st.integers(0, 10), n=st.integers(0, 50), share=st.floats(0, 0.5))
def test_interleaving_loses_nothing(wanted, audits, n, share):
    rows, audit = _interleave(
        list(range(wanted)), list(range(100, 100 + audits)), n, answered=0, audited=0, share=share
    )
    assert len(rows) == min(n, wanted + audits)
    assert rows[~audit].tolist() == list(range(int((~audit).sum())))
    assert (rows[audit] >= 100).all()


def test_the_audit_estimate_is_honest(tmp_path, opened):
    """Wrong answers on half of the audit questions halve the figure, which names its source."""
    make_text_project(tmp_path, "honest", n=400, labelled=40).close()
    bench = opened(tmp_path, "honest")
    bench.label.set_audit(share=0.5)
    task, first, audits = bench.task(), 1, 0
    while audits < 30:
        cards = bench.label.queue(task, 10)
        for card in cards:
            wrong = card.audit and audits % 2 == 0
            audits += card.audit
            give(bench, [card], first=first, value=((card.item_id - 1) + wrong) % 4)
            first += 1
    figure = bench.label.progress(task, "me").figure
    assert figure["source"] == "audit"
    assert figure["size"] == audits
    assert figure["accuracy"]["value"] == pytest.approx(0.5, abs=0.05)
    assert figure["accuracy"]["low"] < 0.5 < figure["accuracy"]["high"]


# --- answers -------------------------------------------------------------------------------------


def test_sent_twice_stored_once(bench):
    cards = bench.label.queue(bench.task(), 3)
    one, two = give(bench, cards), give(bench, cards)
    assert one.newest == two.newest
    assert one.ack == two.ack == 3
    assert len(bench.store.annotations.of_items([cards[0].item_id])) == 1


def test_a_broken_event_is_refused_alone(bench):
    task = bench.task()
    receipt = bench.label.take(
        CLIENT,
        [
            {"seq": 1, "verb": "label", "task": task.id, "items": [20], "value": 1},
            {"seq": 2, "verb": "label", "task": task.id, "items": [20], "value": 44},
            {"seq": 3, "verb": "label", "task": task.id, "items": [9999], "value": 1},
            {"seq": 4, "verb": "label", "task": task.id, "items": [21], "value": 2},
        ],
        annotator="me",
    )
    assert receipt.ack == 4
    assert [seq for seq, _ in receipt.refused] == [2, 3]
    state = LabelState(bench.store)[task.id]
    assert (state.label_N[19], state.label_N[20]) == (1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verb": "clear"}, "An action is one of"),
        ({"verb": "bulk"}, "An action is one of"),
        ({"verb": None}, "An action is one of"),
        ({"task": 9}, "has no task 9"),
        ({"task": True}, "has no task True"),
        ({"items": []}, "list of 1 to"),
        ({"items": [1, 1]}, "twice"),
        ({"items": ["1"]}, "item ids"),
        ({"items": [0]}, "items 1 to 5"),
        ({"items": [2**70]}, "items 1 to 5"),
        ({"value": 2}, "classes 0 to 1"),
        ({"value": -1}, "classes 0 to 1"),
        ({"value": "0"}, "classes 0 to 1"),
        ({"value": True}, "classes 0 to 1"),
        ({"value": None}, "classes 0 to 1"),
        ({"values": [0, 1]}, "one value for each of the 1"),
        ({"audit": "yes"}, "true or false"),
        ({"verb": "accept", "audit": True}, "by hand"),
        ({"verb": "reject", "audit": True}, "by hand"),
        ({"verb": "undo"}, "names the action"),
        ({"verb": "undo", "undoes": "../x:1"}, "names the action"),
        ({"seq": 0}, "whole number"),
        ({"seq": 1.5}, "whole number"),
    ],
)
def test_events_are_read_with_distrust(change, message):
    task = Task(1, "t", "single", (ClassInfo(0, "a"), ClassInfo(1, "b")))
    raw = {"seq": 1, "verb": "label", "task": 1, "items": [3], "value": 0} | change
    with pytest.raises(DataError, match=message):
        read_event(raw, client=CLIENT, annotator="me", tasks={1: task}, count=5)


def test_annotator_source_and_purpose_are_not_the_clients_to_say(bench):
    task = bench.task()
    events = [
        {
            "seq": 1,
            "verb": "label",
            "task": task.id,
            "items": [20],
            "value": 0,
            "annotator": "eve",
            "source": "imported",
            "purpose": "audit",
            "run_id": 7,
        },
        {"seq": 2, "verb": "accept", "task": task.id, "items": [21, 22], "values": [0, 1]},
    ]
    bench.label.take(CLIENT, events, annotator="ada")
    one, two, _ = bench.store.annotations.of_items([20, 21, 22])
    assert (one.annotator, one.source, one.purpose, one.run_id) == ("ada", "human", "train", None)
    assert (two.annotator, two.source) == ("ada", "bulk")


def test_other_kinds_of_task_take_their_own_values():
    tasks = {
        1: Task(1, "tags", "multiple", (ClassInfo(0, "a"), ClassInfo(1, "b"))),
        2: Task(2, "price", "numeric", ()),
    }

    def read(task, value):
        raw = {"seq": 1, "verb": "label", "task": task, "items": [1], "value": value}
        return read_event(raw, client=CLIENT, annotator="me", tasks=tasks, count=1).value

    assert read(1, [1, 0, 1]) == [0, 1]
    assert read(2, 3) == 3.0
    for task, value in ((1, [2]), (1, 0), (2, "3"), (2, float("nan")), (2, True)):
        with pytest.raises(DataError):
            read(task, value)
    raw = {"seq": 1, "verb": "reject", "task": 2, "items": [1], "value": 3.0}
    with pytest.raises(DataError, match="no class to reject"):
        read_event(raw, client=CLIENT, annotator="me", tasks=tasks, count=1)


def test_reject_moves_to_the_next_class_and_undo_takes_it_back(bench):
    bench.label.set_audit(share=0.0)
    task = bench.task()
    card = bench.label.queue(task, 1)[0]
    suggested = card.suggestion[0]
    reject = {"seq": 1, "verb": "reject", "task": task.id, "items": [card.item_id], "value": suggested}
    bench.label.take(CLIENT, [reject], annotator="me")
    bench.live.refresh()
    assert bench.label.card(task, card.item_id).suggestion[0] != suggested
    bench.label.take(CLIENT, [{"seq": 2, "verb": "undo", "undoes": f"{CLIENT}:1"}], annotator="me")
    bench.live.refresh()
    assert bench.label.card(task, card.item_id).suggestion[0] == suggested
    assert [(h["verb"], h["undone"]) for h in bench.label.history(card.item_id)] == [("reject", True)]


def test_skipped_items_are_not_asked_and_flagged_ones_are_marked(bench):
    task = bench.task()
    one, two = bench.label.queue(task, 2)
    events = [
        {"seq": 1, "verb": "skip", "task": task.id, "items": [one.item_id]},
        {"seq": 2, "verb": "flag", "task": task.id, "items": [two.item_id]},
    ]
    bench.label.take(CLIENT, events, annotator="me")
    bench.live.refresh()
    asked = {card.item_id: card for card in bench.label.queue(task, 200)}
    assert one.item_id not in asked
    assert asked[two.item_id].flagged
    assert bench.label.card(task, one.item_id).skipped
    assert bench.label.progress(task, "me").skipped == 1


def test_progress_tells_mine_from_everyones(bench):
    task = bench.task()
    cards = bench.label.queue(task, 6)
    give(bench, cards[:4], annotator="ada", client="client-ada")
    give(bench, cards[4:], annotator="bob", client="client-bob")
    ada = bench.label.progress(task, "ada")
    assert (ada.mine, ada.everyone, ada.labelled, ada.items) == (4, 6, 22, 120)
    assert bench.label.progress(task, "bob").mine == 2
    assert ada.encoder == "tfidf"
    assert ada.key_accuracy is not None


def test_find_searches_names_and_texts(bench):
    task = bench.task()
    assert [card.item_id for card in bench.label.find(task, "TEXT-000007")] == [8]
    assert bench.label.find(task, "  ") == []
    assert bench.label.find(task, "100%_x") == []


def test_add_class_is_there_at_once(bench):
    task = bench.task()
    position = bench.label.add_class(task, " weather ")
    assert position == 4
    assert bench.task().class_names[4] == "weather"
    with pytest.raises(DataError, match="needs a name"):
        bench.label.add_class(task, "  ")
    bench.live.refresh()
    assert bench.label.queue(bench.task(), 3)


@pytest.mark.parametrize("labelled", [0, 60])
def test_none_or_all_labelled_is_a_sensible_state(tmp_path, opened, labelled):
    make_text_project(tmp_path, "edge", n=60, labelled=labelled).close()
    bench = opened(tmp_path, "edge")
    assert len(bench.label.queue(bench.task(), 100)) == 60 - labelled
    assert bench.label.progress(bench.task(), "me").labelled == labelled


def test_what_more_labels_bring_is_computed_in_a_pause_and_told_from_then_on(bench, monkeypatch):
    asked = []
    advice = SimpleNamespace(text="20 more …", gain=Gain(20, Interval(0.006, 0.002, 0.011)), rough=True)

    def compute(task, *, patience):
        asked.append(patience)
        return Answer(advice, fresh=True)

    monkeypatch.setattr(bench.quality, "advice", compute)
    task = bench.task()
    assert bench.label.progress(task, "me").prospect is None
    assert asked == []
    monkeypatch.setattr(label_desk, "PAUSE_SECONDS", 0.0)
    told = bench.label.progress(task, "me").prospect
    assert told == {"labels": 20, "gain": "+0.6 points (0.2…1.1)", "rough": True, "text": "20 more …"}
    assert asked == [0]
