"""The Quality desk: what looks wrong is found, what was looked at twice stays settled, figures are honest."""

import itertools
import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from sslcore.__main__ import main
from sslcore.jobs import launch
from sslcore.quality.intervals import Interval
from sslcore.store import Event
from sslcore.workbench import Workbench, quality
from sslcore.workbench.later import Answer, Later
from sslcore.workbench.quality import _stage
from sslcore.workbench.suspects import CONTRADICTING, FEWEST_LABELS, OPEN, PARTLY, doubtful_labels
from tests.browser.harness import TOPICS, compute_features, make_text_project
from tests.many_tasks import SHAPES, make_digits, make_reviews, truth_of

PATIENT = {"patience": 60.0}


@pytest.fixture
def open_bench(tmp_path, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setattr(launch, "ensure_worker", lambda home, project: None)
    held = []

    def open_project(**how):
        name = f"p{len(held)}"
        make_text_project(tmp_path, name, **how).close()
        held.append(Workbench.open(name, root=tmp_path))
        return held[-1]

    yield open_project
    for bench in held:
        bench.close()


def say(bench, verb, items, *, seq, who="me", **more):
    event = Event("person-01", seq, verb, bench.task().id, items, annotator=who, **more)
    bench.record([event])
    bench.live.refresh()


def label(bench, values, *, source="imported", client="labels-01"):
    events = [
        Event(client, i + 1, "label", 1, [row + 1], value=int(value), source=source)
        for i, (row, value) in enumerate(values.items())
    ]
    bench.record(events)
    bench.live.refresh()


def audited(bench, rows):
    events = [
        Event("audit-01", i + 1, "label", 1, [row + 1], value=row % 4, purpose="audit")
        for i, row in enumerate(rows)
    ]
    bench.record(events)
    bench.live.refresh()


@pytest.fixture
def noisy(open_bench):
    """260 texts, 200 of them labelled, a tenth of these wrong; and which."""
    bench = open_bench(n=260)
    wrong = np.random.default_rng(0).choice(200, 20, replace=False)
    label(bench, {row: (row + int(row in wrong)) % 4 for row in range(200)})
    return bench, set(wrong.tolist())


# --- label issues --------------------------------------------------------------------------------


def test_wrong_labels_are_found(noisy):
    bench, wrong = noisy
    found = bench.quality.issues(bench.task(), **PATIENT).value
    rows = found.row_M.tolist()
    hits = len(wrong & set(rows))
    assert hits >= 0.75 * len(wrong)
    assert hits >= 0.85 * len(rows)
    assert (np.diff(found.wrong_M) <= 1e-12).all()
    assert found.judged == 200
    (case, *_), task = bench.quality.issue_cases(bench.task(), found), bench.task()
    row = rows[0]
    assert case["items"][0]["item_id"] == row + 1
    assert case["members"] == [{"item_id": row + 1, "label": (row + 1) % 4, "audit": False}]
    assert case["suggestion"]["name"] == task.class_names[row % 4]
    assert f"“{TOPICS[row % 4]}”" in case["why"]


def test_what_a_person_settles_does_not_come_back(noisy):
    bench, _ = noisy
    task = bench.task()
    found = bench.quality.issues(task, **PATIENT).value
    kept, changed, skipped, untouched = found.row_M[:4].tolist()
    given = int(found.given_M[0])
    say(bench, "label", [kept + 1], seq=1, value=given)
    say(bench, "accept", [changed + 1], seq=2, value=int(found.suggested_M[1]))
    say(bench, "skip", [skipped + 1], seq=3)
    now = bench.quality.issues(task, **PATIENT).value
    assert not {kept, changed, skipped} & set(now.row_M.tolist())
    assert untouched in now.row_M
    assert (now.confirmed, now.aside) == (2, 1)
    assert skipped in bench.quality.issues(task, aside=True, **PATIENT).value.row_M
    looks = bench.quality.second_looks(task, **PATIENT).value
    assert (looks.changed, looks.kept) == (1, 1)
    say(bench, "undo", [], seq=4, undoes="person-01:1")
    again = bench.quality.issues(task, **PATIENT).value
    assert kept in again.row_M
    assert (bench.quality.second_looks(task, **PATIENT).value) == type(looks)(1, 0)


def test_audit_answers_and_the_machines_own_labels_are_never_doubted(open_bench):
    bench = open_bench(n=200)
    label(bench, {row: row % 4 for row in range(100)})
    say(bench, "label", [150], seq=1, value=(149 + 1) % 4, purpose="audit")
    say(bench, "accept", [160, 161], seq=2, values=[(159 + 1) % 4, (160 + 1) % 4], source="bulk")
    assert not {149, 159, 160} & set(bench.quality.issues(bench.task(), **PATIENT).value.row_M.tolist())
    say(bench, "label", [170, 174], seq=3, value=(169 + 1) % 4, source="bulk")  # a person's word on many
    assert {169, 173} & set(bench.quality.issues(bench.task(), **PATIENT).value.row_M.tolist())


def test_few_labels_or_none_doubt_nobody(open_bench):
    bench = open_bench(n=60)
    nothing = bench.quality.issues(bench.task(), **PATIENT).value
    assert (len(nothing), nothing.judged, nothing.missing) == (0, 0, FEWEST_LABELS)
    label(bench, {row: (row + (row == 3)) % 4 for row in range(8)})
    few = bench.quality.issues(bench.task(), **PATIENT).value
    assert (len(few), few.missing) == (0, FEWEST_LABELS - 8)
    bare = open_bench(n=40, labelled=30, features=False)
    assert len(bare.quality.issues(bare.task(), **PATIENT).value) == 0
    assert len(bare.quality.groups(bare.task(), **PATIENT).value) == 0
    assert len(bare.quality.outliers(bare.task(), **PATIENT).value) == 0
    assert bare.quality.calibration(bare.task(), **PATIENT) == Answer(None, True)
    assert bare.quality.advice(bare.task(), **PATIENT).value.gain is None


# --- near-duplicates and outliers ----------------------------------------------------------------


@pytest.fixture
def twins(open_bench):
    """Four pairs and a triple of all but the same texts among sixty, and one text like no other."""
    rng = np.random.default_rng(0)
    words = [
        f"{a}{b}" for a in ("river", "stone", "cloud", "garden") for b in ("side", "bed", "less", "ward")
    ]
    texts = [" ".join(rng.choice(words, 90)) for _ in range(60)]
    for i in range(5):
        texts[10 * i + 1] = texts[10 * i] + " ."
    texts[42] = texts[40] + " !"
    return open_bench(texts=texts, n=60)


def test_contradicting_groups_come_first(twins):
    label(twins, {0: 0, 1: 0, 10: 1, 20: 2, 21: 3})
    task = twins.task()
    found = twins.quality.groups(task, **PATIENT).value
    assert [row_M.tolist() for row_M in found.rows] == [[20, 21], [10, 11], [40, 41, 42], [30, 31]]
    assert found.kind_G.tolist() == [CONTRADICTING, PARTLY, OPEN, OPEN]
    assert found.settled == 1
    assert found.as_dict() == {"contradicting": 1, "partly_labelled": 1, "unlabelled": 2, "settled": 1}
    first, second, third, _ = twins.quality.group_cases(task, found)
    assert first["suggestion"]["position"] in (2, 3)
    assert second["suggestion"]["position"] == 1
    assert [member["label"] for member in second["members"]] == [1, None]
    assert "1 × politics, 1 without a label" in second["why"]
    assert len(third["items"]) == 3
    assert "none with a label" in third["why"]


def test_one_answer_settles_a_group_and_a_second_look_keeps_it_apart(twins):
    label(twins, {0: 0, 1: 2, 20: 2, 21: 3})
    task = twins.task()
    say(twins, "label", [1, 2], seq=1, value=0, source="bulk")
    contradicting = [g.tolist() for g in twins.quality.groups(task, **PATIENT).value.rows[:1]]
    assert contradicting == [[20, 21]]
    say(twins, "label", [21], seq=2, value=2)
    say(twins, "label", [22], seq=3, value=3)
    assert twins.quality.groups(task, **PATIENT).value.count(CONTRADICTING) == 0
    say(twins, "undo", [], seq=4, undoes="person-01:1")
    assert [g.tolist() for g in twins.quality.groups(task, **PATIENT).value.rows[:1]] == [[0, 1]]


def test_outliers_say_why_and_leave_when_looked_at(open_bench):
    rng = np.random.default_rng(0)
    words = ["goal", "match", "team", "player", "coach", "league", "season", "striker"]
    texts = [" ".join(rng.permutation(words).tolist() * 3) for _ in range(80)]
    texts[33] = "0x7f ELF ~~ %PDF-1.4 endobj"
    bench = open_bench(texts=texts)
    task = bench.task()
    found = bench.quality.outliers(task, **PATIENT).value
    assert found.row_M[0] == 33
    assert found.similarity_M[0] < found.usual
    (case, *_) = bench.quality.outlier_cases(task, found)
    assert case["items"][0]["text"] == texts[33]
    assert "Far from all others" in case["why"]
    say(bench, "flag", [34], seq=1)
    assert 33 not in bench.quality.outliers(task, **PATIENT).value.row_M


# --- figures -------------------------------------------------------------------------------------


def test_label_sets_only_from_an_audit_and_they_keep_their_promise(noisy):
    bench, _ = noisy
    task = bench.task()
    audited(bench, range(200, 212))
    none = bench.quality.label_sets(task, 0.9, **PATIENT).value
    assert (none.audit, none.missing) == (12, 8)
    assert none.mean_size is none.checked is none.threshold is None
    bench.record(
        [Event("audit-02", i, "label", 1, [i], value=(i - 1) % 4, purpose="audit") for i in range(213, 241)]
    )
    bench.live.refresh()
    sets = {coverage: bench.quality.label_sets(task, coverage, **PATIENT).value for coverage in (0.8, 0.95)}
    for coverage, found in sets.items():
        assert found.audit == 40
        assert found.items == 20
        assert found.checked.high >= coverage
        assert sum(n for _, n in found.size_count) == found.items
        assert 1 <= found.mean_size <= 4
    assert sets[0.95].mean_size >= sets[0.8].mean_size
    assert sets[0.95].as_dict()["checked"]["value"] == sets[0.95].checked.value


def test_calibration_is_rough_until_the_audit_has_twenty(noisy):
    bench, _ = noisy
    task = bench.task()
    rough = bench.quality.calibration(task, **PATIENT).value
    assert (rough.source, rough.rough, rough.size) == ("out-of-fold", True, 200)
    audited(bench, range(200, 240))
    sound = bench.quality.calibration(task, **PATIENT).value
    assert (sound.source, sound.rough, sound.size) == ("audit", False, 40)
    assert 0 <= sound.report.ece <= 1
    assert isinstance(sound.by_chance, Interval)
    assert sound.temperature == bench.snapshot(task).result.temperature


def test_advice_from_the_curve(noisy):
    bench, _ = noisy
    task = bench.task()
    rough = bench.quality.advice(task, **PATIENT).value
    assert rough.rough
    assert rough.text.startswith("20 more labels are expected to bring ")
    assert "roughly" in rough.text
    audited(bench, range(200, 240))
    sound = bench.quality.advice(task, **PATIENT).value
    assert (sound.source, sound.size, sound.labels) == ("audit", 40, 200)
    assert -0.1 < sound.gain.accuracy.low <= sound.gain.accuracy.value <= sound.gain.accuracy.high < 0.2
    assert 0 <= sound.changed <= 1
    assert "stop" not in sound.text.lower()
    say(bench, "label", [241], seq=1, value=0)  # one more label is no reason to fit ten models again
    assert bench.quality.advice(task, patience=0).fresh
    for seq in range(2, 22):  # as many corrections are
        say(bench, "label", [seq], seq=seq, value=seq % 2)
    assert not bench.quality.advice(task, patience=0).fresh
    assert bench.quality.advice(task, **PATIENT).fresh
    bench.label.add_class(task, "one more")
    bench.live.refresh()
    assert not bench.quality.advice(bench.task(), patience=0).fresh


def test_a_curve_cut_short_by_time_is_said_to_be_so_and_gone_on_with(noisy, monkeypatch):
    monkeypatch.setattr(quality, "_CURVE_SECONDS", 0.0)  # one more point a round
    bench, _ = noisy
    task = bench.task()
    asked = bench.quality.advice(task, patience=0)
    while bench.quality.finished == 0:
        time.sleep(0.01)
    asked = bench.quality.advice(task, patience=0)
    assert "not finished yet" in asked.value.text
    assert "too short" not in asked.value.text
    assert not asked.fresh, "a page that waits goes on asking"
    whole = bench.quality.advice(task, **PATIENT)
    assert whole.fresh
    assert whole.value.whole
    assert whole.value.text.startswith("20 more labels are expected to bring ")


def test_a_whole_curve_is_not_replaced_by_a_part_of_one(noisy, monkeypatch):
    bench, _ = noisy
    task = bench.task()
    whole = bench.quality.advice(task, **PATIENT).value
    monkeypatch.setattr(quality, "_CURVE_SECONDS", 0.0)
    monkeypatch.setattr(quality, "_MOST_ROUNDS", 1)
    label(bench, {row: row % 4 for row in range(200, 220)}, client="labels-02")
    later = bench.quality.advice(task, **PATIENT)
    assert later.value == whole
    assert bench.quality.newest_advice(task).gain is not None
    label(bench, {row: row % 4 for row in range(220, 250)}, client="labels-03")
    assert "not finished yet" in bench.quality.advice(task, **PATIENT).value.text, "it is of far fewer labels"


def test_advice_is_renewed_with_every_twentieth_more_labels():
    stages = [_stage(labels) for labels in range(10_000)]
    assert all(later[0] - sooner[0] in (0, 1) for sooner, later in itertools.pairwise(stages))
    assert all(_stage(n)[0] < _stage(n + max(6, n // 18))[0] for n in range(9_000))


def test_agreement_of_annotators(open_bench):
    bench = open_bench(n=40)
    task = bench.task()
    assert bench.quality.agreement(task, **PATIENT) == Answer(None, True)
    for i in range(20):
        say(bench, "label", [i + 1], seq=2 * i + 1, who="ann", value=i % 4)
        say(bench, "label", [i + 1], seq=2 * i + 2, who="ben", value=(i + (i < 5)) % 4)
    found = bench.quality.agreement(task, **PATIENT).value
    assert found.annotators == ("ann", "ben")
    assert (found.items, found.differ) == (20, 5)
    assert found.disputed == (1, 2, 3, 4, 5)
    (pair,) = found.pairs
    assert (pair.items, pair.share) == (20, 0.75)
    assert 0.6 < pair.kappa < 0.7
    assert found.alpha.low < found.alpha.value < found.alpha.high
    assert abs(found.fleiss - pair.kappa) < 0.02
    say(bench, "label", [1], seq=50, who="cem", value=0)
    three = bench.quality.agreement(task, **PATIENT).value
    assert three.fleiss is None
    assert len(three.pairs) == 3
    say(bench, "undo", [], seq=51, undoes="person-01:2")
    assert ("ann", "ben") in {(p.first, p.second) for p in found.pairs}
    assert bench.quality.agreement(task, **PATIENT).value.pairs[0].items == 19


def test_report_holds_every_figure(noisy):
    bench, _ = noisy
    audited(bench, range(200, 230))
    held = bench.quality.report(bench.task())
    assert held["label_issues"]["open"] == len(held["label_issues"]["items"]) > 10
    assert [sets["coverage"] for sets in held["label_sets"]] == [0.8, 0.9, 0.95]
    assert held["calibration"]["source"] == "audit"
    assert held["advice"]["gain"]["level"] == 0.9
    assert held["agreement"] is None


# --- sets and numbers ----------------------------------------------------------------------------


def give(bench, task, values, *, seq=1, client="labels-02", **more):
    more = {"source": "imported"} | more
    bench.record(
        [
            Event(client, seq + i, "label", task.id, [row + 1], value=value, **more)
            for i, (row, value) in enumerate(values.items())
        ]
    )
    bench.live.refresh()


def taught(make, task_name, spoil, folder, *, labels=200, wrong=20):
    """A project with imported labels of a task, some of them spoilt; the task and the spoilt rows."""
    rng = np.random.default_rng(0)
    make(folder, task_name, n=260).close()
    bench = Workbench.open(task_name, root=folder)
    task, truth = bench.task(task_name), truth_of(bench.store, task_name)
    spoilt = set(rng.choice(labels, wrong, replace=False).tolist())
    give(bench, task, {row: spoil(truth[row], rng) if row in spoilt else truth[row] for row in range(labels)})
    return bench, task, spoilt


def one_class_less_or_more(held, rng):
    return sorted(set(held) ^ {int(rng.integers(3))})


def far_away(held, rng):
    return float((held + 5) % 10)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("LABELLOOM_HOME", str(tmp_path_factory.getbasetemp()))
    patch.setattr(launch, "ensure_worker", lambda home, project: None)
    yield tmp_path_factory.mktemp("kinds")
    patch.undo()


@pytest.fixture
def shapes(tmp_path, home):
    bench, task, spoilt = taught(make_digits, "shape", one_class_less_or_more, tmp_path)
    yield bench, task, spoilt
    bench.close()


@pytest.fixture
def scores(tmp_path, home):
    bench, task, spoilt = taught(make_reviews, "score", far_away, tmp_path)
    yield bench, task, spoilt
    bench.close()


def test_wrong_sets_are_found_and_the_why_names_the_classes(shapes):
    bench, task, spoilt = shapes
    found = bench.quality.issues(task, **PATIENT).value
    rows = found.row_M.tolist()
    assert (found.judged, found.missing) == (200, 0)
    assert len(spoilt & set(rows)) >= 0.6 * len(spoilt)
    assert len(spoilt & set(rows)) >= 0.75 * len(rows)
    assert (np.diff(found.wrong_M) <= 1e-9).all()
    (case, *_) = bench.quality.issue_cases(task, found)
    given, better = found.given_M[0], found.suggested_M[0]
    assert case["members"] == [{"item_id": rows[0] + 1, "label": given, "audit": False}]
    assert case["suggestion"]["value"] == better != given
    unlike = {SHAPES[c] for c in set(given) ^ set(better)}
    assert case["why"].startswith("Without this label the machine gives “")
    assert all(f"“{name}”" in case["why"] for name in unlike)
    assert not any(f"“{name}”" in case["why"] for name in set(SHAPES) - unlike)
    assert {c for c, _ in case["proba"]} == {0, 1, 2}
    assert 0 < case["confidence"] < 1


def test_wrong_numbers_are_found_and_the_why_tells_the_usual_error(scores):
    bench, task, spoilt = scores
    found = bench.quality.issues(task, **PATIENT).value
    rows = found.row_M.tolist()
    assert found.judged == 200
    assert len(spoilt & set(rows)) >= 0.95 * len(spoilt)
    assert len(spoilt & set(rows)) >= 0.8 * len(rows)
    assert (np.diff(found.wrong_M) <= 0).all()
    assert found.wrong_M.min() > 3
    (case, *_) = bench.quality.issue_cases(task, found)
    said, given = found.suggested_M[0], found.given_M[0]
    assert case["members"][0]["label"] == given
    assert case["suggestion"]["value"] == said
    assert case["why"].startswith(f"Without this label the machine says {said:.1f} (usually ± ")
    assert case["why"].endswith(f"); given {given:g}.")
    assert case["usual"], "no interval that holds nine in ten, and so it is drawn otherwise"
    assert case["low"] < said < case["high"]
    assert not case["low"] <= given <= case["high"]


@pytest.mark.parametrize("kind", ["shapes", "scores"])
def test_sets_and_numbers_that_were_settled_do_not_come_back(kind, request):
    bench, task, _ = request.getfixturevalue(kind)
    found = bench.quality.issues(task, **PATIENT).value
    kept, changed, skipped, untouched = found.row_M[:4].tolist()
    settling = {"client": "person-02", "source": "human"}
    give(bench, task, {kept: found.given_M[0]}, **settling)
    give(bench, task, {changed: found.suggested_M[1]}, seq=2, **settling)
    bench.record([Event("person-02", 3, "skip", task.id, [skipped + 1])])
    bench.live.refresh()
    now = bench.quality.issues(task, **PATIENT).value
    assert not {kept, changed, skipped} & set(now.row_M.tolist())
    assert untouched in now.row_M
    assert (now.confirmed, now.aside, now.judged) == (2, 1, 198)
    assert skipped in bench.quality.issues(task, aside=True, **PATIENT).value.row_M
    looks = bench.quality.second_looks(task, **PATIENT).value
    assert (looks.changed, looks.kept) == (1, 1)
    bench.record([Event("person-02", 4, "undo", undoes="person-02:1")])
    bench.live.refresh()
    assert kept in bench.quality.issues(task, **PATIENT).value.row_M


@pytest.mark.parametrize("kind", ["shapes", "scores"])
def test_neither_audit_answers_nor_labels_given_in_bulk_are_doubted(kind, request):
    bench, task, _ = request.getfixturevalue(kind)
    rng, truth = np.random.default_rng(1), truth_of(bench.store, task.name)
    spoil = one_class_less_or_more if kind == "shapes" else far_away
    wrong = {row: spoil(truth[row], rng) for row in range(200, 250)}
    give(bench, task, {row: wrong[row] for row in range(200, 240)}, client="auditor1", purpose="audit")
    bulk = [wrong[row] for row in range(240, 244)]
    ids = [row + 1 for row in range(240, 244)]
    bench.record([Event("person-03", 1, "label", task.id, ids, values=bulk, source="bulk")])
    bench.live.refresh()
    found = bench.quality.issues(task, **PATIENT).value
    assert found.judged == 200
    assert len(found) > 5
    assert found.row_M.max() < 200


def test_few_numbers_doubt_nobody(tmp_path, home):
    bench, task, _ = taught(make_reviews, "score", far_away, tmp_path, labels=12, wrong=2)
    few = bench.quality.issues(task, **PATIENT).value
    assert (len(few), few.judged, few.missing) == (0, 0, FEWEST_LABELS - 12)
    bench.close()


def test_the_only_set_with_a_class_is_not_doubted_for_it(tmp_path, home):
    bench, task, _ = taught(make_digits, "shape", one_class_less_or_more, tmp_path, labels=60, wrong=0)
    bench.label.add_class(task, "rare")
    bench.live.refresh()
    task, truth = bench.task("shape"), truth_of(bench.store, "shape")
    doubted = bench.quality.issues(task, **PATIENT).value.row_M
    row = next(row for row in range(60) if row not in doubted and truth[row] == [0, 2])
    give(bench, task, {row: [0, 2, 3]}, client="labels-04")
    assert row not in bench.quality.issues(task, **PATIENT).value.row_M
    (at,) = np.flatnonzero(bench.snapshot(task).loop_answer.labelled_row_L == row)
    assert bench.snapshot(task).loop_answer.out_of_fold_proba_LC[at, 3] < 0.2  # unlike as it is
    bench.close()


@pytest.fixture
def alike(tmp_path, home):
    """Sixty texts with pairs of all but the same, and tasks of sets and of numbers."""
    rng = np.random.default_rng(0)
    words = [a + b for a in ("river", "stone", "cloud", "garden") for b in ("side", "bed", "less", "ward")]
    texts = [" ".join(rng.choice(words, 90)) for _ in range(60)]
    for i in range(5):
        texts[10 * i + 1] = texts[10 * i] + " ."
    store = make_text_project(tmp_path, "alike", n=60, texts=texts)
    with store.importing() as batch:
        batch.ensure_task("shape", kind="multiple", classes=SHAPES)
        batch.ensure_task("score", kind="numeric")
    compute_features(store, "tfidf")
    store.close()
    bench = Workbench.open("alike", root=tmp_path)
    yield bench
    bench.close()


def test_sets_contradict_where_they_differ(alike):
    task = alike.task("shape")
    give(alike, task, {0: [0, 2], 1: [2, 0], 10: [1], 11: [1, 2], 20: []})
    found = alike.quality.groups(task, **PATIENT).value
    assert [row_M.tolist() for row_M in found.rows] == [[10, 11], [20, 21], [30, 31], [40, 41]]
    assert found.kind_G.tolist() == [CONTRADICTING, PARTLY, OPEN, OPEN]
    assert found.settled == 1
    first, second, *_ = alike.quality.group_cases(task, found)
    assert first["suggestion"]["value"] in ([1], [1, 2])
    assert "with different labels: 1 × straight; 1 × straight, closed." in first["why"]
    assert [member["label"] for member in second["members"]] == [[], None]
    assert second["suggestion"] | {"colour": ""} == {
        "position": None,
        "name": "none of them",
        "colour": "",
        "value": [],
    }
    assert "1 × none of them, 1 without a label" in second["why"]
    give(alike, task, {10: [1], 11: [1, 2]}, client="person-06", source="human")
    assert alike.quality.groups(task, **PATIENT).value.count(CONTRADICTING) == 0


def test_numbers_contradict_where_they_are_further_apart_than_the_machine_is_off(alike):
    task, rng = alike.task("score"), np.random.default_rng(0)
    give(alike, task, {row: round(rng.normal(5, 1), 1) for row in range(2, 60) if row % 10 > 1})
    give(alike, task, {0: 5.0, 1: 5.1, 10: 1.0, 11: 9.0, 20: 5.0}, client="labels-03")
    found = alike.quality.groups(task, **PATIENT).value
    assert [row_M.tolist() for row_M in found.rows] == [[10, 11], [20, 21], [30, 31], [40, 41]]
    assert found.kind_G.tolist() == [CONTRADICTING, PARTLY, OPEN, OPEN]
    assert found.settled == 1
    first, second, third, _ = alike.quality.group_cases(task, found)
    assert first["suggestion"]["value"] in (1.0, 9.0)
    assert "with different labels: 1, 9. Without them the machine says " in first["why"]
    assert first["range"] is None
    assert second["suggestion"]["value"] == 5.0
    assert third["suggestion"]["value"] == round(third["suggestion"]["value"], 1)
    assert third["confidence"] is None
    assert third["range"].startswith("usually ± ")


def test_outliers_of_any_kind_suggest_what_the_machine_says(shapes):
    bench, task, _ = shapes
    found = bench.quality.outliers(task, **PATIENT).value
    for case in bench.quality.outlier_cases(task, found):
        assert isinstance(case["suggestion"]["value"], list)
        assert len(case["proba"]) == 3


def test_annotators_agree_on_sets_as_far_as_they_share(shapes):
    bench, task, _ = shapes
    truth = truth_of(bench.store, "shape")
    give(bench, task, {row: truth[row] for row in range(20)}, client="ann-02", annotator="ann")
    other = {row: truth[row] if row > 4 else sorted({*truth[row]} ^ {0}) for row in range(20)}
    give(bench, task, other, client="ben-02", annotator="ben")
    found = bench.quality.agreement(task, **PATIENT).value
    assert ("ann", "ben") in {(pair.first, pair.second) for pair in found.pairs}
    pair = next(pair for pair in found.pairs if {pair.first, pair.second} == {"ann", "ben"})
    assert (pair.items, pair.share, pair.kappa, pair.apart) == (20, 0.75, None, None)
    assert 0.6 < pair.alpha < 0.95  # where they differ they share most
    assert found.fleiss is found.apart is None
    assert set(range(1, 6)) <= set(found.disputed)


def test_annotators_numbers_are_apart(scores):
    bench, task, _ = scores
    truth = truth_of(bench.store, "score")
    rows = range(220, 250)
    give(bench, task, {row: truth[row] for row in rows}, client="ann-02", annotator="ann")
    give(bench, task, {row: truth[row] + (row % 2) for row in rows}, client="ben-02", annotator="ben")
    give(bench, task, {221: truth[221] - 7}, client="ben-02", seq=90, annotator="ben")
    found = bench.quality.agreement(task, **PATIENT).value
    (pair,) = found.pairs
    assert (pair.items, pair.share, pair.kappa) == (30, 0.5, None)
    assert pair.apart == pytest.approx((14 + 7) / 30)
    assert found.apart == pair.apart
    assert found.alpha.value == pytest.approx(pair.alpha)
    assert 0.5 < found.alpha.low <= found.alpha.value < 1
    assert found.disputed[0] == 222  # the farthest apart
    assert found.differ == 15
    told = bench.quality.report(task)["agreement"]
    assert json.loads(json.dumps(told))["apart"] == pytest.approx(0.7)


@pytest.mark.parametrize("kind", ["shapes", "scores"])
def test_a_report_of_sets_or_numbers_holds_what_there_is(kind, request, capsys, tmp_path, monkeypatch):
    bench, task, _ = request.getfixturevalue(kind)
    assert bench.quality.judges(task)
    assert not bench.quality.foresees(task)
    held = bench.quality.report(task)
    issues = held["label_issues"]["items"]
    assert json.loads(json.dumps(held))["label_issues"]["open"] == len(issues) > 5
    assert held["label_sets"] == []
    assert held["calibration"] is held["advice"] is None
    assert held["agreement"] is None
    first = issues[0]
    if kind == "shapes":
        assert set(first["given"]) < {*SHAPES, ""}
        assert 0.25 < first["wrong"] <= 1
    else:
        assert isinstance(first["suggested"], float)
        assert first["usual_errors_off"] > 3
    bench.close()
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    assert main(["quality", task.name, "--task", task.name]) == 0
    text = capsys.readouterr().out
    assert f"doubtful labels: {len(issues)} of 200" in text
    assert " rather " in text
    assert "calibration" not in text


# --- beside the page -----------------------------------------------------------------------------


def test_later_gives_the_figure_before_while_the_next_is_made():
    later, go = Later(), threading.Event()
    assert later.ask("a", stamp=1, make=lambda: "one", patience=5).value == "one"

    def slow():
        go.wait(10)
        return "two"

    stale = later.ask("a", stamp=2, make=slow, patience=0)
    assert (stale.value, stale.fresh) == ("one", False)
    assert later.ask("a", stamp=2, make=slow, patience=0).value == "one"  # it is not begun twice
    go.set()
    assert later.ask("a", stamp=2, make=slow, patience=5) == Answer("two", True)
    assert later.finished == 2


def test_later_tells_what_went_wrong_once_for_the_same_facts():
    later, calls = Later(), []

    def broken():
        calls.append(1)
        raise ValueError("no such thing")

    first = later.ask("a", stamp=1, make=broken, patience=5)
    assert first == Answer(None, False, "ValueError: no such thing")
    assert later.ask("a", stamp=1, make=broken, patience=5).error == first.error
    assert len(calls) == 1
    assert later.ask("a", stamp=2, make=lambda: 7, patience=5) == Answer(7, True)


def test_ten_thousand_labels_are_judged_in_a_second():
    rng = np.random.default_rng(0)
    n, classes = 10_000, 10
    truth_N = rng.integers(classes, size=n)
    wrong_N = rng.random(n) < 0.1
    label_N = (truth_N + wrong_N * rng.integers(1, classes, n)) % classes
    proba_NC = 0.02 + 0.8 * np.eye(classes)[truth_N] + 0.1 * rng.random((n, classes))
    proba_NC /= proba_NC.sum(axis=1, keepdims=True)
    of_class = [np.flatnonzero(truth_N == c) for c in range(classes)]
    neighbour_NK = np.stack([rng.choice(of_class[c], 15) for c in truth_N])
    knn = SimpleNamespace(neighbour_NK=neighbour_NK, similarity_NK=np.full((n, 15), 0.8), k=15)
    off_N = np.zeros(n, dtype=bool)
    state = SimpleNamespace(
        confirmed_N=off_N,
        audit_N=off_N,
        skipped_N=off_N,
    )
    result = SimpleNamespace(
        labelled_row_L=np.arange(n),
        evidence_L=np.ones(n, dtype=bool),
        out_of_fold_proba_LC=proba_NC,
        label_N=label_N,
    )
    task = SimpleNamespace(kind="single")
    view = SimpleNamespace(knn=knn)
    snapshot = SimpleNamespace(task=task, state=state, result=result, loop_answer=None, view=view)
    start = time.perf_counter()
    found = doubtful_labels(snapshot)
    assert time.perf_counter() - start < 1.0
    assert found.judged == n
    assert wrong_N[found.row_M].mean() > 0.95
    assert wrong_N[found.row_M].sum() > 0.95 * wrong_N.sum()


# --- on the command line -------------------------------------------------------------------------


def test_the_command_line_tells_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    store = make_text_project(tmp_path, "letters", n=120, labelled=60)
    store.annotations.append([Event("person-01", 1, "label", 1, [5], value=2)])
    store.close()
    try:
        assert main(["quality", "letters", "--json"]) == 0
        held = json.loads(capsys.readouterr().out)
        assert held["label_issues"]["judged"] == 59  # one was looked at twice
        assert held["label_sets"][0]["missing"] == 20
        assert main(["quality", "letters"]) == 0
        text = capsys.readouterr().out
        assert "doubtful labels:" in text
        assert held["advice"]["text"] in text
    finally:
        Workbench.open("letters").close()


def test_advice_says_whose_gain_it_tells_while_a_run_is_followed():
    from sslcore.quality.expected_gain import Gain
    from sslcore.quality.intervals import Interval
    from sslcore.workbench.prospects import sentence

    told = sentence(Gain(20, Interval(0.006, 0.002, 0.011)), rough=False, run=7)
    assert told == (
        "20 more labels are expected to bring the instant loop about +0.6 points (0.2…1.1). "
        "Run 7, which is followed, gains when it is trained anew."
    )
