"""Tasks of every kind, and several of them in a project, at every desk."""

import json
import re

import numpy as np
import pytest

from sslcore.errors import DataError
from sslcore.importing import import_source
from sslcore.store import Event, LabelState, Store
from sslcore.workbench import Workbench, kinds
from sslcore.workbench.live import ENOUGH_AUDIT
from sslcore.workbench.map import NOTHING
from sslcore.workbench.review import ReviewFilter
from tests.browser.harness import compute_features, make_text_project
from tests.many_tasks import SHAPES, answer, make_digits, make_reviews, truth_of

CLIENT = "client-0001"


@pytest.fixture
def digits(tmp_path):
    make_digits(tmp_path, "digits", n=240).close()
    bench = Workbench.open("digits", root=tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def reviews(tmp_path):
    make_reviews(tmp_path, "reviews", n=200).close()
    bench = Workbench.open("reviews", root=tmp_path)
    yield bench
    bench.close()


def send(bench, task, card, verb, value=None, *, seq, client=CLIENT):
    event = {"seq": seq, "verb": verb, "task": task.id, "items": [card.item_id], "audit": card.audit}
    if verb in ("label", "accept", "reject"):
        event["value"] = value
    receipt = bench.label.take(client, [event], annotator="me")
    bench.live.refresh()
    return receipt


# --- multiple choice -----------------------------------------------------------------------------


def test_sets_are_asked_answered_and_learnt(digits):
    task = digits.task("shape")
    truth = truth_of(digits.store, "shape")
    first = digits.label.queue(task, 5)
    assert all(card.said is None and card.proba == () for card in first)
    answer(digits, task, range(100))
    snapshot = digits.snapshot(task)
    assert snapshot.proba_NC.shape == (240, 3)
    rest = range(100, 240)
    right = np.mean([snapshot.said(row) == truth[row] for row in rest])
    assert right > 0.7
    assert snapshot.figure.source == "out-of-fold"
    assert snapshot.figure.accuracy.low <= right <= snapshot.figure.accuracy.high + 0.05
    assert {"micro_f1", "macro_f1", "hamming_loss", "mean_average_precision"} <= set(snapshot.figure.also)
    assert snapshot.figure.also["micro_f1"].value > 0.9
    cards = [card for card in digits.label.queue(task, 20) if not card.audit]
    assert all(card.item_id > 100 for card in cards)
    for card in cards:
        assert card.said["value"] == [c for c, p in sorted(card.proba) if p >= 0.5]
        assert len(card.proba) == 3  # every class with its probability
        json.dumps(card.as_dict(), allow_nan=False)
    # what is asked is less sure than what is not
    asked = [snapshot.answer.uncertainty_N[card.item_id - 1] for card in cards]
    assert np.mean(asked) > np.mean(snapshot.answer.uncertainty_N[100:]) * 1.3
    assert any("unsure about" in card.why.lower() for card in cards)


def test_none_of_them_is_an_answer_and_can_be_undone(digits):
    task = digits.task("shape")
    answer(digits, task, range(40))
    card = next(card for card in digits.label.queue(task, 10) if not card.audit)
    row = card.item_id - 1
    send(digits, task, card, "label", [], seq=1)
    state = digits.snapshot(task).state
    assert state.labelled_N[row]
    assert state.value_of(row) == []
    assert digits.label.card(task, card.item_id).label == []
    assert digits.snapshot(task).proba_NC[row].max() == 0
    digits.label.take(CLIENT, [{"seq": 2, "verb": "undo", "undoes": f"{CLIENT}:1"}], annotator="me")
    digits.live.refresh()
    assert not digits.snapshot(task).state.labelled_N[row]
    assert digits.label.card(task, card.item_id).label is None


def test_an_accepted_set_an_audit_answer_and_a_wrong_value(digits):
    task = digits.task("shape")
    answer(digits, task, range(60))
    cards = digits.label.queue(task, 30)
    plain = next(card for card in cards if not card.audit)
    blind = next(card for card in cards if card.audit)
    assert blind.said is None
    assert blind.proba == ()
    send(digits, task, plain, "accept", plain.said["value"], seq=1)
    send(digits, task, blind, "label", [1], seq=2)
    state = digits.snapshot(task).state
    assert state.value_of(plain.item_id - 1) == plain.said["value"]
    assert state.audit_N[blind.item_id - 1]
    assert blind.item_id - 1 not in digits.snapshot(task).answer.labelled_row_L.tolist()
    refused = send(digits, task, plain, "label", [0, 7], seq=3)
    assert "list of classes 0 to 2" in refused.refused[0][1]


def test_enough_audit_answers_are_the_only_source(digits):
    task = digits.task("shape")
    answer(digits, task, range(100))
    answer(digits, task, range(200, 200 + ENOUGH_AUDIT), client="audit", purpose="audit")
    snapshot = digits.snapshot(task)
    assert snapshot.figure.source == "audit"
    assert snapshot.figure.size == ENOUGH_AUDIT
    assert snapshot.head_figure.accuracy is not None
    right = np.mean([snapshot.said(row) == truth_of(digits.store, "shape")[row] for row in range(200, 220)])
    assert snapshot.figure.accuracy.value == pytest.approx(right)


# --- several tasks -------------------------------------------------------------------------------


def test_each_task_learns_from_its_own_answers_alone(digits):
    digit, shape = digits.tasks()
    answer(digits, digit, range(60))
    before = digits.snapshot(digit).result
    answer(digits, shape, range(60, 90), client="other")
    assert digits.snapshot(digit).result is before  # nothing to fit anew
    assert int(digits.snapshot(digit).state.labelled_N.sum()) == 60
    assert int(digits.snapshot(shape).state.labelled_N.sum()) == 30
    asked = {card.item_id for card in digits.label.queue(digit, 200)}
    assert not asked & set(range(1, 61))
    assert asked & set(range(61, 91))


# --- ordered classes -----------------------------------------------------------------------------


def test_ordered_classes_say_how_far_off_they_are(reviews):
    task = reviews.task("stars")
    answer(reviews, task, range(100))
    figure = reviews.snapshot(task).figure
    assert {"mae", "kappa", "balanced_accuracy"} <= set(figure.also)
    truth_N = np.array(truth_of(reviews.store, "stars"))
    error = np.abs(reviews.snapshot(task).prediction_N[100:] - truth_N[100:]).mean()
    assert abs(error - figure.also["mae"].value) < 0.2
    assert figure.also["kappa"].value > 0.5


# --- numbers -------------------------------------------------------------------------------------


def test_numbers_are_predicted_with_an_interval(reviews):
    task = reviews.task("score")
    none = reviews.label.queue(task, 5)
    assert all(card.said is None for card in none)
    assert reviews.label.progress(task, "me").scale is None
    answer(reviews, task, range(100))
    truth_N = np.array(truth_of(reviews.store, "score"))
    snapshot = reviews.snapshot(task)
    held = snapshot.number
    inside = ((held.low_N <= truth_N) & (truth_N <= held.high_N))[100:].mean()
    assert inside > 0.8
    assert np.abs(held.prediction_N - truth_N)[100:].mean() < 0.7 * np.abs(truth_N - truth_N.mean()).mean()
    assert snapshot.figure.accuracy is None
    assert set(snapshot.figure.also) == {"mae", "rmse", "r2"}
    card = next(card for card in reviews.label.queue(task, 10) if not card.audit)
    assert card.said["low"] <= card.said["value"] <= card.said["high"]
    assert card.said["value"] == round(card.said["value"], 1)  # as many places as the numbers given
    assert reviews.label.progress(task, "me").scale["decimals"] == 1
    json.dumps(reviews.label.progress(task, "me").as_dict(), allow_nan=False)
    send(reviews, task, card, "label", 7, seq=1)
    assert reviews.snapshot(task).state.value_of(card.item_id - 1) == 7.0
    refused = send(reviews, task, card, "label", "seven", seq=2)
    assert "takes a number" in refused.refused[0][1]


def test_status_of_every_kind_is_json(digits, reviews):
    for bench in (digits, reviews):
        for task in bench.tasks():
            answer(bench, task, range(50), client=f"teacher{task.id}")
        told = json.loads(json.dumps(bench.status(), allow_nan=False))
        assert {held["labelled"] for held in told["tasks"]} == {50}
    score = told["tasks"][1]
    assert score["audit"]["accuracy"]["value"] is None
    assert score["audit"]["also"]["mae"]["value"] > 0


# --- looking through, taking away, bringing back -------------------------------------------------


def test_sets_are_reviewed_and_accepted_by_the_probability_that_all_is_right(digits):
    task = digits.task("shape")
    truth = truth_of(digits.store, "shape")
    answer(digits, task, range(120))
    listing = digits.review.listing(task, ReviewFilter())
    assert len(listing) == 120
    snapshot = digits.snapshot(task)
    sure = [snapshot.confidence_N[item_id - 1] for item_id in listing.item_ids]
    assert sure == sorted(sure)
    card = digits.review.cards(task, listing.item_ids[-1:])[0]
    assert card["prediction"]["name"] == ", ".join(SHAPES[c] for c in snapshot.said(card["item_id"] - 1))
    preview = digits.review.preview(task, 0.8).overall
    assert 0 < preview.accepted < 120
    assert preview.precision.low < preview.precision.value <= preview.precision.high
    curvy = digits.review.listing(task, ReviewFilter(class_index=0)).item_ids
    assert 0 < len(curvy) < 120
    assert all(0 in snapshot.said(item_id - 1) for item_id in curvy)
    done = digits.review.accept(task, 0.8, annotator="me")
    assert len(done.row_M) == preview.accepted
    digits.live.refresh()
    state = digits.snapshot(task).state
    right = np.mean([state.value_of(row) == truth[row] for row in done.row_M.tolist()])
    assert preview.precision.low - 0.05 <= right
    # what the machine gave is no evidence for it
    assert digits.snapshot(task).figure.size == 120
    digits.review.undo(done.batch)
    digits.live.refresh()
    assert int(digits.snapshot(task).state.labelled_N.sum()) == 120


def test_a_wrong_set_is_listed_as_a_disagreement(digits):
    task = digits.task("shape")
    answer(digits, task, range(150))
    wrong = 7
    truth = set(truth_of(digits.store, "shape")[wrong])
    digits.record(
        [Event("other", 1, "label", task.id, [wrong + 1], value=sorted({0, 1, 2} - truth), annotator="me")]
    )
    digits.live.refresh()
    listed = digits.review.listing(task, ReviewFilter(show="all", sort="disagreement"))
    assert wrong + 1 in listed.item_ids[:10]
    assert len(listed) < 40


def test_numbers_are_listed_from_the_widest_interval_on(reviews):
    task = reviews.task("score")
    answer(reviews, task, range(80))
    listing = reviews.review.listing(task, ReviewFilter())
    width = [reviews.snapshot(task).number.uncertainty_N[item_id - 1] for item_id in listing.item_ids]
    assert width == pytest.approx(sorted(width, reverse=True))
    assert not reviews.review.predicts(reviews.snapshot(task))  # nothing to accept by a threshold
    assert reviews.review.cards(task, listing.item_ids[:2])[0]["prediction"]["name"]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "xlsx"])
