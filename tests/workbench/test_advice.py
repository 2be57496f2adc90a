"""Advice: what is proposed and why, what it rests on, and the project's own leaderboard."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pages.components.advice import _gave
from sslcore.__main__ import main
from sslcore.errors import RecipeError
from sslcore.quality.expected_gain import Gain
from sslcore.quality.intervals import Interval
from sslcore.store import NewItem, NewLabel, Store
from sslcore.training import advice
from sslcore.training.advice import APPROACHES, counsel
from sslcore.training.evidence import finding
from sslcore.training.measured import INSTANT, SETS, WRITTEN, Score, Together, scores, together
from sslcore.training.proposal import Situation, TaskFacts
from sslcore.training.recipe import Recipe
from sslcore.workbench import Workbench
from sslcore.workbench.advice import Tried, first_words
from sslcore.workbench.prospects import Advice
from tests.browser.harness import make_image_project
from tests.workbench.runs import audit, finish

DOCS = Path(__file__).resolve().parents[2] / "docs"


def task(labels, classes=10, **more):
    each = labels // classes
    return TaskFacts("kind", "single", classes, labels, **({"rarest": each, "most": each} | more))


CLOTHES = Situation("image", 10_000, (task(40),), side=28, encoders=("efficientnet_lite0", "pixels"))
SIGNS = replace(CLOTHES, items=2062, side=100, colour=True)
NEWS = Situation("text", 2000, (task(40, 4),), encoders=("minilm", "tfidf"))
PROJECTS = {"clothes": CLOTHES, "signs": SIGNS, "news": NEWS}


# --- what it rests on ----------------------------------------------------------------------------


def test_the_instant_loops_figures_are_those_of_the_docs():
    text = (DOCS / "label-efficiency.md").read_text("utf-8").partition("## Chosen labels")[0]
    table = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if len(cells) > 8 and cells[0] in SETS:
            table[cells[0], int(cells[2])] = float(cells[4] or cells[3])
    held = {(name, each): value for name, row in INSTANT.items() for each, value in row.items()}
    assert held == table


def test_figures_that_stand_in_words_stand_there():
    measured = (DOCS / "measured.md").read_text("utf-8")
    rows = re.findall(r"\| (supervised|FixMatch|Mean Teacher) \| [\d,]+ \| ([\d.]+) \|", measured)
    quoted = {f"{row.accuracy:.1f}" for row in WRITTEN if row.ground == "fashion-mnist"}
    assert quoted <= {value for _, value in rows}
    code = (DOCS.parent / "sslcore" / "training" / "auto.py").read_text("utf-8")
    for row in (row for row in WRITTEN if row.source == "sslcore.training.auto"):
        assert f"{row.accuracy:.0f} %" in " ".join(code.split())
    practice = (DOCS / "practice.md").read_text("utf-8")
    for row in (row for row in WRITTEN if row.source == "docs/practice.md"):
        assert f"{row.accuracy:.1f}" in practice


def test_scores_of_the_benchmark_are_read_where_they_exist(tmp_path):
    (tmp_path / "methods").mkdir()
    path = tmp_path / "methods" / "scores.json"
    assert scores(tmp_path) == WRITTEN
    row = {"set": "mnist-5k", "labels": 40, "minutes": 2.0, "accuracy": 0.9}
    path.write_text(json.dumps([row | {"method": "ssvae"}, {"set": "elsewhere", "labels": 1, "accuracy": 1}]))
    assert scores(tmp_path)[0] == Score(
        "mnist-5k", "generative", "ssvae", 4.0, 90.0, "docs/methods/scores.md"
    )
    assert len(scores(tmp_path)) == len(WRITTEN) + 1
    path.write_text("not json")
    assert scores(tmp_path) == WRITTEN


TRANSFER = """# Transfer

### sign-digits

