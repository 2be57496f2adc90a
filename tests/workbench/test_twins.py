"""Near-duplicates: asked once, answered together, the audit split kept out of it."""

import numpy as np
import pytest

from sslcore.errors import ConfigError
from sslcore.store import ClassInfo, LabelState, Task
from sslcore.workbench import Workbench
from tests.browser.harness import TOPICS, make_text_project

CLIENT = "client-0001"
TRIPLES = 10
"""The first thirty texts are ten, each three times over; the other thirty have none like them."""


@pytest.fixture
def bench(tmp_path):
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(300)]

    def text():
        return " ".join(rng.choice(words, 12, replace=False))

    texts = [t for t in (text() for _ in range(TRIPLES)) for _ in range(3)] + [text() for _ in range(30)]
    make_text_project(tmp_path, "p", texts=texts, labelled=0).close()
    held = Workbench.open("p", root=tmp_path)
    held.label.set_audit(share=0.0)
    yield held
    held.close()


def triple(item_id):
    return (item_id - 1) // 3 if item_id <= 3 * TRIPLES else None


def send(bench, *events):
    task = bench.task()
    raw = [{"task": task.id, "value": 0, "verb": "label", **event} for event in events]
    receipt = bench.label.take(CLIENT, raw, annotator="me")
    bench.live.refresh()
    return receipt


@pytest.mark.parametrize("order", ["auto", "uncertain", "diverse"])
def test_one_of_a_group_is_asked_and_none_whose_twin_has_a_label(bench, order):
    task = bench.task()
    assert bench.label.duplicate_groups(task) == TRIPLES
    ids = [card.item_id for card in bench.label.queue(task, 40, order=order)]
    assert len(ids) == 40
    assert sorted(triple(i) for i in ids if triple(i) is not None) == list(range(TRIPLES))

    first = next(i for i in ids if triple(i) is not None)
    # answered in the browser, not here yet: its twins are not asked either
    held = [card.item_id for card in bench.label.queue(task, 39, order=order, exclude=[first])]
    assert triple(first) not in {triple(i) for i in held}
    send(bench, {"seq": 1, "items": [first]})
    ids = [card.item_id for card in bench.label.queue(task, 39, order=order)]
    assert len(ids) == 39
    assert triple(first) not in {triple(i) for i in ids}


def test_the_random_control_asks_them_all(bench):
    ids = [card.item_id for card in bench.label.queue(bench.task(), 60, order="random")]
    assert sorted(ids) == list(range(1, 61))


def test_twins_come_last_of_all(bench):
    task = bench.task()
    cards = bench.label.queue(task, 60)
    assert sorted(card.item_id for card in cards) == list(range(1, 61))
    groups = [triple(card.item_id) for card in cards]
    assert sorted(g for g in groups[:40] if g is not None) == list(range(TRIPLES))
    assert None not in groups[40:]
    send(bench, {"seq": 1, "items": [c.item_id for c in cards[:40]]})
    left = bench.label.queue(task, 60)
    assert len(left) == 20
    assert all("near-duplicate" in card.why for card in left)


def test_a_skipped_item_speaks_for_its_group(bench):
    task = bench.task()
    send(bench, {"seq": 1, "verb": "skip", "items": [1], "value": None})
    assert not {2, 3} & {card.item_id for card in bench.label.queue(task, 39)}


def test_a_card_shows_what_would_share_its_answer(bench):
    task = bench.task()
    twins = bench.label.card(task, 4).twins
    assert [twin.item_id for twin in twins] == [5, 6]
    assert twins[0].text == bench.store.items([4])[0].text
    assert bench.label.card(task, 40).twins == ()
    send(bench, {"seq": 1, "items": [5]})
    assert [twin.item_id for twin in bench.label.card(task, 4).twins] == [6]


def test_a_shared_answer_is_one_bulk_action_and_one_undo_takes_it_back(bench):
    receipt = send(bench, {"seq": 1, "items": [4]}, {"seq": 2, "items": [5, 6], "shared": True})
    assert receipt.refused == ()
    state = LabelState(bench.store)[1]
    assert state.label_N[[3, 4, 5]].tolist() == [0, 0, 0]
    sources = {row.item_id: row.source for row in bench.store.annotations.since(0)}
    assert sources == {4: "human", 5: "bulk", 6: "bulk"}
    bench.label.take(CLIENT, [{"seq": 3, "verb": "undo", "undoes": f"{CLIENT}:2"}], annotator="me")
    assert LabelState(bench.store)[1].label_N[[3, 4, 5]].tolist() == [0, -1, -1]


def test_one_twin_alone_is_a_shared_answer_too(bench):
    send(bench, {"seq": 1, "items": [5], "shared": True})
    assert bench.store.annotations.since(0)[0].source == "bulk"