def test_every_kind_comes_back_from_an_export(tmp_path, reviews, digits, format):
    shape, digit = digits.task("shape"), digits.task("digit")
    answer(digits, shape, range(50))
    answer(digits, digit, range(30), client="digits")
    send(digits, shape, digits.label.card(shape, 200), "label", [], seq=1)
    digits.store.change_class(shape.id, 1, hotkey="s", colour="#123456")
    digits.store.add_class(shape.id, "a first name that nothing has")
    answer(reviews, reviews.task("score"), range(60))
    answer(reviews, reviews.task("stars"), range(40), client="stars")
    for bench in (digits, reviews):
        bench.live.refresh()
        out = tmp_path / f"{bench.project}.{format}"
        bench.export.write(format, out)
        again = Store.create(tmp_path / "again" / bench.project, modality=bench.modality)
        import_source(again, out)
        before, after = LabelState(bench.store), LabelState(again)
        for task in bench.tasks():
            twin = again.task(task.name)
            assert twin.kind == task.kind
            assert twin.classes == task.classes  # order, keys, colours, and those without a label
            old, new = before[task.id], after[twin.id]
            assert [old.value_of(row) for row in range(200)] == [new.value_of(row) for row in range(200)]
            assert (old.source_N == new.source_N).all()
            assert (old.audit_N == new.audit_N).all()
        again.close()