| recipe | 1 a class | 4 a class |
|---|---|---|
| instant loop, frozen features | 0.400 ± 0.010 | 0.650 |
| from scratch | 0.300 | 0.500 |
| from scratch + FixMatch | – | 0.550 |
| lora + FixMatch | 0.450 | 0.800 |
| fine-tuned | 0.440 | 0.740 |
"""
GENERATIVE = """
| set | side | labels | minutes | entry | accuracy % | gain | seeds | steps | published error % |
|---|---|---|---|---|---|---|---|---|---|
| mnist-5k | 28 | 100 | 2 | `warm:simclr` | 88.5 | +1.0 | 1 | 900 |  |
| mnist-5k | 28 | 100 | 2 | `ssvae` | 91.0 | +3.5 | 1 | 900 | 3.3 |
"""


def test_the_tables_of_other_pages_are_read_too_and_their_best_is_taken_over(tmp_path):
    (tmp_path / "transfer.md").write_text(TRANSFER, encoding="utf-8")
    (tmp_path / "generative.md").write_text(GENERATIVE, encoding="utf-8")
    held = scores(tmp_path)
    lora = Score("sign-digits", "pretrained", "fixmatch", 4, 80.0, "docs/transfer.md", "lora")
    assert lora in held
    assert Score("mnist-5k", "warm", "supervised", 10, 88.5, "docs/generative.md", "simclr") in held
    assert sum(row.source == "docs/transfer.md" for row in held) == 9, "a dash is no figure"
    found = finding(SIGNS.ground, 4, "pretrained", held)
    assert found.score == lora
    assert found.lead == pytest.approx(15.0), "beside the instant loop of the same draw"
    first = counsel(SIGNS, held=held).proposals[0]
    assert (first.key, first.method, first.fusion) == ("pretrained", "fixmatch", {"transfer": "lora"})
    assert "(lora, FixMatch) reached 80 %, the instant loop 65 %" in first.reasons[-1].text
    Recipe.parse(first.recipe())


def test_a_teacher_that_does_not_listen_is_no_figure_of_the_usual_student(tmp_path):
    lines = "| distilled from the instant loop | 0.500 | 0.834 ± 0.010 |\n"
    lines += "| distilled, teacher does not listen | 0.550 | 0.900 (1 draw) |\n"
    (tmp_path / "transfer.md").write_text(TRANSFER + lines, encoding="utf-8")
    held = scores(tmp_path)
    unheard = [row for row in held if row.how == "distilled, teacher does not listen"]
    assert [row.accuracy for row in unheard] == [pytest.approx(55.0), pytest.approx(90.0)]
    assert finding(SIGNS.ground, 4, "student", held).score.accuracy == pytest.approx(83.4)
    assert all(row.approach not in APPROACHES for row in unheard)


def test_a_figure_counts_only_for_sets_like_it_and_about_as_many_labels():
    assert finding(SIGNS.ground, 4, "pretrained", WRITTEN).score.ground == "sign-digits"
    assert finding(SIGNS.ground, 40, "pretrained", WRITTEN) is None
    assert finding(NEWS.ground, 10, "pretrained", WRITTEN) is None
    assert finding(CLOTHES.ground, 4, "pretrained", WRITTEN) is None, "grey drawings are no photographs"
    assert finding(CLOTHES.ground, 4, "consistency", WRITTEN).score.method == "mean_teacher"


def test_of_methods_that_draws_do_not_tell_apart_the_one_ahead_over_all_sets_is_taken():
    def row(ground, method, accuracy, spread=0.0):
        return Score(ground, "consistency", method, 4, accuracy, "docs/methods/scores.md", spread=spread)

    others = [row("mnist-5k", "fixmatch", 70.0), row("mnist-5k", "freematch", 90.0)]
    close = [row("sign-digits", "fixmatch", 75.0, spread=3.0), row("sign-digits", "freematch", 73.0)]
    found = finding(SIGNS.ground, 4, "consistency", [*others, *close])
    assert (found.score, found.level) == (close[1], 1)
    apart = [row("sign-digits", "fixmatch", 75.0, spread=1.0), close[1]]
    found = finding(SIGNS.ground, 4, "consistency", [*others, *apart])
    assert (found.score, found.level) == (apart[0], 0)
    advised = {p.key: p for p in counsel(SIGNS, held=[*others, *close]).proposals}["consistency"]
    assert advised.method == "freematch"
    assert "FreeMatch reached 73 %" in advised.reasons[-1].text
    assert "another of its kind did as well; over all sets it leads" in advised.reasons[-1].text


# --- what is proposed ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROJECTS)
@pytest.mark.parametrize("labels", [10, 40, 400])
def test_three_recipes_of_different_kind_that_parse_and_say_why(name, labels):
    facts = PROJECTS[name]
    facts = replace(facts, tasks=(task(labels, facts.task.classes),))
    given = counsel(facts)
    assert len(given.proposals) == 3
    assert len({proposal.key for proposal in given.proposals}) == 3
    for proposal in given.proposals:
        recipe = Recipe.parse(proposal.recipe())
        assert recipe.train_config.minutes <= proposal.minutes < recipe.train_config.minutes + 10
        assert 2 <= len(proposal.reasons) <= 3, proposal.key
        measured = any(reason.source for reason in proposal.reasons)
        assert measured or any("not measured here" in reason.text for reason in proposal.reasons)
        assert proposal.measured == measured


def test_reasons_are_tied_to_what_was_read():
    first = counsel(SIGNS, held=WRITTEN).proposals[0]
    assert first.key == "pretrained"
    assert first.train_config["backbone"] == "efficientnet_lite0"
    said = " ".join(reason.text for reason in first.reasons)
    assert "4 labels a class, 2,062 colour photographs of 100 px" in said
    assert (
        "On sign-digits with 4 labels a class the best of its kind (Supervised network) reached 73 %" in said
    )


@pytest.mark.parametrize("key", ["consistency", "generative"])
def test_audit_answers_are_not_called_unlabelled(key):
    few = replace(CLOTHES, items=236, tasks=(task(102, audited=4),))
    (proposal,) = counsel(few, allowed=lambda held: held.key == key).proposals
    assert "130 " in said(proposal)
    assert "134" not in said(proposal)
    if key == "consistency":
        assert "130 images without a label stand beside 102 to learn from (4 more are kept" in said(proposal)


def test_labels_come_first_where_no_training_led_the_instant_loop():
    clothes = counsel(CLOTHES, held=WRITTEN).labels_first
    assert "8 points ahead of the best training run" in clothes.text
    assert clothes.source == "docs/measured.md"
    assert counsel(SIGNS, held=WRITTEN).labels_first is None, "a pretrained network led it by 3 points"
    assert "within a point" in counsel(NEWS, held=WRITTEN).labels_first.text
    assert "four times the labels" in counsel(NEWS, held=()).labels_first.text
    nothing = counsel(replace(NEWS, tasks=(task(0),)))
    assert nothing.proposals == ()
    assert "no label" in nothing.labels_first.text


def test_what_was_measured_moves_a_proposal():
    better = (Score("fashion-mnist", "generative", "ssvae", 4, 84.0, "x"),)
    assert counsel(CLOTHES, held=better).proposals[0].key == "generative"
    assert counsel(CLOTHES, held=better).labels_first is None
    worse = (replace(better[0], accuracy=40.0),)
    assert "generative" not in [proposal.key for proposal in counsel(CLOTHES, held=worse).proposals]


def test_what_tasks_gain_together_is_read_from_its_page(tmp_path):
    assert together(tmp_path) == {}
    rows = """