def test_shared_answers_never_reach_the_audit_split_or_what_people_said(bench):
    bench.label.set_audit(share=0.5)
    task = bench.task()
    aside = {int(row) + 1 for row in bench.label._audit_rows(bench.snapshot(task).state)}
    mixed = next(g for g in range(TRIPLES) if 0 < len(aside & set(range(3 * g + 1, 3 * g + 4))) < 3)
    ids = set(range(3 * mixed + 1, 3 * mixed + 4))
    asked = next(iter(ids - aside))
    assert {twin.item_id for twin in bench.label.card(task, asked).twins} == ids - aside - {asked}
    for audit in aside & ids:
        card = bench.label.card(task, audit)
        assert card.audit
        assert card.twins == ()  # a blind answer is not handed on either
    receipt = send(bench, {"seq": 1, "items": sorted(ids - {asked}), "shared": True})
    given = {row.item_id for row in bench.store.annotations.since(0)}
    assert given == ids - aside - {asked}
    assert len(receipt.refused) == (not given)
    # all of them set aside, or answered by hand: refused, and said so
    receipt = send(bench, {"seq": 2, "items": sorted(aside & ids), "shared": True})
    assert "without a label" in receipt.refused[0][1]
    send(bench, {"seq": 3, "items": [asked], "value": 2})
    receipt = send(bench, {"seq": 4, "items": [asked], "value": 1, "shared": True})
    assert receipt.refused
    assert bench.label.card(task, asked).label == 2


def later(bench, *events, client="client-0002", annotator="ben"):
    """Sends events without a new snapshot: the desk knows no more than before."""
    raw = [{"task": 1, "value": 0, "verb": "label", **event} for event in events]
    return bench.label.take(client, raw, annotator=annotator)


@pytest.mark.parametrize("verb", ["label", "skip", "reject"])
def test_a_shared_answer_never_replaces_what_a_person_just_said(bench, verb):
    bench.snapshot(bench.task())
    word = {"verb": verb, "items": [5], "value": None if verb == "skip" else 2}
    later(bench, word | {"seq": 1})
    later(bench, {"seq": 1, "items": [5, 6], "value": 2, "shared": True}, client=CLIENT)
    later(bench, word | {"seq": 2, "items": [8]}, {"seq": 3, "items": [8, 9], "value": 2, "shared": True})
    state = LabelState(bench.store)[1]
    assert state.label_N[[5, 8]].tolist() == [2, 2]
    given = {row.item_id for row in bench.store.annotations.since(0) if row.source == "bulk"}
    assert given == {6, 9}


def test_what_was_taken_back_does_not_stop_a_shared_answer(bench):
    bench.snapshot(bench.task())
    receipt = later(
        bench,
        {"seq": 1, "items": [5], "value": 1},
        {"seq": 2, "verb": "undo", "undoes": "client-0002:1"},
        {"seq": 3, "items": [5, 6], "shared": True},
        {"seq": 4, "verb": "undo", "undoes": "client-0002:3"},
        {"seq": 5, "items": [5, 6], "value": 3, "shared": True},
    )
    assert receipt.refused == ()
    assert LabelState(bench.store)[1].label_N[[4, 5]].tolist() == [3, 3]
    back = [{"seq": 4 + k, "verb": "undo", "undoes": f"client-0002:{k}"} for k in (2, 5)]
    later(bench, *back)  # the first answer stands after all
    receipt = later(bench, {"seq": 10, "items": [5], "value": 2, "shared": True})
    assert "without a label" in receipt.refused[0][1]


def test_audit_answers_do_not_decide_what_is_asked(bench):
    bench.label.set_audit(share=0.5)
    task = bench.task()
    aside = {int(row) + 1 for row in bench.label._audit_rows(bench.snapshot(task).state)}
    mixed = next(g for g in range(TRIPLES) if 0 < len(aside & set(range(3 * g + 1, 3 * g + 4))) < 3)
    audit = next(iter(aside & set(range(3 * mixed + 1, 3 * mixed + 4))))
    send(bench, {"seq": 1, "items": [audit], "audit": True})
    bench.label.set_audit(share=0.0)
    assert mixed in {triple(card.item_id) for card in bench.label.queue(task, 40)}


def test_sharing_is_a_setting_of_the_project(bench):
    assert bench.label.sharing == "ask"
    bench.label.set_sharing("never")
    assert bench.label.card(bench.task(), 4).twins == ()
    bench.label.set_sharing("always")
    assert bench.label.sharing == "always"
    with pytest.raises(ConfigError, match="ask, always, never"):
        bench.label.set_sharing("perhaps")


def test_without_features_there_are_no_twins(tmp_path):
    make_text_project(tmp_path, "plain", texts=["same"] * 5, features=False).close()
    bench = Workbench.open("plain", root=tmp_path)
    assert [card.twins for card in bench.label.queue(bench.task(), 5)] == [()] * 5
    assert bench.label.duplicate_groups(Task(1, "t", "single", (ClassInfo(0, TOPICS[0]),))) == 0
    bench.close()