def test_what_is_exported_of_what_nobody_labelled(tmp_path, digits, reviews):
    shape, score = digits.task("shape"), reviews.task("score")
    answer(digits, shape, range(100))
    answer(reviews, score, range(100))
    digits.export.write("jsonl", tmp_path / "digits.jsonl")
    reviews.export.write("jsonl", tmp_path / "reviews.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "digits.jsonl").read_text().splitlines()]
    cut = digits.snapshot(shape).cut
    for row in rows[100:]:
        assert row["shape__source"] == "pseudo"
        assert row["shape"] == [name for name, p in row["shape__probs"].items() if p >= cut - 1e-4]
    rows = [json.loads(line) for line in (tmp_path / "reviews.jsonl").read_text().splitlines()]
    assert all(row["score__low"] <= row["score"] <= row["score__high"] for row in rows[100:])
    assert rows[0].get("score__low") is None
    told = digits.export.predictions(shape)
    assert all(isinstance(row["label"], list) for row in told)
    assert "kind multiple" in digits.export.model_doubt(shape)
    assert "kind numeric" in reviews.export.model_doubt(score)


def test_an_import_of_sets_has_an_audit_split(tmp_path):
    make_digits(tmp_path, "source", n=160, labelled=150).close()
    bench = Workbench.open("source", root=tmp_path)
    bench.export.write("csv", tmp_path / "out.csv")
    bench.close()
    plain = (tmp_path / "out.csv").read_text().replace("__purpose", "__other")
    (tmp_path / "plain.csv").write_text(plain)
    again = Store.create(tmp_path / "again", modality="image")
    report = import_source(again, tmp_path / "plain.csv")
    state = LabelState(again)[again.task("shape").id]
    assert report.audit == 30
    assert len(state.audit_row_A) == 30
    again.close()


def test_the_map_colours_sets_and_numbers(digits, reviews):
    shape, score = digits.task("shape"), reviews.task("score")
    answer(digits, shape, range(100))
    answer(reviews, score, range(100))
    label = digits.map.colours(shape, "label").code_N
    truth = truth_of(digits.store, "shape")
    assert all(label[row] in truth[row] for row in range(100))
    assert (label[100:] == NOTHING).all()
    assert (digits.map.colours(shape, "pseudo-label").code_N != NOTHING).mean() > 0.9
    found = reviews.map.colours(score, "pseudo-label")
    given = truth_of(reviews.store, "score")
    assert found.scale == (min(given[:100]), max(given[:100]))
    assert found.code_N.max() <= 1000
    assert np.corrcoef(found.code_N[100:], given[100:])[0, 1] > 0.7
    assert (reviews.map.colours(score, "label").code_N[100:] == NOTHING).all()
    told = reviews.map.selection(score, range(90, 110))
    assert told["count"] == 20
    done = reviews.map.act(score, range(90, 110), "accept")
    assert len(done.row_M) == 10
    with pytest.raises(DataError, match="one by one"):
        reviews.map.act(score, range(150, 155), "label", value=0)
    done = digits.map.act(shape, range(100, 110), "label", value=1)
    digits.live.refresh()
    assert digits.snapshot(shape).state.value_of(105) == [1]
    assert "straight" in done.sentence


def test_several_classes_are_added_at_once(digits):
    shape = digits.task("shape")
    assert digits.label.add_classes(shape, "dotted,  wavy , curvy,,") == [3, 4, 0]
    assert digits.task("shape").class_names == [*SHAPES, "dotted", "wavy"]
    with pytest.raises(DataError, match="needs a name"):
        digits.label.add_classes(shape, " , ")


# --- many classes, rare classes ------------------------------------------------------------------


def make_uneven(home, name, counts, *, labelled, seed=0):
    """Texts of ``len(counts)`` topics, so many of each; a random sample of them is labelled."""
    rng = np.random.default_rng(seed)
    label_N = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    texts = []
    for i, c in enumerate(label_N.tolist()):
        words = [f"w{c}x{k}" for k in rng.integers(0, 6, 4)] + [f"f{k}" for k in rng.integers(0, 30, 5)]
        texts.append(" ".join(rng.permutation(words)) + f" {i}")
    names = [f"topic {c:03d}" for c in range(len(counts))]
    store = make_text_project(home, name, classes=names, texts=texts, key=False, features=False)
    compute_features(store, "tfidf")
    store.close()
    bench = Workbench.open(name, root=home)
    chosen = rng.permutation(len(label_N))[:labelled]
    task = bench.task()
    events = [
        Event("teacher", seq, "label", task.id, [int(row) + 1], value=int(label_N[row]), annotator="me")
        for seq, row in enumerate(chosen, start=1)
    ]
    bench.record(events)
    bench.live.refresh()
    return bench, label_N, chosen


def test_a_class_of_one_in_a_hundred_is_found(tmp_path):
    bench, label_N, _ = make_uneven(tmp_path, "tail", [600, 60, 30, 6], labelled=40)
    task = bench.task()
    seq = 0
    for _ in range(8):
        events = []
        for card in bench.label.queue(task, 10):
            seq += 1
            value = int(label_N[card.item_id - 1])
            event = {"seq": seq, "verb": "label", "task": task.id, "items": [card.item_id], "value": value}
            events.append(event | {"audit": card.audit})
        bench.label.take(CLIENT, events, annotator="me")
        bench.live.refresh()
    snapshot = bench.snapshot(task)
    given_N = snapshot.state.label_N
    found = [int((given_N == c).sum()) for c in range(4)]
    assert found[3] >= 3, found  # half of the rarest class, among a sixth of all items
    open_N = given_N < 0
    assert np.isfinite(snapshot.proba_NC).all()
    hit_N = snapshot.prediction_N == label_N
    assert hit_N[open_N].mean() > 0.95
    assert hit_N[open_N & (label_N == 2)].mean() > 0.8
    # the rare classes make it the wider one
    figure, spread = snapshot.figure, snapshot.figure.also["balanced_accuracy"]
    assert spread.high - spread.low > figure.accuracy.high - figure.accuracy.low
    json.dumps(bench.label.progress(task, "me").as_dict(), allow_nan=False)
    bench.close()


@pytest.mark.parametrize("classes", [1, 2, 30, 150])
def test_the_loop_works_from_one_class_to_many(tmp_path, classes):
    per_class = max(4, 300 // classes)
    bench, label_N, chosen = make_uneven(tmp_path, "many", [per_class] * classes, labelled=2 * classes + 4)
    task = bench.task()
    snapshot = bench.snapshot(task)
    assert np.isfinite(snapshot.proba_NC).all()
    assert snapshot.proba_NC.sum(axis=1) == pytest.approx(1, abs=1e-3)
    rest = np.setdiff1d(np.arange(len(label_N)), chosen)
    assert (snapshot.prediction_N[rest] == label_N[rest]).mean() > (0.5 if classes == 150 else 0.6)
    cards = bench.label.queue(task, 12)
    assert len({card.item_id for card in cards}) == 12
    for card in cards:
        json.dumps(card.as_dict(), allow_nan=False)
    if classes == 1:
        assert snapshot.figure.accuracy is None  # of one class everything is right
        assert snapshot.figure.also == {}
    else:
        assert "balanced_accuracy" in snapshot.figure.also
    bench.close()


def test_compare_has_the_figures_of_sets_and_numbers(digits, reviews):
    shape, score = digits.task("shape"), reviews.task("score")
    assert digits.compare.task_figures(shape) == []
    answer(digits, shape, range(100))
    answer(digits, shape, range(200, 230), client="audit", purpose="audit")
    instant, head = digits.compare.task_figures(shape)
    assert instant.source == head.source == "audit"
    assert instant.size == head.size == 30
    assert instant.figures["micro_f1"].value > head.figures["micro_f1"].value - 0.1
    assert [row.name for row in instant.per_class] == list(SHAPES)
    assert sum(row.support for row in instant.per_class) == sum(
        len(kept) for kept in truth_of(digits.store, "shape")[200:230]
    )
    answer(reviews, score, range(100))
    instant, head = reviews.compare.task_figures(score)
    assert instant.source == "out-of-fold"
    assert {"mae", "rmse", "r2"} == set(instant.figures)


def test_the_command_line_tells_every_kind(digits, reviews, monkeypatch, capsys):
    from sslcore.__main__ import main
    from sslcore.commands import _columns

    answer(digits, digits.task("shape"), range(80))
    answer(reviews, reviews.task("score"), range(80))
    monkeypatch.setenv("LABELLOOM_HOME", str(digits.folder.parent))
    assert main(["status", "digits"]) == 0
    assert "f1 (micro)" in capsys.readouterr().out
    assert main(["queue", "digits", "--task", "shape", "-n", "4", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert any(isinstance((row["suggestion"] or {}).get("class"), list) for row in rows)
    assert main(["predict", "reviews", "--task", "score", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["low"] <= row["label"] <= row["high"] for row in rows[80:])
    assert main(["predict", "digits", "--task", "shape"]) == 0
    assert "curvy" in capsys.readouterr().out
    mapped = _columns(["text=body", "task=stars:ordinal", "task=a:b"])
    assert mapped["tasks"] == [{"column": "stars", "kind": "ordinal"}, {"column": "a:b"}]


def test_why_a_number_is_asked_stands_beside_the_interval_of_now(reviews):
    """The page keeps a few questions while labels renew their suggestions; it asks for those cards again."""
    task = reviews.task("score")
    answer(reviews, task, range(30))
    asked = reviews.label.queue(task, 40)
    held = [card for card in asked if not card.audit and card.said is not None and card.item_id > 90][:3]
    before = [(card.why, card.said["low"], card.said["high"]) for card in held]
    answer(reviews, task, range(30, 90))
    cards = reviews.label.cards(task, [card.item_id for card in held], order="auto")
    assert [(card.why, card.said["low"], card.said["high"]) for card in cards] != before
    places = kinds.decimals(reviews.snapshot(task))
    for card in cards:
        low, high = card.said["low"], card.said["high"]
        assert card.why.startswith(f"Between {low:.{places}f} and {high:.{places}f}")
    assert all(card.why == "" for card in reviews.label.cards(task, [card.item_id for card in held]))


def test_why_a_class_is_asked_stands_beside_the_probabilities_of_now(reviews):
    task = reviews.task("stars")
    answer(reviews, task, range(20))
    asked = reviews.label.queue(task, 40)
    held = [card for card in asked if not card.audit and card.item_id > 100][:4]
    answer(reviews, task, range(20, 100))
    proba_NC = reviews.snapshot(task).proba_NC
    told = 0
    for card in reviews.label.cards(task, [card.item_id for card in held], order="auto"):
        found = re.search(r"(?:Uncertain between|Probably) (.+?) \(([\d.]+)", card.why)
        if found is not None:
            told += 1
            assert found[2] == f"{proba_NC[card.item_id - 1].max():.2f}"
    assert told > 0