### fashion-mnist

| sharing | balancing | class % | kind % | Δm, % (90 %) | over equal, % (90 %) | draws | processor s |
|---|---|---|---|---|---|---|---|
| alone | alone | 70.3 | 94.0 |  |  | 3 | 34.8 |
| hard | famo | 72.0 | 94.5 | +9.0 (+1.0 to +2.0) | +0.1 (-0.2 to +0.4) | 3 | 22.5 |
| hard | fixed | 72.0 | 94.5 | +1.9 (-0.6 to +3.3) |  | 3 | 22.5 |
| hard | dwa | 72.0 | 94.5 | +1.9 | +0.5 (+0.1 to +0.9) | 1 | 22.5 |

### clinc

| hard | fixed | 63.2 | 93.3 | -0.0 |  | 1 | 3.0 |
"""
    (tmp_path / "multitask.md").write_text(rows, encoding="utf-8")
    assert together(tmp_path) == {
        ("image", "hard", "famo"): Together("fashion-mnist", 9.0, 1.0, 2.0),
        ("image", "hard", "fixed"): Together("fashion-mnist", 1.9, -0.6, 3.3),
    }


def said(proposal):
    return " ".join(reason.text for reason in proposal.reasons)


def test_what_is_told_of_tasks_together_is_of_the_sharing_and_balancing_that_are_proposed(monkeypatch):
    read = []
    gains = {
        ("image", "hard", "fixed"): Together("fashion-mnist", 1.9, 1.4, 2.4),
        ("image", "mmoe", "fixed"): Together("fashion-mnist", 1.4, 0.4, 2.3),
    }
    monkeypatch.setattr(advice, "together", lambda: read.append("page") or gains)
    two = replace(CLOTHES, tasks=(task(40), replace(task(100, 3), name="group")))
    every = {}
    assert (
        counsel(two, allowed=lambda proposal: every.setdefault(proposal.key, proposal) is None).proposals
        == ()
    )
    assert read == ["page"]
    assert len(every) > 3
    for key, proposal in every.items():
        words = "+1.4 % (+0.4 to +2.3)" if key == "experts" else "+1.9 % (+1.4 to +2.4)"
        assert f"So two tasks of classes on fashion-mnist gained {words} over a network each" in said(
            proposal
        )
    price = TaskFacts("price", "numeric", 0, 200)
    for proposal in counsel(replace(CLOTHES, tasks=(task(40), price))).proposals:
        assert proposal.fusion["balancing"] == "uncertainty"
        assert "What that brings is not measured here." in said(proposal)
        assert "gained" not in proposal.reasons[-1].text


@pytest.mark.parametrize("kind", ["numeric", "multiple"])
def test_figures_of_classes_are_told_of_no_sets_and_numbers(kind):
    other = TaskFacts("price", kind, 0 if kind == "numeric" else 10, 10)
    alone = counsel(replace(CLOTHES, tasks=(other,)))
    assert alone.proposals
    assert alone.like is alone.labels_first is None
    for proposal in alone.proposals:
        assert proposal.found is None
        assert not any(reason.source for reason in proposal.reasons)
        assert "%" not in said(proposal)
    assert counsel(replace(NEWS, tasks=(other,)), held=()).labels_first is None
    beside = replace(CLOTHES, tasks=(replace(other, labels=1), task(40)))
    (proposal,) = counsel(beside, allowed=lambda held: held.key == "consistency", held=WRITTEN).proposals
    assert "On fashion-mnist with 4 labels a class" in said(proposal), "of the task that has classes"


def test_the_time_budget_is_kept_and_several_tasks_are_balanced():
    for facts in PROJECTS.values():
        for proposal in counsel(replace(facts, minutes=1.5)).proposals:
            assert proposal.train_config["minutes"] <= 1.5
    stars = TaskFacts("stars", "numeric", 0, 30)
    two = counsel(replace(NEWS, tasks=(task(40, 4), stars)))
    assert all(proposal.fusion["balancing"] == "uncertainty" for proposal in two.proposals)
    alike = counsel(replace(NEWS, tasks=(task(40, 4), replace(task(90), name="b"))), held=WRITTEN)
    assert {proposal.fusion["balancing"] for proposal in alike.proposals} == {"fixed"}
    assert "mmoe" in {proposal.fusion["sharing"] for proposal in alike.proposals}
    for proposal in alike.proposals:
        Recipe.parse(proposal.recipe())


def test_a_long_tail_is_dealt_evenly_and_missing_weights_are_not_wished_for():
    tail = counsel(replace(NEWS, tasks=(task(40, 4, rarest=2, most=30),)))
    assert all(proposal.train_config["balanced_batches"] for proposal in tail.proposals)
    assert "2 to 30 labels a class" in tail.proposals[0].reasons[-1].text
    bare = counsel(replace(SIGNS, pretrained=False), held=WRITTEN)
    assert not any(p.train_config.get("backbone") == "efficientnet_lite0" for p in bare.proposals)
    assert bare.proposals


def test_what_cannot_run_is_passed_over():
    given = counsel(CLOTHES, allowed=lambda proposal: proposal.method != "fixmatch")
    assert given.proposals
    assert all(proposal.method != "fixmatch" for proposal in given.proposals)


# --- on a project --------------------------------------------------------------------------------


@pytest.fixture
def bench(open_bench):
    return open_bench(n=120, labelled=16)


def test_the_project_is_read_as_it_is(open_bench):
    text = open_bench(n=120, labelled=18)
    audit(text, 20)
    facts = text.advice.situation(["topic"])
    assert (facts.modality, facts.items, facts.encoders) == ("text", 120, ("tfidf",))
    assert (facts.task.labels, facts.task.rarest, facts.task.most) == (18, 4, 5)
    assert facts.task.audited == 20
    assert facts.task.instant[1] < facts.task.instant[0] <= facts.task.instant[2]
    image = open_bench(make_image_project, n=12, labelled=6, size=32).advice.situation(["shape"])
    assert image.side == 32
    assert image.colour
    with pytest.raises(RecipeError, match="at least one task"):
        text.advice.situation([])
    with pytest.raises(RecipeError, match="minutes"):
        text.advice.situation(["topic"], minutes=0)


def test_proposals_start_and_are_known_again(bench):
    first, *rest = bench.advice.counsel(["topic"], minutes=1).proposals
    assert len(rest) == 2
    assert bench.advice.tried(["topic"], first) is None
    ids = [bench.advice.start(["topic"], proposal) for proposal in (first, *rest)]
    assert len(set(ids)) == 3
    for run_id, proposal in zip(ids, (first, *rest)):
        held = bench.train.recipe(run_id)
        assert held["method"] == proposal.method
        assert held["train_config"]["minutes"] <= 1
        assert bench.advice.tried(["topic"], proposal).run.id == run_id
        assert bench.advice.tried(["topic"], proposal).standing is None
    finish(bench, ids[0], figures={"seconds": 90.0})
    assert bench.advice.tried(["topic"], first).standing.minutes == 1.5


def test_the_best_is_first_and_what_cannot_be_told_apart_is_tied(bench):
    audit(bench, 40)
    ids = [bench.train.start(["topic"], method="fixmatch") for _ in range(3)]
    for run_id, right, seed in zip(ids, (0.98, 0.98, 0.4), (1, 2, 3)):
        finish(bench, run_id, right=right, seed=seed)
    found = {held.key: held for held in bench.advice.standings(bench.task())}
    good, also, poor = (found[f"run:{run_id}"] for run_id in ids)
    assert good.rank == also.rank == 1
    assert good.tied
    assert poor.rank > 1
    assert found["instant"].adopted
    assert found["instant"].minutes is None
    order = [held.rank for held in bench.advice.standings(bench.task())]
    assert order == sorted(order)


def test_a_run_that_collapsed_has_no_rank(bench):
    audit(bench, 40)
    ids = [bench.train.start(["topic"], method=method) for method in ("fixmatch", "mean_teacher")]
    gone = {"tasks": {"topic": {"collapsed": True}}, "note": "Collapsed on 'topic'. Do not adopt this run."}
    for run_id, figures, seed in zip(ids, (gone, {}), (1, 2)):
        finish(bench, run_id, right=0.98, seed=seed, figures=figures)
    places = bench.advice.standings(bench.task())
    last = places[-1]
    assert (last.key, last.rank, last.tied, last.collapsed) == (f"run:{ids[0]}", None, False, True)
    assert last.title.endswith("(collapsed)")
    assert last.lead is not None
    assert {held.key: held.rank for held in places}[f"run:{ids[1]}"] == 1
    said = _gave(Tried(bench.train.run(ids[0]), last))
    assert "collapsed" in said
    assert "no rank" in said
    assert "shared" not in said


def test_without_audit_answers_nothing_is_told_apart(bench):
    ids = [bench.train.start(["topic"], method="fixmatch") for _ in range(2)]
    for run_id, right in zip(ids, (1.0, 0.2)):
        finish(bench, run_id, right=right)
    found = {held.key: held.rank for held in bench.advice.standings(bench.task())}
    assert found["instant"] == 1, "by labels left out in turn"
    assert [found[f"run:{run_id}"] for run_id in ids] == [None, None]


def test_figures_of_different_items_are_not_ranked_as_if_they_were_the_same(bench):
    """With few audit answers the instant loop's figure is of labels left out, a run's of the audit items."""
    audit(bench, 10)
    good, poor = (bench.train.start(["topic"], method="fixmatch") for _ in range(2))
    finish(bench, good, right=1.0)
    finish(bench, poor, right=0.0)
    places = bench.advice.standings(bench.task())
    sources = {held.key: held.source for held in places}
    assert (sources["instant"], sources[f"run:{good}"]) == ("out-of-fold", "audit")
    assert all(held.mixed for held in places)
    scores = {}
    for held in places:
        candidate = bench.compare.candidate(bench.task(), held.key)
        scores[held.key] = bench.compare.scores(bench.task(), candidate).mean()
    along = [scores[held.key] for held in places]
    assert along == sorted(along, reverse=True), "the order is by what all were asked"
    found = {held.key: held for held in places}
    assert found[f"run:{good}"].rank == 1 < found[f"run:{poor}"].rank
    audit(bench, 30)
    assert not any(held.mixed for held in bench.advice.standings(bench.task()))


def test_what_a_run_saw_is_not_held_for_it(bench):
    audit(bench, 30)
    run_id = bench.train.start(["topic"], method="fixmatch")
    finish(bench, run_id, right=0.5, seed=4)
    report = bench.advice.report(["topic"])
    assert json.loads(json.dumps(report, default=str))["project"] == bench.project
    assert [held["key"] for held in report["leaderboard"]][-1] == f"run:{run_id}"
    assert report["beat"]["low"] < report["beat"]["value"]
    assert "20 more labels" in report["expected_gain"] or "too short" in report["expected_gain"]


def test_labels_come_first_only_while_they_bring_something():
    def more(value):
        gain = Gain(20, Interval(value, 0.0, 2 * value))
        return Advice("", gain, 40, "audit", 40)

    assert first_words(None) == first_words(more(0.02)) == "Label 20 more first."
    assert first_words(more(0.002)).startswith("Neither labels nor training")


def test_a_second_task_of_another_kind_is_no_obstacle(tmp_path, open_bench):
    store = Store.create(tmp_path / "two", modality="text")
    with store.importing() as batch:
        batch.ensure_task("topic", kind="single", classes=["a", "b"])
        batch.ensure_task("stars", kind="numeric")
        batch.add(
            [
                NewItem(key=str(i), text=f"text {i}", sha256=str(i), labels={"topic": NewLabel("ab"[i % 2])})
                for i in range(20)
            ]
        )
    store.close()
    bench = Workbench.open("two", root=tmp_path)
    assert len(bench.advice.counsel(["topic"]).proposals) >= 1
    assert bench.advice.standings(bench.task("stars")) == []
    assert bench.advice.counsel(["stars"]).proposals == ()
    assert np.isclose(bench.advice.situation(["stars"]).task.labels, 0)
    bench.close()


def test_the_command_prints_and_starts(tmp_path, open_bench, monkeypatch, capsys):
    bench = open_bench(n=120, labelled=16)
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    assert main(["advise", bench.project, "--minutes", "1", "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert {"situation", "like", "beat", "labels_first", "proposals", "leaderboard"} <= set(held)
    assert all(
        Recipe.parse({k: v for k, v in p["recipe"].items() if k != "tasks"}) for p in held["proposals"]
    )
    assert bench.store.runs.list() == []
    assert main(["advise", bench.project, "--minutes", "1", "--start"]) == 0
    said = capsys.readouterr().out
    assert "To beat: the instant loop" in said
    assert "Queued as runs 1, 2, 3." in said
    assert [run.status for run in bench.store.runs.list()] == ["queued"] * 3
